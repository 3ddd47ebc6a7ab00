/* snippet: marks words in a text.
 *
 * How it fits: front/jmap_snippet.c shows found emails by it. The text is cut into runs of letters
 * and digits, with what joins them into addresses and numbers; each is scanned as the index scans
 * it (words_scan.h), and its terms are compared with the query's.
 *
 * Failures: none. Known weak points: a run of a script without spaces is marked as a whole; of a
 * phrase each word is marked, wherever it stands.
 */
#include "content/snippet.h"

#include <string.h>

#include "content/words_scan.h"

#define BEFORE_BYTES 60 /* of a snippet, before the first word */

void snippet_words_init(SnippetWords *words, uint64_t languages)
{
    words->terms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    words->languages = languages;
}

void snippet_words_clear(SnippetWords *words)
{
    g_clear_pointer(&words->terms, g_hash_table_unref);
}

void snippet_words_add(SnippetWords *words, const QueryNode *query)
{
    for (guint i = 0; i < query->words->len; i++) {
        g_autoptr(GPtrArray) terms = query_terms(query->words->pdata[i], "", words->languages);
        for (guint k = 0; k < terms->len; k++)
            g_hash_table_add(words->terms, g_strdup(terms->pdata[k]));
    }
    for (guint i = 0; query->kind != QUERY_NOT && i < query->children->len; i++)
        snippet_words_add(words, query->children->pdata[i]);
}

/* ---------------------------------------------------------------- runs */

typedef struct {
    const SnippetWords *words;
    bool found, whole; /* one of its words; or the compound that it is */
} Look;

static void look_at(const char *word, size_t size, ScanKind kind, void *data)
{
    Look *look = data;
    g_autofree char *text = g_strndup(word, size);
    g_autoptr(GPtrArray) terms = query_terms(text, "", look->words->languages);
    for (guint i = 0; i < terms->len; i++)
        if (g_hash_table_contains(look->words->terms, terms->pdata[i]))
            *(kind == SCAN_COMPOUND ? &look->whole : &look->found) = true;
}

static bool is_letter(gunichar c)
{
    return g_unichar_isalnum(c) || g_unichar_ismark(c);
}

static const char *end_of_run(const char *at)
{
    while (*at && is_letter(g_utf8_get_char(at)))
        at += g_utf8_skip[(guchar)*at];
    return at;
}

/* Of runs that single characters join. */
static const char *end_of_compound(const char *at)
{
    const char *end = end_of_run(at);
    while (*end && strchr("@._-+", *end) && end_of_run(end + 1) > end + 1)
        end = end_of_run(end + 1);
    return end;
}

/* ---------------------------------------------------------------- pieces */

/* A piece of the text: a word that is marked, or one that is not with what follows it. */
typedef struct {
    const char *at;
    size_t size;
    bool marked;
} Piece;

static void add_piece(GArray *pieces, const char *at, const char *end, bool marked)
{
    const Piece piece = {at, (size_t)(end - at), marked};
    if (end > at)
        g_array_append_val(pieces, piece);
}

static void add_compound(GArray *pieces, const char *at, const char *end, const SnippetWords *words)
{
    Look all = {.words = words};
    words_scan(at, (size_t)(end - at), look_at, &all);
    if (all.whole || !all.found || end_of_run(at) == end) {
        add_piece(pieces, at, end, all.whole || all.found);
        return;
    }
    while (at < end) {
        const char *run = end_of_run(at);
        Look one = {.words = words};
        words_scan(at, (size_t)(run - at), look_at, &one);
        add_piece(pieces, at, run, one.found);
        if (run < end)
            add_piece(pieces, run, run + 1, false);
        at = run < end ? run + 1 : end;
    }
}

/* Calls for each place of the text; stops a while after the first marked one where `near`. */
static GArray *read_pieces(const char *text, const SnippetWords *words, bool near)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    size_t left = SNIPPET_BYTES_MAX;
    bool found = false;
    for (const char *at = text; *at && (!near || !found || left > 0);) {
        const char *end = end_of_compound(at);
        const guint before = pieces->len;
        if (end > at)
            add_compound(pieces, at, end, words);
        else
            add_piece(pieces, at, end = at + g_utf8_skip[(guchar)*at], false);
        for (guint i = before; i < pieces->len; i++)
            found = found || g_array_index(pieces, Piece, i).marked;
        left -= found ? MIN(left, (size_t)(end - at)) : 0;
        at = end;
    }
    if (!found)
        g_array_set_size(pieces, 0);
    return pieces;
}

/* ---------------------------------------------------------------- HTML */

static bool is_space(const Piece *piece)
{
    gunichar c = g_utf8_get_char(piece->at);
    return g_unichar_isspace(c) || g_unichar_iscntrl(c);
}

/* False: it does not fit. */
static bool write_piece(GString *out, const Piece *piece, size_t most)
{
    const bool space = is_space(piece);
    g_autofree char *text = g_markup_escape_text(piece->at, (gssize)piece->size);
    g_autofree char *html =
        piece->marked ? g_strconcat("<mark>", text, "</mark>", NULL) : g_strdup(space ? " " : text);
    if (space && (out->len == 0 || out->str[out->len - 1] == ' '))
        return true;
    if (out->len + strlen(html) > most)
        return false;
    g_string_append(out, html);
    return true;
}

char *snippet_of_line(const char *text, const SnippetWords *words)
{
    g_autoptr(GArray) pieces = read_pieces(text, words, false);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < pieces->len; i++)
        write_piece(out, &g_array_index(pieces, Piece, i), SIZE_MAX);
    return g_string_free(out, pieces->len == 0);
}

char *snippet_of_text(const char *text, const SnippetWords *words)
{
    g_autoptr(GArray) pieces = read_pieces(text, words, true);
    guint first = 0, begin;
    size_t before = 0;
    while (first < pieces->len && !g_array_index(pieces, Piece, first).marked)
        first++;
    for (begin = first; begin > 0; begin--) {
        const Piece *piece = &g_array_index(pieces, Piece, begin - 1);
        g_autofree char *html = g_markup_escape_text(piece->at, (gssize)piece->size);
        before += strlen(html);
        if (before > BEFORE_BYTES)
            break;
    }
    GString *out = g_string_new(NULL);
    for (guint i = begin; i < pieces->len; i++)
        if (!write_piece(out, &g_array_index(pieces, Piece, i), SNIPPET_BYTES_MAX))
            break;
    g_strchomp(out->str);
    return g_string_free(out, pieces->len == 0);
}
