/* deliver_batch.h: what one transaction of deliveries knows while it runs; private to
 * model/deliver.c and deliver_batch.c.
 *
 * Calling sequence: batch_new → batch_read (locks and reads accounts, finds mailboxes) → the caller
 * decides each result → batch_insert.
 */
#ifndef ROTA_MODEL_DELIVER_BATCH_H
#define ROTA_MODEL_DELIVER_BATCH_H

#include "model/deliver.h"

typedef struct {
    char *path; /* owned; "" inbox or Junk by role */
    bool junk;
    int64_t id;            /* 0: it was asked for by its id, and is not there */
    int64_t total, unread; /* to be added */
} MailboxUse;

typedef struct {
    int64_t id;
    bool there;                                        /* living, and locked by us */
    int64_t quota, used_bytes, next_email, change_seq; /* as read; next_email as it shall be */
    bool subscribed;                                   /* somebody is told of changes */
    bool invited;                                      /* by a letter of this batch */
    int64_t next_tentative;                            /* the id that the next one would have */
    int64_t stored, stored_bytes;                      /* by this batch */
    GPtrArray *mailboxes;                              /* of MailboxUse, owned */
} AccountUse;

typedef struct {
    Db *db;
    const Delivery *deliveries;
    unsigned count;
    Delivered *results;
    AccountUse *accounts; /* by id, each once */
    unsigned account_count;
    AccountUse *account_of[DELIVER_BATCH_MAX];
    MailboxUse *mailbox_of[DELIVER_BATCH_MAX];
    int64_t seqs[DELIVER_BATCH_MAX]; /* of the change row, where it is stored */
    int64_t now;                     /* by the store's clock, ms */
    unsigned stored;
    bool told;    /* a task was added for those who are told of changes */
    bool invited; /* a task was added for imip-processing */
} Batch;

Batch *batch_new(Db *db, const Delivery *deliveries, unsigned count, Delivered *results);
void batch_free(Batch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)
/* Fills accounts and mailboxes; the accounts that are there are locked. */
bool batch_read(Batch *batch, GError **error);
/* Inserts blobs, emails, their places and change rows of all whose result is DELIVER_STORED. */
bool batch_insert(Batch *batch, GError **error);

/* The kind of a delivery's mark in `expiring`. */
const char *mark_kind(const Delivery *delivery);

#endif
