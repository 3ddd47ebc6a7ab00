/* deliver.h: one message into one account, all or nothing. Used by LMTP, import, JMAP and
 * imip alike; no other code inserts an email row.
 *
 * One transaction creates: blob (or its touch), email, email_mailbox, the mailbox's and account's
 * counts, change row, the delivery mark (table expiring, kind "delivery", one day; kind "import"
 * never expires by time but with the account), and the tasks fts-indexing  key ACCOUNT The same
 * delivery key twice gives the first result again: a second try after an unknown outcome makes no
 * second copy.
 *
 * A message joins the thread of the earliest message of the account that it names (Message-ID,
 * References, In-Reply-To), else it begins one.
 */
#ifndef ROTA_MODEL_DELIVER_H
#define ROTA_MODEL_DELIVER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/message.h"
#include "db/db.h"
#include "model/blob.h"

/* A message made ready once for all its recipients, outside any transaction. */
typedef struct {
    Message *message;  /* owned */
    Blob *blob;        /* owned: the bytes as they will be exported */
    double spam_score; /* -1: not scored */
    bool junk;
} Letter;
/* Parses and compresses; any thread. `bytes` is borrowed for the call. */
Letter *letter_new(const void *bytes, size_t size);
void letter_free(Letter *letter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Letter, letter_free)

typedef struct {
    const Letter *letter;
    int64_t account;
    const char *folder; /* path, NULL: inbox (Junk for junk); a plus-address' folder is used only if
                           it is there and it is no junk */
    bool make_folder;   /* import: make it, whatever becomes of this message */
    int64_t mailbox;    /* instead of a folder, unless 0: a person puts it there; an invitation in
                           it is not answered */
    bool unique;        /* DUPLICATE where the account has a message of these very bytes */
    const char *key;    /* delivery key, see deliver_key */
    bool import;        /* its mark lasts as long as the account */
    const char *keywords; /* ' $seen ' (keywords_set) or NULL */
    int64_t received_at;  /* wall ms; 0: now */
    const char *trace;    /* header lines of this delivery, each ending in CRLF (Return-Path,
                             X-Spam-Status, ...), or NULL: see email.h */
} Delivery;

typedef enum {
    DELIVER_STORED,
    DELIVER_DUPLICATE, /* stored before: ids are the first one's */
    DELIVER_NO_ACCOUNT,
    DELIVER_NO_MAILBOX, /* `mailbox` is not there */
    DELIVER_OVER_QUOTA,
    DELIVER_RETRY,   /* nothing happened; try later */
    DELIVER_UNKNOWN, /* the commit's outcome is not known: try again with the same key */
} DeliverResult;

typedef struct {
    DeliverResult result;
    int64_t email, mailbox; /* STORED, DUPLICATE; of a `unique` one the mailbox is 0 */
    int64_t thread;         /* STORED */
} Delivered;

/* recipient + identity of the message (content/message_identity.h); where there is no Message-ID,
 * recipient + digest + envelope sender; as the 64 hex digits of a SHA-256. So a second try (RFC
 * 5321) and a copy that came by another way are known, and two messages that share a Message-ID are
 * both kept. Caller frees. */
char *deliver_key(const Letter *letter, const Digest *identity, const char *recipient,
                  const char *envelope_from);

/* Delivers up to DELIVER_BATCH_MAX in one durable transaction (one fsync), each all or nothing by
 * itself: results[i] for deliveries[i]. What can be wrong with one of them (account, quota,
 * duplicate) is decided before anything is written, so that no savepoints are needed; if the store
 * refuses the batch all the same, each is tried by itself. False: some are RETRY or UNKNOWN because
 * of the store, and *error (may be NULL) says why. Wakes fts-indexing. */
#define DELIVER_BATCH_MAX 250
bool deliver_many(Db *db, const Delivery *deliveries, unsigned count, Delivered *results,
                  GError **error);

#endif
