/* metrics_push: sends metrics to other systems.
 *
 * How it fits: each node writes its own series down as snapshots, with its node-id, when the
 * schedule says (app/recorder.c); a round for each shard of this role sends them, so that other
 * nodes need no way out, and what a node counted leaves the cluster though that node is busy or
 * dead. A shard sends the snapshots of the nodes that fall to it; the first shard adds the
 * cluster's own series, once for all. What a target has taken is removed under the fence.
 *
 * A target that is not there costs nothing but room: its snapshots wait in the store, whatever node
 * does this role, up to an age and a size, then the oldest go and are counted. Sent again they are
 * the same bytes with the same times. The node's death between the sending and the removing, or a
 * time-out, has them sent twice so.
 *
 * Failures: a target's are the run's in the end, when all targets had their turn: tried again with
 * back-off, never buried, and shown with the role's task. Retry-After keeps one target alone back.
 * Known weak points: targets are served one after the other, so one that hangs delays the next by
 * its time-out; a Pushgateway keeps the group of a node that is gone, as Pushgateways do.
 */
#include <string.h>

#include "base/cron.h"
#include "base/error.h"
#include "base/limits_metrics_push.h"
#include "duty/metrics_snapshot.h"
#include "duty/metrics_wire.h"
#include "model/metric_outbox.h"

typedef struct {
    Run *run;
    const MetricsPush *push;
    int kind;
    MetricScope scope;
    MetricTarget state;
    MetricsWire *wire;
    int64_t now;    /* the store's, of the run's begin */
    unsigned alone; /* so many more snapshots go one by one */
    int64_t sent, refused;
    GString *problem; /* of all targets; "" none */
} Pushing;

/* ---------------------------------------------------------------- the cluster's series */

/* Whether the schedule has had a slot since the newest of them. */
static bool is_due(const Run *run, const MetricsPush *push, int64_t last, int64_t now)
{
    const DutySettings *settings = run->settings;
    g_autoptr(CronSchedule) schedule = cron_parse(push->schedule, NULL);
    g_autoptr(GTimeZone) zone =
        settings->time_zone ? g_time_zone_new_identifier(settings->time_zone) : NULL;
    return !schedule || cron_next(schedule, last, zone) <= now;
}

