/* limits_metrics_push.h: bounds of metrics.push, with their reasons. Constant.
 */
#ifndef ROTA_BASE_LIMITS_METRICS_PUSH_H
#define ROTA_BASE_LIMITS_METRICS_PUSH_H

/* snapshots in one request: a receiver takes it in one piece, and refuses it in one */
#define METRICS_PUSH_SNAPSHOTS 100
/* of one request before it is compressed; OTLP receivers take 4 MB to 20 MB */
#define METRICS_PUSH_BYTES (2 * 1024 * 1024)
/* of one snapshot: 1024 shards of each role have 6 MB; a longer row in the store is damaged */
#define METRICS_SNAPSHOT_BYTES_MAX (32 * 1024 * 1024)
/* of a receiver's answer, that a problem is read from */
#define METRICS_ANSWER_BYTES_MAX (16 * 1024)
/* of it, that people are shown */
#define METRICS_PROBLEM_LETTERS 300
/* labels or attributes of the operator's, and headers: each is in every series */
#define METRICS_LABELS_MAX      16
#define METRICS_LABEL_BYTES_MAX 200
/* rows that one statement takes out of the buffer */
#define METRICS_TRIM_ROWS 1000
/* snapshots that nobody has taken are removed by purge.stores after so long: the longest buffer */
#define METRICS_BUFFER_AGE_MAX_MS INT64_C(604800000)

#endif
