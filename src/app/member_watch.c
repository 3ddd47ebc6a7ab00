/* member_watch: how a command waits for a node's answer.
 *
 * How it fits: `rota drain` and `rota reload` write a wish (roster/wish.c); the node answers by its
 * state, its proposal and its health, which app/serve makes. Failures: those of the store. Known
 * weak point: it looks again and again, for nobody tells a command of a heartbeat.
 */
#include "app/member_watch.h"

#include <poll.h>

GPtrArray *member_watch_read(Db *db, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    return member_list(db, error);
}

const MemberRow *member_watch_find(const GPtrArray *members, int64_t node)
{
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (member->node == node)
            return member;
    }
    return NULL;
}

void member_watch_pause(void)
{
    poll(NULL, 0, MEMBER_WATCH_MS);
}
