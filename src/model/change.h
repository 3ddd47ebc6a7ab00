/* change.h: what happened to an account's objects, in order. Append and read; trimmed by
 * purge.accounts. All (tx).
 *
 * An append takes the account's next number under the account row's lock, so numbers have no gaps
 * and commit in order: a reader that saw n has seen all up to n. Where the account has subscribers
 * (push), it adds the task that tells them; who commits calls change_wake then.
 */
#ifndef ROTA_MODEL_CHANGE_H
#define ROTA_MODEL_CHANGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef enum {
    CHANGE_EMAIL = 1,
    CHANGE_MAILBOX = 2,
    CHANGE_CALENDAR = 3,
    CHANGE_EVENT = 4, /* an object of a calendar */
    CHANGE_ALERT = 5, /* the object has an alarm that is to be shown */
    CHANGE_QUOTA = 6, /* the account's limit, object 1 */
} ChangeKind;
typedef enum { CHANGE_CREATED = 1, CHANGE_UPDATED = 2, CHANGE_DESTROYED = 3 } ChangeAction;
typedef struct {
    int64_t seq, object;
    ChangeKind kind;
    ChangeAction action;
    int64_t thread; /* of an email that was destroyed; 0: it was not noted */
} Change;

/* What a commit with changes tells (db/tell.h): "account:17". */
#define CHANGE_TOPIC "account:"

/* In the open transaction: it is told. Who numbers changes here need not call it. */
void change_publish(Db *db, int64_t account);

/* The change's number (from 1), -1 on error. ERROR_GONE: no such account. */
int64_t change_append(Db *db, int64_t account, ChangeKind kind, int64_t object, ChangeAction action,
                      GError **error);
/* Many emails of these threads were destroyed, in this order; as change_append. */
int64_t change_append_destroyed(Db *db, int64_t account, const int64_t *emails,
                                const int64_t *threads, unsigned count, GError **error);
/* After the commit of changes: offers a wake-up to this process' lanes. */
void change_wake(void);
/* In the open transaction: the task that tells an account's subscribers. */
bool change_tell(Db *db, int64_t account, GError **error);
/* The account has subscribers: who commits its changes is to call change_wake. */
bool change_is_told(Db *db, int64_t account, bool *ret, GError **error);
/* Changes after `since`, oldest first, at most `limit`, as GArray of Change. ERROR_GONE: `since` is
 * older than what is kept (cannotCalculateChanges). */
GArray *change_read(Db *db, int64_t account, int64_t since, unsigned limit, GError **error);
/* Where the log of each of these accounts (int64) stands, as GArray of ChangeState in no order;
 * those that are not there are left out. One query. */
typedef struct {
    int64_t account, seq;
} ChangeState;
GArray *change_states(Db *db, const int64_t *accounts, unsigned count, GError **error);
/* Keeps the newest `keep`; removes at most `limit` of the others; returns how many, -1 on error. */
int64_t change_trim(Db *db, int64_t account, int64_t keep, unsigned limit, GError **error);

#endif
