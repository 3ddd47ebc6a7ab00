/* queue_bench: how many tasks a second go through the queue.
 *
 *     queue-bench --sqlite FILE | --postgresql URL [--tasks N] [--batch B] [--workers W]
 * [--interleaved]
 *
 * Two phases on an empty store: N tasks are enqueued, B in a transaction; then W lanes work them
 * off with an empty handler (claim, run, end; durable commits, as in `rota serve`). Prints tasks a
 * second of each and of both together. With --interleaved each hundred is worked off before the
 * next is enqueued, as a queue does that keeps up. The lanes are those of the program: leases,
 * fence, load counts and all.
 *
 * Failures end it with a message. It is a measuring tool and is not installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "db/migrate.h"
#include "roster/shard.h"
#include "roster/task.h"
#include "roster/worker.h"

static char *sqlite_path, *postgresql_url, *schema;
static int task_count = 100000, batch = 100, worker_count = 1;
static gboolean interleaved;

static const GOptionEntry options[] = {
    {"sqlite", 0, 0, G_OPTION_ARG_FILENAME, &sqlite_path, "an empty or new store", "FILE"},
    {"postgresql", 0, 0, G_OPTION_ARG_STRING, &postgresql_url, "libpq connection string", "URL"},
    {"schema", 0, 0, G_OPTION_ARG_STRING, &schema, "schema to work in", "NAME"},
    {"tasks", 0, 0, G_OPTION_ARG_INT, &task_count, "how many (100000)", "N"},
    {"batch", 0, 0, G_OPTION_ARG_INT, &batch, "in one transaction (100)", "B"},
    {"workers", 0, 0, G_OPTION_ARG_INT, &worker_count, "lanes (1)", "W"},
    {"interleaved", 0, 0, G_OPTION_ARG_NONE, &interleaved, "enqueue and work in turns", NULL},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static bool run_nothing(Run *run, GError **error)
{
    (void)run;
    (void)error;
    return true;
}

static const Handler handler = {.run = run_nothing};
static Role role = {
    .name = "bench",
    .setting = "bench.bench",
    .attempts = 3,
    .retry_min_ms = 1000,
    .retry_max_ms = 1000,
    .run_ms = 60000,
    .handler = &handler,
};
static const RoleSet set = {&role, 1};

static void die(const char *what, const GError *error)
{
    fprintf(stderr, "queue-bench: %s: %s\n", what, error->message);
    exit(1);
}

static Db *open_store(void)
{
    GError *error = NULL;
    DbConfig config = {
        .kind = sqlite_path ? DB_SQLITE : DB_POSTGRESQL,
        .path = sqlite_path,
        .url = postgresql_url,
        .schema = schema,
    };
    Db *db = db_open(&config, &error);
    if (!db)
        die("store", error);
    return db;
}

static void enqueue(Db *db, int from, int to)
{
    GError *error = NULL;
    g_autofree TaskNew *tasks = g_new0(TaskNew, batch);
    g_autofree char *keys = g_malloc((size_t)batch * 24);
    for (int at = from; at < to;) {
        int rows = MIN(to - at, batch);
        for (int i = 0; i < rows; i++) {
            char *key = keys + (size_t)i * 24;
            g_snprintf(key, 24, "%d", at + i);
            tasks[i] = (TaskNew){.role = role.name, .bucket = bucket_of(key), .key = key};
        }
        if (!db_begin(db, DB_WRITE, &error) || !task_add_many(db, tasks, (unsigned)rows, &error) ||
            db_commit(db, &error) != DB_DONE)
            die("enqueue", error);
        at += rows;
    }
}

typedef struct {
    Node *node;
    uint64_t seed;
} Lane;

static Worker *new_worker(Node *node, Db *db, uint64_t seed)
{
    WorkerConfig config = {
        .db = db,
        .clock = clock_real(),
        .node = node,
        .role = &role,
        .batch = (unsigned)batch,
        .attempts = 3,
        .retry_min_ms = 1000,
        .retry_max_ms = 1000,
        .seed = seed,
        .poll_ms = 1000,
    };
    return worker_new(&config);
}

/* Steps until there is nothing due. */
static void work_off(Worker *worker)
{
    for (;;) {
        int64_t next = worker_step(worker);
        if (next > clock_monotonic_us(clock_real()) + 500000)
            return;
    }
}

