/* round.h: work that comes by the clock. A slot is a row: it is recorded in the transaction that
 * enqueues its task, so it runs at most once for a shard, whichever node comes first and however
 * late another comes. Slots missed while no node of the shard lived run as one.
 *
 * A schedule is a cron expression of five fields in a time zone, or "every DURATION". Slots are
 * computed from the STORE's clock. Spread: each (role, unit, shard) starts a stable part of a
 * minute (of the interval, if shorter) after its slot.
 */
#ifndef ROTA_ROSTER_ROUND_H
#define ROTA_ROSTER_ROUND_H

#include "db/db.h"
#include "roster/table.h"

typedef struct Round {
    const Role *role;
    const char *unit;      /* store name, …, "" */
    const char *schedule;  /* checked before (base/cron.h) */
    const char *time_zone; /* NULL: UTC */
} Round;

typedef struct {
    const RoleTable *table;
    int64_t node;
    const GPtrArray *taken; /* of Takeover: shards that it works for beside its own; NULL: none */
    const Round *rounds;
    unsigned count;
} RoundAsk;

typedef struct {
    unsigned enqueued;
    int64_t next_at; /* of the next slot, store's wall ms; INT64_MAX: there is none */
} RoundStep;
/* Enqueues, in the open transaction, the due rounds of the shards that `node` serves by `table`, or
 * has taken over. */
bool round_step(Db *db, const RoundAsk *ask, RoundStep *ret, GError **error);
/* Enqueues a round of one shard now, outside its schedule (`rota run`); shard 0: all shards. The
 * task's key, so that a caller can follow it, is "round/UNIT/SHARD". */
bool round_now(Db *db, const RoleTable *table, const Round *round, unsigned shard, GError **error);

/* Is this task a round? Its key is "round/UNIT/SHARD" and its payload "shard K of N unit U" (U to
 * the end, may be empty): made for shard K of N, whatever the table says now. ret untouched if not.
 */
bool round_parse(const char *key, const char *payload, unsigned *ret_shard, unsigned *ret_shards);
/* Writes a round's end and result into its row, in the open transaction. */
bool round_note_end(Db *db, const char *role, const char *key, const char *result, GError **error);

/* What the store knows of one shard's round, in the open transaction. */
typedef struct {
    int64_t now;                 /* the store's clock */
    int64_t started_at, done_at; /* of its newest run; 0: none */
    char *result;                /* of the newest that ended; "" none */
    bool there;                  /* its task is: it waits or runs */
    int64_t created_at, due_at;  /* of the task */
    int64_t attempts;            /* failed runs since the last success */
    int64_t node;                /* who runs it; 0: nobody */
    char *error;                 /* of the last failed run; "" none */
    int64_t buried_at;           /* of its dead letter; 0: there is none */
    char *burial;                /* why */
} RoundLook;
bool round_look(Db *db, const Round *round, unsigned shard, unsigned shards, RoundLook *ret,
                GError **error);
void round_look_clear(RoundLook *look);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RoundLook, round_look_clear)

#endif
