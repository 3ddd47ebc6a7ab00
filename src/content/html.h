/* html.h: the text of an HTML page as people see it.
 *
 * Pure; any thread. Linear in its input; the output is never longer than the input by more than a
 * newline. Input and output are valid UTF-8.
 */
#ifndef ROTA_CONTENT_HTML_H
#define ROTA_CONTENT_HTML_H

#include <glib.h>

/* Appends to out: tags removed, entities resolved, white space folded, blocks and line breaks as
 * newlines. Comments, scripts, styles, titles and elements that are hidden by their own attributes
 * (display:none, visibility:hidden, hidden) are left out. */
void html_append_text(GString *out, const char *html, size_t size);

#endif
