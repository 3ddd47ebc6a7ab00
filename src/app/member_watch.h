/* member_watch.h: how a command waits for nodes that were asked something (roster/wish.h). What
 * becomes of it, the node tells with its heartbeat (roster/health.h).
 *
 * All functions are transactions of their own; a handle, one thread.
 */
#ifndef ROTA_APP_MEMBER_WATCH_H
#define ROTA_APP_MEMBER_WATCH_H

#include "roster/member.h"

#define MEMBER_WATCH_MS 200 /* between two looks of a command that waits for nodes */

/* As member_list. */
GPtrArray *member_watch_read(Db *db, GError **error);
/* The row of a node in a list; NULL if there is none. Borrowed. */
const MemberRow *member_watch_find(const GPtrArray *members, int64_t node);
/* Waits MEMBER_WATCH_MS: nodes hear and answer with their heartbeats. */
void member_watch_pause(void);

#endif
