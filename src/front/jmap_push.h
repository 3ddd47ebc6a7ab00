/* jmap_push.h: PushSubscription of JMAP (RFC 8620 §7.2) and the key of RFC 9749: JSON in, JSON out.
 *
 * A method gets its arguments as they came and gives what its response says, or an error of its own
 * (RFC 8620 §3.6.2). It opens transactions of its own, one for each object that is changed, so that
 * one that is refused costs no other. The account is that of who is logged in: these methods have
 * no accountId. A handle, one thread.
 */
#ifndef ROTA_FRONT_JMAP_PUSH_H
#define ROTA_FRONT_JMAP_PUSH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/seal.h"
#include "model/subscription.h"

typedef struct {
    Db *db;
    int64_t account;
    bool allow_private;  /* jmap.push.allow-private */
    int64_t objects_max; /* maxObjectsInGet, maxObjectsInSet; 0: no limit */
} JmapPush;

/* The response's arguments, which the caller decrefs; NULL: *ret_error is {"type": …,
 * "description": …}, also the caller's. */
json_t *jmap_push_get(const JmapPush *push, json_t *arguments, json_t **ret_error);
/* `created_ids` (may be NULL) has the ids of what was created in this request, and gets those of
 * this call: creation id → id. */
json_t *jmap_push_set(const JmapPush *push, json_t *arguments, json_t *created_ids,
                      json_t **ret_error);
/* The value of urn:ietf:params:jmap:webpush-vapid in the session: {"applicationServerKey": …}.
 * NULL: the store's error. */
#define JMAP_PUSH_CAPABILITY "urn:ietf:params:jmap:webpush-vapid"
json_t *jmap_push_capability(Db *db, const Seal *seal, GError **error);

#endif
