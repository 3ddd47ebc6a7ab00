/* email.h: messages in accounts: read, keywords, move, destroy. Insertion is model/deliver.h's
 * alone. All (tx).
 *
 * Every change writes a change row and adds the tasks named here: fts-indexing when created or
 * destroyed; bayes-training (through model/spam.h) when it goes into or out of Junk, or gets or
 * loses $junk or $notjunk. Keywords are folded to lower case (RFC 8621), checked, sorted. Each verb
 * takes the account row's lock first.
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
    char *trace; /* header lines that belong to this delivery and not to the bytes; shown before
                    them when a person reads, '' none */
    bool has_attachment;
    double spam_score;
} Email;
void email_free(Email *email);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Email, email_free)

/* ERROR_GONE. */
Email *email_get(Db *db, int64_t account, int64_t id, GError **error);
/* Those that are there, by id, with what a list of them shows, as GPtrArray of EmailShown; at most
 * DB_ROWS_FETCH_MAX are asked for. One query. */
typedef struct {
    Email *email;
    int64_t mailbox;
    char *envelope; /* content/envelope.h */
} EmailShown;
GPtrArray *email_get_many(Db *db, int64_t account, const int64_t *ids, unsigned count,
                          GError **error);
/* Emails of a mailbox (0: of the account) with id > after, by id, at most `limit`: GPtrArray of
 * Email. */
GPtrArray *email_list(Db *db, int64_t account, int64_t mailbox, int64_t after, unsigned limit,
                      GError **error);
/* The same the other way: with id < before (0: from the newest on), the newest first. */
GPtrArray *email_list_newest(Db *db, int64_t account, int64_t mailbox, int64_t before,
                             unsigned limit, GError **error);
/* The mailboxes an email is in, GArray of int64. */
GArray *email_mailboxes(Db *db, int64_t account, int64_t id, GError **error);
/* ERROR_REJECT: not a keyword, or too many. */
bool email_set_keyword(Db *db, int64_t account, int64_t id, const char *keyword, bool on,
                       GError **error);
/* Into `to`, out of all others. ERROR_GONE: no such email or mailbox. */
bool email_move(Db *db, int64_t account, int64_t id, int64_t to, GError **error);
/* Gone from all mailboxes; the blob stays for the purge. ERROR_GONE. */
bool email_destroy(Db *db, int64_t account, int64_t id, GError **error);
/* The same for many, with one task; those that are gone already are passed over. */
typedef struct {
    int64_t account;
    const int64_t *ids;
    unsigned count;
    bool silent; /* the account itself goes away: no change rows and no task */
} EmailDestroy;
typedef struct {
    int64_t count, bytes;
} EmailDestroyed;
bool email_destroy_many(Db *db, const EmailDestroy *emails, EmailDestroyed *ret, GError **error);

/* True where ' $junk $seen ' holds a keyword. */
bool keywords_have(const char *keywords, const char *keyword);
/* The list with a keyword added or taken out, folded and sorted; caller frees. ERROR_REJECT: not a
 * keyword (RFC 8621 section 4.1.1), or too many. */
char *keywords_set(const char *keywords, const char *keyword, bool on, GError **error);
/* True where a message with these keywords counts as unread in its mailboxes (RFC 8621: neither
 * $seen nor $draft). */
bool keywords_unread(const char *keywords);

#endif
