/* metrics_snapshot.h: series of one moment, written down for the targets of metrics.push.
 */
#ifndef ROTA_DUTY_METRICS_SNAPSHOT_H
#define ROTA_DUTY_METRICS_SNAPSHOT_H

#include "duty/duty.h"

/* "open-telemetry", "remote-write", "pushgateway": settings, rows, labels. */
extern const char *const metrics_target_names[METRICS_TARGETS];
/* True where there is one to push to. */
bool metrics_push_is_wanted(const MetricsPush *push);
/* Writes the set down, encoded for each target that there is; `source` without the operator's
 * labels, `node` 0: the cluster's. A Pushgateway keeps one value, so the newest alone stays for it.
 * (tx) */
bool metrics_snapshot_add(Db *db, const MetricsPush *push, const SeriesSet *set,
                          const SeriesSource *source, int64_t node, GError **error);

/* "name=value" texts as labels, which borrow from them; GArray of SeriesLabel. Names end at the
 * first "="; they are copied into `names`. */
GArray *metrics_labels_read(char *const *texts, GStringChunk *names);

#endif
