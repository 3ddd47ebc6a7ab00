/* metric_private.h: a MetricBatch's inside, for metric.c and metric_work.c alone.
 */
#ifndef ROTA_MODEL_METRIC_PRIVATE_H
#define ROTA_MODEL_METRIC_PRIVATE_H

#include "model/metric.h"

struct MetricBatch {
    unsigned shard;
    int64_t now, at; /* the minute of now */
    MetricMark mark;
    GArray *samples;
};

/* `series` is static, `label` is copied. */
void metric_add(MetricBatch *batch, const char *series, const char *label, int64_t at,
                double value);

/* ---- metric_work.c */

/* Due tasks by role and by shard, in the buckets of the batch's own shard. (read tx) */
bool metric_add_tasks(Db *db, MetricBatch *batch, unsigned shards, const GArray *roles,
                      GError **error);
/* What all nodes have done, by role and by shard, in the minutes that are long enough over; moves
 * the mark. (read tx) */
bool metric_add_load(Db *db, MetricBatch *batch, const GArray *roles, GError **error);
/* What living nodes tell of themselves. (read tx) */
bool metric_add_nodes(Db *db, MetricBatch *batch, GError **error);

#endif
