/* push_alerts.h: alarms that are to be shown, on their way to devices. Private to
 * push_notifications.c, whose run it is a part of.
 *
 * Calling sequence: push_alerts_new, push_alerts_look for each task (in the run's snapshot),
 * push_alerts_send, push_alerts_free.
 */
#ifndef ROTA_DUTY_PUSH_ALERTS_H
#define ROTA_DUTY_PUSH_ALERTS_H

#include "duty/duty.h"
#include "duty/push_wire.h"
#include "model/push_alert.h"

typedef struct PushAlerts PushAlerts;
PushAlerts *push_alerts_new(Run *run);
void push_alerts_free(PushAlerts *alerts);

/* What of an account is to be sent to these subscriptions, which are borrowed until the end; *at is
 * brought forward to when there is something to do again. (tx) */
bool push_alerts_look(PushAlerts *alerts, unsigned task, const GPtrArray *subscriptions,
                      int64_t now, int64_t *at, GError **error);
bool push_alerts_any(const PushAlerts *alerts);
/* Notes, commits, sends, writes what came of it. again_at: of each task, as in push_alerts_look. No
 * transaction is open, before or after. */
bool push_alerts_send(PushAlerts *alerts, PushLine *line, int64_t *again_at, GError **error);

#endif
