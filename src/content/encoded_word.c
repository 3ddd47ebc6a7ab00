/* encoded_word: finds, decodes and joins RFC 2047 encoded words.
 *
 * Read as mail has them, not only as the RFC wants them: of any length, inside words and quotes,
 * base64 without padding, with a language (RFC 2231).
 *
 * Failures: none; what is no encoded word stays as it is written.
 */
#include <stdbool.h>
#include <string.h>

#include <gmime/gmime.h>

#include "content/encoded_word.h"
#include "content/message_text.h"

#define CHARSET_BYTES_MAX 47

typedef struct {
    char charset[CHARSET_BYTES_MAX + 1];
    char encoding; /* 'b' or 'q' */
    const char *data, *data_end, *end;
} Word;

/* A run of neighbouring words as it is gathered: `text` decoded so far, `bytes` still in `charset`.
 */
typedef struct {
    GString *text, *bytes;
    char charset[CHARSET_BYTES_MAX + 1];
} Gathered;

static bool word_read(const char *at, Word *word)
{
    size_t size = strcspn(at + 2, "? ");
    const char *rest = at + 2 + size;
    if (!size || rest[0] != '?' || !rest[1] || rest[2] != '?')
        return false;
    word->encoding = g_ascii_tolower(rest[1]);
    word->data = rest + 3;
    /* "=?utf-8?q?=3D?=": the data may begin with "=", so that its "?=" is searched for behind it */
    word->data_end = strstr(word->data, "?=");
    size_t name = MIN(size, strcspn(at + 2, "*"));
    if (!word->data_end || name > CHARSET_BYTES_MAX ||
        (word->encoding != 'b' && word->encoding != 'q'))
        return false;
    if (word->encoding == 'b' && memchr(word->data, ' ', (size_t)(word->data_end - word->data)))
        return false;
    memcpy(word->charset, at + 2, name);
    word->charset[name] = '\0';
    word->end = word->data_end + 2;
    return true;
}

static void decode_quoted(GString *bytes, const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '_') {
            g_string_append_c(bytes, ' ');
        } else if (*at == '=' && end - at > 2 && g_ascii_isxdigit(at[1]) &&
                   g_ascii_isxdigit(at[2])) {
            g_string_append_c(
                bytes, (char)(g_ascii_xdigit_value(at[1]) * 16 + g_ascii_xdigit_value(at[2])));
            at += 2;
        } else {
            g_string_append_c(bytes, *at);
        }
    }
}

static void decode_base64(GString *bytes, const char *data, size_t size)
{
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, GMIME_CONTENT_ENCODING_BASE64);
    g_autofree char *padded =
        g_strdup_printf("%.*s===", (int)size, data); /* what a sender cut off */
    g_autofree char *out = g_malloc(g_mime_encoding_outlen(&state, size + 3) + 4);
    size_t got = g_mime_encoding_flush(&state, padded, size + (4 - size % 4) % 4, out);
    g_string_append_len(bytes, out, (gssize)got);
}

static void gathered_flush(Gathered *gathered)
{
    if (gathered->bytes->len)
        text_append(gathered->text, gathered->bytes->str, gathered->bytes->len, gathered->charset);
    g_string_truncate(gathered->bytes, 0);
}

static void gathered_add(Gathered *gathered, const Word *word)
{
    if (g_ascii_strcasecmp(gathered->charset, word->charset) != 0) {
        gathered_flush(gathered);
        g_strlcpy(gathered->charset, word->charset, sizeof(gathered->charset));
    }
    if (word->encoding == 'q')
        decode_quoted(gathered->bytes, word->data, word->data_end);
    else
        decode_base64(gathered->bytes, word->data, (size_t)(word->data_end - word->data));
}

/* Calls for each run of words: reads it from `at` on and returns its end. */
static const char *run_read(const char *at, Gathered *gathered)
{
    Word word;
    const char *end = at;
    while (strncmp(at, "=?", 2) == 0 && word_read(at, &word)) {
        gathered_add(gathered, &word);
        end = word.end;
        at = end + strspn(end, " \t");
    }
    gathered_flush(gathered);
    return end;
}

static char *words_replace(const char *text, bool join)
{
    GString *out = g_string_sized_new(strlen(text) + 16);
    Gathered gathered = {.text = g_string_new(NULL), .bytes = g_string_new(NULL)};
    const char *mark;
    while ((mark = strstr(text, "=?"))) {
        g_string_append_len(out, text, mark - text);
        g_string_truncate(gathered.text, 0);
        const char *end = run_read(mark, &gathered);
        if (end == mark) {
            g_string_append(out, "=?");
            end += 2;
        } else if (join) {
            g_autofree char *encoded =
                g_base64_encode((const guchar *)gathered.text->str, gathered.text->len);
            g_string_append_printf(out, "=?utf-8?B?%s?=", encoded);
        } else {
            g_string_append_len(out, gathered.text->str, (gssize)gathered.text->len);
        }
        text = end;
    }
    g_string_append(out, text);
    g_string_free(gathered.text, TRUE);
    g_string_free(gathered.bytes, TRUE);
    return g_string_free(out, FALSE);
}

char *encoded_words_decode(const char *text)
{
    return words_replace(text, false);
}

char *encoded_words_join(const char *text)
{
    return words_replace(text, true);
}
