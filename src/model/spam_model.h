/* spam_model.h: what is learnt from the ledger: the set for training, and the model that nodes
 * load. All (tx); a handle, one thread.
 *
 * A model has an account: 0 is the cluster's, made of all accounts' word on each message (the
 * majority; a tie teaches nothing); an account's own is added to it.
 */
#ifndef ROTA_MODEL_SPAM_MODEL_H
#define ROTA_MODEL_SPAM_MODEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/classifier.h"
#include "db/db.h"

#define SPAM_CLUSTER 0

/* Messages that can be learnt from: judged, and with features. */
typedef struct {
    int64_t spam, ham;
    int64_t waiting; /* judged, features not made yet */
} SpamCounts;
bool spam_counts(Db *db, int64_t account, SpamCounts *ret, GError **error);
/* The same of what `rota train` said. */
bool spam_trained(Db *db, SpamCounts *ret, GError **error);

/* What an account's model is trained on: the newest SPAM_LEARN_MAX of spam and of ham. An own model
 * gets SPAM_ANCHOR_MAX of each of the cluster's beside its own, so that it changes no more than its
 * account said; where they differ, the account's word counts. Features that cannot be read are
 * passed over and counted in *ret_unreadable. */
ClassifierSet *spam_set_get(Db *db, int64_t account, unsigned *ret_unreadable, GError **error);

/* Which models there are: GArray of SpamVersion, the cluster's first if there is one, then those of
 * the SPAM_OWN_MAX accounts whose models are newest. A version grows with each new model. */
typedef struct {
    int64_t account, version;
} SpamVersion;
GArray *spam_model_versions(Db *db, GError **error);
/* The cluster's model, for people; made_at 0: there is none. */
typedef struct {
    int64_t spam, ham, made_at;
    int64_t own_models; /* accounts with one of their own */
} SpamModelInfo;
bool spam_model_info(Db *db, SpamModelInfo *ret, GError **error);
/* NULL and no error: there is none. ERROR_REJECT: damaged, or another program's. */
ClassifierModel *spam_model_get(Db *db, int64_t account, int64_t *ret_version, GError **error);
/* Stores a model; NULL: there is to be none. The same bytes again are nothing. */
bool spam_model_put(Db *db, int64_t account, const ClassifierModel *model, GError **error);

#endif
