/* queue_curve: what a claim costs as the queue grows.
 *
 *     queue-curve --postgresql URL SHAPE TASKS
 *     queue-curve --postgresql URL pinned SECONDS [--rate N]
 *
 * SHAPE is what the TASKS are that lie in the queue: "due" in our shard, "later" (not yet due), or
 * "others" (due, of the three other shards of four). Beside them a few thousand due ones of our
 * shard are there to be claimed. Prints "claim US": the median microseconds of one claim of 100
 * tasks, without its commit.
 *
 * pinned: a snapshot is held open, as a back-up does, while N tasks a second (2000) come in and one
 * lane keeps up with them for SECONDS. Prints a line "N US" for each tenth of the time: the median
 * microseconds of a claim in it.
 *
 * The tasks that are not measured are put there by one INSERT. Failures end it with a message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "queue_node.h"
#include "roster/shard.h"
#include "roster/task.h"
#include "roster/task_marks.h"

#define BATCH        100
#define CLAIMS       40
#define WARM         10
#define NEAR         ((CLAIMS + WARM) * BATCH)
#define TICK_US      10000 /* of the enqueuing under load */
#define TENTHS       10
#define SHARDS       4
#define SLOW_SECONDS 3600 /* of the fill and of the snapshot: not cut off */

static char *url, *schema;
static int rate = 2000;

