/* task_end: how the tasks of a claim end, and the fence that guards it.
 *
 * The fence is part of each statement: owner and generation in its WHERE, and once for the claim
 * the owner's member row. Who is past its lease has no row, and who lost a task finds another
 * generation: both get ERROR_CONFLICT, the whole transaction is rolled back, and with it the
 * effect. An enqueue during the run has moved the version; such a row is freed, not removed.
 *
 * Failures: the fence, and those of the store. Known weak point: on PostgreSQL the member row is
 * read, not locked; that is enough, since whoever takes over the task must first lock its row,
 * which this transaction has written.
 */
#include "roster/task.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "db/set.h"

/* clang-format off */
#define OURS " WHERE bucket = $1 AND role = $2 AND key = $3 AND owner = $4 AND generation = $5"
#define WIDTH_DONE 6
/* On PostgreSQL each row is found by its key, locked, and only then removed by its place: the
 * planner may not turn that round, whatever it believes of the table's size. */
static const DbSql SQL_DONE = {
    "DELETE FROM task" OURS " AND version = $6",
    "WITH found AS MATERIALIZED (SELECT ours.number, t.place"
    " FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY AS"
    " ours(bucket, role, key, owner, generation, version, number)"
    " CROSS JOIN LATERAL (SELECT task.ctid AS place FROM task"
    " WHERE task.bucket = ours.bucket AND task.role = ours.role AND task.key = ours.key"
    " AND task.owner = ours.owner AND task.generation = ours.generation"
    " AND task.version = ours.version LIMIT 1 FOR UPDATE) t),"
    " gone AS (DELETE FROM task WHERE ctid = ANY(ARRAY(SELECT place FROM found)) RETURNING 1)"
    " SELECT number FROM found"
    " WHERE (SELECT count(*) FROM gone) = (SELECT count(*) FROM found)",
};
/* Free again after a success: asked for once more meanwhile, or by the handler. $6 version,
 * $7 due at (0: now) */
static const DbSql SQL_AGAIN = {
    "UPDATE task SET owner = 0, attempts = 0, deaths = 0, last_error = '',"
    " due_at = CASE WHEN version <> $6 THEN rota_now() ELSE max($7, rota_now()) END" OURS,
    "UPDATE task SET owner = 0, attempts = 0, deaths = 0, last_error = '',"
    " due_at = CASE WHEN version <> $6 THEN rota_now()"
    " ELSE GREATEST(CAST($7 AS BIGINT), rota_now()) END" OURS,
};
static const DbSql SQL_FAILED = {
    "UPDATE task SET owner = 0, attempts = attempts + 1, deaths = 0, last_error = $6,"
    " due_at = rota_now() + $7" OURS, NULL,
};
static const DbSql SQL_GIVEN_BACK = {"UPDATE task SET owner = 0" OURS, NULL};
static const DbSql SQL_BURY = {
    "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at,"
    " buried_at, last_error, node)"
    " SELECT bucket, role, key, payload, attempts + 1, deaths, created_at, rota_now(), $6, $7"
    " FROM task" OURS
    " ON CONFLICT (bucket, role, key) DO UPDATE SET payload = excluded.payload,"
    " attempts = excluded.attempts,"
    " deaths = excluded.deaths, created_at = excluded.created_at, buried_at = excluded.buried_at,"
    " last_error = excluded.last_error, node = excluded.node", NULL,
};
static const DbSql SQL_MEMBER = {"SELECT 1 FROM member WHERE incarnation = $1", NULL};
/* The same at the end of tasks, which makes a lazy transaction (db.h) a durable one: a server that
 * dies and is back within the lease would otherwise bring back, as held by a living owner, a task
 * that this owner has ended and forgotten. SQLite's owner dies with its machine. */
static const DbSql SQL_MEMBER_ENDS = {
    "SELECT 1 FROM member WHERE incarnation = $1",
    "SELECT 1 FROM member WHERE incarnation = $1 AND CASE current_setting('synchronous_commit')"
    " WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL",
};
static const DbSql SQL_OWNED = {"SELECT 1 FROM task" OURS, NULL};
/* clang-format on */

static bool lost(GError **error, const TaskClaim *claim, const Task *task)
{
    return fail(error, ERROR_CONFLICT, "task \"%s:%s\" is no longer ours", claim->role, task->key);
}

static void bind_task(DbValue *args, const TaskClaim *claim, const Task *task)
{
    args[0] = db_int(task->bucket);
    args[1] = db_text(claim->role);
    args[2] = db_text(task->key);
    args[3] = db_int(claim->owner);
    args[4] = db_int(task->generation);
}

static bool check_member(Db *db, const DbSql *sql, const TaskClaim *claim, GError **error)
{
    int64_t one;
    int found = db_query_int(db, sql, DB_ARGS(db_int(claim->owner)), &one, error);
    if (found == 0)
        fail(error, ERROR_CONFLICT, "the lease of incarnation %" G_GINT64_FORMAT " has run out",
             claim->owner);
    return found > 0;
}

static bool free_again(Db *db, const TaskClaim *claim, const Task *task, int64_t due_at,
                       GError **error)
{
    DbValue args[7];
    bind_task(args, claim, task);
    args[5] = db_int(task->version);
    args[6] = db_int(due_at);
    int64_t rows = db_exec(db, &SQL_AGAIN, args, 7, error);
    return rows == 0 ? lost(error, claim, task) : rows > 0;
}

