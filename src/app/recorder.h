/* recorder.h: a node's own metrics, taken down when the schedule of metrics.push says, for whatever
 * node sends them.
 *
 * Calling sequence: start → stop. One thread.
 */
#ifndef ROTA_APP_RECORDER_H
#define ROTA_APP_RECORDER_H

#include "app/settings.h"
#include "base/clock.h"
#include "front/metrics_node.h"

typedef struct Recorder Recorder;
typedef struct {
    const Settings *settings;
    const Clock *clock;
    void (*read_node)(NodeMetrics *ret, void *data); /* as MetricsHouse's */
    void *data;
} RecorderConfig;
/* Starts its thread. All is borrowed until stop. */
Recorder *recorder_start(const RecorderConfig *config);
/* Waits for its thread, a statement of the store at most. NULL is fine. */
void recorder_stop(Recorder *recorder);

#endif
