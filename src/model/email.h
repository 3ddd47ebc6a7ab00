/* email.h: messages in accounts: read, keywords, move, destroy. Insertion is model/deliver.h's alone. All (tx).
 *
 * Every change writes a change row and adds the tasks named here: fts-indexing when created or destroyed; bayes-training when it goes into or out of
 * Junk, or gets or loses $junk or $notjunk. Keywords are folded to lower case (RFC 8621), checked, sorted.
 */
#ifndef ROTA_MODEL_EMAIL_H
#define ROTA_MODEL_EMAIL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "db/db.h"

typedef struct {
    int64_t account, id, size, received_at, sent_at, thread;
    Digest blob;
    char *message_id, *subject, *sender, *preview, *keywords; /* keywords: ' $junk $seen ' */
    char *trace; /* header lines that belong to this delivery and not to the bytes; shown before them when a person reads, '' none */
    bool has_attachment;
    double spam_score;
} Email;
void email_free(Email *email);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Email, email_free)

Email *email_get(Db *db, int64_t account, int64_t id, GError **error);
/* Emails of a mailbox (0: of the account) with id > after, by id, at most `limit`: GPtrArray of Email. */
GPtrArray *email_list(Db *db, int64_t account, int64_t mailbox, int64_t after, unsigned limit, GError **error);
/* The mailboxes an email is in, GArray of int64. */
GArray *email_mailboxes(Db *db, int64_t account, int64_t id, GError **error);
bool email_set_keyword(Db *db, int64_t account, int64_t id, const char *keyword, bool on, GError **error);
/* Into `to`, out of all others. */
bool email_move(Db *db, int64_t account, int64_t id, int64_t to, GError **error);
/* Gone from all mailboxes; the blob stays for the purge. */
bool email_destroy(Db *db, int64_t account, int64_t id, GError **error);

/* True where ' $junk $seen ' holds a keyword. */
bool keywords_have(const char *keywords, const char *keyword);

#endif
