/* text: see text.h.
 *
 * How it fits: errors of other systems go into rows and reports by it. Failures: none.
 */
#include "base/text.h"

#include <glib.h>

char *text_cut(const char *text, size_t letters)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    return g_utf8_substring(valid, 0, (glong)MIN((size_t)g_utf8_strlen(valid, -1), letters));
}
