/* node_beat: joining, the heartbeat, and giving the lease back.
 *
 * A heartbeat is one transaction. Its one UPDATE says whether there is more to do in it: to expire
 * a dead member, to adopt a table that all agree on, to read the table in force, to enqueue a
 * round's slot, to write what was counted. What the node believes changes only after the commit.
 * The moment that its trust counts from is taken before the transaction begins.
 *
 * An unknown outcome counts as not renewed: trust runs on to its end, nothing that the transaction
 * brought is believed, and the next heartbeat reads it all again.
 *
 * Failures are logged, once for each outage.
 */
#include "roster/node_private.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "roster/identity.h"
#include "roster/task.h"

#define RETRY_DIVISOR 4 /* after a failed heartbeat the next comes in this part of the interval */

#define GAP_WINDOW_US INT64_C(300000000)

/* What one transaction found; believed after its commit. */
typedef struct {
    MemberPulse pulse;
    int64_t wall_ms; /* ours, when the pulse was taken */
    bool looked;     /* at all members */
    bool adopted;
    TableInForce in_force;
    GArray *expired; /* of int64 */
    RoundStep rounds;
    bool proposed, state_written, flushed;
} Beat;

static void beat_clear(Beat *beat)
{
    table_in_force_clear(&beat->in_force);
    g_clear_pointer(&beat->expired, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Beat, beat_clear)

static void take_table(Node *node, TableInForce *in_force)
{
    if (in_force->table) {
        g_mutex_lock(&node->lock);
        RoleTable *old = node->table;
        node->table = g_steal_pointer(&in_force->table);
        node->epoch = in_force->epoch;
        g_mutex_unlock(&node->lock);
        if (old)
            table_unref(old);
        node->rounds_at = 0;
        node->look_at_coverage = true;
        log_event(LOG_LEVEL_INFO, "table.in-force", "table %.12s, epoch %" G_GINT64_FORMAT,
                  table_digest(node->table), node->epoch);
    }
}

/* One line when trouble begins, and one when it ends. */
static void say_trouble(Node *node, const char *what, const GError *error)
{
    if (!node->failing)
        log_event(LOG_LEVEL_WARNING, "node.heartbeat", "%s: %s", what, error->message);
    node->failing = true;
}

static void say_well(Node *node)
{
    if (node->failing)
        log_event(LOG_LEVEL_INFO, "node.heartbeat", "the store answers again");
    node->failing = false;
}

static bool join_body(Node *node, TableInForce *ret, GError **error)
{
    Db *db = node->config.db;
    bool adopted;
    const char *cluster = node->config.cluster ? node->config.cluster : "";
    if (!identity_take(db, cluster, error) || !member_join(node->member, db, node->own, error) ||
        !adoption_read(db, node->config.set, 0, ret, error))
        return false;
    if (ret->epoch != 0)
        return takeover_end(db, ret->table, node->config.node_id, error);
    /* The cluster's first node: its table is in force at once. */
    return adoption_step(db, &adopted, error) && adoption_read(db, node->config.set, 0, ret, error);
}

/* Another life holds our id. Whoever lives renews its lease; one that has not for a whole lease, by
 * our own monotonic clock, is dead, whatever the store's clock says (it may have been set back). */
static void join_refused(Node *node, int64_t now, const GError *error)
{
    Member *member = node->member;
    if (node->conflict_us == 0) {
        node->conflict_us = now;
        log_event(LOG_LEVEL_WARNING, "node.join", "%s; waits for its lease to end", error->message);
    }
    if (member->rival_lease != node->rival_lease) {
        node->rival_lease = member->rival_lease;
        node->rival_us = now;
    }
    member->rival_is_dead = now - node->rival_us >= node->config.lease_ms * 1000;
    int64_t wait_ms = node->config.lease_ms + 2 * node->config.heartbeat_ms;
    if (member->rival_is_dead || now - node->conflict_us < wait_ms * 1000)
        return;
    node->state = NODE_REFUSED;
    log_event(LOG_LEVEL_ERROR, "node.refused", "%s", error->message);
}

/* The heartbeat, or join, sent at that time is confirmed. A lease that was lost in between is a gap
 * too. */
static void note_beat(Node *node, int64_t sent_us)
{
    if (sent_us - node->gap_window_us >= GAP_WINDOW_US) {
        node->gap_window_us = sent_us;
        node->gaps_us[1] = node->gaps_us[0];
        node->gaps_us[0] = 0;
    }
    if (node->confirmed_us != 0)
        node->gaps_us[0] = MAX(node->gaps_us[0], sent_us - node->confirmed_us);
    node->confirmed_us = sent_us;
}

void node_beats(const Node *node, int64_t *ret_gap_ms, int64_t *ret_failed)
{
    *ret_gap_ms = MAX(node->gaps_us[0], node->gaps_us[1]) / 1000;
    *ret_failed = node->beats_failed;
}

void node_join(Node *node)
{
    Db *db = node->config.db;
    g_autoptr(GError) error = NULL;
    g_auto(TableInForce) in_force = {0};
    int64_t sent = clock_monotonic_us(node->config.clock);
    node->next_us = sent + node->config.heartbeat_ms * 1000 / RETRY_DIVISOR;
    bool joined = db_begin(db, DB_WRITE, &error);
    if (joined) {
        g_auto(DbScope) scope = db_scope(db);
        joined = join_body(node, &in_force, &error) && db_commit(db, &error) == DB_DONE;
    }
    if (!joined) {
        if (error_kind(error) == ERROR_CONFLICT)
            join_refused(node, sent, error);
        else
            say_trouble(node, "could not join", error);
        return;
    }
    say_well(node);
    member_confirm(node->member, sent);
    note_beat(node, sent);
    node->conflict_us = 0;
    node->propose = false;
    node->next_us = sent + node->config.heartbeat_ms * 1000;
    node->next_poll_us = sent;
    node->look_at_coverage = true;
    node->rounds_at = 0;
    take_table(node, &in_force);
    bool leaving = node->draining || node->give_up_us != 0;
    node->state = leaving ? NODE_DRAINING : NODE_UP;
    log_event(LOG_LEVEL_INFO, "node.joined", "incarnation %" G_GINT64_FORMAT,
              (int64_t)node->member->incarnation);
    node_wake(node, NULL);
}

/* The table in force, if it is not the one we know. */
static bool read_table(Node *node, Beat *beat, GError **error)
{
    Db *db = node->config.db;
    if (beat->pulse.agreed || beat->expired->len > 0) {
        if (!adoption_step(db, &beat->adopted, error))
            return false;
    }
    if (!beat->adopted && beat->pulse.epoch == node->epoch)
        return true;
    return adoption_read(db, node->config.set, node->epoch, &beat->in_force, error);
}

static bool write_own_row(Node *node, Beat *beat, GError **error)
{
    Db *db = node->config.db;
    if (node->propose) {
        if (!member_propose(node->member, db, node->own, error))
            return false;
        beat->proposed = true;
    }
    bool leaving = node->state == NODE_DRAINING || beat->pulse.drain;
    if (leaving && !node->draining_written) {
        if (!member_set_state(node->member, db, "draining", error))
            return false;
        beat->state_written = true;
    }
    if (beat->pulse.drain || beat->pulse.reload)
        return member_clear_wish(node->member, db, error);
    return true;
}

static bool enqueue_rounds(Node *node, Beat *beat, GError **error)
{
    const RoleTable *table = beat->in_force.table ? beat->in_force.table : node->table;
    beat->rounds.next_at = node->rounds_at;
    bool works = node->state == NODE_UP && !beat->pulse.drain;
    bool due = beat->pulse.now >= node->rounds_at || beat->in_force.table;
    if (!works || !due || !table || node->config.round_count == 0)
        return true;
    RoundAsk ask = {.table = table,
                    .node = node->config.node_id,
                    .taken = node->taken,
                    .rounds = node->config.rounds,
                    .count = node->config.round_count};
    return round_step(node->config.db, &ask, &beat->rounds, error);
}

static bool beat_body(Node *node, Beat *beat, GError **error)
{
    Db *db = node->config.db;
    g_autofree char *health = node->config.health ? node->config.health(node->config.data) : NULL;
    int64_t before = clock_wall_ms(node->config.clock);
    beat->looked = member_should_look(node->member, ++node->beats, node->members);
    if (!member_renew(node->member, db, health, beat->looked, &beat->pulse, error))
        return false;
    beat->wall_ms = before + (clock_wall_ms(node->config.clock) - before) / 2;
    if (beat->pulse.expired > 0 && member_expire(db, beat->expired, error) < 0)
        return false;
    if (beat->expired->len > 0 && !task_notify(db, NULL, error))
        return false;
    if (!write_own_row(node, beat, error) || !read_table(node, beat, error) ||
        !enqueue_rounds(node, beat, error))
        return false;
    if (node->config.load) {
        beat->flushed = true;
        if (!load_flush(node->config.load, db, node->config.node_id, error))
            return false;
    }
    return true;
}

static char *format_wall(int64_t ms)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(ms / 1000);
    return time ? g_date_time_format(time, "%F %T UTC") : g_strdup("a time beyond all calendars");
}

