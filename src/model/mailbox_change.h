/* mailbox_change.h: what a person does to their folders: makes, renames, moves, removes them. All
 * (tx); each takes the account row's lock first and writes a change row.
 *
 * What the rules of mailboxes say against it is no error, but a result. Inbox and Junk keep their
 * role and stay: deliveries file into them.
 */
#ifndef ROTA_MODEL_MAILBOX_CHANGE_H
#define ROTA_MODEL_MAILBOX_CHANGE_H

#include "model/mailbox.h"

typedef enum {
    MAILBOX_DONE,
    MAILBOX_NOT_THERE,
    MAILBOX_NAME_BAD,
    MAILBOX_NAME_TAKEN, /* by one beside it */
    MAILBOX_ROLE_BAD,
    MAILBOX_ROLE_TAKEN,
    MAILBOX_PARENT_BAD, /* it is not there, or is below this one, or too deep */
    MAILBOX_FIXED,      /* Inbox and Junk */
    MAILBOX_TOO_MANY,
    MAILBOX_HAS_CHILD,
    MAILBOX_HAS_EMAIL,
} MailboxResult;

/* As it shall be. */
typedef struct {
    int64_t id; /* 0: a new one */
    int64_t parent;
    const char *name, *role;
    int64_t sort_order; /* MAILBOX_ORDER_OF_ROLE: as its role says */
    bool subscribed;
} MailboxWish;
/* *ret_id (may be NULL) where it is DONE. False: the store's errors. */
bool mailbox_put(Db *db, int64_t account, const MailboxWish *wish, MailboxResult *ret,
                 int64_t *ret_id, GError **error);
/* An empty one without children. */
bool mailbox_remove(Db *db, int64_t account, int64_t id, MailboxResult *ret, GError **error);
/* Destroys up to `limit` of the emails in it, all of which are in no other; *ret_count of them. */
bool mailbox_empty(Db *db, int64_t account, int64_t id, unsigned limit, unsigned *ret_count,
                   GError **error);

#endif
