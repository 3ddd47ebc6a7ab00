/* report_tasks: tasks and dead letters, listed or found by their id.
 *
 * A list asks each role for its first tasks by due time. Within a role the index task_due has them
 * in order for each bucket; of the buckets only those whose first task is among the `limit` oldest
 * heads can hold one of the oldest tasks, and none of these is due after the last of those heads.
 * So a list costs one probe a bucket and a few rows more than it shows.
 *
 * An id does not say its bucket (a round's bucket follows the shards it was made for), so it is
 * looked for in each: BUCKETS probes of the primary key, a few milliseconds.
 *
 * Failures: those of the store; an id that is none, or of nothing. Known weak points: no index
 * knows who runs, so the running ones alone are found by reading every due task; dead letters are
 * sorted by reading all of them (or all of all roles).
 */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"

#include "roster/report_private.h"
#include "roster/shard.h"
#include "roster/task_admin.h"

/* clang-format off */
#define TASK_COLUMNS                                                                             \
    "t.bucket, t.role, t.key, t.payload, t.due_at, t.claimed_at, t.created_at, t.attempts," \
    " t.deaths, t.last_error," \
    " (SELECT m.node FROM member m WHERE m.incarnation = t.owner AND t.owner <> 0)"
#define DEAD_COLUMNS                                                                             \
    "t.bucket, t.role, t.key, t.payload, t.buried_at, t.created_at, t.attempts, t.deaths," \
    " t.last_error, t.node"

static const DbSql SQL_ROLES = {
    "WITH RECURSIVE roles(role) AS (SELECT (SELECT min(role) FROM task)"
    " UNION ALL SELECT (SELECT min(role) FROM task WHERE role > roles.role) FROM roles WHERE"
    " role IS NOT NULL)"
    " SELECT role FROM roles WHERE role IS NOT NULL", NULL,
};
/* $1 role, $2 limit, $3 due after, $4 due up to, $5 1 running, 0 not, 2 both */
#define WANTED                                                                                   \
    " t.role = $1 AND t.due_at > $3 AND t.due_at <= $4"                                          \
    " AND ($5 = 2 OR CASE WHEN " SQL_RUNNING " THEN 1 ELSE 0 END = $5)"
#define BEST                                                                                     \
    "WITH RECURSIVE head(bucket) AS (SELECT (SELECT min(bucket) FROM task WHERE role = $1)"      \
    " UNION ALL SELECT (SELECT min(bucket) FROM task WHERE role = $1 AND bucket > head.bucket)"  \
    " FROM head WHERE head.bucket IS NOT NULL),"                                                 \
    " first(bucket, due) AS (SELECT head.bucket, (SELECT t.due_at FROM task t WHERE t.bucket =" \
    " head.bucket AND" WANTED \
    " ORDER BY t.due_at LIMIT 1) FROM head WHERE head.bucket IS NOT NULL),"                      \
    " best(bucket, due) AS (SELECT bucket, due FROM first WHERE due IS NOT NULL ORDER BY due" \
    " LIMIT $2)"
#define UP_TO " AND t.due_at <= (SELECT CASE WHEN count(*) < $2 THEN $4 ELSE max(due) END FROM" \
    " best)"
#define IN_ORDER " ORDER BY t.due_at, t.bucket, t.key LIMIT $2"
static const DbSql SQL_LIST = {
    BEST " SELECT " TASK_COLUMNS " FROM best CROSS JOIN task t WHERE t.bucket = best.bucket"
    " AND" WANTED UP_TO IN_ORDER,
    BEST " SELECT " TASK_COLUMNS " FROM best CROSS JOIN LATERAL (SELECT * FROM task t WHERE"
    " t.bucket = best.bucket AND"
    WANTED UP_TO IN_ORDER ") t" IN_ORDER,
};
static const DbSql SQL_DEAD = {
    "SELECT " DEAD_COLUMNS " FROM dead_letter t WHERE ($1 = '' OR t.role = $1) ORDER BY"
    " t.buried_at DESC, t.key LIMIT $2",
    "SELECT " DEAD_COLUMNS " FROM dead_letter t WHERE (CAST($1 AS TEXT) = '' OR t.role = $1)"
    " ORDER BY t.buried_at DESC, t.key LIMIT $2",
};
#define EACH_BUCKET                                                                              \
    "WITH RECURSIVE each(bucket) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT bucket + 1 FROM" \
    " each WHERE bucket < $3)"
