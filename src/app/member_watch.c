/* member_watch: a wish to a node, and its answer.
 *
 * How it fits: `rota drain` and `rota reload` write a wish into a member's row; the node sees it
 * with its next heartbeat, clears it, and answers by its state, its proposal and its health, which
 * app/serve makes. Failures: those of the store; no such node. Known weak point: a node that dies
 * with an unanswered wish takes it along; its next life knows nothing of it.
 */
#include "app/member_watch.h"

#include <poll.h>
#include <string.h>

#include "base/error.h"

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

bool member_watch_wish(Db *db, int64_t node, const char *wish, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t rows = member_set_wish(db, node, wish, error);
    if (rows < 0)
        return false;
    if (rows == 0 && node == 0)
        return fail(error, ERROR_GONE, "no node is running on this store");
    if (rows == 0)
        return fail(error, ERROR_GONE,
                    "node %" G_GINT64_FORMAT " is not running; `rota status` shows who is", node);
    return db_commit(db, error) == DB_DONE; /* unknown: the person may ask again, it is the same */
}

void member_watch_pause(void)
{
    poll(NULL, 0, MEMBER_WATCH_MS);
}
