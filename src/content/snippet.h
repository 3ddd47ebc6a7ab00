/* snippet.h: where the words of a query are in a text, as HTML with <mark> (RFC 8621 §5).
 *
 * A word of the text is marked where the index would find it by a word of the query: folded alike,
 * or of one stem. Pure; any thread.
 */
#ifndef ROTA_CONTENT_SNIPPET_H
#define ROTA_CONTENT_SNIPPET_H

#include "content/words.h"

#define SNIPPET_BYTES_MAX 255 /* RFC 8621 §5 */

/* Terms by which words are known; languages as in query_terms. */
typedef struct {
    GHashTable *terms;
    uint64_t languages;
} SnippetWords;
void snippet_words_init(SnippetWords *words, uint64_t languages);
/* What a query asks for; not what it asks not to be there. */
void snippet_words_add(SnippetWords *words, const QueryNode *query);
void snippet_words_clear(SnippetWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SnippetWords, snippet_words_clear)

/* The whole text, escaped and marked; NULL: none of the words is in it. The caller's. */
char *snippet_of_line(const char *text, const SnippetWords *words);
/* The same of what is around the first of the words, white space folded, at most
 * SNIPPET_BYTES_MAX. */
char *snippet_of_text(const char *text, const SnippetWords *words);

#endif