#define ID "t.role = $1 AND t.key = $2 AND t.bucket = each.bucket"
static const DbSql SQL_TASK = {
    EACH_BUCKET " SELECT " TASK_COLUMNS " FROM each CROSS JOIN task t WHERE " ID " ORDER BY"
    " t.due_at",
    EACH_BUCKET " SELECT " TASK_COLUMNS " FROM each CROSS JOIN LATERAL (SELECT * FROM task t"
    " WHERE " ID
    " LIMIT 1) t ORDER BY t.due_at",
};
static const DbSql SQL_DEAD_TASK = {
    EACH_BUCKET " SELECT " DEAD_COLUMNS " FROM each CROSS JOIN dead_letter t WHERE " ID ""
    " ORDER BY t.buried_at",
    EACH_BUCKET " SELECT " DEAD_COLUMNS " FROM each CROSS JOIN LATERAL (SELECT * FROM"
    " dead_letter t WHERE " ID
    " LIMIT 1) t ORDER BY t.buried_at",
};
/* clang-format on */

const char *task_state_name(TaskState state)
{
    switch (state) {
    case TASK_STATE_DUE:
        return "due";
    case TASK_STATE_WAITING:
        return "waiting";
    case TASK_STATE_RUNNING:
        return "running";
    case TASK_STATE_DEAD:
        return "dead";
    }
    MUST(false);
    return NULL;
}

bool task_state_parse(const char *name, int *ret_state)
{
    for (TaskState state = TASK_STATE_DUE; state <= TASK_STATE_DEAD; state++) {
        if (strcmp(name, task_state_name(state)) == 0) {
            *ret_state = (int)state;
            return true;
        }
    }
    return false;
}

void task_report_free(TaskReport *report)
{
    if (!report)
        return;
    g_free(report->id);
    g_free(report->role);
    g_free(report->key);
    g_free(report->payload);
    g_free(report->error);
    g_free(report);
}

static void free_report(void *data)
{
    task_report_free(data);
}

static GPtrArray *reports_new(void)
{
    return g_ptr_array_new_with_free_func(free_report);
}

/* The first four columns are the same for both. */
static TaskReport *report_new(const ReportView *view, DbRows *rows)
{
    TaskReport *report = g_new0(TaskReport, 1);
    report->bucket = (unsigned)db_rows_int(rows, 0);
    report->role = g_strdup(db_rows_text(rows, 1));
    report->key = g_strdup(db_rows_text(rows, 2));
    report->payload = g_strdup(db_rows_text(rows, 3));
    report->id = g_strdup_printf("%s:%s", report->role, report->key);
    report->shards = report_shards(view, report->role);
    report->shard = shard_of_bucket(report->bucket, report->shards);
    return report;
}

static TaskReport *task_new(const ReportView *view, DbRows *rows)
{
    TaskReport *report = report_new(view, rows);
    report->due_at = db_rows_int(rows, 4);
    report->created_at = db_rows_int(rows, 6);
    report->attempts = db_rows_int(rows, 7);
    report->deaths = db_rows_int(rows, 8);
    report->error = g_strdup(db_rows_text(rows, 9));
    report->node = db_rows_int(rows, 10);
    if (report->node != 0) {
        report->state = TASK_STATE_RUNNING;
        report->claimed_at = db_rows_int(rows, 5);
    } else {
        report->state = report->due_at <= view->now ? TASK_STATE_DUE : TASK_STATE_WAITING;
    }
    return report;
}

static TaskReport *dead_new(const ReportView *view, DbRows *rows)
{
    TaskReport *report = report_new(view, rows);
    report->state = TASK_STATE_DEAD;
    report->buried_at = db_rows_int(rows, 4);
    report->created_at = db_rows_int(rows, 5);
    report->attempts = db_rows_int(rows, 6);
    report->deaths = db_rows_int(rows, 7);
    report->error = g_strdup(db_rows_text(rows, 8));
    report->node = db_rows_int(rows, 9);
    return report;
}

typedef TaskReport *(*Reader)(const ReportView *view, DbRows *rows);

static bool add_rows(const ReportView *view, DbRows *take_rows, Reader reader, GPtrArray *list,
                     GError **error)
{
    g_autoptr(DbRows) rows = take_rows;
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, reader(view, rows));
    return more == 0;
}

/* ---------------------------------------------------------------- list */

