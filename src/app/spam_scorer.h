/* spam_scorer.h: the spam model that a node holds, and what it says of a message that comes in.
 *
 * The models are in the store (model/spam_model.h). While mail comes, one of the sessions looks
 * every SPAM_LOOK_MS whether there is a newer one, and the others go on with the old one. Nothing
 * is loaded before the first message, and a node without mail asks nothing. No model, or one of
 * fewer messages than the settings want, or a store that is away: the message is not scored.
 *
 * Thread safety: all functions but new and free from any thread.
 */
#ifndef ROTA_APP_SPAM_SCORER_H
#define ROTA_APP_SPAM_SCORER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "content/message.h"
#include "db/db.h"

typedef struct {
    DbConfig db; /* the store; its strings are borrowed */
    const Clock *clock;
    double junk_from;    /* a score of it and above is junk: spam-filter.score.spam */
    int64_t min_samples; /* spam-filter.bayes.min-learns */
} SpamScorerConfig;

typedef struct SpamScorer SpamScorer;
SpamScorer *spam_scorer_new(const SpamScorerConfig *config);
void spam_scorer_free(SpamScorer *scorer); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SpamScorer, spam_scorer_free)

/* One message, for all its recipients. NULL: it is not scored. `bytes` and `message` are borrowed
 * for its life. */
typedef struct SpamAsk SpamAsk;
SpamAsk *spam_scorer_ask(SpamScorer *scorer, const void *bytes, size_t size,
                         const Message *message);
void spam_ask_free(SpamAsk *ask); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SpamAsk, spam_ask_free)

/* What is said of it to an account, with the account's own model where it has one. */
typedef struct {
    double score;
    bool junk;
    char *lines; /* header lines X-Spam-Status and X-Spam-Result, ASCII, each ending in CRLF */
} SpamAnswer;
SpamAnswer spam_ask_answer(SpamAsk *ask, int64_t account);

#endif
