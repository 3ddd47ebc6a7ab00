/* identity: the name of the cluster that a store belongs to.
 *
 * How it fits: a node asks when it joins, a command when it opens the store; both before they
 * write. A name is one column of the one row of table cluster. Failures: those of the store;
 * another name. Known weak point: two clusters whose settings name nothing are not told apart.
 */
#include "roster/identity.h"

#include <string.h>

#include "base/error.h"

static const DbSql SQL_NAME = {"SELECT name FROM cluster WHERE id = 1", NULL};
static const DbSql SQL_TAKE = {"UPDATE cluster SET name = $1 WHERE id = 1 AND name = ''", NULL};
static const DbSql SQL_RENAME = {"UPDATE cluster SET name = $1 WHERE id = 1", NULL};

/* *ret_named: the store has a name, which is this one. */
static bool compare(Db *db, const char *name, bool *ret_named, GError **error)
{
    *ret_named = false;
    if (!*name)
        return true;
    g_autoptr(DbRows) rows = db_query(db, &SQL_NAME, DB_NO_ARGS, error);
    int found = rows ? db_rows_next(rows, error) : -1;
    if (found < 0)
        return false;
    const char *theirs = found ? db_rows_text(rows, 0) : "";
    *ret_named = *theirs != '\0';
    if (!*theirs || strcmp(theirs, name) == 0)
        return true;
    return fail(error, ERROR_REJECT,
                "this store belongs to the cluster \"%s\", and these settings are of the cluster "
                "\"%s\" (cluster.name): let store.data.url name the right store, or give this one "
                "another name by `rota store rename`",
                theirs, name);
}

bool identity_check(Db *db, const char *name, GError **error)
{
    bool named;
    return compare(db, name, &named, error);
}

bool identity_take(Db *db, const char *name, GError **error)
{
    bool named;
    if (!compare(db, name, &named, error))
        return false;
    return !*name || named || db_exec(db, &SQL_TAKE, DB_ARGS(db_text(name)), error) >= 0;
}

bool identity_rename(Db *db, const char *name, GError **error)
{
    return db_exec(db, &SQL_RENAME, DB_ARGS(db_text(name)), error) >= 0;
}
