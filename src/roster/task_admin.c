/* task_admin: a person retries or drops a dead letter, or a task that waits.
 *
 * A retry of a dead letter puts it back as a task and removes the letter, in one transaction. Where
 * the same task was asked for again meanwhile, the living one stays as it is, with its newer
 * payload; its version grows, so that it runs once more if it runs now. A whole role's letters are
 * walked in order of their bucket, a bounded batch to a transaction, so that nobody has to wait for
 * a hundred thousand of them.
 *
 * A task that waits is written only while no node holds it: its owner has no row, and is no newer
 * than the newest incarnation that our snapshot knows (see task_claim.c).
 *
 * Failures: those of the store; nothing by that id (ERROR_GONE); a node runs it (ERROR_CONFLICT).
 * Known weak point: an id does not say its bucket, so each is looked into, in one statement.
 */
#include "roster/task_admin.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"

#include "roster/task.h"

/* clang-format off */
#define EACH_BUCKET                                                                              \
    "WITH RECURSIVE each(bucket) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT bucket + 1 FROM" \
    " each WHERE bucket < $3)"
#define IDLE                                                                                     \
    " AND (owner = 0 OR (owner <= (SELECT incarnations FROM cluster WHERE id = 1)"               \
    " AND NOT EXISTS (SELECT 1 FROM member m WHERE m.incarnation = task.owner)))"
#define BY_BUCKET " WHERE bucket = $1 AND role = $2 AND key = $3"

static const DbSql SQL_FIND_DEAD = {
    EACH_BUCKET " SELECT t.bucket FROM each CROSS JOIN dead_letter t"
    " WHERE t.role = $1 AND t.key = $2 AND t.bucket = each.bucket LIMIT 1",
    EACH_BUCKET " SELECT t.bucket FROM each CROSS JOIN LATERAL (SELECT bucket FROM dead_letter d"
    " WHERE d.role = $1 AND d.key = $2 AND d.bucket = each.bucket LIMIT 1) t LIMIT 1",
};
static const DbSql SQL_FIND_TASK = {
    EACH_BUCKET " SELECT t.bucket FROM each CROSS JOIN task t"
    " WHERE t.role = $1 AND t.key = $2 AND t.bucket = each.bucket ORDER BY t.due_at LIMIT 1",
    EACH_BUCKET " SELECT t.bucket FROM each CROSS JOIN LATERAL (SELECT bucket, due_at FROM task d"
    " WHERE d.role = $1 AND d.key = $2 AND d.bucket = each.bucket LIMIT 1) t ORDER BY t.due_at"
    " LIMIT 1",
};
static const DbSql SQL_REVIVE = {
    "INSERT INTO task (bucket, role, key, payload, due_at, version, owner, generation,"
    " claimed_at, attempts, deaths,"
    " created_at, last_error)"
    " SELECT bucket, role, key, payload, rota_now(), 1, 0, 0, 0, 0, 0, created_at, '' FROM"
    " dead_letter" BY_BUCKET
    " ON CONFLICT (bucket, role, key) DO UPDATE SET version = task.version + 1,"
    " due_at = CASE WHEN excluded.due_at < task.due_at THEN excluded.due_at ELSE task.due_at"
    " END", NULL,
};
static const DbSql SQL_DROP_DEAD = {"DELETE FROM dead_letter" BY_BUCKET, NULL};
static const DbSql SQL_HURRY = {"UPDATE task SET due_at = rota_now()" BY_BUCKET IDLE, NULL};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_BATCH = {
    "SELECT bucket, key FROM dead_letter WHERE bucket >= $1 AND role = $2 AND buried_at <= $3"
    " ORDER BY bucket, key LIMIT $4", NULL,
};
static const DbSql SQL_COUNT = {
    "SELECT count(*) FROM (SELECT 1 FROM dead_letter WHERE role = $1 LIMIT $2) counted", NULL,
};
/* clang-format on */

bool task_id_parse(const RoleSet *set, const char *id, char **ret_role, char **ret_key,
                   GError **error)
{
    const char *colon = strchr(id, ':');
    if (!colon || colon == id || !colon[1] || !g_utf8_validate(id, -1, NULL))
        return fail(error, ERROR_REJECT,
                    "\"%s\" is no task: write ROLE:KEY, as `rota tasks list` shows it", id);
    g_autofree char *name = g_strndup(id, (gsize)(colon - id));
    const Role *role = role_find(set, name);
    *ret_role = role ? g_strdup(role->name) : g_steal_pointer(&name);
    *ret_key = g_strdup(colon + 1);
    return true;
}

static bool revive(Db *db, unsigned bucket, const char *role, const char *key, GError **error)
{
    DbValue args[] = {db_int(bucket), db_text(role), db_text(key)};
    return db_exec(db, &SQL_REVIVE, args, 3, error) >= 0 &&
           db_exec(db, &SQL_DROP_DEAD, args, 3, error) >= 0;
}

static bool act_on_dead(Db *db, TaskVerb verb, unsigned bucket, const char *role, const char *key,
                        GError **error)
{
    if (verb == VERB_RETRY)
        return revive(db, bucket, role, key, error);
    return db_exec(db, &SQL_DROP_DEAD, DB_ARGS(db_int(bucket), db_text(role), db_text(key)),
                   error) >= 0;
}

