/* words.h: from text to the terms that the search index holds, and from a query to the terms it
 * asks for. The same on both stores, since it is made here.
 *
 * A term is a folded word (NFKC, case, diacritics; CJK and Thai by ICU's dictionaries), reduced to
 * its stem in the text's language (Snowball); at most 64 bytes. Fields mark a term with a prefix,
 * as documented in words.c. Pure and deterministic.
 */
#ifndef ROTA_CONTENT_WORDS_H
#define ROTA_CONTENT_WORDS_H

#include <glib.h>

#include "base/error.h"
#include "content/message.h"

/* The set of a message's terms, as one string, each term once, with a space between; caller owns.
 * *ret_language (static, may be NULL): the language detected, "" if none. */
GString *words_of_message(const Message *message, const char **ret_language);

/* Calls `each` for every word of a text, folded but not stemmed (no language), in order; for the
 * classifier. */
typedef void (*WordFunc)(const char *word, size_t size, void *data);
void words_each(const char *text, size_t size, WordFunc each, void *data);

/* A parsed query: words joined by AND; OR and NOT (-word); "a phrase"; field:word with from, to,
 * cc, bcc, subject, body, attachment. ERROR_REJECT says what is wrong. A tree, so that each store
 * writes it in its own language (model/search). */
typedef enum { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TERM, QUERY_PHRASE } QueryKind;
typedef struct QueryNode QueryNode;
struct QueryNode {
    QueryKind kind;
    GPtrArray *children; /* of QueryNode: AND, OR: any number; NOT: one */
    GPtrArray *terms; /* TERM: alternatives, of char * (any of them matches); PHRASE: words folded,
                         in order, to verify by text */
    char *field;      /* "" any */
};
QueryNode *query_parse(const char *text, GError **error);
void query_free(QueryNode *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueryNode, query_free)

#endif
