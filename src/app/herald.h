/* herald.h: tells other nodes on PostgreSQL that there is work, after the commit that brought it.
 *
 * A NOTIFY in the transaction of a delivery would make all such commits of the store wait for each
 * other: PostgreSQL keeps the order of notices by a lock that is held until the commit is durable.
 * So words gather here, and a thread of its own sends those that differ, in a transaction that
 * writes nothing (topics, of which there may be many, go several in a word): the first at once,
 * others after a short pause, so that mail that pours in costs a few notices a second. A lost one
 * costs other nodes at most a poll.
 *
 * herald_tell: any thread; the rest: the one that made it.
 */
#ifndef ROTA_APP_HERALD_H
#define ROTA_APP_HERALD_H

#include "base/clock.h"
#include "db/db.h"

typedef struct Herald Herald;

/* The config's strings are borrowed. */
Herald *herald_start(const DbConfig *db, const Clock *clock);
/* `role` NULL: all roles. */
void herald_tell(Herald *herald, const char *role);
/* Something may be new for this topic (db/tell.h). */
void herald_tell_topic(Herald *herald, const char *topic);
/* Calls `each` for the topics of a word that was heard; false: it has none, and is a role's. */
bool herald_read_topics(const char *word, void (*each)(const char *topic, void *data), void *data);
/* What waits is sent, if the store answers. NULL is fine. */
void herald_stop(Herald *herald);

#endif
