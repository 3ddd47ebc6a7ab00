/* task_claim: taking a batch of due tasks of one role and one shard.
 *
 * One statement walks the index task_due (role, bucket, due_at) and no more of it than it must: a
 * recursive query hops from one nonempty bucket of the shard to the next (each hop is one probe,
 * buckets of other shards are jumped over), and in each bucket reads, oldest first, what is due. It
 * stops with the batch's last row. So a claim costs the probes of as many nonempty buckets as it
 * needs, whatever else is queued: other roles, other shards, tasks not yet due.
 *
 * Free is a task whose owner has no member row. The owner must also be no newer than the newest
 * incarnation that this statement's snapshot knows: on PostgreSQL a node may join and claim between
 * our snapshot and our lock; its claim is then seen (the row is read again after the lock), but its
 * member row is not, and it would pass for dead.
 *
 * Who is buried and who runs alone is decided here, in C, between the choice and the write: on
 * SQLite the transaction has the whole store, on PostgreSQL the choice locks the rows (SKIP
 * LOCKED). PostgreSQL first tries to do both at once, which it does unless a suspect is among them.
 *
 * By floors. Rows that are gone stay in the index while a snapshot may see them, and a hop steps
 * over them. When claims have become slow by that, the lane goes by its floors instead
 * (task_marks.h): all buckets of the shard from the cursor on, each from its floor.
 *
 * Failures: those of the store. Known weak point: tasks that others hold stay in the index, so a
 * claim steps over at most what the shard's other lanes hold.
 */
#include "roster/task.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "roster/shard.h"
#include "roster/task_marks.h"

/* $1 role, $2 first bucket, $3 shards, $4 shard - 1, $5 end bucket (excluded). A bucket of another
 * shard may come up by a hop; the next hop leaves from it to one of ours. */
/* clang-format off */
#define HEADS                                                                                     \
    "WITH RECURSIVE head(bucket) AS ("                                                            \
    " SELECT (SELECT min(bucket) FROM task WHERE role = $1 AND bucket >= $2)"                     \
    " UNION ALL"                                                                                  \
    " SELECT (SELECT min(bucket) FROM task WHERE role = $1 AND bucket >="                         \
    "  head.bucket + 1 + ((($4 - head.bucket - 1) % $3) + $3) % $3)"                              \
    " FROM head WHERE head.bucket < $5)"
#define LANES  "1024" /* TASK_LANES_MAX */
#define DEATHS "deaths + CASE WHEN owner = 0 THEN 0 ELSE 1 END AS deaths"
#define CHOSEN                                                                                    \
    "bucket, key, payload, due_at, version, generation, attempts, " DEATHS ", (SELECT rota_now())"
#define FREE(lane_may)                                                                            \
    " AND (t.owner = 0 OR (t.owner <= (SELECT incarnations FROM cluster WHERE id = 1)"            \
    "  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.incarnation = t.owner)))"                   \
    " AND (" lane_may " = 1 OR t.deaths + CASE WHEN t.owner = 0 THEN 0 ELSE 1 END < $8)"

/* The same buckets, all of them, with their floors: $12, $13 (task_marks.h). */
#define MARKED                                                                                     \
    "WITH head AS (SELECT * FROM unnest(CAST($12 AS BIGINT[]), CAST($13 AS BIGINT[]))"             \
    " AS marked(bucket, floor))"
#define ABOVE " AND t.due_at >= head.floor"
#define LOCKED(columns, above)                                                                     \
    " SELECT t.* FROM head CROSS JOIN LATERAL (SELECT " columns " FROM task t"                     \
    "  WHERE t.role = $1 AND t.bucket = head.bucket AND t.due_at <= (SELECT rota_now())"           \
    above FREE("$7")                                                                               \
    "  ORDER BY t.due_at LIMIT $6 FOR UPDATE SKIP LOCKED) t"                                       \
    " WHERE head.bucket % $3 = $4 AND head.bucket < $5"                                            \
    " AND ($9 = 0 OR (SELECT epoch FROM cluster WHERE id = 1) = $9)"                               \
    " LIMIT $6"
