/* words.h: from text to the terms that the search index holds, and from a query to the terms it
 * asks for. The same on both stores, since it is made here.
 *
 * A word is folded (NFKC, case, diacritics; CJK and Thai by ICU's dictionaries; at most 64 bytes).
 * The terms of a message are a set:
 *   word     it is somewhere: in the text, the subject, an address, a file name
 *   stem=L   instead of a word of text or subject that has a stem in the message's language, whose
 *            digit is L: so a stem is found by words of its own language alone
 *   x:term   it is nowhere in the text (so that body:word can be asked as "word and not x:word")
 *   s:term   in the subject; f: t: c: b: in From, To, Cc, Bcc; a: in a file name
 *   *        every message has it (so that a query can be all negation)
 * No term has white space in it. Pure and deterministic; any thread.
 */
#ifndef ROTA_CONTENT_WORDS_H
#define ROTA_CONTENT_WORDS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "content/message.h"

#define WORDS_TERM_ALL "*"

/* The message's terms, each once, with a space between; caller owns. *ret_language (may be NULL):
 * the number of the language that the stems are in, 0 none, below 64. At most
 * WORDS_TERMS_BYTES_MAX; what is over is left out from the end of the text. */
GString *words_of_message(const Message *message, unsigned *ret_language);
/* "english"; "" for 0. */
const char *words_language_name(unsigned language);

/* Calls `each` for every word of a text, folded but not stemmed (no language), in order; for the
 * classifier. */
typedef void (*WordFunc)(const char *word, size_t size, void *data);
void words_each(const char *text, size_t size, WordFunc each, void *data);

/* A parsed query: words joined by AND; OR, NOT or -word, ( ), "a phrase"; field:word with from, to,
 * cc, bcc, subject, body, attachment. AND binds closer than OR. What is written in one piece is one
 * word where the index has it whole (addresses, domains, numbers), else a phrase. */
typedef enum { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TERM, QUERY_PHRASE } QueryKind;
typedef struct QueryNode QueryNode;
struct QueryNode {
    QueryKind kind;
    GPtrArray *children; /* of QueryNode: AND, OR: any number; NOT: one */
    GPtrArray *words;    /* of char *, folded; TERM: one; PHRASE: in order */
    const char *field;   /* static: "" any, "body", "subject", ... */
};
/* ERROR_REJECT says what is wrong. */
QueryNode *query_parse(const char *text, GError **error);
void query_free(QueryNode *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueryNode, query_free)

/* The index's terms for a word of a query in a field: an alternative for each stem that it has in
 * `languages` (bit n: language n), and itself. For "body" each must be without its x: term, see
 * words_not_in_text. GPtrArray of char *, owned by the caller. */
GPtrArray *query_terms(const char *word, const char *field, uint64_t languages);
/* "x:word". Caller frees. */
char *words_not_in_text(const char *term);

/* True where a phrase is in it: then the index gives candidates only, to be verified by
 * query_matches. */
bool query_has_phrase(const QueryNode *query);
/* Whether a message matches, by its own words: what the index must agree with. */
bool query_matches(const QueryNode *query, const Message *message, uint64_t languages);

#endif
