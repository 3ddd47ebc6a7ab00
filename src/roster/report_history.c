/* report_history: how earlier runs of a task ended: rounds, failures, burials.
 *
 * How it fits: worker_end.c writes task_history, purge.stores removes what is old; `rota tasks
 * show` prints this below the task, or alone where the task is done and gone. Failures: those of
 * the store; an id that is none. Known weak point: a run that ended well and was no round leaves no
 * trace.
 */
#include "roster/report.h"

#include "roster/task_admin.h"

/* clang-format off */
static const DbSql SQL_HISTORY = {
    "SELECT ended_at, started_at, node, outcome, attempts, shard, detail FROM task_history"
    " WHERE key = $1 AND role = $2 ORDER BY id DESC LIMIT $3", NULL,
};
/* clang-format on */

static void past_free(void *data)
{
    TaskPast *past = data;
    g_free(past->outcome);
    g_free(past->detail);
    g_free(past);
}

static TaskPast *past_new(DbRows *rows)
{
    TaskPast *past = g_new0(TaskPast, 1);
    past->ended_at = db_rows_int(rows, 0);
    past->started_at = db_rows_int(rows, 1);
    past->node = db_rows_int(rows, 2);
    past->outcome = g_strdup(db_rows_text(rows, 3));
    past->attempts = db_rows_int(rows, 4);
    past->shard = (unsigned)db_rows_int(rows, 5);
    past->detail = g_strdup(db_rows_text(rows, 6));
    return past;
}

GPtrArray *report_history(Db *db, const RoleSet *set, const char *id, GError **error)
{
    g_autofree char *role = NULL;
    g_autofree char *key = NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(past_free);
    if (!task_id_parse(set, id, &role, &key, error) || !db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(DbRows) rows = db_query(
        db, &SQL_HISTORY, DB_ARGS(db_text(key), db_text(role), db_int(REPORT_HISTORY_MAX)), error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, past_new(rows));
    return more == 0 ? g_steal_pointer(&list) : NULL;
}