/* $6 limit, $7 suspects too, $8 TASK_DEATHS_SUSPECT, $9 epoch. Columns: see choose(). */
static const DbSql SQL_CHOOSE = {
    HEADS
    " SELECT t.bucket, t.key, t.payload, t.due_at, t.version, t.generation, t.attempts,"
    " " DEATHS ", (SELECT rota_now())"
    " FROM head CROSS JOIN task t"
    " WHERE head.bucket % $3 = $4 AND head.bucket < $5"
    " AND ($9 = 0 OR (SELECT epoch FROM cluster WHERE id = 1) = $9)"
    " AND t.role = $1 AND t.bucket = head.bucket AND t.due_at <= (SELECT rota_now())"
    FREE("$7")
    " LIMIT $6",
    HEADS LOCKED(CHOSEN, ""),
};
static const DbSql SQL_CHOOSE_MARKED = {NULL, MARKED LOCKED(CHOSEN, ABOVE)};
/* The same for PostgreSQL alone, but with no suspect among them they are written at once.
 * $10 owner, $11 lane */
#define TAKE(chosen)                                                                               \
    ", pick AS MATERIALIZED (" chosen ")"                                                          \
    " UPDATE task SET owner = $10,"                                                                \
    " generation = (generation / " LANES " + 1) * " LANES " + $11,"                                \
    " claimed_at = (SELECT rota_now()), deaths = deaths + CASE WHEN owner = 0 THEN 0 ELSE 1 END"   \
    " WHERE ctid = ANY(ARRAY(SELECT place FROM pick))"                                             \
    " AND NOT EXISTS (SELECT 1 FROM pick WHERE deaths >= $8)"                                      \
    " RETURNING bucket, key, payload, due_at, version, generation, attempts, deaths, claimed_at"
#define PLACE "t.ctid AS place, " DEATHS
static const DbSql SQL_CHOOSE_AND_TAKE = {NULL, HEADS TAKE(LOCKED(PLACE, ""))};
static const DbSql SQL_CHOOSE_AND_TAKE_MARKED = {
    NULL, MARKED TAKE(LOCKED(PLACE, ABOVE)),
};
static const DbSql SQL_IDLE = {
    HEADS
    " SELECT (SELECT rota_now()), (SELECT epoch FROM cluster WHERE id = 1),"
    " min((SELECT min(due_at) FROM task WHERE role = $1 AND bucket = head.bucket"
    " AND due_at > (SELECT rota_now())))"
    " FROM head WHERE head.bucket % $3 = $4", NULL,
};
static const DbSql SQL_IDLE_MARKED = {
    NULL,
    "SELECT (SELECT rota_now()), (SELECT epoch FROM cluster WHERE id = 1),"
    " min((SELECT min(due_at) FROM task WHERE role = $1 AND bucket = head.bucket"
    " AND due_at > (SELECT rota_now())))"
    " FROM unnest(CAST($2 AS BIGINT[])) AS head(bucket)",
};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_TAKE = {
    "UPDATE task SET owner = $4, generation = $5, claimed_at = $6, deaths = $7"
    " WHERE bucket = $1 AND role = $2 AND key = $3", NULL,
};
static const DbSql SQL_BURY = {
    "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at,"
    " buried_at, last_error, node)"
    " SELECT bucket, role, key, payload, attempts, $4, created_at, rota_now(), $5, $6 FROM task"
    " WHERE bucket = $1 AND role = $2 AND key = $3"
    " ON CONFLICT (bucket, role, key) DO UPDATE SET payload = excluded.payload,"
    " attempts = excluded.attempts,"
    " deaths = excluded.deaths, created_at = excluded.created_at, buried_at = excluded.buried_at,"
    " last_error = excluded.last_error, node = excluded.node", NULL,
};
static const DbSql SQL_DELETE = {
    "DELETE FROM task WHERE bucket = $1 AND role = $2 AND key = $3", NULL,
};
static const DbSql SQL_OWNED = {
    "SELECT 1 FROM task WHERE bucket = $1 AND role = $2 AND key = $3 AND owner = $4"
    " AND generation = $5 AND EXISTS (SELECT 1 FROM member m WHERE m.incarnation = $4)", NULL,
};
/* clang-format on */

#define TAKE_WIDTH   7
#define MARKED_FIRST 32                  /* buckets */
G_STATIC_ASSERT(TASK_LANES_MAX == 1024); /* LANES */

static TaskClaim *claim_new(const TaskClaimAsk *ask)
{
    TaskClaim *claim = g_new0(TaskClaim, 1);
    claim->role = ask->role;
    claim->shard = ask->shard;
    claim->shards = ask->shards;
    claim->owner = ask->owner;
    claim->tasks = g_array_sized_new(FALSE, FALSE, sizeof(Task), ask->batch);
    claim->buried = g_array_new(FALSE, FALSE, sizeof(Task));
    claim->text = g_string_chunk_new(4096);
    return claim;
}

