/* email_query.h: what a query of emails is decided by, and what a thread is made of. All (tx).
 */
#ifndef ROTA_MODEL_EMAIL_QUERY_H
#define ROTA_MODEL_EMAIL_QUERY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* An email without what only a reader of it needs. */
typedef struct {
    int64_t id, thread, mailbox, size, received_at, sent_at;
    char *keywords, *subject, *sender;
    bool has_attachment;
} EmailBrief;
void email_brief_clear(EmailBrief *brief);

/* Of a mailbox (0: of the account) with id > after, by id, at most `limit`, as GArray of
 * EmailBrief. A mailbox that is not there has none. */
GArray *email_briefs(Db *db, int64_t account, int64_t mailbox, int64_t after, unsigned limit,
                     GError **error);
/* Of a mailbox from the newest on: those that come after `from` (NULL: from the beginning), at most
 * `limit`, as GArray of EmailPlace. Reads no more than these. */
typedef struct {
    int64_t id, thread, received_at;
} EmailPlace;
GArray *email_newest(Db *db, int64_t account, int64_t mailbox, const EmailPlace *from,
                     unsigned limit, GError **error);
/* How many are in a mailbox; 0 where it is not there. */
bool email_total(Db *db, int64_t account, int64_t mailbox, int64_t *ret, GError **error);
/* A thread's emails, the oldest first, as GArray of int64; none: there is no such thread. */
GArray *email_thread(Db *db, int64_t account, int64_t thread, GError **error);

#endif
