/* subscription.h: push subscriptions of an account (RFC 8620 §7.2) and their outbox. All (tx).
 *
 * A subscription is made unverified: a code is pushed to it, and it counts when the device has said
 * that back. Then the account's changes are pushed, each state once.
 *
 * The outbox. Before anything is sent, subscription_note_sending is committed: what is on its way
 * is known to whoever comes after a crash. What came of it is committed by subscription_note_end
 * with the end of the task. A state that was noted and has no end was perhaps sent: its fate is not
 * known. It may be sent again, with the same Topic and if it is still the newest, and is counted
 * (repeats).
 *
 * States are numbers of the account's change log, of each type its newest change (the decimal text
 * is the JMAP state). Times are the store's, in ms.
 */
#ifndef ROTA_MODEL_SUBSCRIPTION_H
#define ROTA_MODEL_SUBSCRIPTION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/webpush.h"
#include "db/db.h"

/* The types that can be pushed, in the order of their states. */
typedef enum { PUSH_EMAIL, PUSH_EMAIL_DELIVERY, PUSH_MAILBOX, PUSH_THREAD, PUSH_TYPES } PushType;
const char *push_type_name(PushType type); /* "EmailDelivery" */

typedef enum { SUBSCRIPTION_NEW, SUBSCRIPTION_ASKED, SUBSCRIPTION_VERIFIED } SubscriptionStage;
typedef struct {
    int64_t account, id;
    char *device, *url, *origin;
    bool encrypted; /* it has keys */
    WebPushKeys keys;
    char *code;
    SubscriptionStage stage;
    char **types; /* NULL: all */
    int64_t created_at, expires_at;
    int64_t states[PUSH_TYPES], seen_seq; /* subscription_read: as of now */
    int64_t saved_seq;                    /* seen_seq as it is in the store */
    int64_t pushed_seq, pushed_at;
    int64_t sending_seq, sending_at; /* SUBSCRIPTION_VERIFIES, 0: nothing is on its way */
    int64_t failures, next_at;
    int64_t pushes, repeats;
    int64_t last_status, last_at;
    char *last_error;
} Subscription;
#define SUBSCRIPTION_VERIFIES (-1)
void subscription_free(Subscription *subscription);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Subscription, subscription_free)

bool subscription_asks_for(const Subscription *subscription, PushType type);
/* A subscription's number as JMAP's id, and back (0: it is none of ours); the caller frees it. */
char *subscription_format_id(int64_t id);
int64_t subscription_parse_id(const char *text);

/* ---- what a person does with it (JMAP); the account's row is locked */

typedef struct {
    const char *device, *url;
    const WebPushKeys *keys;  /* NULL: none */
    const char *const *types; /* NULL: all */
    int64_t expires_at;       /* 0: the longest; a later one is cut to that */
    bool allow_private;       /* http:// is allowed too */
} SubscriptionNew;
/* Makes it, and the task that pushes its code; one of the same device or URL goes. ERROR_REJECT: a
 * value is wrong or too long (the error's text begins with its name in JMAP), or the account has as
 * many as it may have. After the commit: task_wake. */
bool subscription_add(Db *db, int64_t account, const SubscriptionNew *new, int64_t *ret_id,
                      GError **error);
/* Of an account, by id; ended and expired ones are not there. GPtrArray of Subscription. */
GPtrArray *subscription_list(Db *db, int64_t account, GError **error);
typedef struct {
    const char *code;         /* NULL: not said. A wrong one: ERROR_REJECT */
    const char *const *types; /* where set_types */
    bool set_types;
    int64_t expires_at; /* 0: as it was; -1: the longest */
} SubscriptionChange;
/* ERROR_GONE. A task pushes what was changed since it was made. */
bool subscription_change(Db *db, int64_t account, int64_t id, const SubscriptionChange *change,
                         GError **error);
/* ERROR_GONE. */
bool subscription_remove(Db *db, int64_t account, int64_t id, GError **error);

/* ---- what push-notifications does */

/* An account's subscriptions with their states of now, as subscription_list; none for an account
 * that is deleted or gone. *ret_now: the store's clock. Writes nothing. */
GPtrArray *subscription_read(Db *db, int64_t account, int64_t *ret_now, GError **error);
/* The newest state of a type that the subscription asks for. */
int64_t subscription_wanted(const Subscription *subscription);
/* Notes that seqs[i] (or a verification) is being sent to devices[i], and the states as they were
 * read. ret_noted[i] is false where the subscription is gone or somebody else has noted: then
 * nothing may be sent. */
bool subscription_note_sending(Db *db, const Subscription *const *devices, const int64_t *seqs,
                               unsigned count, bool *ret_noted, GError **error);
/* Keeps how far the change log was read, so that it need not be read again. */
bool subscription_note_seen(Db *db, const Subscription *subscription, GError **error);

typedef enum {
    PUSH_SENT,     /* the push service has it */
    PUSH_FAILED,   /* it has not */
    PUSH_UNKNOWN,  /* it may have: the outbox stays as it is. No wait: nobody's fault */
    PUSH_NOT_SENT, /* nothing was sent, and nobody's fault */
    PUSH_ENDED,    /* the push service knows the subscription no more: it goes */
} PushEndKind;
typedef struct {
    PushEndKind kind;
    int status;        /* 0: none */
    const char *error; /* NULL: none; cut to PUSH_ERROR_LETTERS_MAX */
    int64_t wait_ms;   /* nothing is pushed for so long */
} PushEnd;
/* What came of pushes that were noted. One that is gone meanwhile is nothing. For PUSH_ENDED the
 * caller has locked the account's row first. */
typedef struct {
    const Subscription *to;
    int64_t seq;
    PushEnd end;
} PushResult;
bool subscription_note_ends(Db *db, const PushResult *results, unsigned count, GError **error);

#endif
