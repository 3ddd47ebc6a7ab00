/* queue_latency: from the enqueue of one task to its start, while the queue is empty.
 *
 *     queue-latency --postgresql URL [--tasks N] [--other]
 *
 * Two nodes have joined. A task is enqueued at node 1 as the program does it: in a transaction with
 * its NOTIFY, and an offer to the own lanes after the commit. Node 1's lane takes it, or with
 * --other that of node 2, which only hears of it by its listener. The clock runs from before the
 * transaction to the handler's first line. Prints "median MS" and "p99 MS" with a tab between word
 * and number.
 *
 * The threads wait as app/lanes.c and app/serve.c do. Failures end it with a message.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "queue_node.h"
#include "roster/shard.h"
#include "roster/task.h"

#define WARM      20
#define GAP_US    20000 /* between two tasks: the queue is idle again */
#define LISTEN_MS 200

static char *url, *schema;
static int task_count = 200;
static gboolean other;

static const GOptionEntry options[] = {
    {"postgresql", 0, 0, G_OPTION_ARG_STRING, &url, "libpq connection string", "URL"},
    {"schema", 0, 0, G_OPTION_ARG_STRING, &schema, "schema to work in", "NAME"},
    {"tasks", 0, 0, G_OPTION_ARG_INT, &task_count, "how many (200)", "N"},
    {"other", 0, 0, G_OPTION_ARG_NONE, &other, "another node has the role", NULL},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static struct {
    GMutex lock;
    GCond changed;
    bool woken, ending; /* of the lane; under the lock */
    int started;        /* under the lock */
    int64_t started_us; /* under the lock */
    Node *node;         /* the lane's */
    _Atomic int ready;  /* lane and listener have begun */
} shared;

static DbConfig store_config(void)
{
    return (DbConfig){.kind = DB_POSTGRESQL, .url = url, .schema = schema};
}

static bool note_start(Run *run, GError **error)
{
    (void)error;
    int64_t now = clock_monotonic_us(clock_real());
    g_mutex_lock(&shared.lock);
    shared.started += (int)run->count;
    shared.started_us = now;
    g_cond_broadcast(&shared.changed);
    g_mutex_unlock(&shared.lock);
    return true;
}
static const Handler handler = {.run = note_start};

static void wake_lane(const char *role, void *data)
{
    (void)role;
    (void)data;
    g_mutex_lock(&shared.lock);
    shared.woken = true;
    g_cond_broadcast(&shared.changed);
    g_mutex_unlock(&shared.lock);
}

static void *lane_thread(void *data)
{
    (void)data;
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    Worker *worker = queue_worker_new(shared.node, db, 16, 1);
    shared.ready++;
    for (bool go_on = true; go_on;) {
        int64_t until = worker_step(worker);
        g_mutex_lock(&shared.lock);
        while (!shared.ending && !shared.woken && clock_monotonic_us(clock_real()) < until)
            g_cond_wait_until(&shared.changed, &shared.lock, until);
        shared.woken = false;
        go_on = !shared.ending;
        g_mutex_unlock(&shared.lock);
    }
    worker_free(worker);
    db_close(db);
    return NULL;
}

static bool is_ending(void)
{
    g_mutex_lock(&shared.lock);
    bool ending = shared.ending;
    g_mutex_unlock(&shared.lock);
    return ending;
}

/* Of the other node: what it hears goes to its lane. */
static void *listen_thread(void *data)
{
    (void)data;
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    GError *error = NULL;
    shared.ready++;
    while (!is_ending()) {
        g_autofree char *word = NULL;
        if (!db_listen(db, LISTEN_MS, &word, &error))
            queue_die("listen", error);
        if (word)
            wake_lane(NULL, NULL);
    }
    db_close(db);
    return NULL;
}

/* Enqueues one task; the milliseconds until it has started. */
static double measure_one(Db *db, int number)
{
    GError *error = NULL;
    char key[24];
    g_snprintf(key, sizeof(key), "%d", number);
    TaskNew task = {.role = QUEUE_ROLE, .bucket = bucket_of(key), .key = key};
    int64_t begin = clock_monotonic_us(clock_real());
    if (!db_begin(db, DB_WRITE, &error) || !task_add(db, &task, &error) ||
        !task_notify(db, QUEUE_ROLE, &error) || db_commit(db, &error) != DB_DONE)
        queue_die("enqueue", error);
    if (!other)
        wake_lane(NULL, NULL);
    g_mutex_lock(&shared.lock);
    while (shared.started <= number)
        g_cond_wait(&shared.changed, &shared.lock);
    int64_t started_us = shared.started_us;
    g_mutex_unlock(&shared.lock);
    return (double)(started_us - begin) / 1000;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    g_set_prgname("queue-latency");
    g_autoptr(GOptionContext) context = g_option_context_new("- from enqueue to start");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        queue_die("arguments", error);
    if (!url || task_count < 1) {
        fprintf(stderr, "queue-latency: give --postgresql URL, see --help\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    queue_role.handler = &handler;
    DbConfig config = store_config();
    Db *db = queue_store_open(&config);
    const char *const shards[] = {other ? "2" : "1", NULL};
    Node *here = queue_node_join(db, 1, shards);
    Node *there = queue_node_join(db, 2, shards);
    shared.node = other ? there : here;
    GThread *lane = g_thread_new("lane", lane_thread, NULL);
    GThread *listener = other ? g_thread_new("listen", listen_thread, NULL) : NULL;
    while (shared.ready < (other ? 2 : 1))
        g_usleep(GAP_US);
    g_usleep(20 * GAP_US);
    g_autofree double *took = g_new0(double, task_count);
    for (int i = 0; i < task_count + WARM; i++) {
        double ms = measure_one(db, i);
        if (i >= WARM)
            took[i - WARM] = ms;
        g_usleep(GAP_US);
    }
    qsort(took, (size_t)task_count, sizeof(double), compare);
    printf("median\t%.3f\np99\t%.3f\n", took[task_count / 2], took[(int)(0.99 * (task_count - 1))]);
    g_mutex_lock(&shared.lock);
    shared.ending = true;
    g_cond_broadcast(&shared.changed);
    g_mutex_unlock(&shared.lock);
    g_thread_join(lane);
    if (listener)
        g_thread_join(listener);
    queue_node_leave(there);
    queue_node_leave(here);
    db_close(db);
    return 0;
}