static GPtrArray *read_roles(const ReportView *view, const char *only, GError **error)
{
    g_autoptr(GPtrArray) roles = g_ptr_array_new_with_free_func(g_free);
    if (only) {
        g_ptr_array_add(roles, g_strdup(only));
        return g_steal_pointer(&roles);
    }
    g_autoptr(DbRows) rows = db_query(view->db, &SQL_ROLES, DB_NO_ARGS, error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(roles, g_strdup(db_rows_text(rows, 0)));
    return more == 0 ? g_steal_pointer(&roles) : NULL;
}

static bool add_tasks(const ReportView *view, const TaskFilter *filter, const char *role,
                      GPtrArray *list, GError **error)
{
    int64_t after = filter->state == TASK_STATE_WAITING ? view->now : INT64_MIN;
    int64_t up_to = filter->state == TASK_STATE_DUE ? view->now : INT64_MAX;
    int64_t running = filter->state < 0 ? 2 : filter->state == TASK_STATE_RUNNING;
    return add_rows(view,
                    db_query(view->db, &SQL_LIST,
                             DB_ARGS(db_text(role), db_int(filter->limit), db_int(after),
                                     db_int(up_to), db_int(running)),
                             error),
                    task_new, list, error);
}

static int compare_due(gconstpointer a, gconstpointer b)
{
    const TaskReport *one = *(TaskReport *const *)a, *other = *(TaskReport *const *)b;
    if (one->due_at != other->due_at)
        return one->due_at < other->due_at ? -1 : 1;
    return strcmp(one->id, other->id);
}

/* The tasks of all roles asked for, in order of due time. */
static GPtrArray *list_tasks(const ReportView *view, const TaskFilter *filter, GError **error)
{
    g_autoptr(GPtrArray) tasks = reports_new();
    g_autoptr(GPtrArray) roles = read_roles(view, filter->role, error);
    if (!roles)
        return NULL;
    for (unsigned i = 0; i < roles->len; i++)
        if (!add_tasks(view, filter, g_ptr_array_index(roles, i), tasks, error))
            return NULL;
    g_ptr_array_sort(tasks, compare_due);
    return g_steal_pointer(&tasks);
}

GPtrArray *report_tasks(Db *db, const RoleSet *set, const TaskFilter *filter, GError **error)
{
    MUST(filter->limit >= 1 && filter->limit <= REPORT_TASKS_MAX);
    g_auto(ReportView) view = {0};
    g_autoptr(GPtrArray) list = reports_new();
    if (!report_view_open(&view, db, set, error))
        return NULL;
    if ((filter->state < 0 || filter->state == TASK_STATE_DEAD) &&
        !add_rows(
            &view,
            db_query(db, &SQL_DEAD,
                     DB_ARGS(db_text(filter->role ? filter->role : ""), db_int(filter->limit)),
                     error),
            dead_new, list, error))
        return NULL;
    if (filter->state != TASK_STATE_DEAD) {
        g_autoptr(GPtrArray) tasks = list_tasks(&view, filter, error);
        if (!tasks)
            return NULL;
        g_ptr_array_extend_and_steal(list, g_steal_pointer(&tasks));
    }
    if (list->len > filter->limit)
        g_ptr_array_set_size(list, (int)filter->limit);
    return g_steal_pointer(&list);
}

/* ---------------------------------------------------------------- one */

GPtrArray *report_find(const ReportView *view, const char *id, GError **error)
{
    g_autofree char *role = NULL;
    g_autofree char *key = NULL;
    g_autoptr(GPtrArray) found = reports_new();
    if (!task_id_parse(view->set, id, &role, &key, error))
        return NULL;
    DbValue args[] = {db_text(role), db_text(key), db_int(BUCKETS - 1)};
    if (!add_rows(view, db_query(view->db, &SQL_TASK, args, 3, error), task_new, found, error) ||
        !add_rows(view, db_query(view->db, &SQL_DEAD_TASK, args, 3, error), dead_new, found, error))
        return NULL;
    if (found->len == 0) {
        fail(error, ERROR_GONE,
             "there is no task \"%s\": it is done, was dropped, or never was; `rota tasks list` "
             "shows what there is",
             id);
        return NULL;
    }
    return g_steal_pointer(&found);
}

GPtrArray *report_task(Db *db, const RoleSet *set, const char *id, GError **error)
{
    g_auto(ReportView) view = {0};
    if (!report_view_open(&view, db, set, error))
        return NULL;
    return report_find(&view, id, error);
}
