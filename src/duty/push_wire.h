/* push_wire.h: how a push gets to its push service: encrypted, signed for, over connections that
 * stay open.
 *
 * A PushWire is one for a node: connections, the cluster's key, and a token for each push service,
 * which are costly and may be used again. Any thread. A PushLine is one run's: one thread.
 */
#ifndef ROTA_DUTY_PUSH_WIRE_H
#define ROTA_DUTY_PUSH_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/seal.h"
#include "model/subscription.h"
#include "remote/fetch.h"

typedef struct PushWire PushWire;
typedef struct {
    bool allow_private;  /* http:// and addresses that are not public, for tests and closed nets */
    const char *ca_file; /* "": the system's */
    const char *contact; /* "mailto:…" or "https:…", told to push services; "": none */
    const Seal *seal;    /* of storage.secret-key, for the cluster's key; borrowed. NULL: none */
} PushWireConfig;
PushWire *push_wire_new(const PushWireConfig *config); /* the config is copied */
void push_wire_free(PushWire *wire);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PushWire, push_wire_free)

typedef struct PushLine PushLine;
/* Reads the cluster's key the first time, in transactions of its own. */
PushLine *push_line_open(PushWire *wire, Db *db, GError **error);
/* Pushes in flight are dropped. */
void push_line_close(PushLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PushLine, push_line_close)

typedef struct {
    const Subscription *to;
    int64_t seq;    /* SUBSCRIPTION_VERIFIES, or a state */
    int64_t now_ms; /* the store's */
    bool (*may_send)(void *data);
    void *data; /* of may_send and of the answer */
} PushAsk;
/* Puts a push in flight. ERROR_REJECT: it can never be sent so. */
bool push_line_send(PushLine *line, const PushAsk *ask, GError **error);
unsigned push_line_in_flight(const PushLine *line);
/* As fetch_next. */
FetchAnswer *push_line_next(PushLine *line, int64_t wait_ms);

#endif
