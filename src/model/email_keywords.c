/* email_keywords: the keywords of a message as one text: sorted, each between spaces, ' $junk $seen
 * '; '' for none.
 *
 * How it fits: one column instead of a table: a message has few, they are read with it, and "has
 * $seen" is a search for ' $seen '. Pure.
 *
 * Failures: ERROR_REJECT for what RFC 8621 does not let be a keyword, and for more than
 * KEYWORDS_MAX.
 */
#include "model/email.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"

/* Where the keyword begins in the list (at the space before it), NULL if it is not there. `keyword`
 * is folded. */
static const char *find(const char *keywords, const char *keyword)
{
    size_t size = strlen(keyword);
    for (const char *at = keywords; at && *at; at = strchr(at + 1, ' '))
        if (strncmp(at + 1, keyword, size) == 0 && at[1 + size] == ' ')
            return at;
    return NULL;
}

bool keywords_have(const char *keywords, const char *keyword)
{
    g_autofree char *folded = g_ascii_strdown(keyword, -1);
    return *folded && find(keywords, folded);
}

bool keywords_unread(const char *keywords)
{
    return !find(keywords, "$seen") && !find(keywords, "$draft");
}

static bool keyword_right(const char *keyword)
{
    size_t size = strlen(keyword);
    if (size == 0 || size > KEYWORD_BYTES_MAX)
        return false;
    for (const char *at = keyword; *at; at++)
        if (*at < 0x21 || *at > 0x7e || strchr("(){]%*\"\\", *at))
            return false;
    return true;
}

static gint compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *keywords_set(const char *keywords, const char *keyword, bool on, GError **error)
{
    g_autofree char *folded = g_ascii_strdown(keyword, -1);
    if (!keyword_right(folded)) {
        g_autofree char *shown = g_utf8_make_valid(keyword, -1);
        fail(error, ERROR_REJECT, "\"%s\" cannot be a keyword", shown);
        return NULL;
    }
    g_auto(GStrv) words = g_strsplit(keywords, " ", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **word = words; *word; word++)
        if (**word && strcmp(*word, folded) != 0)
            g_ptr_array_add(kept, *word);
    if (on)
        g_ptr_array_add(kept, folded);
    if (on && kept->len > KEYWORDS_MAX) {
        fail(error, ERROR_REJECT, "a message can have %d keywords, and this one has them",
             KEYWORDS_MAX);
        return NULL;
    }
    g_ptr_array_sort(kept, compare);
    GString *text = g_string_new(kept->len ? " " : "");
    for (guint i = 0; i < kept->len; i++)
        g_string_append_printf(text, "%s ", (const char *)kept->pdata[i]);
    return g_string_free(text, false);
}
