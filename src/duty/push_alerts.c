/* push_alerts: see push_alerts.h.
 *
 * As with states, a push is noted and committed first, sent by a node that trusts its lease, and
 * its end is written after; one whose fate is not known is sent again when it can be in flight no
 * more. But each is its own: a newer one replaces none, and none waits for jmap.push.throttle.
 *
 * Failures: the store's; the push services' are the subscription's, which rests for them. Known
 * weak point: a push service that fails for everybody is found out by states, or by each device.
 */
#include "duty/push_alerts.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_push.h"
#include "model/account.h"

#define STEP_MS      50
#define ENDS_TRIES   5
#define ENDS_WAIT_US 50000

typedef struct {
    unsigned task;
    const Subscription *to;
    PushAlert *alert;
    const Run *run;
    bool noted, ended;
    PushEnd end;
    char *why;
} Ring;

struct PushAlerts {
    Run *run;
    int64_t now, began_us;
    GPtrArray *lists; /* of lists of PushAlert: what is pushed is theirs */
    GPtrArray *rings; /* of Ring */
};

static void ring_free(gpointer data)
{
    Ring *ring = data;
    g_free(ring->why);
    g_free(ring);
}

PushAlerts *push_alerts_new(Run *run)
{
    PushAlerts *alerts = g_new0(PushAlerts, 1);
    alerts->run = run;
    alerts->began_us = clock_monotonic_us(run->clock);
    alerts->lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    alerts->rings = g_ptr_array_new_with_free_func(ring_free);
    return alerts;
}

void push_alerts_free(PushAlerts *alerts)
{
    if (!alerts)
        return;
    g_ptr_array_unref(alerts->rings);
    g_ptr_array_unref(alerts->lists);
    g_free(alerts);
}

bool push_alerts_any(const PushAlerts *alerts)
{
    return alerts->rings->len > 0;
}

static void come_again(int64_t *at, int64_t when)
{
    *at = *at ? MIN(*at, when) : when;
}

static const Subscription *find(const GPtrArray *subscriptions, int64_t id)
{
    for (unsigned i = 0; i < subscriptions->len; i++) {
        const Subscription *one = g_ptr_array_index(subscriptions, i);
        if (one->id == id && one->stage == SUBSCRIPTION_VERIFIED)
            return one;
    }
    return NULL;
}

bool push_alerts_look(PushAlerts *alerts, unsigned task, const GPtrArray *subscriptions,
                      int64_t now, int64_t *at, GError **error)
{
    const Subscription *first = subscriptions->len ? g_ptr_array_index(subscriptions, 0) : NULL;
    if (!first)
        return true;
    GPtrArray *list = push_alert_read(alerts->run->db, first->account, PUSH_ALERTS_MAX, error);
    if (!list)
        return false;
    alerts->now = now;
    g_ptr_array_add(alerts->lists, list);
    for (unsigned i = 0; i < list->len; i++) {
        PushAlert *alert = g_ptr_array_index(list, i);
        const Subscription *to = find(subscriptions, alert->subscription);
        if (!to)
            continue;
        int64_t ready = MAX(alert->next_at, to->next_at);
        if (alert->sending_at)
            ready = MAX(ready, alert->sending_at + PUSH_WHOLE_MS);
        if (ready > now || alerts->rings->len >= PUSH_BATCH_MAX) {
            come_again(at, MAX(ready, now));
            continue;
        }
        Ring *ring = g_new0(Ring, 1);
        *ring = (Ring){.task = task, .to = to, .alert = alert, .run = alerts->run};
        g_ptr_array_add(alerts->rings, ring);
    }
    if (list->len == PUSH_ALERTS_MAX)
        come_again(at, now);
    return true;
}

static bool note_all(PushAlerts *alerts, GError **error)
{
    if (!run_begin(alerts->run, false, error))
        return false;
    for (unsigned i = 0; i < alerts->rings->len; i++) {
        Ring *ring = g_ptr_array_index(alerts->rings, i);
        if (!push_alert_note(alerts->run->db, ring->alert, &ring->noted, error))
            return false;
    }
    /* Not known: nothing is sent; who comes next takes what was noted for sent. */
    return run_checkpoint(alerts->run, error);
}