/* Counters of targets count since their rows were made. */
static bool read_times(Run *run, int64_t *ret_now, int64_t *ret_last, int64_t *ret_start,
                       GError **error)
{
    if (!db_begin(run->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(run->db);
    g_autoptr(GPtrArray) totals = NULL;
    if (!metric_outbox_now(run->db, ret_now, error) ||
        !metric_outbox_last(run->db, ret_last, error) ||
        !(totals = metric_target_totals(run->db, error)))
        return false;
    *ret_start = *ret_now;
    for (unsigned i = 0; i < totals->len; i++) {
        const MetricTargetTotal *total = g_ptr_array_index(totals, i);
        *ret_start = MIN(*ret_start, total->created_at);
    }
    return true;
}

static bool snapshot_cluster(Run *run, const MetricsPush *push, GError **error)
{
    const DutySettings *settings = run->settings;
    const MetricsDoor *door = settings->metrics_door;
    int64_t now, last, start;
    if (!door || run->shard != 1)
        return true;
    if (!read_times(run, &now, &last, &start, error))
        return false;
    if (!is_due(run, push, last, now))
        return true;
    g_autoptr(SeriesSet) set = series_new();
    if (!door->read_cluster(set, run->db, door->data, error))
        return false;
    SeriesSource source = {.cluster = door->cluster,
                           .instance = "cluster",
                           .host = "",
                           .version = door->version,
                           .started_at = start,
                           .at = now};
    return run_begin(run, true, error) &&
           metrics_snapshot_add(run->db, push, set, &source, 0, error) &&
           run_checkpoint(run, error);
}

/* ---------------------------------------------------------------- one target */

static void set_problem(Pushing *pushing, const char *problem)
{
    g_free(pushing->state.problem);
    pushing->state.problem = g_strdup(problem ? problem : "");
}

static bool read_state(Pushing *pushing, GError **error)
{
    Db *db = pushing->run->db;
    if (!db_begin(db, DB_READ, error))
        return false;
    bool good = metric_outbox_now(db, &pushing->now, error) &&
                metric_target_read(db, &pushing->scope, &pushing->state, error);
    db_rollback(db);
    return good;
}

static bool trim(Pushing *pushing, GError **error)
{
    Run *run = pushing->run;
    int64_t dropped = 0;
    if (!run_begin(run, true, error) ||
        !metric_outbox_trim(run->db, &pushing->scope, pushing->now - pushing->push->buffer_age_ms,
                            pushing->push->buffer_bytes, &dropped, error))
        return false;
    pushing->state.dropped += dropped;
    return metric_target_write(run->db, &pushing->scope, &pushing->state, error) &&
           run_checkpoint(run, error);
}

static GPtrArray *read_next(Pushing *pushing, GError **error)
{
    Db *db = pushing->run->db;
    unsigned limit = pushing->alone > 0 ? 1 : metrics_wire_limit(pushing->kind);
    if (!db_begin(db, DB_READ, error))
        return NULL;
    GPtrArray *snapshots =
        metric_outbox_next(db, &pushing->scope, limit, METRICS_PUSH_BYTES, error);
    db_rollback(db);
    return snapshots;
}

/* Writes down what came of it. A refusal of several is taken apart first: one bad snapshot must not
 * cost the others. */
static bool note_answer(Pushing *pushing, const GPtrArray *snapshots, const MetricsAnswer *answer,
                        GError **error)
{
    Run *run = pushing->run;
    MetricTarget *state = &pushing->state;
    bool partly = answer->verdict == METRICS_TAKEN && answer->problem;
    bool refused = answer->verdict == METRICS_REFUSED;
    if (refused && snapshots->len > 1) {
        pushing->alone = snapshots->len;
        return true;
    }
    pushing->alone -= MIN(pushing->alone, 1);
    if (answer->problem || state->failures > 0)
        set_problem(pushing, answer->problem);
    if (answer->verdict == METRICS_LATER) {
        state->failures++;
        state->not_before = answer->retry_ms > 0 ? pushing->now + answer->retry_ms : 0;
    } else {
        state->failures = state->not_before = 0;
        state->sent += refused ? 0 : snapshots->len;
        state->refused += refused || partly ? snapshots->len : 0;
        state->sent_at = refused ? state->sent_at : pushing->now;
        pushing->sent += refused ? 0 : snapshots->len;
        pushing->refused += refused ? snapshots->len : 0;
    }
    return run_begin(run, true, error) &&
           (answer->verdict == METRICS_LATER ||
            metric_outbox_remove(run->db, pushing->scope.target, snapshots, error)) &&
           metric_target_write(run->db, &pushing->scope, state, error) &&
           run_checkpoint(run, error);
}

static void add_problem(Pushing *pushing, const char *problem)
{
    g_string_append_printf(pushing->problem, "%s%s: %s", pushing->problem->len ? "; " : "",
                           pushing->scope.target, problem);
}

/* ret_more: there may be more to send now. */
static bool send_next(Pushing *pushing, bool *ret_more, GError **error)
{
    g_autoptr(GPtrArray) snapshots = read_next(pushing, error);
    *ret_more = snapshots && snapshots->len > 0;
    if (!snapshots || snapshots->len == 0)
        return snapshots != NULL;
    g_auto(MetricsAnswer) answer = {.problem = NULL};
    metrics_wire_send(pushing->wire, snapshots, &answer);
    if (answer.verdict == METRICS_STOPPED)
        return fail(error, ERROR_STOPPED, "the node's lease is in doubt: nothing is sent");
    for (unsigned i = 0; i < snapshots->len; i++) {
        const MetricSnapshot *snapshot = g_ptr_array_index(snapshots, i);
        pushing->run->bytes += (int64_t)g_bytes_get_size(snapshot->body);
    }
    if (answer.verdict == METRICS_LATER) {
        add_problem(pushing, answer.problem);
        *ret_more = false;
    }
    return note_answer(pushing, snapshots, &answer, error);
}

static void tell(const Pushing *pushing)
{
    GString *detail = pushing->run->detail;
    g_string_append_printf(detail, "%s%s: %" G_GINT64_FORMAT " sent", detail->len ? ", " : "",
                           pushing->scope.target, pushing->sent);
    if (pushing->refused > 0)
        g_string_append_printf(detail, ", %" G_GINT64_FORMAT " refused: %s", pushing->refused,
                               pushing->state.problem);
}

static bool may_send(void *data)
{
    const Run *run = data;
    return run_trusted_until_us(run) > clock_monotonic_us(run->clock);
}

static bool push_target(Pushing *pushing, GError **error)
{
    Run *run = pushing->run;
    const DutySettings *settings = run->settings;
    MetricsWireConfig config = {.kind = pushing->kind,
                                .target = &pushing->push->targets[pushing->kind],
                                .cluster =
                                    settings->metrics_door ? settings->metrics_door->cluster : "",
                                .clock = run->clock,
                                .may_send = may_send,
                                .data = run};
    if (!read_state(pushing, error) || !trim(pushing, error))
        return false;
    if (pushing->now < pushing->state.not_before) {
        g_string_append_printf(run->detail, "%s%s asked to be left alone: %s",
                               run->detail->len ? ", " : "", pushing->scope.target,
                               pushing->state.problem);
        return true;
    }
    g_autoptr(GError) why = NULL;
    pushing->wire = metrics_wire_new(&config, &why);
    bool more = pushing->wire != NULL, good = true;
    if (!more) /* one target's trouble: the others have their turn */
        add_problem(pushing, why->message);
    while (good && more && !run_should_stop(run))
        good = send_next(pushing, &more, error);
    metrics_wire_free(pushing->wire);
    tell(pushing);
    return good;
}

/* ---------------------------------------------------------------- a run */

static bool run_push(Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    const MetricsPush *push = settings->metrics_push;
    if (!push || !metrics_push_is_wanted(push)) {
        g_string_append(run->detail, "no target is set");
        return true;
    }
    if (!snapshot_cluster(run, push, error))
        return false;
    g_autoptr(GString) problem = g_string_new(NULL);
    for (int kind = 0; kind < METRICS_TARGETS; kind++) {
        if (!*push->targets[kind].endpoint)
            continue;
        Pushing pushing = {.run = run,
                           .push = push,
                           .kind = kind,
                           .scope = {metrics_target_names[kind], run->shard, run->shards},
                           .problem = problem};
        bool good = push_target(&pushing, error);
        metric_target_clear(&pushing.state);
        if (!good)
            return false;
    }
    if (problem->len == 0)
        return true;
    run_be_patient(run);
    return fail(error, ERROR_RETRY, "%s", problem->str);
}

const Handler metrics_push_handler = {.run = run_push};
