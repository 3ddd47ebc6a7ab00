/* message_text: charsets, transfer encodings and encoded words of mail.
 *
 * Mail lies about its charset: it names none and has 8-bit bytes, says us-ascii or iso-8859-1 and
 * means windows-1252 or UTF-8, says gb2312 and uses GB 18030. So a name is first widened to the
 * charset that contains it and is what senders mean (the WHATWG encoding standard does the same),
 * and for the Latin ones valid UTF-8 wins over the name: a text in windows-1252 with 8-bit letters
 * is next to never valid UTF-8 by chance.
 *
 * The conversion is iconv's through GMime, byte by byte where it breaks: an invalid sequence costs
 * one U+FFFD and one byte.
 *
 * Failures: none; the worst input gives U+FFFD.
 * Weak points: no statistics over charsets: unlabelled KOI8-R, Big5 or Shift_JIS is read as
 * windows-1252.
 */
#include <errno.h>
#include <iconv.h>

#include <gmime/gmime.h>

#include "content/encoded_word.h"
#include "content/message_text.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* Charsets as named, lower case, and what is meant by them. The second column goes to iconv. */
static const struct {
    const char *name, *meant;
} WIDENED[] = {
    {"gb2312", "gb18030"},          {"gbk", "gb18030"},
    {"gb_2312-80", "gb18030"},      {"x-gbk", "gb18030"},
    {"ks_c_5601-1987", "cp949"},    {"euc-kr", "cp949"},
    {"shift_jis", "cp932"},         {"x-sjis", "cp932"},
    {"big5", "big5-hkscs"},         {"x-x-big5", "big5-hkscs"},
    {"iso-8859-9", "cp1254"},       {"iso-8859-11", "cp874"},
    {"tis-620", "cp874"},           {"iso-8859-8-i", "iso-8859-8"},
    {"unicode-1-1-utf-7", "utf-7"},
};

/* Names that say no more than "some Latin text", or nothing. */
static const char *const LATIN[] = {
    "",
    "us-ascii",
    "ascii",
    "ansi_x3.4-1968",
    "iso-8859-1",
    "iso8859-1",
    "latin1",
    "iso_8859-1",
    "cp1252",
    "windows-1252",
    "x-ansi",
    "iso-8859-15",
    "unknown-8bit",
    "8bit",
    "default",
    "unknown",
    "x-unknown",
    "iso-8859-1-windows-3.1-latin-1",
};

static size_t ascii_run(const char *bytes, size_t size)
{
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        guint64 word;
        memcpy(&word, bytes + at, 8);
        if (word & G_GUINT64_CONSTANT(0x8080808080808080))
            break;
    }
    /* The analyser does not see that text_unfold fills what strlen counts. */
    while (at < size && !(bytes[at] & 0x80)) /* NOLINT(clang-analyzer-core.Undefined*) */
        at++;
    return at;
}

static void append_ascii(GString *out, const char *bytes, size_t size)
{
    while (size) {
        const char *cr = memchr(bytes, '\r', size);
        size_t run = cr ? (size_t)(cr - bytes) : size;
        const char *nul = memchr(bytes, '\0', run);
        if (nul)
            run = (size_t)(nul - bytes);
        g_string_append_len(out, bytes, (gssize)run);
        if (run < size)
            run++; /* the CR or NUL itself */
        bytes += run;
        size -= run;
    }
}

/* UTF-8 that may be broken, mended: U+FFFD for what is not UTF-8; NUL and CR left out. */
static void append_utf8(GString *out, const char *bytes, size_t size)
{
    while (size) {
        size_t run = ascii_run(bytes, size);
        append_ascii(out, bytes, run);
        bytes += run;
        size -= run;
        const char *start = bytes;
        while (size && (*bytes & 0x80)) { /* NOLINT(clang-analyzer-core.Undefined*) */
            gunichar c = g_utf8_get_char_validated(bytes, (gssize)MIN(size, 4));
            if (c >= (gunichar)-2)
                break;
            size_t step = (size_t)g_unichar_to_utf8(c, NULL);
            bytes += step;
            size -= step;
        }
        g_string_append_len(out, start, bytes - start);
        if (size && (*bytes & 0x80)) {
            g_string_append(out, REPLACEMENT);
            bytes++;
            size--;
        }
    }
}

/* Damaged UTF-8 is still UTF-8 as long as most of its 8-bit parts are whole characters. */
static bool looks_like_utf8(const char *bytes, size_t size)
{
    size_t good = 0, bad = 0;
    for (size_t at = 0; at < size;) {
        if (!(bytes[at] & 0x80)) {
            at += ascii_run(bytes + at, size - at);
            continue;
        }
        gunichar c = g_utf8_get_char_validated(bytes + at, (gssize)MIN(size - at, 4));
        bool whole = c < (gunichar)-2;
        at += whole ? (size_t)g_unichar_to_utf8(c, NULL) : 1;
        *(whole ? &good : &bad) += 1;
    }
    return good >= bad;
}

static bool is_latin(const char *charset)
{
    for (size_t i = 0; i < G_N_ELEMENTS(LATIN); i++)
        if (strcmp(LATIN[i], charset) == 0)
            return true;
    return false;
}

/* A name that is safe to hand to iconv: no path, no "//TRANSLIT". Lower case in `folded`, "" where
 * it is none. */
