/* subject: what a subject is about, without what replies and lists put around it.
 *
 * How it fits: threads (model/deliver_batch.c) and the order by subject (front/jmap_email_sort.c)
 * compare base subjects as RFC 5256 §2.1 makes them. Pure. Known weak point: prefixes of other
 * languages ("AW:", "SV:") are no part of the RFC and stay, so that such a reply begins a thread of
 * its own.
 */
#include "content/subject.h"

#include <string.h>

/* "[list] " and the like at the beginning, unless nothing comes after it. */
static const char *skip_blob(const char *at)
{
    const char *end = *at == '[' ? strpbrk(at + 1, "[]") : NULL;
    if (!end || *end != ']')
        return at;
    end++;
    end += strspn(end, " \t");
    return *end ? end : at;
}

/* "re:", "fwd [x] :"; the same place where there is none. */
static const char *skip_leader(const char *at)
{
    static const char *const words[] = {"re", "fwd", "fw"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        size_t size = strlen(words[i]);
        if (g_ascii_strncasecmp(at, words[i], size) != 0)
            continue;
        const char *end = at + size + strspn(at + size, " \t");
        if (*end == '[') {
            const char *close = strpbrk(end + 1, "[]");
            end = close && *close == ']' ? close + 1 + strspn(close + 1, " \t") : end;
        }
        if (*end == ':')
            return end + 1 + strspn(end + 1, " \t");
    }
    return at;
}

char *subject_base(const char *subject)
{
    char *text = g_strdup(subject), *end = text + strlen(text);
    const char *at = text + strspn(text, " \t"), *before, *until;
    do {
        before = at;
        until = end;
        while (end > at && g_ascii_isspace(end[-1]))
            *--end = '\0';
        while (end - at >= 5 && g_ascii_strcasecmp(end - 5, "(fwd)") == 0)
            *(end -= 5) = '\0';
        at = skip_blob(skip_leader(at));
        if (end > at && end[-1] == ']' && g_ascii_strncasecmp(at, "[fwd:", 5) == 0) {
            *--end = '\0';
            at += 5 + strspn(at + 5, " \t");
        }
    } while (at != before || end != until);
    memmove(text, at, (size_t)(end - at) + 1);
    return text;
}
