/* store_copy: a store's content into another, empty store of either kind.
 *
 * How it fits: `rota store copy`, for back-up, restore, and the move between one node's SQLite and
 * a cluster's PostgreSQL. The rows are db/copy's; here is which of them make a cluster's life and
 * not its content, when a target may be filled, and the index of messages, which each kind of store
 * has in a form of its own.
 *
 * The table of accounts comes last, in one transaction: a target without accounts is one that
 * nothing is lost in, so a copy that broke off is simply begun again. The tasks that build the
 * index come after it; where that breaks off, the searches of the accounts that are left find
 * nothing until `rota search --rebuild`, and the caller is told.
 *
 * Failures: ERROR_CONFLICT for a target in use; those of either store.
 */
#include "model/store_copy.h"

#include <inttypes.h>

#include "base/error.h"
#include "db/copy.h"

#include "model/search.h"

#define REBUILD_ROWS 500 /* accounts of one transaction */

static const char *const not_copied[] = {"member",       "takeover",     "uncovered",
                                         "search_index", "search_state", NULL};

static bool check_empty(Db *db, GError **error)
{
    static const DbSql count_accounts = {"SELECT count(*) FROM account", NULL};
    static const DbSql count_members = {"SELECT count(*) FROM member", NULL};
    int64_t accounts, members;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (db_query_int(db, &count_accounts, DB_NO_ARGS, &accounts, error) < 0 ||
        db_query_int(db, &count_members, DB_NO_ARGS, &members, error) < 0)
        return false;
    if (accounts == 0 && members == 0)
        return true;
    return fail(error, ERROR_CONFLICT,
                "the store to copy into is in use: it has %" PRId64 " accounts and %" PRId64
                " nodes; nothing was changed: copy into an empty place",
                accounts, members);
}

/* The tasks of the next accounts after *after, which goes to the last of them; 0: no more. */
static bool ask_next(Db *db, int64_t *after, GError **error)
{
    static const DbSql sql = {
        "SELECT id FROM account WHERE id > $1 AND deleted_at = 0 ORDER BY id LIMIT $2", NULL};
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    DbRows *rows = db_query(db, &sql, DB_ARGS(db_int(*after), db_int(REBUILD_ROWS)), error);
    int step = rows ? 0 : -1;
    while (rows && (step = db_rows_next(rows, error)) == 1) {
        int64_t id = db_rows_int(rows, 0);
        g_array_append_val(ids, id);
    }
    db_rows_free(rows);
    if (step < 0)
        return false;
    for (unsigned i = 0; i < ids->len; i++) {
        if (!search_rebuild_task(db, g_array_index(ids, int64_t, i), error))
            return false;
    }
    *after = ids->len ? g_array_index(ids, int64_t, ids->len - 1) : 0;
    /* Unknown: the accounts are there, and to ask twice for an index is to ask once. */
    return db_commit(db, error) == DB_DONE;
}

typedef struct {
    const StoreCopyWatch *watch;
    int64_t rows;
} Copied;

static void table_moved(const char *table, int64_t rows, void *data)
{
    Copied *copied = data;
    copied->rows = rows;
    if (copied->watch->moved)
        copied->watch->moved(table, rows, copied->watch->data);
}

bool store_copy(Db *from, Db *to, const StoreCopyWatch *watch, int64_t *ret_rows, GError **error)
{
    Copied copied = {.watch = watch};
    DbCopy copy = {.without = not_copied, .last = "account", .moved = table_moved, .data = &copied};
    if (!check_empty(to, error) || !copy_tables(from, to, &copy, error))
        return false;
    for (int64_t after = 0;;) {
        if (!ask_next(to, &after, error)) {
            g_prefix_error(error, "all is copied, but not all of the index is asked for (`rota "
                                  "search --rebuild` does that): ");
            return false;
        }
        if (after == 0)
            break;
    }
    *ret_rows = copied.rows;
    return true;
}
