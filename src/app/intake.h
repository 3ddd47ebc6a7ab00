/* intake.h: many messages into accounts, as fast as the machine can: threads at the edge read,
 * parse and compress; the calling thread delivers, in the order of the source, a batch a commit.
 *
 * What it is not: it knows no file format. The source gives one message after the other and the key
 * by which a second try of each is known, so that an intake that was cut off anywhere is just run
 * again.
 *
 * Bounded: INTAKE_SLOTS messages, and about INTAKE_BYTES_MAX of their bytes, are in memory at once.
 */
#ifndef ROTA_APP_INTAKE_H
#define ROTA_APP_INTAKE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "model/deliver.h"

/* One message. All that it points to is the intake's to free. */
typedef struct {
    char *path;    /* the file to read, where `bytes` is NULL; else a name for errors, or NULL */
    GBytes *bytes; /* the message itself, or NULL */
    int64_t account;
    char *folder;        /* made if it is not there; NULL: inbox */
    char *keywords;      /* as Delivery.keywords, or NULL */
    int64_t received_at; /* ms; 0: its Date field where that is not after date_until, else now */
    int64_t date_until;
    uint64_t tag; /* the caller's */
} IntakeItem;

typedef struct {
    Db *db; /* used by the calling thread alone; a background handle, so that nobody's mail waits */
    unsigned threads; /* at the edge; 0: one for each core */
    /* The next message; false: there are no more. Any thread, one at a time. */
    bool (*next)(IntakeItem *ret_item, void *data);
    /* The delivery key (see Delivery.key); caller frees. Any thread, several at a time. */
    char *(*key)(const IntakeItem *item, const Letter *letter, void *data);
    /* What became of it, after its commit: in the order of `next`, calling thread. `error` says why
     * a message could not be read (`delivered` is then NULL) or was refused by the store; both may
     * be NULL for none of its fault: see intake_run. False: stop here. */
    bool (*done)(const IntakeItem *item, const Delivered *delivered, const GError *error,
                 void *data);
    void *data;
} IntakeConfig;

/* True: the source is at its end and each message was told to `done`. False with *error: the store
 * could not be reached in several tries (RETRY) or does not answer whether it has the last batch
 * (UNKNOWN): some messages were not told of; the same intake again goes on where this one ended.
 * ERROR_STOPPED: `done` wished it. */
bool intake_run(const IntakeConfig *config, GError **error);

#endif
