/* metric_recount: counts the mail itself, and mends an account's row that says something else.
 *
 * How it fits: duty/metrics_calculate.c goes through the accounts page by page (metrics.recount).
 * A page is read in a snapshot, in which an account's row and its mail belong together, so that
 * nobody waits for it; a suspect is counted again with its row locked, which all who write mail for
 * the account lock too. Rules as in check.c: messages are rows of email, bytes those of its
 * messages and events. Failures: the store's. Known weak point: an account with very many messages
 * is one statement.
 */
#include "model/metric.h"

#include "base/error.h"
#include "model/account.h"

/* clang-format off */
#define COUNTS \
    "(SELECT count(*) FROM email e WHERE e.account = a.id) AS messages," \
    " (SELECT coalesce(CAST(sum(e.size) AS BIGINT), 0) FROM email e WHERE e.account = a.id)" \
    " + (SELECT coalesce(CAST(sum(c.size) AS BIGINT), 0) FROM calendar_object c" \
    " WHERE c.account = a.id) AS bytes"
static const DbSql SQL_PAGE = {
    "SELECT a.id, a.used_messages, a.used_bytes, " COUNTS " FROM account a WHERE a.id > $1"
    " AND a.bucket % $3 = $2 - 1 ORDER BY a.id LIMIT $4", NULL};
static const DbSql SQL_COUNT = {
    "SELECT a.id, a.used_messages, a.used_bytes, " COUNTS " FROM account a WHERE a.id = $1", NULL};
static const DbSql SQL_MEND = {
    "UPDATE account SET used_messages = $2, used_bytes = $3 WHERE id = $1", NULL};
static const DbSql SQL_NOTE = {
    "UPDATE metric_mark SET recount_after = $2, checked = checked + $3, corrected = corrected + $4,"
    " recount_at = CASE WHEN $5 = 1 THEN rota_now() ELSE recount_at END WHERE shard = $1", NULL};
/* clang-format on */

static bool row_is_wrong(DbRows *rows)
{
    return db_rows_int(rows, 1) != db_rows_int(rows, 3) ||
           db_rows_int(rows, 2) != db_rows_int(rows, 4);
}

bool metric_recount_page(Db *db, MetricRecount *recount, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_PAGE,
                 DB_ARGS(db_int(recount->after), db_int((int64_t)recount->shard),
                         db_int((int64_t)recount->shards), db_int((int64_t)recount->limit)),
                 error);
    int more = -1;
    recount->looked = 0;
    g_array_set_size(recount->suspects, 0);
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        recount->after = db_rows_int(rows, 0);
        recount->looked++;
        if (row_is_wrong(rows))
            g_array_append_val(recount->suspects, recount->after);
    }
    return more == 0;
}

bool metric_recount_mend(Db *db, int64_t account, bool *ret_wrong, GError **error)
{
    g_autoptr(GError) why = NULL;
    *ret_wrong = false;
    if (!account_lock_row(db, account, &why)) {
        if (error_kind(why) == ERROR_GONE)
            return true;
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    DbRows *rows = db_query(db, &SQL_COUNT, DB_ARGS(db_int(account)), error);
    int more = rows ? db_rows_next(rows, error) : -1;
    int64_t messages = 0, bytes = 0;
    if (more > 0) {
        *ret_wrong = row_is_wrong(rows);
        messages = db_rows_int(rows, 3);
        bytes = db_rows_int(rows, 4);
    }
    db_rows_free(rows);
    return more >= 0 &&
           (!*ret_wrong ||
            db_exec(db, &SQL_MEND, DB_ARGS(db_int(account), db_int(messages), db_int(bytes)),
                    error) >= 0);
}

bool metric_recount_note(Db *db, const MetricRecount *recount, unsigned corrected, bool ended,
                         GError **error)
{
    return db_exec(db, &SQL_NOTE,
                   DB_ARGS(db_int((int64_t)recount->shard), db_int(ended ? 0 : recount->after),
                           db_int((int64_t)recount->looked), db_int((int64_t)corrected),
                           db_int(ended)),
                   error) >= 0;
}
