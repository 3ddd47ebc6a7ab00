/* adoption: which role table the cluster works by.
 *
 * The table in force is one row; its epoch guards each change, so that of two nodes that would
 * adopt at once one does. Whoever claims asks for the epoch in the claim's own transaction
 * (task.h), so a lane that has not heard of a change claims nothing by the old table.
 *
 * Failures: those of the store; a stored table that this build cannot read (ERROR_REJECT). A node's
 * proposal is its own member row's text. Known weak point: a node that is away (not drained)
 * neither agrees nor objects; it hears of the table when it comes back.
 */
#include "roster/adoption.h"

#include <string.h>

#include "base/error.h"

/* clang-format off */
static const DbSql SQL_EPOCH = {
    "SELECT epoch, role_table, in_force_at FROM cluster WHERE id = 1", NULL,
};
static const DbSql SQL_CURRENT = {"SELECT epoch, digest FROM cluster WHERE id = 1", NULL};
static const DbSql SQL_PROPOSED = {
    "SELECT proposed_digest, proposed_table FROM member"
    " WHERE lease_until >= rota_now() AND state <> 'drained' ORDER BY node", NULL,
};
static const DbSql SQL_PROPOSED_BY = {
    "SELECT proposed_digest, proposed_table FROM member WHERE node = $1", NULL,
};
static const DbSql SQL_ADOPT = {
    "UPDATE cluster SET epoch = epoch + 1, role_table = $2, digest = $3,"
    " in_force_at = CASE WHEN epoch = 0 THEN 0 ELSE rota_now() END WHERE id = 1 AND epoch = $1",
    NULL,
};
/* clang-format on */

void table_in_force_clear(TableInForce *in_force)
{
    g_clear_pointer(&in_force->table, table_unref);
    in_force->epoch = 0;
}

bool adoption_read(Db *db, const RoleSet *set, int64_t known_epoch, TableInForce *ret,
                   GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_EPOCH, DB_NO_ARGS, error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found <= 0)
        return found == 0 ? fail(error, ERROR_REJECT, "the store has no row in table cluster")
                          : false;
    int64_t epoch = db_rows_int(rows, 0);
    RoleTable *table = NULL;
    if (epoch != 0 && epoch != known_epoch) {
        table = table_parse(set, db_rows_text(rows, 1), error);
        if (!table) {
            g_prefix_error(error, "could not read the table in force: ");
            return false;
        }
    }
    *ret = (TableInForce){.epoch = epoch, .at = db_rows_int(rows, 2), .table = table};
    return true;
}

static bool adopt(Db *db, int64_t epoch, const char *text, const char *digest, bool *ret_adopted,
                  GError **error)
{
    int64_t rows =
        db_exec(db, &SQL_ADOPT, DB_ARGS(db_int(epoch), db_text(text), db_text(digest)), error);
    if (rows < 0)
        return false;
    *ret_adopted = rows > 0;
    return true;
}

/* The digest and epoch in force; the digest is the caller's. */
static bool read_current(Db *db, int64_t *ret_epoch, char **ret_digest, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_CURRENT, DB_NO_ARGS, error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found <= 0)
        return found == 0 ? fail(error, ERROR_REJECT, "the store has no row in table cluster")
                          : false;
    *ret_epoch = db_rows_int(rows, 0);
    *ret_digest = g_strdup(db_rows_text(rows, 1));
    return true;
}

bool adoption_step(Db *db, bool *ret_adopted, GError **error)
{
    int64_t epoch;
    g_autofree char *current = NULL;
    if (!read_current(db, &epoch, &current, error))
        return false;
    g_autofree char *digest = NULL;
    g_autofree char *text = NULL;
    g_autoptr(DbRows) rows = db_query(db, &SQL_PROPOSED, DB_NO_ARGS, error);
    if (!rows)
        return false;
    bool agreed = true;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        if (!digest) {
            digest = g_strdup(db_rows_text(rows, 0));
            text = g_strdup(db_rows_text(rows, 1));
        }
        agreed = agreed && strcmp(digest, db_rows_text(rows, 0)) == 0;
    }
    if (more < 0)
        return false;
    g_clear_pointer(&rows, db_rows_free);
    if (!digest || !agreed || (epoch != 0 && strcmp(digest, current) == 0)) {
        *ret_adopted = false;
        return true;
    }
    return adopt(db, epoch, text, digest, ret_adopted, error);
}

bool adoption_force(Db *db, int64_t node, GError **error)
{
    int64_t epoch;
    g_autofree char *current = NULL;
    if (!read_current(db, &epoch, &current, error))
        return false;
    g_autoptr(DbRows) rows = db_query(db, &SQL_PROPOSED_BY, DB_ARGS(db_int(node)), error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found <= 0)
        return found == 0
                   ? fail(error, ERROR_GONE,
                          "node %" G_GINT64_FORMAT " has not joined: it proposes no table", node)
                   : false;
    g_autofree char *digest = g_strdup(db_rows_text(rows, 0));
    g_autofree char *text = g_strdup(db_rows_text(rows, 1));
    g_clear_pointer(&rows, db_rows_free);
    if (epoch != 0 && strcmp(digest, current) == 0)
        return true;
    bool adopted;
    if (!adopt(db, epoch, text, digest, &adopted, error))
        return false;
    return adopted
               ? true
               : fail(error, ERROR_CONFLICT, "another table came into force meanwhile: look again");
}
