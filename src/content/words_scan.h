/* words_scan.h: a text's words, folded, in order. Part of content/words; others include words.h.
 */
#ifndef ROTA_CONTENT_WORDS_SCAN_H
#define ROTA_CONTENT_WORDS_SCAN_H

#include <stddef.h>

/* Bytes of a folded word; what is longer is not a word that anybody types. */
#define WORD_BYTES_MAX 64

typedef enum {
    SCAN_WORD,     /* letters and digits without a break */
    SCAN_COMPOUND, /* words joined into an address, a domain, a number, an identifier: comes after
                      its words */
} ScanKind;

/* `word` is not terminated and borrowed for the call. */
typedef void (*ScanFunc)(const char *word, size_t size, ScanKind kind, void *data);

/* Calls `each` for the words and compounds of a text (valid UTF-8). Linear, but for ICU's
 * dictionaries. Any thread. */
void words_scan(const char *text, size_t size, ScanFunc each, void *data);

#endif
