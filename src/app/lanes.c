/* lanes: the threads that do a node's background work.
 *
 * How it fits: roster/worker is the step, this is the loop around it. A lane waits on one condition
 * for three things: its time has come, its role was woken, or all shall end. What is shared is
 * `woken` and `ending`, under the lock; worker and handle belong to the thread.
 *
 * Failures: a store that cannot be opened is logged and tried again, with the same pause as a lane
 * that finds nothing. What goes wrong within a step is the worker's to log. A priority that the
 * system does not grant (a container without the right) is no failure: the work is done all the
 * same.
 *
 * Known weak point: a handler that does not come back keeps lanes_stop waiting until its grace
 * ends.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "base/rand.h"
#include "roster/worker.h"
#include "app/lanes.h"

/* The node polls for all its lanes and wakes them; this is the net under that. */
#define LANE_POLL_MS 120000
/* None has worked yet, so each ends at once. */
#define LANES_FAILED_MS 10000
#define LANE_STACK      (1024 * 1024) /* GMime and ICU within a handler */
/* Of 19: work that nobody waits for gives way, but does not starve beside a busy system. */
#define LANE_HEAVY_NICE 10
/* linux/ioprio.h: best effort, lowest of its eight levels. */
#define IOPRIO_WHO_PROCESS     1
#define IOPRIO_BEST_EFFORT_LOW ((2 << 13) | 7)

typedef struct {
    Lanes *lanes;
    const Role *role;
    bool woken; /* under the lock */
    pthread_t thread;
    bool started;
    /* owned by the thread */
    Db *db;
    Worker *worker;
} Lane;

struct Lanes {
    LanesConfig config;
    GMutex lock;
    GCond changed;
    bool ending;      /* under the lock */
    unsigned running; /* under the lock */
    Lane *all;
    unsigned count;
};

static bool node_has_shard(const Lane *lane)
{
    g_autoptr(RoleTable) table = node_table(lane->lanes->config.node, NULL);
    if (!table)
        return false;
    g_autoptr(GArray) shards =
        table_shards_of_node(table, lane->role->name, lane->lanes->config.settings->node_id);
    return shards->len > 0; /* what it takes over is of roles that it has shards of */
}

/* A handler gives way to others for a while. */
static void lane_pause(int64_t until_us, void *data)
{
    Lane *lane = data;
    Lanes *lanes = lane->lanes;
    g_mutex_lock(&lanes->lock);
    while (!lanes->ending && !node_is_stopping(lanes->config.node) &&
           clock_monotonic_us(lanes->config.clock) < until_us)
        g_cond_wait_until(&lanes->changed, &lanes->lock, until_us);
    g_mutex_unlock(&lanes->lock);
}

static bool lane_open(Lane *lane, GError **error)
{
    const LanesConfig *config = &lane->lanes->config;
    DbConfig store = config->settings->data.db;
    store.background = lane->role->heavy;
    store.steady = true;
    lane->db = db_open(&store, error);
    if (!lane->db)
        return false;
    Rand chance;
    rand_init_system(&chance);
    const LaneSettings *settings = settings_lane(config->settings, lane->role);
    lane->worker = worker_new(&(WorkerConfig){
        .db = lane->db,
        .clock = config->clock,
        .node = config->node,
        .role = lane->role,
        .batch = (unsigned)settings->batch,
        .attempts = (unsigned)settings->attempts,
        .retry_min_ms = settings->retry_min_ms,
        .retry_max_ms = settings->retry_max_ms,
        .settings = config->duty,
        .seed = rand_u64(&chance),
        .load = config->load,
        .poll_ms = LANE_POLL_MS,
        .pause = lane_pause,
        .pause_data = lane,
    });
    return true;
}

/* One step; the monotonic µs of the next. */
static int64_t lane_step(Lane *lane)
{
    int64_t later = clock_monotonic_us(lane->lanes->config.clock) + LANE_POLL_MS * 1000;
    if (!lane->worker) {
        if (!node_has_shard(lane))
            return later;
        g_autoptr(GError) error = NULL;
        if (!lane_open(lane, &error)) {
            log_event(LOG_LEVEL_ERROR, "lane.store-down", "could not open the store for %s: %s",
                      lane->role->name, error->message);
            return later;
        }
    }
    return worker_step(lane->worker);
}

