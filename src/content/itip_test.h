/* itip_test.h: what the tests of iTIP share: objects of a few lines, and looking into them.
 */
#ifndef ROTA_CONTENT_ITIP_TEST_H
#define ROTA_CONTENT_ITIP_TEST_H

#include "support.h"

#include <string.h>

#include "content/itip.h"

#define HEAD       "BEGIN:VCALENDAR\r\nPRODID:-//Example//EN\r\nVERSION:2.0\r\n"
#define TAIL       "END:VCALENDAR\r\n"
#define METHOD(x)  "METHOD:" x "\r\n"
#define EVENT(x)   "BEGIN:VEVENT\r\n" x "END:VEVENT\r\n"
#define TASK_OF(x) "BEGIN:VTODO\r\n" x "END:VTODO\r\n"

#define OBJECT(parts) HEAD parts TAIL
#define MESSAGE(method, parts)                                                                     \
    HEAD METHOD(method)                                                                            \
    parts TAIL

/* Unfolded text of a calendar object; the caller's. */
static inline char *unfolded(GBytes *bytes)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    g_autofree char *text = g_strndup(data ? data : "", size);
    g_auto(GStrv) pieces = g_strsplit(text, "\r\n ", -1);
    return g_strjoinv("", pieces);
}

/* Each of `wanted`, parted by '|', is in the text; with a '!' before it is not. */
static inline void check_text(const char *what, const char *text, const char *wanted)
{
    g_auto(GStrv) all = g_strsplit(wanted, "|", -1);
    for (unsigned i = 0; all[i]; i++) {
        bool no = all[i][0] == '!';
        if (*all[i] && (strstr(text, all[i] + no) != NULL) == no)
            fail_msg("%s: got\n%s\nwant it %s \"%s\"", what, text, no ? "without" : "with",
                     all[i] + no);
    }
}

static inline ItipObject *object_of(const char *what, const char *text)
{
    g_autoptr(GError) error = NULL;
    ItipObject *object = itip_object_parse(text, strlen(text), NULL, &error);
    if (!object)
        fail_msg("%s: could not parse: %s\n%s", what, error->message, text);
    return object;
}

#endif
