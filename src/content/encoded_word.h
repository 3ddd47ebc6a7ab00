/* encoded_word.h: RFC 2047 encoded words. Part of content/message; others include message.h.
 *
 * Our own, since GMime (3.2.13) joins neighbouring words before it decodes them, and so loses what
 * follows a padded base64 word. Pure; any thread. Linear. `text` is unfolded; the results are valid
 * UTF-8 as far as `text` is; the caller frees them.
 */
#ifndef ROTA_CONTENT_ENCODED_WORD_H
#define ROTA_CONTENT_ENCODED_WORD_H

#include <glib.h>

/* All encoded words as text. Bytes of one character that are split over two words of one charset
 * come together; white space between words goes away. */
char *encoded_words_decode(const char *text);

/* Each run of encoded words as one word in UTF-8 and base64, all else as it stands: for parsers
 * that decode one word well. */
char *encoded_words_join(const char *text);

#endif
