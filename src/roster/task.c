/* task: adding to the queue, wake-ups and the back-off. Claiming is in task_claim.c, ending in
 * task_end.c.
 *
 * A task is added in the transaction of the change that causes it, so there is no change without
 * its task and no task without its change. One upsert does both, the new task and the merge; it
 * touches neither owner nor generation, so a run that goes on meanwhile keeps its fence, and finds
 * at its end that the version has grown.
 *
 * No task is due before it was added: what floors of claims rest on (task_marks.h), and what lag
 * means.
 *
 * Failures of the world: those of the store. Ours: a key or payload over its limit, which the
 * caller must have bounded. Known weak point: the merge keeps the earlier due time, so a task asked
 * for later while it runs, runs again at once: early rather than lost. On SQLite the upserts of one
 * transaction land in as many buckets as there are keys, and each is a page of the log.
 */
#include "roster/task.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "db/set.h"

#define ADD_WIDTH 5
#define ADD_CHUNK 1000 /* tuples of one statement */

/* clang-format off */
static const DbSql SQL_ADD = {
    "INSERT INTO task (role, bucket, key, payload, due_at, version, owner, generation,"
    " claimed_at, attempts,"
    " deaths, created_at, last_error)"
    " VALUES ($1, $2, $3, $4, max($5, rota_now()), 1, 0, 0, 0, 0, 0,"
    " rota_now(), '')"
    " ON CONFLICT (bucket, role, key) DO UPDATE SET version = task.version + 1,"
    " due_at = CASE WHEN excluded.due_at < task.due_at THEN excluded.due_at ELSE task.due_at END,"
    " payload = CASE WHEN excluded.payload = '' THEN task.payload ELSE excluded.payload END",
    "INSERT INTO task (role, bucket, key, payload, due_at, version, owner, generation,"
    " claimed_at, attempts,"
    " deaths, created_at, last_error)"
    " SELECT added.role, added.bucket, added.key, added.payload,"
    " GREATEST(added.due_at, rota_now()),"
    " 1, 0, 0, 0, 0, 0, rota_now(), ''"
    " FROM unnest($1, $2, $3, $4, $5) AS added(role, bucket, key, payload, due_at)"
    " ON CONFLICT (bucket, role, key) DO UPDATE SET version = task.version + 1,"
    " due_at = LEAST(excluded.due_at, task.due_at),"
    " payload = CASE WHEN excluded.payload = '' THEN task.payload ELSE excluded.payload END",
};
static const DbSql SQL_REMOVE = {
    "DELETE FROM task WHERE bucket = $1 AND role = $2 AND key = $3"
    " AND NOT EXISTS (SELECT 1 FROM member m WHERE m.incarnation = task.owner)", NULL,
};
/* clang-format on */

/* The doors are open before the lanes that it wakes are there: a delivery may look for it while it
 * is set. What belongs to it is set before it. */
static struct {
    _Atomic TaskWakeHook hook;
    void *_Atomic data;
    _Atomic bool tells_others;
} wake;

static void bind_add(DbValue *args, const TaskNew *task)
{
    const char *payload = task->payload ? task->payload : "";
    MUST(task->bucket < BUCKETS);
    MUST(strlen(task->key) <= TASK_KEY_BYTES_MAX && strlen(payload) <= TASK_PAYLOAD_BYTES_MAX);
    args[0] = db_text(task->role);
    args[1] = db_int(task->bucket);
    args[2] = db_text(task->key);
    args[3] = db_text(payload);
    args[4] = db_int(task->due_at);
}

bool task_add(Db *db, const TaskNew *task, GError **error)
{
    return task_add_many(db, task, 1, error);
}

static guint new_hash(const void *data)
{
    const TaskNew *task = data;
    return g_str_hash(task->role) * 31 + g_str_hash(task->key);
}

static gboolean new_equal(const void *a, const void *b)
{
    const TaskNew *left = a, *right = b;
    return strcmp(left->key, right->key) == 0 && strcmp(left->role, right->role) == 0;
}

/* The order in which all transactions of several tasks lock them: two that meet wait for each other
 * in one direction only. */
static int compare_new(const void *a, const void *b, void *data)
{
    const TaskNew *left = a, *right = b;
    (void)data;
    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    int order = strcmp(left->key, right->key);
    return order != 0 ? order : strcmp(left->role, right->role);
}

bool task_add_many(Db *db, const TaskNew *unsorted, unsigned count, GError **error)
{
    g_autofree TaskNew *tasks = g_memdup2(unsorted, count * sizeof *unsorted);
    if (count > 1)
        g_qsort_with_data(tasks, (int)count, sizeof *tasks, compare_new, NULL); /* it is stable */
    g_autofree DbValue *args = g_new(DbValue, MIN(count, ADD_CHUNK) * ADD_WIDTH + 1);
    g_autoptr(GHashTable) seen = g_hash_table_new(new_hash, new_equal);
    for (unsigned at = 0; at < count;) {
        /* One statement merges no task with itself: a second one waits for the next. */
        unsigned rows = 0;
        g_hash_table_remove_all(seen);
        while (rows < MIN(count - at, ADD_CHUNK) && g_hash_table_add(seen, &tasks[at + rows])) {
            bind_add(args + (size_t)rows * ADD_WIDTH, &tasks[at + rows]);
            rows++;
        }
        if (!db_exec_set_later(db, &SQL_ADD, &(DbTuples){args, ADD_WIDTH, rows, NULL}, error))
            return false;
        at += rows;
    }
    return true;
}

bool task_remove(Db *db, const char *role, unsigned bucket, const char *key, bool *ret_removed,
                 GError **error)
{
    int64_t rows =
        db_exec(db, &SQL_REMOVE, DB_ARGS(db_int(bucket), db_text(role), db_text(key)), error);
    if (rows < 0)
        return false;
    *ret_removed = rows > 0;
    return true;
}

void task_set_wake_hook(TaskWakeHook hook, void *data, bool tells_others)
{
    wake.data = data;
    wake.tells_others = tells_others;
    wake.hook = hook;
}

void task_wake(const char *role)
{
    TaskWakeHook hook = wake.hook;
    if (hook)
        hook(role, wake.data);
}

const char *task_role_of_word(const char *word)
{
    return strcmp(word, TASK_WAKE_ALL) == 0 ? NULL : word;
}

bool task_announce(Db *db, const char *role, GError **error)
{
    return wake.tells_others || task_notify(db, role, error);
}

bool task_notify(Db *db, const char *role, GError **error)
{
    return db_notify(db, role ? role : TASK_WAKE_ALL, error);
}

int64_t task_backoff_ms(unsigned attempts, int64_t min_ms, int64_t max_ms, Rand *rand)
{
    MUST(attempts >= 1 && min_ms >= 0 && max_ms >= min_ms);
    int64_t wait = min_ms;
    for (unsigned i = 1; i < attempts && wait < max_ms; i++)
        wait = wait > max_ms / 2 ? max_ms : wait * 2;
    wait = MIN(wait, max_ms);
    return wait - wait / 2 + (int64_t)rand_below(rand, (uint64_t)(wait / 2) + 1);
}
