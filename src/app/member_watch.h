/* member_watch.h: how a command asks something of nodes and sees what becomes of it: the wish in a
 * member's row, and what the node tells of itself with its heartbeat.
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
/* Sets a wish ("drain", "reload") for a node, 0 for all. ERROR_GONE: there is none to hear it. */
bool member_watch_wish(Db *db, int64_t node, const char *wish, GError **error);
/* Waits MEMBER_WATCH_MS: nodes hear and answer with their heartbeats. */
void member_watch_pause(void);

/* What a node told with its last heartbeat; zero where it told nothing. */
typedef struct {
    int64_t cores, memory_bytes, memory_free_bytes;
    double load;
    int64_t held;           /* tasks that its lanes hold */
    int64_t statements;     /* since its start, see db_statements_of_process */
    int64_t clock_ahead_ms; /* of its wall clock before the store's */
    int64_t reloads;        /* how often it has read its settings again */
    char *reload_error;     /* of the last time; NULL: none */
} MemberHealth;
void member_health_parse(const MemberRow *member, MemberHealth *ret);
void member_health_clear(MemberHealth *health);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MemberHealth, member_health_clear)

#endif