void task_claim_free(TaskClaim *claim)
{
    if (!claim)
        return;
    g_array_unref(claim->tasks);
    g_array_unref(claim->buried);
    g_string_chunk_free(claim->text);
    g_free(claim);
}

/* What the rows of one statement are sorted into. */
typedef struct {
    TaskClaim *claim;
    bool alone;      /* the claim is one suspect */
    int64_t skipped; /* bucket of the first suspect that was left for the next claim; -1 none */
    unsigned last_bucket; /* of the last row taken */
    unsigned written;     /* so many of the first tasks are ours in the store already */
    bool round_done;      /* all buckets of the shard were looked at */
    int64_t now;
} Choice;

static void choose(Choice *choice, DbRows *rows)
{
    TaskClaim *claim = choice->claim;
    Task task = {
        .bucket = (unsigned)db_rows_int(rows, 0),
        .due_at = db_rows_int(rows, 3),
        .version = db_rows_int(rows, 4),
        .generation = db_rows_int(rows, 5),
        .attempts = (unsigned)db_rows_int(rows, 6),
        .deaths = (unsigned)db_rows_int(rows, 7),
    };
    choice->now = db_rows_int(rows, 8);
    bool suspect = task.deaths >= TASK_DEATHS_SUSPECT;
    bool poison = task.deaths >= TASK_DEATHS_MAX;
    if (!poison && (choice->alone || (suspect && claim->tasks->len > 0))) {
        if (suspect && choice->skipped < 0)
            choice->skipped = task.bucket;
        return;
    }
    task.key = g_string_chunk_insert(claim->text, db_rows_text(rows, 1));
    task.payload = g_string_chunk_insert(claim->text, db_rows_text(rows, 2));
    g_array_append_val(poison ? claim->buried : claim->tasks, task);
    choice->alone |= suspect && !poison;
    choice->last_bucket = task.bucket;
}

/* The buckets that a statement looks at: from first to before end, or those of the marks. */
typedef struct {
    unsigned first, end;
    const TaskMarkSpan *marks; /* NULL: hops */
} Span;

/* In what order a statement that writes gives its rows is not said. */
static int compare_tasks(const void *a, const void *b, void *first)
{
    const Task *left = a, *right = b;
    unsigned from = *(const unsigned *)first;
    unsigned left_at = (left->bucket + BUCKETS - from) % BUCKETS;
    unsigned right_at = (right->bucket + BUCKETS - from) % BUCKETS;
    if (left_at != right_at)
        return left_at < right_at ? -1 : 1;
    return (left->due_at > right->due_at) - (left->due_at < right->due_at);
}

static bool read_rows(Db *db, const TaskClaimAsk *ask, const Span *span, bool take, Choice *choice,
                      GError **error)
{
    const TaskMarkSpan *marks = span->marks;
    const DbValue args[] = {
        db_text(ask->role),
        db_int(span->first),
        db_int(ask->shards),
        db_int(ask->shard - 1),
        db_int(span->end),
        db_int(ask->batch - choice->claim->tasks->len),
        db_int(ask->suspects),
        db_int(TASK_DEATHS_SUSPECT),
        db_int(ask->epoch),
        db_int(ask->owner),
        db_int(ask->lane),
        db_text(marks ? marks->buckets : ""),
        db_text(marks ? marks->floors : ""),
    };
    const DbSql *sql = take ? (marks ? &SQL_CHOOSE_AND_TAKE_MARKED : &SQL_CHOOSE_AND_TAKE)
                            : (marks ? &SQL_CHOOSE_MARKED : &SQL_CHOOSE);
    unsigned count = marks ? G_N_ELEMENTS(args) : take ? 11 : 9;
    g_autoptr(DbRows) rows = db_query(db, sql, args, count, error);
    if (!rows)
        return false;
    int more;
    while ((more = db_rows_next(rows, error)) > 0)
        choose(choice, rows);
    if (take && choice->claim->tasks->len > choice->written) {
        GArray *tasks = choice->claim->tasks;
        unsigned first = *ask->cursor % BUCKETS;
        g_array_sort_with_data(tasks, compare_tasks, &first);
        choice->written = tasks->len;
        choice->last_bucket = g_array_index(tasks, Task, tasks->len - 1).bucket;
    }
    return more == 0;
}