static int compare_tasks(const void *a, const void *b, void *data)
{
    const GArray *tasks = data;
    const Task *left = &g_array_index(tasks, Task, *(const unsigned *)a);
    const Task *right = &g_array_index(tasks, Task, *(const unsigned *)b);
    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    return strcmp(left->key, right->key);
}

/* All DONE ones in one go, in the order in which task_add_many locks: it is what nearly all ends
 * are. */
static bool end_done(Db *db, const TaskClaim *claim, const TaskEnd *ends, GError **error)
{
    g_autofree DbValue *args = g_new(DbValue, (size_t)claim->tasks->len * WIDTH_DONE);
    g_autofree unsigned *which = g_new(unsigned, claim->tasks->len);
    unsigned count = 0;
    for (unsigned i = 0; i < claim->tasks->len; i++)
        if (ends[i].kind == TASK_DONE)
            which[count++] = i;
    if (count == 0)
        return true;
    g_qsort_with_data(which, (int)count, sizeof *which, compare_tasks, claim->tasks);
    for (unsigned i = 0; i < count; i++) {
        const Task *task = &g_array_index(claim->tasks, Task, which[i]);
        bind_task(args + (size_t)i * WIDTH_DONE, claim, task);
        args[(size_t)i * WIDTH_DONE + 5] = db_int(task->version);
    }
    g_autofree int64_t *changed = g_new0(int64_t, count);
    if (!db_exec_set(db, &SQL_DONE, &(DbTuples){args, WIDTH_DONE, count, changed}, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (changed[i] == 0 &&
            !free_again(db, claim, &g_array_index(claim->tasks, Task, which[i]), 0, error))
            return false;
    return true;
}

/* The end of an error, where its cause is, cut to the limit at a character's border. */
static const char *cut_error(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    if (size <= TASK_ERROR_BYTES_MAX)
        return text ? text : "";
    text += size - TASK_ERROR_BYTES_MAX;
    while ((*text & 0xc0) == 0x80)
        text++;
    return text;
}

static bool end_failed(Db *db, const TaskClaim *claim, const Task *task, const TaskEnd *end,
                       GError **error)
{
    DbValue args[7];
    bind_task(args, claim, task);
    args[5] = db_text(cut_error(end->error));
    args[6] = db_int(end->due_at);
    int64_t rows = db_exec(db, &SQL_FAILED, args, 7, error);
    return rows == 0 ? lost(error, claim, task) : rows > 0;
}

static bool end_buried(Db *db, const TaskClaim *claim, const Task *task, const TaskEnd *end,
                       int64_t node, GError **error)
{
    DbValue args[7];
    bind_task(args, claim, task);
    args[5] = db_text(cut_error(end->error));
    args[6] = db_int(node);
    int64_t rows = db_exec(db, &SQL_BURY, args, 7, error);
    if (rows <= 0)
        return rows == 0 ? lost(error, claim, task) : false;
    args[5] = db_int(task->version);
    if (!db_exec_set(db, &SQL_DONE, &(DbTuples){args, WIDTH_DONE, 1, &rows}, error))
        return false;
    return rows > 0 || free_again(db, claim, task, 0, error);
}

static bool end_given_back(Db *db, const TaskClaim *claim, const Task *task, GError **error)
{
    DbValue args[5];
    bind_task(args, claim, task);
    int64_t rows = db_exec(db, &SQL_GIVEN_BACK, args, 5, error);
    return rows == 0 ? lost(error, claim, task) : rows > 0;
}

bool task_end(Db *db, const TaskClaim *claim, const TaskEnd *ends, int64_t node, GError **error)
{
    if (claim->tasks->len == 0)
        return true;
    if (!check_member(db, &SQL_MEMBER_ENDS, claim, error) || !end_done(db, claim, ends, error))
        return false;
    for (unsigned i = 0; i < claim->tasks->len; i++) {
        const Task *task = &g_array_index(claim->tasks, Task, i);
        bool ended = true;
        switch (ends[i].kind) {
        case TASK_DONE:
            break;
        case TASK_AGAIN:
            ended = free_again(db, claim, task, ends[i].due_at, error);
            break;
        case TASK_FAILED:
            ended = ends[i].bury ? end_buried(db, claim, task, &ends[i], node, error)
                                 : end_failed(db, claim, task, &ends[i], error);
            break;
        case TASK_GIVEN_BACK:
            ended = end_given_back(db, claim, task, error);
            break;
        }
        if (!ended)
            return false;
    }
    return true;
}

bool task_fence(Db *db, const TaskClaim *claim, GError **error)
{
    if (!check_member(db, &SQL_MEMBER, claim, error))
        return false;
    for (unsigned i = 0; i < claim->tasks->len; i++) {
        const Task *task = &g_array_index(claim->tasks, Task, i);
        DbValue args[5];
        bind_task(args, claim, task);
        int64_t one;
        int found = db_query_int(db, &SQL_OWNED, args, 5, &one, error);
        if (found <= 0)
            return found == 0 ? lost(error, claim, task) : false;
    }
    return true;
}
