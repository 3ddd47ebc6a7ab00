/* queue_bench: how many tasks a second go through the queue.
 *
 *     queue-bench --sqlite FILE | --postgresql URL [--tasks N] [--batch B] [--workers W]
 * [--interleaved]
 *
 * Two phases on an empty store: N tasks are enqueued, B in a transaction; then W lanes work them
 * off with an empty handler (claim, run, end; durable commits, as in `rota serve`). Prints tasks a
 * second of each and of both together. With --interleaved each hundred is worked off before the
 * next is enqueued, as a queue does that keeps up. The lanes are those of the program: leases,
 * fence, load counts and all (queue_node.h).
 *
 * Failures end it with a message. It is a measuring tool and is not installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "queue_node.h"

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

static DbConfig store_config(void)
{
    return (DbConfig){
        .kind = sqlite_path ? DB_SQLITE : DB_POSTGRESQL,
        .path = sqlite_path,
        .url = postgresql_url,
        .schema = schema,
    };
}

typedef struct {
    Node *node;
    uint64_t seed;
} Lane;

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
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    Worker *worker = queue_worker_new(lane->node, db, (unsigned)batch, lane->seed);
    work_off(worker);
    worker_free(worker);
    db_close(db);
    return NULL;
}

static void measure_phases(Db *db, Node *node)
{
    int64_t start = clock_monotonic_us(clock_real());
    queue_enqueue(db, 0, task_count, batch, 0);
    double enqueued = queue_seconds_since(start);
    g_autofree Lane *lanes = g_new0(Lane, worker_count);
    g_autofree GThread **threads = g_new0(GThread *, worker_count);
    start = clock_monotonic_us(clock_real());
    for (int i = 0; i < worker_count; i++) {
        lanes[i] = (Lane){.node = node, .seed = (uint64_t)i + 1};
        threads[i] = g_thread_new("lane", work, &lanes[i]);
    }
    for (int i = 0; i < worker_count; i++)
        g_thread_join(threads[i]);
    double worked = queue_seconds_since(start);
    printf("enqueue %.0f/s\nwork %.0f/s\nboth %.0f/s\n", task_count / enqueued, task_count / worked,
           task_count / (enqueued + worked));
}

static void measure_interleaved(Db *db, Node *node)
{
    Worker *worker = queue_worker_new(node, db, (unsigned)batch, 1);
    int64_t start = clock_monotonic_us(clock_real());
    for (int at = 0; at < task_count; at += batch) {
        queue_enqueue(db, at, MIN(at + batch, task_count), batch, 0);
        work_off(worker);
    }
    printf("interleaved %.0f/s\n", task_count / queue_seconds_since(start));
    worker_free(worker);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    g_set_prgname("queue-bench");
    g_autoptr(GOptionContext) context = g_option_context_new("- tasks a second through the queue");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        queue_die("arguments", error);
    if (!sqlite_path == !postgresql_url || batch < 1 || batch > TASK_BATCH_MAX || task_count < 1) {
        fprintf(stderr, "queue-bench: give --sqlite FILE or --postgresql URL, see --help\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    Node *node = queue_node_join(db, 1, NULL);
    if (interleaved)
        measure_interleaved(db, node);
    else
        measure_phases(db, node);
    static const DbSql left = {"SELECT count(*) FROM task WHERE role = '" QUEUE_ROLE "'", NULL};
    int64_t rows = -1;
    MUST(db_begin(db, DB_READ, NULL) && db_query_int(db, &left, DB_NO_ARGS, &rows, NULL) == 1);
    db_rollback(db);
    if (rows != 0)
        fprintf(stderr, "queue-bench: %" G_GINT64_FORMAT " tasks are left\n", rows);
    queue_node_leave(node);
    db_close(db);
    return rows == 0 ? 0 : 1;
}
