/* search.h: the index of messages, in the store's own engine (FTS5; tsvector with GIN), by the
 * terms of content/words. All (tx).
 *
 * An index row's key is account * 2^32 + email, so that one account is a range. The index may lag
 * behind the mail (task fts-indexing): search joins with living emails, so that a ghost is never
 * shown.
 */
#ifndef ROTA_MODEL_SEARCH_H
#define ROTA_MODEL_SEARCH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/words.h"
#include "db/db.h"

bool search_add(Db *db, int64_t account, int64_t email, const char *terms, GError **error);
bool search_remove(Db *db, int64_t account, int64_t email, GError **error);
bool search_remove_account(Db *db, int64_t account, unsigned limit, int64_t *ret_removed,
                           GError **error);

/* How far an account's change log is indexed. */
bool search_position(Db *db, int64_t account, int64_t *ret_seq, GError **error);
bool search_set_position(Db *db, int64_t account, int64_t seq, GError **error);

/* Emails that match, newest id first, at most `limit`: GArray of int64. Phrases are verified
 * against the stored message. */
GArray *search_find(Db *db, int64_t account, const QueryNode *query, unsigned limit,
                    GError **error);
bool search_count(Db *db, int64_t account, const QueryNode *query, int64_t *ret_count,
                  GError **error);

#endif
