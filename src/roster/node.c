/* node: one node's life, seen from outside: its steps, its state, and what lanes ask of it.
 *
 * STARTING: it tries to join. UP: it works. DRAINING: lanes claim no more; when they hold nothing
 * the lease is given back, and the state is DRAINED (an operator's wish) or STOPPED (a stop was
 * asked). REFUSED: another life of this node renews its lease. A lease that was taken brings it
 * back to STARTING: what lanes hold then cannot be committed, and it joins anew.
 *
 * A step does one thing: join, heartbeat, poll, look at coverage, or give back. Nothing here waits.
 *
 * Failures of the world are logged here, once for each outage. Known weak point: that a held lease
 * is another's living one is known only after one lease time, since a row does not say whether its
 * process lives.
 */
#include "roster/node.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "roster/node_private.h"

#define DRAIN_STEP_US 50000 /* how often a draining node looks whether its lanes are empty */

Node *node_new(const NodeConfig *config)
{
    MUST(config->heartbeat_ms > 0 && config->heartbeat_ms < config->lease_ms);
    Node *node = g_new0(Node, 1);
    node->config = *config;
    node->own = table_ref(config->table);
    node->member =
        member_new(config->node_id, config->lease_ms, config->host, config->pid, config->version);
    node->taken = takeovers_new();
    node->takeover_at = INT64_MAX;
    node->uncovered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    snprintf(node->node_text, sizeof node->node_text, "%" G_GINT64_FORMAT, config->node_id);
    g_mutex_init(&node->lock);
    return node;
}

void node_free(Node *node)
{
    if (!node)
        return;
    g_clear_pointer(&node->table, table_unref);
    table_unref(node->own);
    member_free(node->member);
    g_ptr_array_unref(node->taken);
    g_hash_table_unref(node->uncovered);
    g_mutex_clear(&node->lock);
    g_free(node);
}

void node_wake(Node *node, const char *role)
{
    if (node->config.wake)
        node->config.wake(role, node->config.data);
}

void node_lost(Node *node, const char *why)
{
    log_event(LOG_LEVEL_ERROR, "node.lost", "%s: all work stops, and the node joins anew", why);
    member_forget(node->member);
    node_set_taken(node, takeovers_new());
    node->state = NODE_STARTING;
    node->draining_written = false;
    node->next_us = 0;
    node_wake(node, NULL);
}

static void read_file_again(Node *node)
{
    if (!node->config.reload) {
        log_event(LOG_LEVEL_WARNING, "node.reload", "this node has no file to read again");
        return;
    }
    g_autoptr(GError) error = NULL;
    RoleTable *table = node->config.reload(node->config.data, &error);
    if (!table) {
        log_event(LOG_LEVEL_ERROR, "node.reload", "nothing changes: %s", error->message);
        return;
    }
    table_unref(node->own);
    node->own = table;
    node->propose = true;
    log_event(LOG_LEVEL_INFO, "node.reload", "settings read again: proposes table %.12s",
              table_digest(table));
}

/* A node that has handed everything over, or must stop now. */
static bool step_draining(Node *node, int64_t now)
{
    bool gave_up = node->give_up_us != 0 && now >= node->give_up_us;
    if (!gave_up && (node->held > 0 || now < node->give_back_us))
        return false;
    if (gave_up && node->held > 0)
        log_event(LOG_LEVEL_WARNING, "node.stop",
                  "%d tasks still run: they are left to other nodes", node->held);
    if (!node_give_back(node) && !gave_up) {
        node->give_back_us = now + DRAIN_STEP_US;
        return false;
    }
    bool stop = node->give_up_us != 0;
    node->state = stop ? NODE_STOPPED : NODE_DRAINED;
    log_event(LOG_LEVEL_INFO, stop ? "node.stopped" : "node.drained", "the lease is given back");
    node_wake(node, NULL);
    return true;
}

/* True when there was something to do about a stop. */
static void take_up_stop(Node *node, int64_t now)
{
    if (!node->stop_asked || node->give_up_us != 0)
        return;
    int64_t stop_ms = node->config.stop_ms > 0 ? node->config.stop_ms : NODE_STOP_MS;
    node->give_up_us = now + stop_ms * 1000;
    bool joined = node->member->incarnation != 0;
    node->state = joined ? NODE_DRAINING : NODE_STOPPED;
    node_wake(node, NULL);
}

