/* metric_history: metrics as they were: rolled up, and read.
 *
 * How it fits: metric_write rolls up in the transaction that writes samples; front/api_metrics.c
 * reads. A sample keeps how many minutes it is of, their sum and the greatest, so that what is
 * rolled up twice is as exact as what is rolled up once. Failures: the store's; more points than
 * were asked for is ERROR_REJECT, never less than the truth. Known weak points: a shard that was
 * late by more than ROLL_UP_AFTER_MS is missing in its hour; in the hour in which the number of
 * shards changes a level is too high, since shards are added up that were not there at one time.
 */
#include "model/metric.h"

#include "base/error.h"

#define ROLL_UP_AFTER_MS (5 * METRIC_MINUTE_MS) /* no run that is late lasts longer */

/* clang-format off */
static const DbSql SQL_ROLL_UP = {
    "INSERT INTO metric_sample (step, series, at, label, shard, count, total, greatest)"
    " SELECT CAST($1 AS BIGINT), series, slot * $1, label, shard, CAST(sum(count) AS BIGINT),"
    " sum(total), max(greatest) FROM (SELECT series, label, shard, count, total, greatest,"
    "  at / $1 AS slot FROM metric_sample WHERE step = $2 AND at >= $3 AND at < $4) AS x"
    " WHERE TRUE GROUP BY series, slot, label, shard"
    " ON CONFLICT (step, series, at, label, shard) DO NOTHING", NULL};
static const DbSql SQL_HISTORY = {
    "SELECT label, at, sum(total / count), sum(total), max(greatest) FROM metric_sample"
    " WHERE step = $1 AND series = $2 AND at >= $3 AND at < $4"
    " GROUP BY label, at ORDER BY label, at LIMIT $5", NULL};
/* clang-format on */

static bool roll_up(Db *db, int64_t step, int64_t of, int64_t now, int64_t *mark, GError **error)
{
    int64_t to = now - ROLL_UP_AFTER_MS;
    to -= to % step;
    if (to <= *mark)
        return true;
    bool good = db_exec(db, &SQL_ROLL_UP,
                        DB_ARGS(db_int(step), db_int(of), db_int(*mark), db_int(to)), error) >= 0;
    *mark = to;
    return good;
}

bool metric_roll_up(Db *db, MetricMark *mark, int64_t now, GError **error)
{
    return roll_up(db, METRIC_HOUR_MS, METRIC_MINUTE_MS, now, &mark->hour_at, error) &&
           roll_up(db, METRIC_DAY_MS, METRIC_HOUR_MS, now, &mark->day_at, error);
}

int64_t metric_step_for(int64_t now, int64_t from, int64_t to, unsigned points)
{
    int64_t span = to - from;
    if (now - from <= METRIC_DAY_MS && span / METRIC_MINUTE_MS <= points)
        return METRIC_MINUTE_MS;
    if (now - from <= 90 * METRIC_DAY_MS && span / METRIC_HOUR_MS <= points)
        return METRIC_HOUR_MS;
    return METRIC_DAY_MS;
}

static void point_clear(gpointer data)
{
    MetricPoint *point = data;
    g_free(point->label);
}

GArray *metric_history(Db *db, const MetricAsk *ask, GError **error)
{
    static const unsigned columns[] = {[METRIC_LEVEL] = 2, [METRIC_COUNT] = 3, [METRIC_WORST] = 4};
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(MetricPoint));
    g_array_set_clear_func(points, point_clear);
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_HISTORY,
                 DB_ARGS(db_int(ask->step), db_text(ask->series->name), db_int(ask->from),
                         db_int(ask->to), db_int((int64_t)ask->limit + 1)),
                 error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        MetricPoint point = {.label = g_strdup(db_rows_text(rows, 0)),
                             .at = db_rows_int(rows, 1),
                             .value = db_rows_real(rows, columns[ask->series->fold])};
        g_array_append_val(points, point);
    }
    if (more == 0 && points->len > ask->limit) {
        fail(error, ERROR_REJECT,
             "%s has more than %u points there; ask for less time or for a "
             "longer step",
             ask->series->name, ask->limit);
        return NULL;
    }
    return more == 0 ? g_steal_pointer(&points) : NULL;
}
