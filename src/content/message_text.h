/* message_text.h: from bytes of a part or a header to UTF-8. Part of content/message; others
 * include message.h.
 *
 * Pure; any thread, after message_library_init. All of it is linear in its input, never fails, and
 * gives valid UTF-8 without NUL and CR.
 */
#ifndef ROTA_CONTENT_MESSAGE_TEXT_H
#define ROTA_CONTENT_MESSAGE_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Appends bytes in the charset that a mail names (NULL or "": none) to out. A name that is unknown
 * or plainly wrong gives way to what the bytes look like: UTF-8 if they are valid UTF-8,
 * ISO-2022-JP if they have its escapes, else windows-1252. What cannot be read becomes U+FFFD. */
void text_append(GString *out, const char *bytes, size_t size, const char *charset);

/* Undoes a Content-Transfer-Encoding (RFC 2045 section 6). Returns the decoded bytes: the input
 * itself for identity encodings (and unknown ones), else `buffer`'s, which is overwritten. */
const char *text_decode_transfer(const char *encoding, const char *bytes, size_t size,
                                 GString *buffer, size_t *ret_size);

/* The value of a header field, as it stands in the mail with its folding: unfolded, RFC 2047 words
 * decoded, white space at the ends removed and inside made single spaces. Caller frees. */
char *text_of_header(const char *value, size_t size);

/* Unfolded only, still encoded, safe to hand to a parser of addresses or parameters: no NUL, no
 * line ends. Caller frees. */
char *text_unfold(const char *value, size_t size);

/* As text_unfold, in UTF-8, and with each run of encoded words as one, for GMime's parsers. Caller
 * frees. */
char *text_of_structured(const char *value, size_t size);

/* One line for people: broken UTF-8 mended, controls and white space folded to single spaces. Takes
 * and frees `text` (NULL: ""). */
char *text_line_take(char *text);

#endif
