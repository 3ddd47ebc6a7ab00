/* recorder: a node's own metrics, taken down for metrics.push.
 *
 * How it fits: serve.c starts it where metrics are pushed. Its thread writes a snapshot for each
 * target at each slot of the schedule, all nodes at the same ones, with the store's time; what it
 * wrote and nobody has sent for longer than the buffer lasts it takes out again, so that the store
 * stays bounded where no node does metrics.push.
 *
 * Failures: a store that does not answer costs the slot, and is told by debug events: the heartbeat
 * tells it louder. After an unknown outcome nothing is done: it is there or not. Known weak point:
 * slots in which the store was away are gaps; counters go on, so that rates over the gap are right.
 */
#include "app/recorder.h"

#include "base/cron.h"
#include "base/log.h"
#include "base/must.h"
#include "duty/metrics_snapshot.h"
#include "model/metric_outbox.h"

#define RETRY_MS 1000 /* a slot is not missed for a clock that was set while we waited */

struct Recorder {
    RecorderConfig config;
    GThread *thread;
    Db *db; /* the thread's */
    CronSchedule *schedule;
    GTimeZone *zone;
    GMutex lock;
    GCond changed;
    bool ending; /* under lock */
};

static bool write_down(const Recorder *recorder, const SeriesSet *set, const NodeMetrics *node,
                       GError **error)
{
    const Settings *settings = recorder->config.settings;
    const MetricsPush *push = settings->duty.metrics_push;
    Db *db = recorder->db;
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, node->node);
    SeriesSource source = {.cluster = settings->cluster_name,
                           .instance = number,
                           .host = g_get_host_name(),
                           .version = node->version,
                           .started_at = node->started_at};
    return metric_outbox_now(db, &source.at, error) &&
           metrics_snapshot_add(db, push, set, &source, node->node, error) &&
           metric_outbox_forget(db, node->node, source.at - push->buffer_age_ms, error);
}

static void record(Recorder *recorder)
{
    const RecorderConfig *config = &recorder->config;
    g_autoptr(GError) error = NULL;
    NodeMetrics node = {0};
    config->read_node(&node, config->data);
    g_autoptr(SeriesSet) set = series_new();
    metrics_node_add(set, &node);
    g_ptr_array_unref(node.loads);
    /* Without a lease another process may have this node's id. */
    if (!node.may_work)
        return;
    if (!recorder->db)
        recorder->db = db_open(&config->settings->data.db, &error);
    if (recorder->db && db_begin(recorder->db, DB_WRITE_LAZY, &error)) {
        if (write_down(recorder, set, &node, &error))
            db_commit(recorder->db, &error);
        else
            db_rollback(recorder->db);
    }
    if (error)
        log_event(LOG_LEVEL_DEBUG, "metrics.record", "could not take down metrics: %s",
                  error->message);
}

/* False: it ends. */
static bool wait_for_slot(Recorder *recorder)
{
    const Clock *clock = recorder->config.clock;
    int64_t slot = cron_next(recorder->schedule, clock_wall_ms(clock), recorder->zone), left = 1;
    g_mutex_lock(&recorder->lock);
    while (!recorder->ending && (left = slot - clock_wall_ms(clock)) > 0)
        g_cond_wait_until(&recorder->changed, &recorder->lock,
                          clock_monotonic_us(clock) + MIN(left, RETRY_MS) * 1000);
    bool go_on = !recorder->ending;
    g_mutex_unlock(&recorder->lock);
    return go_on;
}

static gpointer recorder_thread(gpointer data)
{
    Recorder *recorder = data;
    while (wait_for_slot(recorder))
        record(recorder);
    return NULL;
}

Recorder *recorder_start(const RecorderConfig *config)
{
    Recorder *recorder = g_new0(Recorder, 1);
    const char *zone = config->settings->time_zone;
    recorder->config = *config;
    recorder->schedule = cron_parse(config->settings->metrics.push.schedule, NULL);
    MUST(recorder->schedule); /* the settings' reader has looked at it */
    recorder->zone = zone ? g_time_zone_new_identifier(zone) : NULL;
    g_mutex_init(&recorder->lock);
    g_cond_init(&recorder->changed);
    recorder->thread = g_thread_new("recorder", recorder_thread, recorder);
    return recorder;
}

void recorder_stop(Recorder *recorder)
{
    if (!recorder)
        return;
    g_mutex_lock(&recorder->lock);
    recorder->ending = true;
    g_cond_broadcast(&recorder->changed);
    g_mutex_unlock(&recorder->lock);
    g_thread_join(recorder->thread);
    db_close(recorder->db);
    cron_free(recorder->schedule);
    if (recorder->zone)
        g_time_zone_unref(recorder->zone);
    g_mutex_clear(&recorder->lock);
    g_cond_clear(&recorder->changed);
    g_free(recorder);
}
