/* push_origin: see push_origin.h.
 *
 * How it fits: duty/push_notifications asks it for each push service of a run, and writes only
 * where something is wrong, or is well again. A row that nobody asks for any more is removed by
 * purge.stores. Failures: the store's.
 */
#include "model/push_origin.h"

#include "base/limits_push.h"
#include "base/text.h"

/* clang-format off */
static const DbSql SQL_FIND = {
    "SELECT failures, open_until FROM push_origin WHERE origin = $1", NULL};
/* $4 failures open it, $5 the first rest, $6 the longest; each is twice the one before. */
static const DbSql SQL_FAILED = {
    "INSERT INTO push_origin (origin, failures, open_until, rest_ms, last_error) VALUES ($1, $2,"
    " CASE WHEN CAST($2 AS BIGINT) >= CAST($4 AS BIGINT) THEN rota_now() + $5 ELSE 0 END,"
    " CASE WHEN CAST($2 AS BIGINT) >= CAST($4 AS BIGINT) THEN 2 * $5 ELSE $5 END, $3)"
    " ON CONFLICT (origin) DO UPDATE SET failures = push_origin.failures + $2, last_error = $3,"
    " open_until = CASE WHEN push_origin.failures + $2 >= $4 THEN rota_now() + push_origin.rest_ms"
    " ELSE 0 END,"
    " rest_ms = CASE WHEN push_origin.failures + $2 < $4 THEN push_origin.rest_ms"
    " WHEN 2 * push_origin.rest_ms > $6 THEN $6 ELSE 2 * push_origin.rest_ms END", NULL};
static const DbSql SQL_GOOD = {"DELETE FROM push_origin WHERE origin = $1", NULL};
/* clang-format on */

bool push_origin_find(Db *db, const char *origin, PushOrigin *ret, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_FIND, DB_ARGS(db_text(origin)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    *ret = (PushOrigin){0, 0};
    if (step > 0)
        *ret = (PushOrigin){db_rows_int(rows, 0), db_rows_int(rows, 1)};
    return step >= 0;
}

bool push_origin_note_failures(Db *db, const char *origin, unsigned count, const char *why,
                               GError **error)
{
    g_autofree char *cut = text_cut(why, PUSH_ERROR_LETTERS_MAX);
    return db_exec(db, &SQL_FAILED,
                   DB_ARGS(db_text(origin), db_int(count), db_text(cut),
                           db_int(PUSH_ORIGIN_FAILURES), db_int(PUSH_ORIGIN_REST_MS),
                           db_int(PUSH_ORIGIN_REST_MAX_MS)),
                   error) >= 0;
}

bool push_origin_note_good(Db *db, const char *origin, GError **error)
{
    return db_exec(db, &SQL_GOOD, DB_ARGS(db_text(origin)), error) >= 0;
}
