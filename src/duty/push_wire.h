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
#include "model/push_alert.h"
#include "remote/fetch.h"
#include "duty/duty.h"

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
    const PushAlert *alert; /* NULL: a state, or a verification */
    int64_t seq;            /* SUBSCRIPTION_VERIFIES, or a state */
    int64_t now_ms;         /* the store's */
    bool (*may_send)(void *data);
    void *data; /* of may_send and of the answer */
} PushAsk;
/* Puts a push in flight. ERROR_REJECT: it can never be sent so. */
bool push_line_send(PushLine *line, const PushAsk *ask, GError **error);
unsigned push_line_in_flight(const PushLine *line);
/* As fetch_next. */
FetchAnswer *push_line_next(PushLine *line, int64_t wait_ms);

/* What an answer means, or (answer NULL) that nothing could be sent. *ret_why, the caller's, is
 * what went wrong, NULL nothing; *ret_blame (may be NULL) what it says of the push service. */
typedef struct {
    const FetchAnswer *answer;
    const GError *error;
    const Subscription *to;
    const DutySettings *settings;
    int64_t now_ms; /* the store's */
} PushJudgeAsk;
typedef enum { PUSH_BLAMES_NOBODY, PUSH_SERVICE_IS_WELL, PUSH_SERVICE_FAILS } PushBlame;
PushEnd push_judge(const PushJudgeAsk *ask, char **ret_why, PushBlame *ret_blame);

#endif
