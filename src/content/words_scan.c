/* words_scan: breaks a text into words and folds them.
 *
 * Three ways, by what a chunk (bytes without ASCII space or punctuation) is made of. All fold to
 * the same form: NFKC_Casefold without diacritics.
 * - ASCII: by a table of bytes. Nearly all mail.
 * - Characters below U+0500 (Latin, Greek, Cyrillic) and general punctuation: by a table of
 * characters, made once by ICU.
 * - The rest: by ICU, whose word break iterator has dictionaries for Chinese, Japanese, Thai, Lao,
 * Khmer and Burmese. The iterators belong to the thread.
 *
 * Diacritics go from Latin and Greek letters, points from Hebrew, vowel marks from Arabic. They
 * stay where they make another letter: Cyrillic short i (й), the signs of Indic scripts, voicing
 * marks of kana (composed by NFKC).
 *
 * A compound is what is written in one piece with single joining characters: ada@example.org,
 * example.org, 2025-12-01, snake_case. It counts as a word too, so that it is found whole. An
 * address gives its domain as well. Plain hyphens and apostrophes join nothing: "well-known" is two
 * words.
 *
 * Failures: none. Where ICU cannot open an iterator (no memory, no data) a chunk gives no words.
 * Weak points: the dictionaries differ between versions of ICU, so that nodes of one cluster should
 * run the same; a Chinese word that the dictionary breaks otherwise in its sentence is not found by
 * itself.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/must.h"
#include "content/words_scan.h"

#define TABLE_END       0x500
#define CHUNK_BYTES_MAX 1024 /* read at once; a sentence of Chinese fits */
#define JOINERS         "@._-+"

enum { BYTE_BREAK, BYTE_WORD, BYTE_JOIN, BYTE_HIGH };

typedef enum { CHAR_BREAK, CHAR_WORD, CHAR_IGNORED, CHAR_COMPLEX } CharKind;

typedef struct {
    uint8_t kind, size;
    char folded[6];
} CharFold;

static uint8_t byte_kind[256];
static char byte_lower[256];
static CharFold char_folds[TABLE_END];
static const UNormalizer2 *casefold, *decompose, *compose;

typedef struct {
    ScanFunc each;
    void *data;
} Scan;

typedef struct {
    UBreakIterator *words;
} Breaker;

static void breaker_free(gpointer data)
{
    Breaker *breaker = data;
    ubrk_close(breaker->words);
    g_free(breaker);
}

static GPrivate breaker_key = G_PRIVATE_INIT(breaker_free);

static UBreakIterator *breaker_get(void)
{
    Breaker *breaker = g_private_get(&breaker_key);
    if (!breaker) {
        UErrorCode error = U_ZERO_ERROR;
        UBreakIterator *words = ubrk_open(UBRK_WORD, "", NULL, 0, &error);
        if (U_FAILURE(error))
            return NULL;
        breaker = g_new0(Breaker, 1);
        breaker->words = words;
        g_private_set(&breaker_key, breaker);
    }
    return breaker->words;
}

/* Marks that make no other letter. */
static bool is_dropped_mark(UChar32 c, UChar32 base)
{
    if (c >= 0x300 && c <= 0x36F)
        return !(c == 0x306 && (base == 0x438 || base == 0x418)); /* й is и with a breve */
    return (c >= 0x591 && c <= 0x5C7 && u_charType(c) == U_NON_SPACING_MARK) ||
           (c >= 0x64B && c <= 0x65F) || c == 0x670 || c == 0x640; /* tatweel only stretches */
}

/* Folds UTF-16 in place of `to`; returns its size, -1 where it does not fit or ICU fails. */
static int32_t fold_utf16(const UChar *text, int32_t size, UChar *to, int32_t room)
{
    UErrorCode error = U_ZERO_ERROR;
    UChar folded[4 * CHUNK_BYTES_MAX], marked[4 * CHUNK_BYTES_MAX];
    int32_t folded_size =
        unorm2_normalize(casefold, text, size, folded, G_N_ELEMENTS(folded), &error);
    int32_t marked_size =
        unorm2_normalize(decompose, folded, folded_size, marked, G_N_ELEMENTS(marked), &error);
    if (U_FAILURE(error))
        return -1;
    int32_t kept = 0;
    UChar32 base = 0;
    for (int32_t at = 0; at < marked_size;) {
        int32_t begin = at;
        UChar32 c;
        U16_NEXT(marked, at, marked_size, c);
        if (is_dropped_mark(c, base))
            continue;
        base = c;
        memmove(marked + kept, marked + begin, (size_t)(at - begin) * sizeof(UChar));
        kept += at - begin;
    }
    int32_t result = unorm2_normalize(compose, marked, kept, to, room, &error);
    return U_FAILURE(error) ? -1 : result;
}

