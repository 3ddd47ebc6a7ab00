/* copy.h: all rows of one store into another one, of either kind.
 *
 * What is copied is one snapshot of the source, which others may write meanwhile. Both have this
 * program's schema. The target is emptied first: what it held is the caller's to judge before.
 */
#ifndef ROTA_DB_COPY_H
#define ROTA_DB_COPY_H

#include "db/db.h"

typedef struct {
    const char *const *without; /* tables that are left as they are in the target; NULL-ended */
    const char *last;           /* the table that comes when all others are there */
    /* So many rows are copied; may be NULL. */
    void (*moved)(const char *table, int64_t rows, void *data);
    void *data;
} DbCopy;

/* Both handles are the caller's, idle, and for one copy: its statements are prepared on them by
 * addresses that are used again. They may take long (DbConfig.statement_seconds). Rows are written
 * in small transactions, `last` in one that is durable with all before it. False: the target holds
 * part of the rows, and none of `last`, unless the outcome of that transaction itself is not known
 * (ERROR_UNKNOWN). */
bool copy_tables(Db *from, Db *to, const DbCopy *copy, GError **error);

#endif
