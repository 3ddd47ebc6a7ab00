/* store_copy.h: a store's content into another, empty store of either kind. */
#ifndef ROTA_MODEL_STORE_COPY_H
#define ROTA_MODEL_STORE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    void (*moved)(const char *what, int64_t rows, void *data); /* so far; may be NULL */
    void *data;
} StoreCopyWatch;

/* Copies one snapshot of `from`, which nodes may use meanwhile, into `to`. Both have this program's
 * schema; both handles are idle and for this alone, with a patient DbConfig.statement_seconds.
 * Not copied: who lives on the source, so that its claims fall free as after a death, and the index
 * of messages, which fts-indexing makes anew: its tasks are there. *ret_rows: how many rows.
 * ERROR_CONFLICT: the target has accounts or nodes, and is not touched. At any other failure the
 * target may be half filled, without accounts; a second call starts over. One thread. */
bool store_copy(Db *from, Db *to, const StoreCopyWatch *watch, int64_t *ret_rows, GError **error);

#endif
