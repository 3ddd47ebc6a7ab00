/* node.h: one node's life as steps: join → (heartbeat, expire others, adopt, rounds, wake) … →
 * leave. The worker's lanes run beside it (worker.h), so that no handler can delay a heartbeat.
 *
 * node_step(node, now) does at most one bounded piece of work and returns when it wants to be
 * called next. No thread, no sleep inside. The same function runs in the heartbeat thread of `rota
 * serve` and in the simulator.
 */
#ifndef ROTA_ROSTER_NODE_H
#define ROTA_ROSTER_NODE_H

#include "roster/adoption.h"
#include "roster/load.h"
#include "roster/member.h"
#include "roster/round.h"

typedef struct Node Node;

typedef struct {
    Db *db; /* borrowed; the node's own handle */
    const Clock *clock;
    const RoleSet *set;
    int64_t node_id, lease_ms, heartbeat_ms;
    const char *cluster; /* its name, see identity.h; NULL or "": not asked */
    const char *host, *version;
    int64_t pid;
    RoleTable *table;    /* of its own file; a reference is taken */
    const Round *rounds; /* borrowed */
    unsigned round_count;
    Load *load;                  /* borrowed; flushed with the heartbeat; may be NULL */
    char *(*health)(void *data); /* JSON, caller frees; may be NULL */
    RoleTable *(*reload)(void *data, GError **error); /* reads the file again; NULL: not possible */
    /* The node polls for all its lanes: called for a role that has something due in a shard of this
     * node, and with NULL (all roles) when more may have changed: state, table, a death. From
     * node_step's thread; NULL: nobody to wake. */
    void (*wake)(const char *role, void *data);
    int64_t takeover_ms; /* see takeover.h; 0: never */
    int64_t stop_ms;     /* how long node_ask_stop waits for the lanes; 0: NODE_STOP_MS */
    void *data;
} NodeConfig;

Node *node_new(const NodeConfig *config);
void node_free(Node *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, node_free)

/* One step; returns the monotonic µs at which it wants the next. Logs what it meets (it is an edge:
 * see log.h). */
int64_t node_step(Node *node);
/* Asks it to reload at its next step (SIGHUP). Any thread. */
void node_ask_reload(Node *node);

typedef enum {
    NODE_STARTING,
    NODE_UP,
    NODE_DRAINING,
    NODE_DRAINED,
    NODE_STOPPED,
    NODE_REFUSED
} NodeState;
/* Any thread. REFUSED: another life holds the id and its lease is being renewed. */
NodeState node_state(const Node *node);
const Member *node_member(const Node *node);
const char *node_name(const Node *node); /* its number as text, for the log; borrowed */
/* The table in force as this node last saw it, one reference for the caller, and its epoch (ret may
 * be NULL); NULL before the first. Any thread. */
RoleTable *node_table(Node *node, int64_t *ret_epoch);
/* The shards of a role that this node has taken over from others, as a new GArray of unsigned. Any
 * thread. */
GArray *node_taken(Node *node, const char *role);
/* Changes with what is taken over. Any thread. */
unsigned node_taken_version(const Node *node);
/* A lane saw that another table is in force: the next step reads it. Any thread. */
void node_ask_refresh(Node *node);
/* May a lane start work: state UP and the lease trusted. Any thread. */
bool node_may_work(const Node *node);
/* It was asked to stop, so runs should end soon (a drain lets them finish). Any thread. */
bool node_is_stopping(const Node *node);
/* How its heartbeats fare: the longest time between two confirmed ones of the last five to ten
 * minutes, and how many have failed since the start. From node_step's thread (NodeConfig.health).
 */
void node_beats(const Node *node, int64_t *ret_gap_ms, int64_t *ret_failed);
/* A number for a new lane, from 0. */
unsigned node_new_lane(Node *node);
/* The right to run suspects (task.h), one for each node: true if the caller has it now. Any thread.
 */
bool node_take_suspects(Node *node);
void node_give_suspects(Node *node);
/* How far this node's wall clock is before the store's (behind: negative), as the last heartbeat
 * saw it. Nothing is decided by it: the store's clock rules. Any thread. */
int64_t node_clock_ahead_ms(const Node *node);
/* Lanes tell it: how many tasks they hold. Draining ends when all hold none. Any thread. */
void node_add_held(Node *node, int delta);
int node_held(const Node *node); /* any thread */
/* Stop: claim no more (state DRAINING); after the lanes are empty or stop_ms have passed, node_step
 * leaves and the state is STOPPED. Any thread. */
void node_ask_stop(Node *node);

#endif
