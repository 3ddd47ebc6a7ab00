/* push_alert.h: the outbox of CalendarAlert pushes: a row for each device that an alarm is to be
 * shown on. All (tx).
 *
 * calendar-alerts writes a row with the ring (calendar_alert_show). push_alert_note is committed
 * before it is sent; what came of it is written by push_alert_end, and the row goes when the push
 * service has it. One that was noted and has no end was perhaps sent: it is sent again with the
 * same Topic, and counted with its subscription (repeats). After `expires_at` it is of no use.
 */
#ifndef ROTA_MODEL_PUSH_ALERT_H
#define ROTA_MODEL_PUSH_ALERT_H

#include "model/subscription.h"

typedef struct {
    int64_t account, subscription, object;
    char *ring, *text;
    int64_t expires_at, sending_at, next_at;
} PushAlert;

/* Those of an account that are of use still, the oldest first, at most `limit`: GPtrArray of
 * PushAlert. */
GPtrArray *push_alert_read(Db *db, int64_t account, unsigned limit, GError **error);
/* *ret_noted is false where it is gone, or somebody else has noted it: nothing may be sent. */
bool push_alert_note(Db *db, const PushAlert *alert, bool *ret_noted, GError **error);
/* What came of one that was noted. For PUSH_ENDED, which is its subscription's, see
 * subscription_note_ends: that row and those beside it go. */
bool push_alert_end(Db *db, const PushAlert *alert, const PushEnd *end, GError **error);

#endif
