/* api_metrics: metrics over time by the admin API, as metrics.calculate keeps them.
 *
 * How it fits: model/metric.h reads; the page draws from it. Without `series` it tells all series
 * that have no labels, which is what a first look needs. Failures: a query that is none is 400, and
 * so is one that asks for more than METRIC_POINTS_MAX: nothing is left out in silence. Known weak
 * point: a minute that one shard has not written yet is lower than it was; ask until a minute ago.
 */
#include "base/limits_metrics.h"
#include "model/metric.h"

#include "front/api.h"

/* What is kept. */
static const int64_t steps[] = {METRIC_MINUTE_MS, METRIC_HOUR_MS, METRIC_DAY_MS};

/* A number of the query; false: the answer is made. */
static bool read_number(HttpCall *call, const char *name, int64_t *number)
{
    const char *text = g_hash_table_lookup(call->query, name);
    guint64 value = 0;
    if (!text)
        return true;
    if (!g_ascii_string_to_unsigned(text, 10, 0, INT64_C(1) << 52, &value, NULL)) {
        http_answer_problem(call->answer, 400, "%s is a number of milliseconds", name);
        return false;
    }
    *number = (int64_t)value;
    return true;
}

static bool read_ask(HttpCall *call, MetricAsk *ret)
{
    static const char *const names[] = {"series", "from", "to", "step", NULL};
    int64_t now = clock_wall_ms(call->house->clock);
    if (!http_call_query_is(call, names))
        return false;
    const char *series = g_hash_table_lookup(call->query, "series");
    *ret = (MetricAsk){.to = now, .limit = METRIC_POINTS_MAX};
    ret->series = series ? metric_series_find(series) : NULL;
    if (series && !ret->series) {
        http_answer_problem(call->answer, 400, "there is no series \"%.80s\"", series);
        return false;
    }
    if (!read_number(call, "to", &ret->to))
        return false;
    ret->from = MAX(ret->to - METRIC_DAY_MS / 4, 0);
    if (!read_number(call, "from", &ret->from))
        return false;
    ret->step = metric_step_for(now, ret->from, ret->to, METRIC_SERIES_POINTS);
    if (!read_number(call, "step", &ret->step))
        return false;
    bool kept = ret->step == steps[0] || ret->step == steps[1] || ret->step == steps[2];
    if (!kept || ret->from > ret->to)
        http_answer_problem(call->answer, 400,
                            "step is 60000, 3600000 or 86400000, and from is before to");
    return kept && ret->from <= ret->to;
}

static json_t *series_json(const MetricSeries *series, const char *label)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[]}", "name", series->name, "label", series->label,
                     "value", label, "unit", series->unit, "points");
}

/* Adds a series for each of its labels; takes what it adds from the limit. */
static bool add_series(Db *db, MetricAsk *ask, json_t *list, GError **error)
{
    g_autoptr(GArray) points = metric_history(db, ask, error);
    if (!points)
        return false;
    json_t *one = NULL;
    const char *label = NULL;
    for (unsigned i = 0; i < points->len; i++) {
        const MetricPoint *point = &g_array_index(points, MetricPoint, i);
        if (!one || g_strcmp0(label, point->label) != 0) {
            one = series_json(ask->series, point->label);
            json_array_append_new(list, one);
        }
        label = point->label;
        json_array_append_new(json_object_get(one, "points"),
                              json_pack("[I, f]", (json_int_t)point->at, point->value));
    }
    ask->limit -= points->len;
    return true;
}

static bool add_all(Db *db, MetricAsk *ask, json_t *list, GError **error)
{
    if (ask->series)
        return add_series(db, ask, list, error);
    for (const MetricSeries *series = metric_series; series->name; series++) {
        ask->series = series;
        if (!*series->label && !add_series(db, ask, list, error))
            return false;
    }
    return true;
}

static void run_history(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    MetricAsk ask;
    if (!read_ask(call, &ask))
        return;
    json_t *list = json_array();
    bool good = db_begin(call->db, DB_READ, &error) && add_all(call->db, &ask, list, &error);
    db_rollback(call->db);
    if (good)
        http_answer_json(call->answer, 200,
                         json_pack("{s:I, s:I, s:I, s:O}", "from", (json_int_t)ask.from, "to",
                                   (json_int_t)ask.to, "step", (json_int_t)ask.step, "series",
                                   list));
    else
        http_answer_error(call->answer, error);
    json_decref(list);
}

const HttpRoute api_route_metrics = API_GET("/api/metrics/history", run_history);