static void charset_fold(const char *charset, char folded[48])
{
    size_t at = 0;
    for (; charset && charset[at]; at++) {
        char c = charset[at];
        if (at == 47 || !(g_ascii_isalnum(c) || strchr("-_.:+()", c))) {
            at = 0;
            break;
        }
        folded[at] = g_ascii_tolower(c);
    }
    folded[at] = '\0';
}

static bool append_by_iconv(GString *out, const char *bytes, size_t size, const char *charset)
{
    for (size_t i = 0; i < G_N_ELEMENTS(WIDENED); i++)
        if (strcmp(WIDENED[i].name, charset) == 0)
            charset = WIDENED[i].meant;
    iconv_t converter = g_mime_iconv_open("UTF-8", charset);
    if (converter == (iconv_t)-1)
        return false;
    char buffer[8192];
    union {
        const char *in;
        char *iconv_wants; /* iconv does not write through it */
    } at = {bytes};
    size_t left = size;
    for (bool flushed = false; !flushed;) {
        char *to = buffer;
        size_t room = sizeof(buffer);
        flushed = left == 0;
        size_t result = flushed ? iconv(converter, NULL, NULL, &to, &room)
                                : iconv(converter, &at.iconv_wants, &left, &to, &room);
        bool stuck = result == (size_t)-1 && errno != E2BIG;
        append_utf8(out, buffer, sizeof(buffer) - room);
        if (stuck && left) {
            g_string_append(out, REPLACEMENT);
            at.in++;
            left--;
        }
    }
    g_mime_iconv_close(converter);
    return true;
}

void text_append(GString *out, const char *bytes, size_t size, const char *charset)
{
    if (!size)
        return;
    char name[48];
    charset_fold(charset, name);
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 && g_str_has_prefix(name, "utf-8")) {
        bytes += 3;
        size -= 3;
    }
    bool ascii = ascii_run(bytes, size) == size;
    if (is_latin(name)) {
        if (ascii && !(memmem(bytes, size, "\033$", 2) && (!name[0] || name[0] == 'u')))
            append_ascii(out, bytes, size);
        else if (ascii)
            append_by_iconv(out, bytes, size, "iso-2022-jp");
        else if (g_utf8_validate_len(bytes, size, NULL) ||
                 !append_by_iconv(out, bytes, size,
                                  strcmp(name, "iso-8859-15") == 0 ? name : "cp1252"))
            append_utf8(out, bytes, size);
        return;
    }
    if (strcmp(name, "utf-8") == 0 || strcmp(name, "utf8") == 0) {
        if (ascii || looks_like_utf8(bytes, size) || !append_by_iconv(out, bytes, size, "cp1252"))
            append_utf8(out, bytes, size);
        return;
    }
    if (!append_by_iconv(out, bytes, size, name))
        text_append(out, bytes, size, "");
}

const char *text_decode_transfer(const char *encoding, const char *bytes, size_t size,
                                 GString *buffer, size_t *ret_size)
{
    GMimeContentEncoding kind =
        encoding ? g_mime_content_encoding_from_string(encoding) : GMIME_CONTENT_ENCODING_DEFAULT;
    *ret_size = size;
    if (kind != GMIME_CONTENT_ENCODING_BASE64 && kind != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE &&
        kind != GMIME_CONTENT_ENCODING_UUENCODE)
        return bytes;
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, kind);
    g_string_set_size(buffer, g_mime_encoding_outlen(&state, size) + 4);
    *ret_size = g_mime_encoding_flush(&state, bytes, size, buffer->str);
    g_string_truncate(buffer, *ret_size);
    return buffer->str;
}

char *text_unfold(const char *value, size_t size)
{
    char *out = g_malloc(size + 1), *to = out;
    for (size_t i = 0; i < size; i++)
        if (value[i] && value[i] != '\r' && value[i] != '\n')
            *to++ = value[i];
    *to = '\0';
    return out;
}

char *text_line_take(char *text)
{
    if (!text)
        return g_strdup("");
    size_t size = strlen(text);
    if (ascii_run(text, size) != size && !g_utf8_validate_len(text, size, NULL)) {
        GString *mended = g_string_sized_new(size + 16);
        append_utf8(mended, text, size);
        g_free(text);
        text = g_string_free(mended, FALSE);
    }
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from & 0x80 || (*from > ' ' && *from != 0x7f))
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    if (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
    return text;
}

char *text_of_header(const char *value, size_t size)
{
    g_autofree char *unfolded = text_unfold(value, size);
    size = strlen(unfolded);
    bool ascii = ascii_run(unfolded, size) == size;
    if (ascii && !strstr(unfolded, "=?") && !strstr(unfolded, "\033$"))
        return text_line_take(g_steal_pointer(&unfolded));
    if (!ascii || !strstr(unfolded, "=?")) {
        GString *out = g_string_sized_new(size * 2);
        text_append(out, unfolded, size, NULL);
        g_free(unfolded);
        unfolded = g_string_free(out, FALSE);
    }
    return text_line_take(encoded_words_decode(unfolded));
}

char *text_of_structured(const char *value, size_t size)
{
    char *unfolded = text_unfold(value, size);
    if (!g_str_is_ascii(unfolded)) {
        GString *mended = g_string_new(NULL);
        text_append(mended, unfolded, strlen(unfolded), NULL);
        g_free(unfolded);
        unfolded = g_string_free(mended, FALSE);
    }
    if (!strstr(unfolded, "=?"))
        return unfolded;
    char *joined = encoded_words_join(unfolded);
    g_free(unfolded);
    return joined;
}
