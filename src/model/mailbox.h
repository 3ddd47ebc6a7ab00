/* mailbox.h: a user's folders (RFC 8621 Mailbox). All (tx): inside the caller's transaction. Names
 * are UTF-8, NFC, without '/' or control characters, at most MAILBOX_NAME_BYTES_MAX; a path joins
 * them with '/'.
 */
#ifndef ROTA_MODEL_MAILBOX_H
#define ROTA_MODEL_MAILBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    int64_t id, parent;
    char *name, *path, *role;
    int64_t total, unread;
    int64_t sort_order; /* MAILBOX_ORDER_OF_ROLE: nobody has said one */
    bool subscribed;
} Mailbox;
#define MAILBOX_ORDER_OF_ROLE (-1)

/* All of an account by path, as GPtrArray of Mailbox. */
GPtrArray *mailbox_list(Db *db, int64_t account, GError **error);
/* By role ("inbox", "junk"); ERROR_GONE. */
bool mailbox_by_role(Db *db, int64_t account, const char *role, int64_t *ret_id, GError **error);
/* By path, case as it stands (INBOX in any case is the inbox); ERROR_GONE. */
bool mailbox_by_path(Db *db, int64_t account, const char *path, int64_t *ret_id, GError **error);
/* As above, made where it is not there, parents too; writes their change rows. *ret_made (may be
 * NULL): one was made. ERROR_REJECT: not a path. */
bool mailbox_ensure(Db *db, int64_t account, const char *path, int64_t *ret_id, bool *ret_made,
                    GError **error);
/* A new one below `parent` (0: top) with a role or ''; its id (from 1), -1 on error. The name is
 * one mailbox_name_make gives. ERROR_CONFLICT: there is one of that name. */
int64_t mailbox_add(Db *db, int64_t account, int64_t parent, const char *name, const char *role,
                    GError **error);

/* A name out of any text, for folders from elsewhere: valid UTF-8, NFC, '/' and control characters
 * as '_', cut to the limit at a character; "_" for an empty one. Caller frees. */
char *mailbox_name_make(const char *text);

#endif