/* Something that does not wait for the next heartbeat; but a store that is away is not asked the
 * more often for it. */
static bool wants_beat(const Node *node)
{
    return node->propose || node->refresh_asked;
}

static int64_t step(Node *node)
{
    int64_t now = clock_monotonic_us(node->config.clock);
    take_up_stop(node, now);
    if (atomic_exchange(&node->reload_asked, false))
        read_file_again(node);
    switch ((NodeState)node->state) {
    case NODE_REFUSED:
    case NODE_STOPPED:
        return INT64_MAX;
    case NODE_DRAINED:
        return now + node->config.heartbeat_ms * 1000;
    case NODE_DRAINING:
        if (step_draining(node, now))
            return now;
        break;
    case NODE_STARTING:
    case NODE_UP:
        break;
    }
    if (node->member->incarnation == 0) {
        if (now >= node->next_us)
            node_join(node);
    } else if (now >= node->next_us || (!node->failing && wants_beat(node))) {
        node_beat(node);
    } else if (node->look_at_coverage) {
        node_look_at_coverage(node);
    } else if (now >= node->next_poll_us && node->state == NODE_UP) {
        node_poll(node);
    }
    int64_t next = node->next_us;
    if (node->look_at_coverage && node->member->incarnation != 0)
        next = now;
    if (node->state == NODE_UP)
        next = MIN(next, node->next_poll_us);
    if (node->state == NODE_DRAINING)
        next = MIN(next, now + DRAIN_STEP_US);
    return next;
}

int64_t node_step(Node *node)
{
    log_field_push("node", node->node_text);
    int64_t next = step(node);
    log_field_pop();
    return next;
}

void node_ask_reload(Node *node)
{
    node->reload_asked = true;
}

void node_ask_refresh(Node *node)
{
    node->refresh_asked = true;
}

void node_ask_stop(Node *node)
{
    node->stop_asked = true;
}

bool node_is_stopping(const Node *node)
{
    return node->stop_asked;
}

NodeState node_state(const Node *node)
{
    return (NodeState)node->state;
}

const char *node_name(const Node *node)
{
    return node->node_text;
}

const Member *node_member(const Node *node)
{
    return node->member;
}

int64_t node_clock_ahead_ms(const Node *node)
{
    return node->clock_ahead_ms;
}

bool node_may_work(const Node *node)
{
    return node->state == NODE_UP && !node->stop_asked &&
           member_trusts(node->member, node->config.clock);
}

RoleTable *node_table(Node *node, int64_t *ret_epoch)
{
    g_mutex_lock(&node->lock);
    RoleTable *table = node->table ? table_ref(node->table) : NULL;
    if (ret_epoch)
        *ret_epoch = node->epoch;
    g_mutex_unlock(&node->lock);
    return table;
}

GArray *node_taken(Node *node, const char *role)
{
    GArray *shards = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_mutex_lock(&node->lock);
    for (unsigned i = 0; i < node->taken->len; i++) {
        const Takeover *takeover = g_ptr_array_index(node->taken, i);
        if (strcmp(takeover->role, role) == 0)
            g_array_append_val(shards, takeover->shard);
    }
    g_mutex_unlock(&node->lock);
    return shards;
}

unsigned node_taken_version(const Node *node)
{
    return node->taken_version;
}

void node_set_taken(Node *node, GPtrArray *take_list)
{
    g_mutex_lock(&node->lock);
    GPtrArray *old = node->taken;
    node->taken = take_list;
    node->taken_version++;
    g_mutex_unlock(&node->lock);
    g_ptr_array_unref(old);
}

void node_add_held(Node *node, int delta)
{
    int held = atomic_fetch_add(&node->held, delta) + delta;
    MUST(held >= 0);
}

int node_held(const Node *node)
{
    return node->held;
}

unsigned node_new_lane(Node *node)
{
    unsigned lane = atomic_fetch_add(&node->lanes, 1);
    MUST(lane < TASK_LANES_MAX);
    return lane;
}

bool node_take_suspects(Node *node)
{
    return !atomic_exchange(&node->suspects_taken, true);
}

void node_give_suspects(Node *node)
{
    node->suspects_taken = false;
}