/* A clock that is wrong harms nothing here, but people and other programs read it. */
static void look_at_clock(Node *node, const Beat *beat)
{
    int64_t ahead = beat->wall_ms - beat->pulse.now;
    bool off = ahead > CLOCK_OFF_MS || ahead < -CLOCK_OFF_MS;
    node->clock_ahead_ms = ahead;
    if (off == node->clock_is_off)
        return;
    node->clock_is_off = off;
    g_autofree char *ours = format_wall(beat->wall_ms), *store = format_wall(beat->pulse.now);
    if (off)
        log_event(LOG_LEVEL_WARNING, "node.clock",
                  "this node's clock says %s, the store's says %s: leases and due times go by the "
                  "store's, but log lines and headers of mail by this node's; set it right",
                  ours, store);
    else
        log_event(LOG_LEVEL_INFO, "node.clock", "this node's clock agrees with the store's again");
}

/* The transaction is done: now it is true. */
static void believe(Node *node, Beat *beat)
{
    bool wake_all = beat->in_force.table || beat->expired->len > 0;
    for (unsigned i = 0; i < beat->expired->len; i++)
        log_event(LOG_LEVEL_WARNING, "node.expired",
                  "the lease of node %" G_GINT64_FORMAT " has run out: its tasks are free",
                  g_array_index(beat->expired, int64_t, i));
    take_table(node, &beat->in_force);
    node->rounds_at = beat->rounds.next_at;
    if (beat->proposed)
        node->propose = false;
    if (beat->state_written)
        node->draining_written = true;
    if (beat->pulse.reload)
        node->reload_asked = true;
    if (beat->pulse.drain && node->state == NODE_UP) {
        node->draining = true;
        node->state = NODE_DRAINING;
        log_event(LOG_LEVEL_INFO, "node.draining", "claims no more, finishes %d tasks", node->held);
        wake_all = true;
    }
    bool changed = beat->looked && beat->pulse.fingerprint != node->fingerprint;
    if (beat->looked) {
        node->fingerprint = beat->pulse.fingerprint;
        node->members = beat->pulse.members;
    }
    if (changed || beat->expired->len > 0 || beat->pulse.now >= node->takeover_at)
        node->look_at_coverage = true;
    if (wake_all || beat->rounds.enqueued > 0)
        node_wake(node, NULL);
}

