/* imip_inbox.h: the scheduling inbox (RFC 6638 section 2.2): letters that imip-processing took in,
 * for clients that want to show what came. All (tx).
 *
 * A letter is there from its decision until a client removes it, its mail is destroyed, or its row
 * goes with storage.history-retention. What was refused, or meant nothing, is not there. To remove
 * one changes neither the calendar nor the mail.
 */
#ifndef ROTA_MODEL_IMIP_INBOX_H
#define ROTA_MODEL_IMIP_INBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    int64_t email, at; /* at: when it was decided on, ms */
    char *uid;
} InboxLetter;

/* By email, those after one: GPtrArray of InboxLetter. */
GPtrArray *imip_inbox_list(Db *db, int64_t account, int64_t after, unsigned limit, GError **error);
/* The iTIP message of a letter that is there; ERROR_GONE. */
GBytes *imip_inbox_read(Db *db, int64_t account, int64_t email, GError **error);
/* *ret_removed is false where it was not there. */
bool imip_inbox_remove(Db *db, int64_t account, int64_t email, bool *ret_removed, GError **error);
/* A number that is another one after each change; the caller's. */
char *imip_inbox_state(Db *db, int64_t account, GError **error);

#endif