static bool act_on_task(Db *db, TaskVerb verb, unsigned bucket, const char *role, const char *key,
                        GError **error)
{
    bool changed = false;
    if (verb == VERB_DROP) {
        if (!task_remove(db, role, bucket, key, &changed, error))
            return false;
    } else {
        int64_t rows =
            db_exec(db, &SQL_HURRY, DB_ARGS(db_int(bucket), db_text(role), db_text(key)), error);
        if (rows < 0)
            return false;
        changed = rows > 0;
    }
    return changed || fail(error, ERROR_CONFLICT,
                           "a node runs \"%s:%s\" now; `rota tasks why %s:%s` says which", role,
                           key, role, key);
}

/* In the open transaction. */
static bool act(Db *db, TaskVerb verb, const char *role, const char *key, TaskWas *ret_was,
                GError **error)
{
    DbValue args[] = {db_text(role), db_text(key), db_int(BUCKETS - 1)};
    int64_t bucket;
    int found = db_query_int(db, &SQL_FIND_DEAD, args, 3, &bucket, error);
    if (found < 0)
        return false;
    if (found > 0) {
        *ret_was = TASK_WAS_DEAD;
        return act_on_dead(db, verb, (unsigned)bucket, role, key, error);
    }
    found = db_query_int(db, &SQL_FIND_TASK, args, 3, &bucket, error);
    if (found < 0)
        return false;
    if (found == 0)
        return fail(error, ERROR_GONE,
                    "there is no task \"%s:%s\": it is done, was dropped, or never was", role, key);
    *ret_was = TASK_WAS_WAITING;
    return act_on_task(db, verb, (unsigned)bucket, role, key, error);
}

static bool act_by_id(Db *db, const RoleSet *set, TaskVerb verb, const char *id, TaskWas *ret_was,
                      GError **error)
{
    g_autofree char *role = NULL;
    g_autofree char *key = NULL;
    TaskWas was;
    if (!task_id_parse(set, id, &role, &key, error) || !db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!act(db, verb, role, key, &was, error))
        return false;
    if (verb == VERB_RETRY && !task_notify(db, role, error))
        return false;
    if (db_commit(db, error) != DB_DONE) /* unknown is ERROR_UNKNOWN, as the header says */
        return false;
    *ret_was = was;
    return true;
}

bool task_retry(Db *db, const RoleSet *set, const char *id, TaskWas *ret_was, GError **error)
{
    return act_by_id(db, set, VERB_RETRY, id, ret_was, error);
}

bool task_drop(Db *db, const RoleSet *set, const char *id, TaskWas *ret_was, GError **error)
{
    return act_by_id(db, set, VERB_DROP, id, ret_was, error);
}

/* ---------------------------------------------------------------- a whole role's */

typedef struct {
    unsigned bucket;
    char *key;
} Letter;

static void letter_clear(void *data)
{
    Letter *letter = data;
    g_free(letter->key);
}

static GArray *read_batch(Db *db, const char *role, const DeadWalk *walk, GError **error)
{
    g_autoptr(GArray) letters = g_array_new(FALSE, FALSE, sizeof(Letter));
    g_array_set_clear_func(letters, letter_clear);
    g_autoptr(DbRows) rows = db_query(
        db, &SQL_BATCH,
        DB_ARGS(db_int(walk->bucket), db_text(role), db_int(walk->until), db_int(TASK_BATCH_MAX)),
        error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        Letter letter = {(unsigned)db_rows_int(rows, 0), g_strdup(db_rows_text(rows, 1))};
        g_array_append_val(letters, letter);
    }
    return more == 0 ? g_steal_pointer(&letters) : NULL;
}

bool dead_letters_step(Db *db, const char *role, TaskVerb verb, DeadWalk *walk, GError **error)
{
    MUST(!walk->over);
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    DeadWalk next = *walk;
    if (next.until == 0 && db_query_int(db, &SQL_NOW, DB_NO_ARGS, &next.until, error) < 0)
        return false;
    g_autoptr(GArray) letters = read_batch(db, role, &next, error);
    if (!letters)
        return false;
    for (unsigned i = 0; i < letters->len; i++) {
        const Letter *letter = &g_array_index(letters, Letter, i);
        if (!act_on_dead(db, verb, letter->bucket, role, letter->key, error))
            return false;
        next.bucket = letter->bucket;
    }
    if (verb == VERB_RETRY && letters->len > 0 && !task_notify(db, role, error))
        return false;
    next.count += letters->len;
    next.over = letters->len < TASK_BATCH_MAX;
    if (db_commit(db, error) != DB_DONE)
        return false;
    *walk = next;
    return true;
}

int64_t dead_letters_count(Db *db, const char *role, GError **error)
{
    int64_t count;
    if (!db_begin(db, DB_READ, error))
        return -1;
    g_auto(DbScope) scope = db_scope(db);
    if (db_query_int(db, &SQL_COUNT, DB_ARGS(db_text(role), db_int(REPORT_COUNT_MAX)), &count,
                     error) < 0)
        return -1;
    return count;
}
