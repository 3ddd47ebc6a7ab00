/* limits_metrics.h: bounds of metrics over time, with their reasons. Constant.
 */
#ifndef ROTA_BASE_LIMITS_METRICS_H
#define ROTA_BASE_LIMITS_METRICS_H

/* domains of a shard that have series of their own, those with most accounts: three series each,
 * 1440 samples a day */
#define METRIC_DOMAINS_MAX 100
/* shards that have a point in a minute, of roles with several: those with the longest lag, and
 * those that did most; a hundred nodes in pairs for two roles */
#define METRIC_SHARDS_MAX 256
/* nodes that have series of their own, by number: five series each */
#define METRIC_NODES_MAX 128
/* accounts of one page of a recount: one statement reads them, one short transaction mends them */
#define METRIC_RECOUNT_ACCOUNTS 20
/* points of one answer: 1 MB of JSON; more is refused, not cut */
#define METRIC_POINTS_MAX 40000
/* points of one series for which a step is chosen: as many as a screen has columns */
#define METRIC_SERIES_POINTS 1500

#endif
