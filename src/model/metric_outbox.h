/* metric_outbox.h: what metrics.push has to send: snapshots, and how their targets fare.
 *
 * A snapshot is what one node (0: the cluster) had to tell at one moment, encoded as one target
 * wants it. The node that it is of writes it; metrics.push sends it and takes it out. Its key is
 * target, moment and node, so what is sent twice is the same bytes with the same times.
 *
 * All functions run in the caller's transaction, with an error as the store has it. One thread.
 */
#ifndef ROTA_MODEL_METRIC_OUTBOX_H
#define ROTA_MODEL_METRIC_OUTBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* The store's clock, whose moments snapshots have. (tx) */
bool metric_outbox_now(Db *db, int64_t *ret_now, GError **error);

typedef struct {
    const char *target;
    int64_t at, node;
} MetricKey;
/* Of the same key the first stays. (tx) */
bool metric_outbox_add(Db *db, const MetricKey *key, const void *bytes, size_t size,
                       GError **error);
/* When the cluster's own series were last taken down; 0: never. (read tx) */
bool metric_outbox_last(Db *db, int64_t *ret_at, GError **error);
/* Notes that they were, for a target. (tx) */
bool metric_outbox_note(Db *db, const char *target, int64_t at, GError **error);

/* Of which snapshots: those of nodes of a shard (node % shards + 1 == shard). */
typedef struct {
    const char *target;
    unsigned shard, shards;
} MetricScope;

typedef struct {
    int64_t at, node;
    GBytes *body; /* unpacked */
} MetricSnapshot;
/* The oldest, at most `limit` of them and `bytes` together (but one at least), each node once;
 * owned by the caller. One that is damaged has an empty body. (read tx) */
GPtrArray *metric_outbox_next(Db *db, const MetricScope *scope, unsigned limit, size_t bytes,
                              GError **error);
/* Takes them out. (tx) */
bool metric_outbox_remove(Db *db, const char *target, const GPtrArray *snapshots, GError **error);
/* Takes out all that is older than this one, of the same target and node. (tx) */
bool metric_outbox_supersede(Db *db, const MetricKey *key, GError **error);
/* Takes out what is from before `before`, and the oldest beyond `bytes`. (tx) */
bool metric_outbox_trim(Db *db, const MetricScope *scope, int64_t before, int64_t bytes,
                        int64_t *ret_dropped, GError **error);
/* Takes out what one node has written before `before`, for all targets, and counts it. (tx) */
bool metric_outbox_forget(Db *db, int64_t node, int64_t before, GError **error);

typedef struct {
    int64_t created_at, sent_at, not_before, failures;
    int64_t sent, refused, dropped;
    char *problem; /* "" none */
} MetricTarget;
void metric_target_clear(MetricTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MetricTarget, metric_target_clear)
/* All zero if it was never written. (read tx) */
bool metric_target_read(Db *db, const MetricScope *scope, MetricTarget *ret, GError **error);
/* created_at is written once. (tx) */
bool metric_target_write(Db *db, const MetricScope *scope, const MetricTarget *target,
                         GError **error);

/* A target with all its shards. */
typedef struct {
    char *name;
    int64_t created_at; /* of the first */
    int64_t sent_at, failures;
    int64_t sent, refused, dropped, waiting, waiting_bytes;
} MetricTargetTotal;
/* By name; owned by the caller. (read tx) */
GPtrArray *metric_target_totals(Db *db, GError **error);

#endif
