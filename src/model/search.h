/* search.h: the index of messages, in the store's own engine (FTS5; tsvector with GIN), by the
 * terms of content/words. All (tx).
 *
 * A row of the index is the set of one message's terms. The index may lag behind the mail (task
 * fts-indexing), but it never shows what is gone: what is found is joined with the living emails.
 * Both stores give the same results, since the terms and the phrases are not theirs.
 */
#ifndef ROTA_MODEL_SEARCH_H
#define ROTA_MODEL_SEARCH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/words.h"
#include "db/db.h"

/* `terms` as words_of_message gives them. An email that is there already is replaced. */
bool search_add(Db *db, int64_t account, int64_t email, const char *terms, GError **error);
bool search_remove(Db *db, int64_t account, int64_t email, GError **error);
/* All rows with first <= email <= last; for a rebuild, and for what was destroyed meanwhile. */
bool search_remove_range(Db *db, int64_t account, int64_t first, int64_t last, GError **error);
/* At most `limit` rows of an account that goes away, and its state with the last of them. */
bool search_remove_account(Db *db, int64_t account, unsigned limit, int64_t *ret_removed,
                           GError **error);

/* How far an account's index is. */
typedef struct {
    int64_t position;      /* its change log up to here is indexed */
    int64_t rebuild_after; /* SEARCH_NO_REBUILD, or while all is indexed anew: its emails up to this
                              id are */
    uint64_t languages;    /* bit n: stems of language n are in it (words_of_message) */
} SearchState;
#define SEARCH_NO_REBUILD (-1)
/* An account that was never indexed is at 0. */
bool search_state_get(Db *db, int64_t account, SearchState *ret_state, GError **error);
bool search_state_set(Db *db, int64_t account, const SearchState *state, GError **error);
/* Asks for a rebuild: the next runs of fts-indexing index all living emails anew, while searches go
 * on. The caller adds the task. */
bool search_rebuild(Db *db, int64_t account, GError **error);
/* The same, with the task that does it; a node hears of it at its next poll. */
bool search_rebuild_task(Db *db, int64_t account, GError **error);

/* How many of an account's emails the rebuild that goes on has done, and how many there are; equal
 * where none goes on. */
bool search_rebuild_progress(Db *db, int64_t account, int64_t *ret_done, int64_t *ret_all,
                             GError **error);

/* Emails that match, newest id first, at most `limit` with an id below `before` (0: from the
 * newest): GArray of int64. Phrases are verified against the stored messages, which costs a parse
 * of each candidate. */
GArray *search_find(Db *db, int64_t account, const QueryNode *query, int64_t before, unsigned limit,
                    GError **error);
bool search_count(Db *db, int64_t account, const QueryNode *query, int64_t *ret_count,
                  GError **error);

#endif