void node_beat(Node *node)
{
    Db *db = node->config.db;
    g_autoptr(GError) error = NULL;
    g_auto(Beat) beat = {.expired = g_array_new(FALSE, FALSE, sizeof(int64_t))};
    int64_t sent = clock_monotonic_us(node->config.clock);
    node->refresh_asked = false;
    node->next_us = sent + node->config.heartbeat_ms * 1000 / RETRY_DIVISOR;
    DbOutcome outcome = DB_NOT_DONE;
    if (db_begin(db, DB_WRITE, &error)) {
        g_auto(DbScope) scope = db_scope(db);
        if (beat_body(node, &beat, &error))
            outcome = db_commit(db, &error);
    }
    if (beat.flushed)
        load_flushed(node->config.load, outcome != DB_NOT_DONE);
    node->beats_failed += outcome != DB_DONE;
    switch (outcome) {
    case DB_DONE:
        say_well(node);
        member_confirm(node->member, sent);
        note_beat(node, sent);
        node->next_us = sent + node->config.heartbeat_ms * 1000;
        look_at_clock(node, &beat);
        believe(node, &beat);
        break;
    case DB_NOT_DONE:
        if (error_kind(error) == ERROR_CONFLICT)
            node_lost(node, error->message);
        else
            say_trouble(node, "could not renew the lease", error);
        break;
    case DB_UNKNOWN:
        say_trouble(node, "it is not known whether the lease was renewed", error);
        break;
    }
}

bool node_give_back(Node *node)
{
    Db *db = node->config.db;
    g_autoptr(GError) error = NULL;
    bool stop = node->give_up_us != 0;
    bool flushed = false;
    DbOutcome outcome = DB_NOT_DONE;
    if (node->member->incarnation == 0)
        return true;
    if (db_begin(db, DB_WRITE, &error)) {
        g_auto(DbScope) scope = db_scope(db);
        flushed = node->config.load != NULL;
        bool written =
            (stop ? member_leave(node->member, db, &error)
                  : member_leave_drained(node->member, db, &error)) &&
            task_notify(db, NULL, &error) &&
            (!flushed || load_flush(node->config.load, db, node->config.node_id, &error));
        if (written)
            outcome = db_commit(db, &error);
    }
    if (flushed)
        load_flushed(node->config.load, outcome != DB_NOT_DONE);
    /* Unknown: if it was not done, the lease runs out by itself. A lease that was taken is as good
     * as given. */
    if (outcome == DB_NOT_DONE && error_kind(error) != ERROR_CONFLICT) {
        say_trouble(node, "could not give the lease back", error);
        return false;
    }
    member_forget(node->member);
    return true;
}
