/* status_words.h: what a status report says in words: the same on a terminal, in the API and on the
 * page.
 *
 * Pure; each text is the caller's. No colours.
 */
#ifndef ROTA_FRONT_STATUS_WORDS_H
#define ROTA_FRONT_STATUS_WORDS_H

#include "roster/report.h"

/* "purge.stores shard 2 of 3, …", of the uncovered shards, the first few by name. */
char *status_words_uncovered(const StatusReport *report);
/* "UNCOVERED: 1 of 12 shards have no living node, their work waits: …"; "" where all are covered.
 */
char *status_words_alarm(const StatusReport *report);
/* What waits for a role that nobody knows. */
char *status_words_unknown(const UnknownReport *unknown);
/* Who works for the shard now: "1,4", "NOBODY", "3 (taken over)", …. */
char *status_words_works(const ShardReport *shard);

#endif