static void char_fold_init(UChar32 c)
{
    CharFold *fold = &char_folds[c];
    UChar source = (UChar)c, folded[16];
    int32_t size = fold_utf16(&source, 1, folded, G_N_ELEMENTS(folded));
    if (size == 0) {
        fold->kind = CHAR_IGNORED;
        return;
    }
    for (int32_t at = 0; at < size;) {
        UChar32 each;
        U16_NEXT(folded, at, size, each);
        if (!u_isalnum(each))
            return; /* CHAR_BREAK */
    }
    int32_t bytes = 0;
    UErrorCode error = U_ZERO_ERROR;
    u_strToUTF8(fold->folded, sizeof(fold->folded), &bytes, folded, size, &error);
    if (U_FAILURE(error) || size < 0)
        return;
    fold->kind = CHAR_WORD;
    fold->size = (uint8_t)bytes;
}

static void tables_init(void)
{
    static gsize once;
    if (!g_once_init_enter(&once))
        return;
    UErrorCode error = U_ZERO_ERROR;
    casefold = unorm2_getNFKCCasefoldInstance(&error);
    decompose = unorm2_getNFDInstance(&error);
    compose = unorm2_getNFCInstance(&error);
    MUST(U_SUCCESS(error));
    for (unsigned byte = 0; byte < 256; byte++)
        byte_lower[byte] = g_ascii_tolower((char)byte);
    for (unsigned byte = 0; byte < 256; byte++)
        byte_kind[byte] = byte & 0x80                          ? BYTE_HIGH
                          : g_ascii_isalnum((char)byte)        ? BYTE_WORD
                          : byte && strchr(JOINERS, (int)byte) ? BYTE_JOIN
                                                               : BYTE_BREAK;
    for (UChar32 c = 0x80; c < TABLE_END; c++)
        char_fold_init(c);
    g_once_init_leave(&once, 1);
}

static CharKind char_kind(UChar32 c)
{
    if (c < TABLE_END)
        return char_folds[c].kind;
    if ((c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c < 0x2070))
        return CHAR_IGNORED; /* format characters */
    if (c >= 0x2000 && c < 0x2070)
        return CHAR_BREAK;
    if ((c >= 0x2190 && c < 0x2460) || (c >= 0x2500 && c < 0x2C00) || c == 0x3000 || c == 0xFFFD ||
        c >= 0x1F000)
        return c >= 0x20000 && c < 0x40000 ? CHAR_COMPLEX : CHAR_BREAK;
    return c == 0xFEFF ? CHAR_IGNORED : CHAR_COMPLEX;
}

/* The domains above a domain: of lists.example.org, example.org. A name that ends in a digit is a
 * number. */
static void emit_domains(const Scan *scan, const char *begin, const char *end)
{
    const char *top = begin;
    for (const char *at = begin; at < end; at++) {
        if (*at == '_' || *at == '+')
            return;
        if (*at == '.')
            top = at + 1;
    }
    if (end - top < 2 || g_ascii_isdigit(end[-1]))
        return;
    for (const char *dot; (dot = memchr(begin, '.', (size_t)(top - 1 - begin))) && dot < top - 1;
         begin = dot + 1)
        scan->each(dot + 1, (size_t)(end - dot - 1), SCAN_COMPOUND, scan->data);
}

/* A compound from `begin` to `end`, if it is one that people look for whole. */
static void emit_compound(const Scan *scan, const char *begin, const char *end)
{
    bool digit = false, dotted = false, joined = false, scored = false;
    const char *sign = NULL;
    for (const char *at = begin; at < end; at++) {
        digit |= g_ascii_isdigit(*at);
        dotted |= *at == '.';
        scored |= *at == '_';
        joined |= *at == '-' || *at == '+';
        if (*at == '@' && !sign)
            sign = at;
    }
    if (!(dotted || scored || sign || (digit && joined)) || end - begin > WORD_BYTES_MAX)
        return;
    scan->each(begin, (size_t)(end - begin), SCAN_COMPOUND, scan->data);
    if (sign) {
        emit_compound(scan, begin, sign);
        emit_compound(scan, sign + 1, end);
    } else if (dotted) {
        emit_domains(scan, begin, end);
    }
}

