/* wish: what a person asks of a node, written into its row.
 *
 * How it fits: `rota drain`, `rota reload` and the admin API write it; the node sees it with its
 * next heartbeat (node_beat.c) and clears it. Failures: those of the store; no such node. Known
 * weak point: a node that dies with an unanswered wish takes it along.
 */
#include "roster/wish.h"

#include "base/error.h"

#include "roster/member.h"

bool wish_set(Db *db, int64_t node, const char *wish, GError **error)
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