/* Sleeps until the time or a wake-up. False: end. */
static bool lane_wait(Lane *lane, int64_t until_us)
{
    Lanes *lanes = lane->lanes;
    g_mutex_lock(&lanes->lock);
    while (!lanes->ending && !lane->woken && clock_monotonic_us(lanes->config.clock) < until_us)
        g_cond_wait_until(&lanes->changed, &lanes->lock, until_us);
    lane->woken = false;
    bool go_on = !lanes->ending;
    g_mutex_unlock(&lanes->lock);
    return go_on;
}

static void lower_priority(void)
{
    pid_t thread = (pid_t)syscall(SYS_gettid);
    if (setpriority(PRIO_PROCESS, (id_t)thread, LANE_HEAVY_NICE) < 0 ||
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, thread, IOPRIO_BEST_EFFORT_LOW) < 0)
        log_event(LOG_LEVEL_DEBUG, "lane.priority", "could not lower the priority: %s",
                  g_strerror(errno));
}

static void *lane_thread(void *data)
{
    Lane *lane = data;
    Lanes *lanes = lane->lanes;
    if (lane->role->heavy)
        lower_priority();
    log_field_push("role", lane->role->name);
    while (lane_wait(lane, lane_step(lane)))
        continue;
    worker_free(lane->worker);
    db_close(lane->db);
    log_field_pop();
    g_mutex_lock(&lanes->lock);
    lanes->running--;
    g_cond_broadcast(&lanes->changed);
    g_mutex_unlock(&lanes->lock);
    return NULL;
}

static bool lane_start(Lane *lane, GError **error)
{
    pthread_attr_t attributes;
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstacksize(&attributes, LANE_STACK) == 0);
    int failed = pthread_create(&lane->thread, &attributes, lane_thread, lane);
    pthread_attr_destroy(&attributes);
    if (failed)
        return fail(error, ERROR_RETRY, "could not start a thread for %s: %s", lane->role->name,
                    g_strerror(failed));
    lane->started = true;
    return true;
}

static unsigned lanes_of(const Settings *settings, const Role *role)
{
    return role->handler ? (unsigned)settings_lane(settings, role)->concurrency : 0;
}

Lanes *lanes_start(const LanesConfig *config, GError **error)
{
    Lanes *lanes = g_new0(Lanes, 1);
    lanes->config = *config;
    g_mutex_init(&lanes->lock);
    g_cond_init(&lanes->changed);
    const RoleSet *set = &config->settings->roles;
    for (size_t i = 0; i < set->count; i++)
        lanes->count += lanes_of(config->settings, &set->roles[i]);
    lanes->all = g_new0(Lane, lanes->count);
    unsigned at = 0;
    for (size_t i = 0; i < set->count; i++)
        for (unsigned n = lanes_of(config->settings, &set->roles[i]); n > 0; n--)
            lanes->all[at++] = (Lane){.lanes = lanes, .role = &set->roles[i]};
    for (unsigned i = 0; i < lanes->count; i++) {
        g_mutex_lock(&lanes->lock);
        lanes->running++;
        g_mutex_unlock(&lanes->lock);
        if (!lane_start(&lanes->all[i], error)) {
            g_mutex_lock(&lanes->lock);
            lanes->running--;
            g_mutex_unlock(&lanes->lock);
            lanes_stop(lanes, LANES_FAILED_MS);
            return NULL;
        }
    }
    return lanes;
}

void lanes_wake(Lanes *lanes, const char *role)
{
    g_mutex_lock(&lanes->lock);
    for (unsigned i = 0; i < lanes->count; i++)
        if (!role || strcmp(lanes->all[i].role->name, role) == 0)
            lanes->all[i].woken = true;
    g_cond_broadcast(&lanes->changed);
    g_mutex_unlock(&lanes->lock);
}

bool lanes_stop(Lanes *lanes, int64_t grace_ms)
{
    gint64 until = clock_monotonic_us(lanes->config.clock) + grace_ms * 1000;
    g_mutex_lock(&lanes->lock);
    lanes->ending = true;
    g_cond_broadcast(&lanes->changed);
    while (lanes->running > 0 && g_cond_wait_until(&lanes->changed, &lanes->lock, until))
        continue;
    bool ended = lanes->running == 0;
    g_mutex_unlock(&lanes->lock);
    if (!ended)
        return false;
    /* To their very end: libraries clean up after a thread, and must not do so during our exit. */
    for (unsigned i = 0; i < lanes->count; i++)
        if (lanes->all[i].started)
            pthread_join(lanes->all[i].thread, NULL);
    g_mutex_clear(&lanes->lock);
    g_cond_clear(&lanes->changed);
    g_free(lanes->all);
    g_free(lanes);
    return true;
}