static bool read_span(Db *db, const TaskClaimAsk *ask, const Span *span, Choice *choice,
                      GError **error)
{
    unsigned before = choice->claim->tasks->len;
    if (db_kind(db) == DB_POSTGRESQL && choice->written == before) {
        if (!read_rows(db, ask, span, true, choice, error))
            return false;
        if (choice->claim->tasks->len > before || !ask->suspects)
            return true;
    }
    return read_rows(db, ask, span, false, choice, error);
}

static bool is_full(const TaskClaimAsk *ask, const Choice *choice)
{
    return choice->claim->tasks->len == ask->batch || choice->alone;
}

/* From `first` on, and once around to it while there is room. */
static bool read_hopping(Db *db, const TaskClaimAsk *ask, unsigned first, Choice *choice,
                         GError **error)
{
    const Span spans[] = {{first, BUCKETS, NULL}, {ask->shard - 1, first, NULL}};
    if (!read_span(db, ask, &spans[0], choice, error))
        return false;
    choice->round_done = first < ask->shards;
    if (is_full(ask, choice) || choice->round_done)
        return true;
    choice->round_done = true;
    return read_span(db, ask, &spans[1], choice, error);
}

/* The same by floors: a few buckets first, since in a long queue they are enough. */
static bool read_marked(Db *db, const TaskClaimAsk *ask, unsigned first, Choice *choice,
                        GError **error)
{
    unsigned buckets[BUCKETS], total = 0, done = 0, of_shard = ask->shard - 1;
    for (unsigned at = first; at < BUCKETS; at += ask->shards)
        buckets[total++] = at;
    for (unsigned at = of_shard; at < first; at += ask->shards)
        buckets[total++] = at;
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &choice->now, error) < 0)
        return false;
    while (done < total && !is_full(ask, choice)) {
        unsigned count = MIN(total - done, done == 0 ? MARKED_FIRST : BUCKETS);
        g_auto(TaskMarkSpan) marks =
            task_marks_span(ask->marks, buckets + done, count, choice->now);
        const Span span = {0, BUCKETS, &marks};
        if (!read_span(db, ask, &span, choice, error))
            return false;
        done += count;
    }
    choice->round_done = done == total && !is_full(ask, choice);
    if (is_full(ask, choice)) { /* what lies behind its last row was not looked at */
        done = 0;
        while (done < total && buckets[done++] != choice->last_bucket)
            continue;
    }
    const TaskMarkLook look = {ask->role, buckets, done, choice->now};
    return task_marks_learn(ask->marks, db, &look, error);
}

static bool bury(Db *db, const TaskClaimAsk *ask, const Task *task, GError **error)
{
    g_autofree char *why =
        g_strdup_printf("%u nodes died while they ran it: it is taken for the cause", task->deaths);
    return db_exec(db, &SQL_BURY,
                   DB_ARGS(db_int(task->bucket), db_text(ask->role), db_text(task->key),
                           db_int(task->deaths), db_text(why), db_int(ask->node)),
                   error) >= 0 &&
           db_exec(db, &SQL_DELETE,
                   DB_ARGS(db_int(task->bucket), db_text(ask->role), db_text(task->key)),
                   error) >= 0;
}