static const GOptionEntry options[] = {
    {"postgresql", 0, 0, G_OPTION_ARG_STRING, &url, "libpq connection string", "URL"},
    {"schema", 0, 0, G_OPTION_ARG_STRING, &schema, "schema to work in", "NAME"},
    {"rate", 0, 0, G_OPTION_ARG_INT, &rate, "tasks a second under load (2000)", "N"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static DbConfig store_config(void)
{
    return (DbConfig){
        .kind = DB_POSTGRESQL, .url = url, .schema = schema, .statement_seconds = SLOW_SECONDS};
}

/* $1 how many, $2 due in milliseconds from now, $3 shards, $4 the shard to fill, -1: all but the
 * first, $5 what their keys begin with. */
static const DbSql SQL_FILL = {
    "INSERT INTO task (role, bucket, key, payload, due_at, version, owner, generation,"
    " claimed_at, attempts, deaths, created_at, last_error)"
    " SELECT '" QUEUE_ROLE "', CASE WHEN CAST($4 AS BIGINT) >= 0 THEN"
    "  (i * 7919 * $3 + $4) % 1024 ELSE (i * 7919 * $3 + 1 + i % ($3 - 1)) % 1024 END,"
    "  $5 || i, '', rota_now() + $2, 1, 0, 0, 0, 0, 0, rota_now(), ''"
    " FROM generate_series(CAST(1 AS BIGINT), $1) i",
    NULL,
};

static void fill(Db *db, int64_t count, int64_t due_in, int64_t shard, const char *prefix)
{
    GError *error = NULL;
    if (count > 0 && (!db_begin(db, DB_WRITE, &error) ||
                      db_exec(db, &SQL_FILL,
                              DB_ARGS(db_int(count), db_int(due_in), db_int(SHARDS), db_int(shard),
                                      db_text(prefix)),
                              &error) < 0 ||
                      db_commit(db, &error) != DB_DONE))
        queue_die("fill", error);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *took, unsigned count)
{
    qsort(took, count, sizeof(double), compare);
    return count > 0 ? took[count / 2] : 0;
}

/* One claim; ended at once. *ret_us: what the claim alone took. */
static unsigned claim(Db *db, TaskClaimAsk *ask, double *ret_us)
{
    GError *error = NULL;
    TaskClaimed claimed;
    TaskEnd ends[TASK_BATCH_MAX] = {{.kind = TASK_DONE}};
    if (!db_begin(db, DB_WRITE, &error))
        queue_die("claim", error);
    int64_t begin = clock_monotonic_us(clock_real());
    if (!task_claim(db, ask, &claimed, &error))
        queue_die("claim", error);
    *ret_us = (double)(clock_monotonic_us(clock_real()) - begin);
    g_autoptr(TaskClaim) tasks = claimed.claim;
    if (tasks && !task_end(db, tasks, ends, 1, &error))
        queue_die("end", error);
    if (db_commit(db, &error) != DB_DONE)
        queue_die("commit", error);
    return tasks ? tasks->tasks->len : 0;
}

static void measure_shape(Db *db, TaskClaimAsk *ask, const char *shape, int64_t count)
{
    if (strcmp(shape, "due") == 0)
        fill(db, count, -1000, 0, "due-");
    else if (strcmp(shape, "later") == 0)
        fill(db, count, 86400000, 0, "later-");
    else if (strcmp(shape, "others") == 0)
        fill(db, count, -1000, -1, "others-");
    else
        queue_die("there is no such shape", NULL);
    fill(db, NEAR, -1000, 0, "near-");
    double took[CLAIMS + WARM];
    for (unsigned i = 0; i < CLAIMS + WARM; i++)
        if (claim(db, ask, &took[i]) != BATCH)
            queue_die("a claim found too little", NULL);
    printf("claim %.0f\n", median(took + WARM, CLAIMS));
}

static void measure_pinned(Db *db, TaskClaimAsk *ask, int seconds)
{
    static const DbSql look = {"SELECT count(*) FROM member", NULL};
    DbConfig config = store_config();
    Db *snapshot = queue_store_open(&config), *source = queue_store_open(&config);
    int64_t members;
    MUST(db_begin(snapshot, DB_READ, NULL) &&
         db_query_int(snapshot, &look, DB_NO_ARGS, &members, NULL) == 1);
    int64_t begin = clock_monotonic_us(clock_real()), now = begin;
    int added = 0;
    for (int tenth = 1; tenth <= TENTHS; tenth++) {
        g_autoptr(GArray) took = g_array_new(FALSE, FALSE, sizeof(double));
        while (now < begin + (int64_t)seconds * 100000 * tenth) {
            int want = (int)((double)(now - begin) * rate / 1e6);
            if (want > added)
                queue_enqueue(source, added, want, TASK_BATCH_MAX, 0);
            added = MAX(added, want);
            double us;
            unsigned got = claim(db, ask, &us);
            if (got > 0)
                g_array_append_val(took, us);
            if (got < BATCH)
                g_usleep(TICK_US);
            now = clock_monotonic_us(clock_real());
        }
        printf("%d %.0f\n", tenth, median((double *)(void *)took->data, took->len));
        fflush(stdout);
    }
    db_close(source);
    db_close(snapshot);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    g_set_prgname("queue-curve");
    g_autoptr(GOptionContext) context = g_option_context_new("SHAPE TASKS | pinned SECONDS");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        queue_die("arguments", error);
    int64_t number = argc == 3 ? g_ascii_strtoll(argv[2], NULL, 10) : -1;
    if (!url || number < 0 || rate < 1) {
        fprintf(stderr, "queue-curve: give --postgresql URL, a shape and a number, see --help\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    const char *const shards[] = {"1", "2", "3", "4", NULL};
    Node *node = queue_node_join(db, 1, shards);
    bool pinned = strcmp(argv[1], "pinned") == 0;
    unsigned cursor = 0;
    g_autoptr(TaskMarks) marks = task_marks_new(clock_real());
    TaskClaimAsk ask = {
        .role = QUEUE_ROLE,
        .shard = 1,
        .shards = pinned ? 1 : SHARDS,
        .owner = node_member(node)->incarnation,
        .batch = BATCH,
        .cursor = &cursor,
        .marks = marks,
        .node = 1,
    };
    if (pinned)
        measure_pinned(db, &ask, (int)number);
    else
        measure_shape(db, &ask, argv[1], number);
    queue_node_leave(node);
    db_close(db);
    return 0;
}
