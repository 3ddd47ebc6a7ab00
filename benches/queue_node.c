/* queue_node: see queue_node.h. The lanes are those of the program: leases, fence and all; only the
 * handler does nothing.
 *
 * Failures end the program with a message.
 */
#include "queue_node.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "db/migrate.h"
#include "roster/shard.h"
#include "roster/task.h"

#define KEY_BYTES 24

static bool run_nothing(Run *run, GError **error)
{
    (void)run;
    (void)error;
    return true;
}

static const Handler handler = {.run = run_nothing};
Role queue_role = {
    .name = QUEUE_ROLE,
    .setting = "bench.bench",
    .attempts = 3,
    .retry_min_ms = 1000,
    .retry_max_ms = 1000,
    .run_ms = 60000,
    .handler = &handler,
};
static const RoleSet set = {&queue_role, 1};

void queue_die(const char *what, const GError *error)
{
    fprintf(stderr, "%s: %s: %s\n", g_get_prgname(), what, error ? error->message : "");
    exit(1);
}

Db *queue_store_open(const DbConfig *config)
{
    static bool migrated;
    GError *error = NULL;
    unsigned applied;
    DbConfig steady = *config;
    steady.steady = true;
    Db *db = db_open(&steady, &error);
    if (!db)
        queue_die("store", error);
    if (!migrated && !migrate_upgrade(db, &applied, &error))
        queue_die("store", error);
    migrated = true;
    return db;
}

Node *queue_node_join(Db *db, int64_t node_id, const char *const *shards)
{
    GError *error = NULL;
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    for (unsigned i = 0; shards && shards[i]; i++)
        if (!table_builder_add_shard(builder, &queue_role, shards[i], &error))
            queue_die("table", error);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    NodeConfig config = {
        .db = db,
        .clock = clock_real(),
        .set = &set,
        .node_id = node_id,
        .lease_ms = 6000000, /* this thread works too: one heartbeat must last */
        .heartbeat_ms = 2000000,
        .host = "bench",
        .version = "0",
        .pid = 1,
        .table = table,
    };
    Node *node = node_new(&config);
    for (int i = 0; i < 10 && node_state(node) != NODE_UP; i++)
        node_step(node);
    if (node_state(node) != NODE_UP) {
        fprintf(stderr, "%s: the node could not join: is the store in use?\n", g_get_prgname());
        exit(1);
    }
    return node;
}

void queue_node_leave(Node *node)
{
    node_ask_stop(node);
    for (int i = 0; i < 3; i++)
        node_step(node);
    node_free(node);
}

Worker *queue_worker_new(Node *node, Db *db, unsigned batch, uint64_t seed)
{
    WorkerConfig config = {
        .db = db,
        .clock = clock_real(),
        .node = node,
        .role = &queue_role,
        .batch = batch,
        .attempts = 3,
        .retry_min_ms = 1000,
        .retry_max_ms = 1000,
        .seed = seed,
        .poll_ms = 1000,
    };
    return worker_new(&config);
}

void queue_enqueue(Db *db, int from, int to, int batch, int64_t due_at)
{
    GError *error = NULL;
    g_autofree TaskNew *tasks = g_new0(TaskNew, batch);
    g_autofree char *keys = g_malloc((size_t)batch * KEY_BYTES);
    for (int at = from; at < to;) {
        int rows = MIN(to - at, batch);
        for (int i = 0; i < rows; i++) {
            char *key = keys + (size_t)i * KEY_BYTES;
            g_snprintf(key, KEY_BYTES, "%d", at + i);
            tasks[i] = (TaskNew){
                .role = QUEUE_ROLE, .bucket = bucket_of(key), .key = key, .due_at = due_at};
        }
        if (!db_begin(db, DB_WRITE, &error) || !task_add_many(db, tasks, (unsigned)rows, &error) ||
            db_commit(db, &error) != DB_DONE)
            queue_die("enqueue", error);
        at += rows;
    }
}

double queue_seconds_since(int64_t start_us)
{
    return (double)(clock_monotonic_us(clock_real()) - start_us) / 1e6;
}