static bool may_send(void *data)
{
    const Ring *ring = data;
    int64_t margin_us = PUSH_LEASE_MARGIN_MS * 1000;
    return clock_monotonic_us(ring->run->clock) + margin_us < run_trusted_until_us(ring->run) &&
           !run_should_stop(ring->run);
}

static void end_ring(const PushAlerts *alerts, Ring *ring, const FetchAnswer *answer,
                     const GError *error)
{
    const PushJudgeAsk ask = {answer, error, ring->to, alerts->run->settings, alerts->now};
    ring->end = push_judge(&ask, &ring->why, NULL);
    ring->end.error = ring->why;
    ring->ended = true;
}

static void start_all(PushAlerts *alerts, PushLine *line)
{
    for (unsigned i = 0; i < alerts->rings->len; i++) {
        Ring *ring = g_ptr_array_index(alerts->rings, i);
        g_autoptr(GError) why = NULL;
        if (!ring->noted)
            continue;
        PushAsk ask = {.to = ring->to,
                       .alert = ring->alert,
                       .now_ms = alerts->now,
                       .may_send = may_send,
                       .data = ring};
        if (!may_send(ring)) {
            ring->end = (PushEnd){.kind = PUSH_NOT_SENT};
            ring->ended = true;
        } else if (!push_line_send(line, &ask, &why)) {
            end_ring(alerts, ring, NULL, why);
        }
    }
}

/* Each ends within PUSH_WHOLE_MS. */
static void follow_all(PushAlerts *alerts, PushLine *line)
{
    while (push_line_in_flight(line) > 0) {
        FetchAnswer *answer = push_line_next(line, STEP_MS);
        if (!answer)
            continue;
        end_ring(alerts, answer->data, answer, answer->error);
        fetch_answer_free(answer);
    }
}

static bool write_end(PushAlerts *alerts, const Ring *ring, GError **error)
{
    Db *db = alerts->run->db;
    if (!push_alert_end(db, ring->alert, &ring->end, error))
        return false;
    if (ring->end.kind != PUSH_ENDED)
        return true;
    g_autoptr(GError) why = NULL;
    PushResult result = {.to = ring->to, .end = ring->end};
    if (!account_lock_row(db, ring->to->account, &why)) {
        if (error_kind(why) == ERROR_GONE)
            return true;
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return subscription_note_ends(db, &result, 1, error);
}

static bool write_ends(PushAlerts *alerts, GError **error)
{
    if (!run_begin(alerts->run, false, error))
        return false;
    for (unsigned i = 0; i < alerts->rings->len; i++) {
        const Ring *ring = g_ptr_array_index(alerts->rings, i);
        if (ring->ended && !write_end(alerts, ring, error))
            return false;
    }
    return run_checkpoint(alerts->run, error);
}

/* A commit whose outcome is not known is made again: an end that is written already changes little
 * (a push may be counted twice), and nothing is sent for it. */
static bool save_ends(PushAlerts *alerts, GError **error)
{
    for (unsigned try = 1;; try++) {
        g_autoptr(GError) why = NULL;
        if (write_ends(alerts, &why))
            return true;
        db_rollback(alerts->run->db);
        bool again = error_kind(why) == ERROR_RETRY || error_kind(why) == ERROR_UNKNOWN;
        if (!again || try >= ENDS_TRIES) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        run_pause(alerts->run, try * ENDS_WAIT_US);
    }
}

bool push_alerts_send(PushAlerts *alerts, PushLine *line, int64_t *again_at, GError **error)
{
    unsigned sent = 0;
    if (!note_all(alerts, error))
        return false;
    start_all(alerts, line);
    follow_all(alerts, line);
    if (!save_ends(alerts, error))
        return false;
    int64_t since_ms = (clock_monotonic_us(alerts->run->clock) - alerts->began_us) / 1000;
    for (unsigned i = 0; i < alerts->rings->len; i++) {
        const Ring *ring = g_ptr_array_index(alerts->rings, i);
        sent += ring->end.kind == PUSH_SENT && ring->ended;
        bool waits = ring->end.kind != PUSH_SENT && ring->end.kind != PUSH_ENDED;
        if (ring->ended && waits)
            come_again(&again_at[ring->task], alerts->now + since_ms + STEP_MS + ring->end.wait_ms);
    }
    g_string_append_printf(alerts->run->detail, "%u of %u alarms pushed, ", sent,
                           alerts->rings->len);
    return true;
}
