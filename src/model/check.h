/* check.h: is the store whole? Reads everything in bounded pages and reports what breaks a rule,
 * with its figures. Changes nothing, and may run beside living nodes: each rule is judged within
 * one snapshot.
 *
 * The rules: the file itself (SQLite); every email has its blob and a mailbox, every place its
 * email and its mailbox; accounts and mailboxes count right; the change log has no gap above its
 * floor; ids given out are below the next one; no row belongs to an account that is not there; an
 * address leads to a living account; a blob is linked or listed for the purge; a task is
 * well-formed; and, deep, every blob's bytes have its digest.
 */
#ifndef ROTA_MODEL_CHECK_H
#define ROTA_MODEL_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    /* A rule is broken; `text` says where and by how much. Both are borrowed for the call. */
    void (*found)(const char *rule, const char *text, void *data);
    /* So many "accounts" or "blobs" have been looked at; may be NULL. */
    void (*moved)(const char *what, int64_t done, void *data);
    void *data;
} CheckWatch;

typedef struct {
    int64_t accounts, aliases, blobs, tasks; /* looked at */
    int64_t findings;
} CheckResult;

/* Opens read transactions of its own. The handle's statements may need more than
 * DB_STATEMENT_SECONDS on a big store (DbConfig.statement_seconds). False: the store could not be
 * read to the end. */
bool check_store(Db *db, bool deep, const CheckWatch *watch, CheckResult *ret, GError **error);

#endif
