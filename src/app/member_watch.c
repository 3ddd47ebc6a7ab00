/* member_watch: a wish to a node, and its answer.
 *
 * How it fits: `rota drain` and `rota reload` write a wish into a member's row; the node sees it
 * with its next heartbeat, clears it, and answers by its state, its proposal and its health, which
 * app/serve makes. Failures: those of the store; no such node. Known weak point: a node that dies
 * with an unanswered wish takes it along; its next life knows nothing of it.
 */
#include "app/member_watch.h"

#include <jansson.h>
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

void member_health_parse(const MemberRow *member, MemberHealth *ret)
{
    *ret = (MemberHealth){0};
    json_t *json = json_loads(member->health, 0, NULL);
    if (!json)
        return; /* another version's, or none yet */
    ret->cores = json_integer_value(json_object_get(json, "cores"));
    ret->load = json_number_value(json_object_get(json, "load"));
    ret->memory_bytes = json_integer_value(json_object_get(json, "memory_bytes"));
    ret->memory_free_bytes = json_integer_value(json_object_get(json, "memory_free_bytes"));
    ret->held = json_integer_value(json_object_get(json, "held"));
    ret->statements = json_integer_value(json_object_get(json, "statements"));
    ret->clock_ahead_ms = json_integer_value(json_object_get(json, "clock_ahead_ms"));
    ret->reloads = json_integer_value(json_object_get(json, "reloads"));
    ret->reload_error = g_strdup(json_string_value(json_object_get(json, "reload_error")));
    json_decref(json);
}

void member_health_clear(MemberHealth *health)
{
    g_clear_pointer(&health->reload_error, g_free);
}