static void *work(void *data)
{
    Lane *lane = data;
    Db *db = open_store();
    Worker *worker = new_worker(lane->node, db, lane->seed);
    work_off(worker);
    worker_free(worker);
    db_close(db);
    return NULL;
}

static Node *join(Db *db, RoleTable *table)
{
    NodeConfig config = {
        .db = db,
        .clock = clock_real(),
        .set = &set,
        .node_id = 1,
        .lease_ms = 600000, /* this thread works too: one heartbeat must last */
        .heartbeat_ms = 200000,
        .host = "bench",
        .version = "0",
        .pid = 1,
        .table = table,
    };
    Node *node = node_new(&config);
    for (int i = 0; i < 10 && node_state(node) != NODE_UP; i++)
        node_step(node);
    if (node_state(node) != NODE_UP) {
        fprintf(stderr, "queue-bench: the node could not join: is the store in use?\n");
        exit(1);
    }
    return node;
}

static double seconds_since(int64_t start_us)
{
    return (double)(clock_monotonic_us(clock_real()) - start_us) / 1e6;
}

static void measure_phases(Db *db, Node *node)
{
    int64_t start = clock_monotonic_us(clock_real());
    enqueue(db, 0, task_count);
    double enqueued = seconds_since(start);
    g_autofree Lane *lanes = g_new0(Lane, worker_count);
    g_autofree GThread **threads = g_new0(GThread *, worker_count);
    start = clock_monotonic_us(clock_real());
    for (int i = 0; i < worker_count; i++) {
        lanes[i] = (Lane){.node = node, .seed = (uint64_t)i + 1};
        threads[i] = g_thread_new("lane", work, &lanes[i]);
    }
    for (int i = 0; i < worker_count; i++)
        g_thread_join(threads[i]);
    double worked = seconds_since(start);
    printf("enqueue %.0f/s\nwork %.0f/s\nboth %.0f/s\n", task_count / enqueued, task_count / worked,
           task_count / (enqueued + worked));
}

static void measure_interleaved(Db *db, Node *node)
{
    Worker *worker = new_worker(node, db, 1);
    int64_t start = clock_monotonic_us(clock_real());
    for (int at = 0; at < task_count; at += batch) {
        enqueue(db, at, MIN(at + batch, task_count));
        work_off(worker);
    }
    printf("interleaved %.0f/s\n", task_count / seconds_since(start));
    worker_free(worker);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("- tasks a second through the queue");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        die("arguments", error);
    if (!sqlite_path == !postgresql_url || batch < 1 || batch > TASK_BATCH_MAX || task_count < 1) {
        fprintf(stderr, "queue-bench: give --sqlite FILE or --postgresql URL, see --help\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    Db *db = open_store();
    unsigned applied;
    if (!migrate_upgrade(db, &applied, &error))
        die("store", error);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    Node *node = join(db, table);
    if (interleaved)
        measure_interleaved(db, node);
    else
        measure_phases(db, node);
    static const DbSql left = {"SELECT count(*) FROM task WHERE role = 'bench'", NULL};
    int64_t rows = -1;
    MUST(db_begin(db, DB_READ, NULL) && db_query_int(db, &left, DB_NO_ARGS, &rows, NULL) == 1);
    db_rollback(db);
    if (rows != 0)
        fprintf(stderr, "queue-bench: %" G_GINT64_FORMAT " tasks are left\n", rows);
    node_ask_stop(node);
    for (int i = 0; i < 3; i++)
        node_step(node);
    node_free(node);
    db_close(db);
    return rows == 0 ? 0 : 1;
}
