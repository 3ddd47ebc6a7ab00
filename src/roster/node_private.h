/* node_private.h: a Node's inside, for node.c, node_beat.c and node_poll.c alone.
 */
#ifndef ROTA_ROSTER_NODE_PRIVATE_H
#define ROTA_ROSTER_NODE_PRIVATE_H

#include <stdatomic.h>

#include "roster/node.h"
#include "roster/takeover.h"

struct Node {
    NodeConfig config; /* never changes */
    char node_text[24];

    /* shared: any thread */
    GMutex lock; /* for `table`, `epoch`, `taken` */
    RoleTable *table;
    int64_t epoch;
    GPtrArray *taken; /* of Takeover: shards of others that this node works for */
    _Atomic unsigned taken_version;
    Member *member;    /* its atomics */
    _Atomic int state; /* NodeState */
    _Atomic int held;
    _Atomic unsigned lanes;
    atomic_bool reload_asked, stop_asked, refresh_asked, suspects_taken;
    _Atomic int64_t
        clock_ahead_ms; /* of our wall clock before the store's, at the last heartbeat */

    /* owned by the thread of node_step */
    RoleTable *own;        /* what it proposes */
    bool propose;          /* `own` has changed: tell the store */
    bool draining;         /* by an operator's wish, not a stop */
    bool draining_written; /* the store knows that we drain */
    int64_t next_us;       /* next heartbeat, monotonic */
    int64_t next_poll_us;
    int64_t conflict_us; /* since when another life holds our id; 0: it does not */
    int64_t rival_us;    /* since when its lease, as the member has seen it, is this one */
    int64_t rival_lease;
    int64_t give_up_us;   /* of a stop; 0: none asked */
    int64_t give_back_us; /* not before this: the store did not take the lease back */
    int64_t rounds_at;    /* store's wall ms of the next slot; INT64_MAX none */
    int64_t fingerprint;  /* of the members that coverage was last looked at for */
    int64_t beats;        /* heartbeats of this life */
    int64_t members;      /* at the last look; 0: none yet */
    bool look_at_coverage;
    int64_t takeover_at;   /* store's wall ms: there may be more to take over */
    GHashTable *uncovered; /* of char *: what the log has been told */
    int64_t confirmed_us;  /* when the last confirmed heartbeat was sent, monotonic; 0: none yet */
    int64_t gaps_us[2];    /* the longest time between two, in this window and in the one before */
    int64_t gap_window_us; /* when this window began */
    int64_t beats_failed;
    bool failing;      /* the last heartbeat failed: one line for each outage */
    bool clock_is_off; /* the log has been told */
};

/* node_beat.c: one heartbeat, or one attempt to join. */
void node_join(Node *node);
void node_beat(Node *node);
/* Gives the lease back, by a stop or a drain. True when that is over, one way or another. */
bool node_give_back(Node *node);
void node_lost(Node *node, const char *why);
void node_wake(Node *node, const char *role);

/* It has taken over these shards, and no others; the list is taken. */
void node_set_taken(Node *node, GPtrArray *take_list);

/* node_poll.c: what is due for this node's lanes; what is uncovered, and what of that is to be
 * taken over. Each in a transaction of its own. */
void node_poll(Node *node);
void node_look_at_coverage(Node *node);

#endif
