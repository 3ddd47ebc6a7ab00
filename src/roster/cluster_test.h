/* cluster_test.h: fake nodes on one thread, for the tests of node and worker: each with a clock
 * that is moved by hand, a handle of its own, and lanes whose handler keeps a ledger in the store.
 * Lease times are the store's; they are made to run out by SQL (box_age).
 */
#ifndef ROTA_ROSTER_CLUSTER_TEST_H
#define ROTA_ROSTER_CLUSTER_TEST_H

#include "roster_test.h"

#include "roster/worker_private.h"

#define BOX_LANES 2

typedef struct {
    TestStore *store;
    ClockManual clock;
    Db *db;
    Db *lane_dbs[BOX_LANES];
    Node *node;
    Worker *lanes[BOX_LANES];
    unsigned lane_count, woken;
} Box;

/* What the handler does; set by a test. */
typedef struct {
    bool fail, stop, no_effect, checkpoint;
    const char *fail_key; /* a run with this key fails */
    unsigned runs;
    ClockManual *stall;      /* a run takes six seconds of this clock, once */
    void (*meanwhile)(void); /* what happens before a run has begun to write */
    bool should_stop;        /* what the run heard after that */

    unsigned shard, shards; /* of the last run */
} Script;
extern Script script;
extern int64_t box_takeover_ms; /* of nodes that are made from now on */

/* The ledger: for each key how often it was asked for, what its last committed run saw of that, and
 * how many runs were committed. */
void ledger_ask(Db *db, unsigned bucket, const char *key);
int64_t ledger_asked(Db *db, const char *key);
int64_t ledger_seen(Db *db, const char *key);
int64_t ledger_runs(Db *db, const char *key);

extern const RoleSet test_roles; /* "work": by account; "rounds": with a schedule */

RoleTable *box_table(const char *shards); /* of "work": "1,2|3" */
void box_init(Box *box, TestStore *store, int64_t node, const char *shards, unsigned lanes);
/* As box_init with a handle of the caller's for lane 0. */
void box_init_on(Box *box, TestStore *store, int64_t node, const char *shards, Db *lane);
void box_clear(Box *box); /* without leaving: a crash */
/* Moves the clock and steps the node once. */
void box_step(Box *box, int64_t us);
/* Steps the node until it has joined. */
void box_join(Box *box);
/* Makes the lease of a node run out. */
void box_age(TestStore *store, int64_t node);
/* Steps a lane until it has nothing, at most `limit` times, moving the clock by 100 ms. */
void box_work(Box *box, unsigned limit);

#endif
