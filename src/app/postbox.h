/* postbox.h: the house behind the LMTP sessions: who has an account here, and the one way of a
 * message into the store.
 *
 * Group commit: the deliveries that wait when a commit ends go into the next one together, up to
 * DELIVER_BATCH_MAX. One session at a time holds the store's write handle and commits for all;
 * nobody waits for others to come, so a lone delivery is never delayed, and under load the batches
 * grow by themselves.
 *
 * A message is parsed, compressed and scored in the thread of its session, outside any transaction.
 * It is answered as stored only after its commit is durable.
 *
 * Thread safety: `house` functions from any number of threads; new and free while no session runs.
 */
#ifndef ROTA_APP_POSTBOX_H
#define ROTA_APP_POSTBOX_H

#include <glib.h>

#include "base/clock.h"
#include "db/db.h"
#include "front/lmtp.h"

#include "app/spam_scorer.h"

typedef struct Postbox Postbox;

typedef struct {
    DbConfig db; /* the store; its strings are borrowed */
    const Clock *clock;
    const char *host_name; /* in the greeting and in Received; copied */
    size_t message_bytes_max;
    bool starttls;      /* whoever holds the sockets can begin TLS */
    SpamScorer *scorer; /* borrowed; NULL: mail is not scored */
} PostboxConfig;

/* Opens no store before the first recipient. */
Postbox *postbox_new(const PostboxConfig *config);
void postbox_free(Postbox *postbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Postbox, postbox_free)

/* For LMTP sessions; borrowed from the postbox. */
const LmtpHouse *postbox_house(const Postbox *postbox);

/* How messages were answered since the start, for one recipient each. Any thread. */
typedef struct {
    uint64_t stored, duplicate, no_account, over_quota, later;
} PostboxCounts;
void postbox_counts(const Postbox *postbox, PostboxCounts *ret);

#endif
