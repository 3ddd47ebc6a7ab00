/* account_tasks: from the accounts of a shard to tasks of a role.
 *
 * How it fits: duty/custom.c asks for a page in each transaction, so that a hundred thousand
 * accounts are many short ones. The walk goes by (bucket, id), which is the order of an index; an
 * account that is added behind it waits for the next round, one that is deleted before it is left
 * out.
 *
 * Failures: the store's. Known weak point: with many shards a page reads the index over the buckets
 * of the others too.
 */
#include "model/account_tasks.h"

#include "base/must.h"
#include "model/account.h"
#include "roster/task.h"

/* clang-format off */
static const DbSql SQL_PAGE = {
    "SELECT bucket, id FROM account WHERE (bucket, id) > ($1, $2) AND bucket % $3 = $4"
    " AND deleted_at = 0 ORDER BY bucket, id LIMIT $5", NULL,
};
static const DbSql SQL_ADDRESS = {
    "SELECT address FROM account WHERE id = $1 AND deleted_at = 0", NULL,
};
/* clang-format on */

/* The accounts of the page, as GArray of int64. */
static GArray *read_page(Db *db, AccountTasks *page, GError **error)
{
    g_autoptr(GArray) accounts = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_PAGE,
                 DB_ARGS(db_int(page->bucket), db_int(page->account), db_int(page->shards),
                         db_int(page->shard - 1), db_int(page->limit)),
                 error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        page->bucket = db_rows_int(rows, 0);
        page->account = db_rows_int(rows, 1);
        g_array_append_val(accounts, page->account);
    }
    return more == 0 ? g_steal_pointer(&accounts) : NULL;
}

bool account_tasks_add(Db *db, AccountTasks *page, GError **error)
{
    MUST(page->limit >= 1 && page->shard >= 1 && page->shard <= page->shards);
    g_autoptr(GArray) accounts = read_page(db, page, error);
    if (!accounts)
        return false;
    g_autofree TaskNew *tasks = g_new0(TaskNew, (size_t)accounts->len + 1);
    g_autofree char *keys = g_malloc((size_t)(accounts->len + 1) * ACCOUNT_KEY_BYTES);
    for (unsigned i = 0; i < accounts->len; i++) {
        char *key = keys + (size_t)i * ACCOUNT_KEY_BYTES;
        unsigned bucket = account_bucket(g_array_index(accounts, int64_t, i), key);
        tasks[i] = (TaskNew){.role = page->role, .bucket = bucket, .key = key};
    }
    page->added = accounts->len;
    page->ended = accounts->len < page->limit;
    return task_add_many(db, tasks, accounts->len, error) && task_notify(db, page->role, error);
}

bool account_tasks_next(Db *db, const AccountTasks *page, const char *key, const char *payload,
                        GError **error)
{
    TaskNew task = {.role = page->role, .bucket = page->shard - 1, .key = key, .payload = payload};
    return task_add(db, &task, error);
}

bool account_tasks_address(Db *db, int64_t account, char **ret_address, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_ADDRESS, DB_ARGS(db_int(account)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    *ret_address = step > 0 ? g_strdup(db_rows_text(rows, 0)) : NULL;
    return true;
}