static bool write_claim(Db *db, const TaskClaimAsk *ask, const Choice *choice, GError **error)
{
    TaskClaim *claim = choice->claim;
    for (unsigned i = 0; i < claim->buried->len; i++)
        if (!bury(db, ask, &g_array_index(claim->buried, Task, i), error))
            return false;
    unsigned count = claim->tasks->len - choice->written;
    g_autofree DbValue *args = g_new(DbValue, (size_t)count * TAKE_WIDTH + 1);
    g_autofree int64_t *changed = g_new0(int64_t, count + 1);
    for (unsigned i = 0; i < count; i++) {
        Task *task = &g_array_index(claim->tasks, Task, choice->written + i);
        task->generation = (task->generation / TASK_LANES_MAX + 1) * TASK_LANES_MAX + ask->lane;
        DbValue *row = args + (size_t)i * TAKE_WIDTH;
        row[0] = db_int(task->bucket);
        row[1] = db_text(ask->role);
        row[2] = db_text(task->key);
        row[3] = db_int(ask->owner);
        row[4] = db_int(task->generation);
        row[5] = db_int(choice->now);
        row[6] = db_int(task->deaths);
    }
    if (!db_exec_many(db, &SQL_TAKE, args, TAKE_WIDTH, count, changed, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (changed[i] != 1)
            return fail(error, ERROR_CONFLICT, "a task of %s went away while it was claimed",
                        ask->role);
    return true;
}

/* The first bucket of the shard at or after `bucket`; the shard's first one where there is none
 * left. */
static unsigned bucket_of_shard_from(const TaskClaimAsk *ask, unsigned bucket)
{
    unsigned off = bucket % ask->shards, want = ask->shard - 1;
    bucket += off <= want ? want - off : ask->shards - off + want;
    return bucket < BUCKETS ? bucket : want;
}

static bool read_idle(Db *db, const TaskClaimAsk *ask, bool marked, TaskClaimed *ret,
                      GError **error)
{
    g_autoptr(GString) buckets = g_string_new("{");
    for (unsigned at = ask->shard - 1; marked && at < BUCKETS; at += ask->shards)
        g_string_append_printf(buckets, "%s%u", buckets->len > 1 ? "," : "", at);
    g_string_append_c(buckets, '}');
    g_autoptr(DbRows) rows =
        marked ? db_query(db, &SQL_IDLE_MARKED, DB_ARGS(db_text(ask->role), db_text(buckets->str)),
                          error)
               : db_query(db, &SQL_IDLE,
                          DB_ARGS(db_text(ask->role), db_int(ask->shard - 1), db_int(ask->shards),
                                  db_int(ask->shard - 1), db_int(BUCKETS)),
                          error);
    if (!rows || db_rows_next(rows, error) < 0)
        return false;
    ret->now = db_rows_int(rows, 0);
    ret->stale = ask->epoch != 0 && db_rows_int(rows, 1) != ask->epoch;
    ret->next_due_at = db_rows_is_null(rows, 2) ? INT64_MAX : db_rows_int(rows, 2);
    return true;
}

static bool claim_rows(Db *db, const TaskClaimAsk *ask, bool marked, TaskClaimed *ret,
                       GError **error)
{
    unsigned first = bucket_of_shard_from(ask, *ask->cursor % BUCKETS);
    g_autoptr(TaskClaim) claim = claim_new(ask);
    Choice choice = {.claim = claim, .skipped = -1};
    if (!(marked ? read_marked(db, ask, first, &choice, error)
                 : read_hopping(db, ask, first, &choice, error)))
        return false;
    TaskClaimed claimed = {.next_due_at = INT64_MAX};
    if (claim->tasks->len == 0 && claim->buried->len == 0) {
        if (!read_idle(db, ask, marked, &claimed, error))
            return false;
        *ask->cursor = ask->shard - 1;
        *ret = claimed;
        return true;
    }
    claimed.now = choice.now;
    if (!write_claim(db, ask, &choice, error))
        return false;
    if (choice.skipped >= 0)
        *ask->cursor = (unsigned)choice.skipped;
    else if (choice.round_done && claim->tasks->len < ask->batch)
        *ask->cursor = ask->shard - 1;
    else
        *ask->cursor = bucket_of_shard_from(ask, choice.last_bucket + 1);
    claimed.claim = g_steal_pointer(&claim);
    *ret = claimed;
    return true;
}

bool task_claim(Db *db, const TaskClaimAsk *ask, TaskClaimed *ret, GError **error)
{
    MUST(ask->batch >= 1 && ask->batch <= TASK_BATCH_MAX && ask->lane < TASK_LANES_MAX);
    MUST(ask->shard >= 1 && ask->shard <= ask->shards && ask->shards <= SHARDS_MAX);
    bool may = ask->marks && db_kind(db) == DB_POSTGRESQL;
    int64_t begin = may ? task_marks_begin(ask->marks) : 0;
    if (!claim_rows(db, ask, may && task_marks_are_used(ask->marks), ret, error))
        return false;
    if (may)
        task_marks_note(ask->marks, ret->claim ? ret->claim->tasks->len : 0, begin);
    return true;
}

bool task_verify(Db *db, TaskClaim *claim, GError **error)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < claim->tasks->len; i++) {
        const Task task = g_array_index(claim->tasks, Task, i);
        int64_t one;
        int found =
            db_query_int(db, &SQL_OWNED,
                         DB_ARGS(db_int(task.bucket), db_text(claim->role), db_text(task.key),
                                 db_int(claim->owner), db_int(task.generation)),
                         &one, error);
        if (found < 0)
            return false;
        if (found > 0)
            g_array_index(claim->tasks, Task, kept++) = task;
    }
    g_array_set_size(claim->tasks, kept);
    return true;
}
