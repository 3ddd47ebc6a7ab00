/* spam.h: what people say is spam, kept as a ledger, and what the messages look like. With
 * spam_model.h the only SQL about it.
 *
 * A verdict belongs to (account, message digest): it is there once or not. What the message looks
 * like (its features) is kept beside it, once for all accounts, made later by bayes-training, so
 * that a person's click costs two small rows. All (tx): inside the caller's transaction; a handle,
 * one thread.
 */
#ifndef ROTA_MODEL_SPAM_H
#define ROTA_MODEL_SPAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "db/db.h"

#define SPAM_TRAIN_ACCOUNT 0 /* the ledger's account of `rota train` */

typedef enum { SPAM_VERDICT_HAM = -1, SPAM_VERDICT_NONE = 0, SPAM_VERDICT_SPAM = 1 } SpamVerdict;

/* A person filed or marked a message. SPAM: into Junk, or got $junk. HAM: out of Junk (into any
 * mailbox but Trash), or got $notjunk. NONE: lost $junk or $notjunk. The same word again is
 * nothing; the opposite word takes the first one away (moving back undoes) and leaves none. Adds
 * task bayes-training with the account as its key where something changed. ERROR_GONE: no such
 * email. */
bool spam_note(Db *db, int64_t account, int64_t email, SpamVerdict verdict, GError **error);

/* What `rota train` says of a message, in account 0: the last word counts. */
typedef struct {
    Digest digest;
    SpamVerdict verdict; /* NONE: forget it */
    GBytes *features;    /* classifier_pack; not needed with NONE; borrowed */
} SpamLesson;
/* *ret_changed: how many were not so before. Adds the task that folds, for SPAM_FOLD_MS
 * later, where any was. */
bool spam_teach(Db *db, const SpamLesson *lessons, unsigned count, unsigned *ret_changed,
                GError **error);

/* Messages that an account judged and whose features are not there yet: GArray of Digest, at most
 * `limit`. */
GArray *spam_waiting(Db *db, int64_t account, unsigned limit, GError **error);
/* Keeps a message's features; NULL: its bytes are gone, it teaches nothing. There already: nothing.
 */
bool spam_features_put(Db *db, const Digest *digest, GBytes *features, GError **error);
/* Adds the task that folds the cluster's model (key "0"), due in `delay_ms`. */
bool spam_fold_later(Db *db, int64_t delay_ms, GError **error);

#endif
