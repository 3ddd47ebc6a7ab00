/* takeover.h: nodes of a role's other shards do the work of a shard that none of its own serves
 * (`cluster.takeover`, off by default), and hand it back when one of its own returns.
 *
 * Since when a shard is uncovered is a row, by the store's clock; the right to claim there is
 * another one, for each node that has taken it over. Both are written by whoever sees it, with the
 * cluster's row locked, which each join locks too; and a join of one of the shard's own nodes
 * removes them in its own transaction. So from that commit on nobody else claims there, and no time
 * counts from before the last node of the shard went. A member counts until its row is gone or says
 * that it drains: one whose lease has run out may still renew it.
 *
 * All inside the caller's transaction.
 */
#ifndef ROTA_ROSTER_TAKEOVER_H
#define ROTA_ROSTER_TAKEOVER_H

#include "roster/member.h"
#include "roster/table.h"

typedef struct {
    char *role; /* owned */
    unsigned shard;
    int64_t node, epoch;
} Takeover;
/* An empty list of Takeover, freed with g_ptr_array_unref. */
GPtrArray *takeovers_new(void);

typedef struct {
    const RoleSet *set;
    const RoleTable *table; /* in force */
    int64_t epoch;
    int64_t node;     /* who asks: it works, and takes over what it may */
    int64_t after_ms; /* of a shard's being uncovered */
} TakeoverAsk;
typedef struct {
    GPtrArray *taken; /* of Takeover: by this node; owned by the caller */
    int64_t
        next_at; /* when there is more to take, store's wall ms; INT64_MAX: nothing to wait for */
} TakeoverStep;
/* Writes down what is uncovered, removes what is not any more, and takes over for `node` what has
 * been uncovered for long enough. With another epoch in force than the ask's it does nothing, and
 * finds nothing. */
bool takeover_step(Db *db, const TakeoverAsk *ask, TakeoverStep *ret, GError **error);
/* A node joins: its own shards are covered by it, and it has taken nothing over. */
bool takeover_end(Db *db, const RoleTable *table, int64_t node, GError **error);
/* May the node claim in this shard of another's now? */
bool takeover_holds(Db *db, const Takeover *takeover, bool *ret_holds, GError **error);
/* All, of the table of `epoch`. */
GPtrArray *takeover_list(Db *db, int64_t epoch, GError **error);
/* Of a list, the living nodes (int64) that have taken a shard over; a new GArray. Pure. */
GArray *takeover_nodes(const GPtrArray *takeovers, const GPtrArray *members, const char *role,
                       unsigned shard);

#endif