/* The words of a folded chunk, in which bytes above 0x7F are letters. */
static void emit_folded(const Scan *scan, const char *chunk, size_t size)
{
    const char *end = chunk + size, *compound = NULL, *last = chunk;
    bool joined = false; /* the compound has more than one word */
    for (const char *at = chunk; at < end;) {
        uint8_t kind = byte_kind[(uint8_t)*at];
        if (kind == BYTE_WORD || kind == BYTE_HIGH) {
            const char *word = at;
            while (at < end && (byte_kind[(uint8_t)*at] & BYTE_WORD))
                at++;
            if (at - word <= WORD_BYTES_MAX)
                scan->each(word, (size_t)(at - word), SCAN_WORD, scan->data);
            joined = compound != NULL;
            if (!compound)
                compound = word;
            last = at;
            continue;
        }
        bool joins = kind == BYTE_JOIN && at == last && at + 1 < end &&
                     (byte_kind[(uint8_t)at[1]] & BYTE_WORD);
        if (compound && !joins) {
            if (joined)
                emit_compound(scan, compound, last);
            compound = NULL;
            joined = false;
        }
        at++;
    }
    if (compound && joined)
        emit_compound(scan, compound, last);
}

/* By ICU: normalise, break, emit. */
static void scan_complex(const Scan *scan, const char *chunk, size_t size)
{
    UBreakIterator *words = breaker_get();
    UErrorCode error = U_ZERO_ERROR;
    UChar text[CHUNK_BYTES_MAX + 1], folded[4 * CHUNK_BYTES_MAX];
    int32_t text_size = 0;
    u_strFromUTF8(text, G_N_ELEMENTS(text), &text_size, chunk, (int32_t)size, &error);
    int32_t folded_size =
        U_FAILURE(error) ? -1 : fold_utf16(text, text_size, folded, G_N_ELEMENTS(folded));
    if (!words || folded_size < 0)
        return;
    ubrk_setText(words, folded, folded_size, &error);
    int32_t begin = ubrk_first(words);
    for (int32_t end = ubrk_next(words); U_SUCCESS(error) && end != UBRK_DONE;
         begin = end, end = ubrk_next(words)) {
        if (ubrk_getRuleStatus(words) < UBRK_WORD_NONE_LIMIT)
            continue;
        char word[WORD_BYTES_MAX];
        int32_t bytes = 0;
        UErrorCode narrow = U_ZERO_ERROR; /* a word that is too long is left out */
        u_strToUTF8(word, sizeof(word), &bytes, folded + begin, end - begin, &narrow);
        if (!U_FAILURE(narrow))
            scan->each(word, (size_t)bytes, SCAN_WORD, scan->data);
    }
}

/* A chunk with bytes above 0x7F, of at most CHUNK_BYTES_MAX. */
static void scan_high(const Scan *scan, const char *chunk, size_t size)
{
    char folded[3 * CHUNK_BYTES_MAX]; /* two bytes become at most six */
    size_t to = 0;
    for (size_t at = 0; at < size;) {
        uint8_t byte = (uint8_t)chunk[at];
        if (!(byte & 0x80)) {
            folded[to++] = byte_lower[(uint8_t)chunk[at++]];
            continue;
        }
        UChar32 c = (UChar32)g_utf8_get_char(chunk + at);
        at += g_utf8_skip[byte];
        switch (char_kind(c)) {
        case CHAR_WORD:
            memcpy(folded + to, char_folds[c].folded, char_folds[c].size);
            to += char_folds[c].size;
            break;
        case CHAR_BREAK:
            folded[to++] = ' ';
            break;
        case CHAR_IGNORED:
            break;
        case CHAR_COMPLEX:
            scan_complex(scan, chunk, size);
            return;
        }
    }
    emit_folded(scan, folded, to);
}

static void scan_ascii(const Scan *scan, const char *chunk, size_t size)
{
    char folded[CHUNK_BYTES_MAX];
    for (size_t at = 0; at < size; at++)
        folded[at] = byte_lower[(uint8_t)chunk[at]];
    emit_folded(scan, folded, size);
}

void words_scan(const char *text, size_t size, ScanFunc each, void *data)
{
    tables_init();
    const Scan scan = {each, data};
    const char *end = text + size;
    for (const char *at = text; at < end;) {
        while (at < end &&
               (byte_kind[(uint8_t)*at] == BYTE_BREAK || byte_kind[(uint8_t)*at] == BYTE_JOIN))
            at++;
        const char *chunk = at;
        uint8_t seen = 0;
        while (at < end && at - chunk < CHUNK_BYTES_MAX && byte_kind[(uint8_t)*at] != BYTE_BREAK)
            seen |= (uint8_t)*at++;
        if (at < end && at - chunk == CHUNK_BYTES_MAX)
            while (at > chunk + CHUNK_BYTES_MAX - 4 && (*at & 0xC0) == 0x80)
                at--; /* cut between characters */
        if (seen & 0x80)
            scan_high(&scan, chunk, (size_t)(at - chunk));
        else if (at > chunk)
            scan_ascii(&scan, chunk, (size_t)(at - chunk));
    }
}
