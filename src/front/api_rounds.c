/* api_rounds: rounds by the admin API: when each was, and one now.
 *
 * How it fits: the verbs are roster/round's, as those of `rota run`. Failures: no such role, unit
 * or shard 404; a role that no node shall do 409; a commit whose outcome is not known is 503, and
 * asking again does no harm: a round that waits is not asked for twice. Known weak point: a round
 * is asked for, not waited for; /api/rounds tells what became of it.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "roster/adoption.h"
#include "roster/round.h"
#include "roster/task.h"

#include "front/api.h"

static const char *const no_names[] = {NULL};

static json_t *round_json(const Round *round, unsigned shard, unsigned shards,
                          const RoundLook *look)
{
    return json_pack(
        "{s:s, s:s, s:i, s:i, s:s, s:s, s:I, s:I, s:s, s:b, s:I, s:I, s:I, s:s, s:I}", "role",
        round->role->name, "unit", round->unit, "shard", (int)shard, "shards", (int)shards,
        "schedule", round->schedule, "time_zone", round->time_zone ? round->time_zone : "UTC",
        "started_at", (json_int_t)look->started_at, "done_at", (json_int_t)look->done_at, "result",
        look->result ? look->result : "", "asked", look->there, "due_at", (json_int_t)look->due_at,
        "node", (json_int_t)look->node, "attempts", (json_int_t)look->attempts, "error",
        look->error ? look->error : "", "buried_at", (json_int_t)look->buried_at);
}

/* In the open transaction; ERROR_GONE: there is no table in force yet. */
static bool read_table(HttpCall *call, TableInForce *ret, GError **error)
{
    return adoption_read(call->db, call->house->roles, 0, ret, error) &&
           (ret->table ||
            fail(error, ERROR_CONFLICT, "no node has ever started: there is no table in force"));
}

static json_t *list_rounds(HttpCall *call, GError **error)
{
    const HttpHouse *house = call->house;
    g_auto(TableInForce) in_force = {0};
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!read_table(call, &in_force, error))
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < house->round_count; i++) {
        const Round *round = &house->rounds[i];
        unsigned shards = table_shards(in_force.table, round->role->name);
        for (unsigned shard = 1; shard <= shards; shard++) {
            g_auto(RoundLook) look = {0};
            if (!round_look(call->db, round, shard, shards, &look, error)) {
                json_decref(list);
                return NULL;
            }
            json_array_append_new(list, round_json(round, shard, shards, &look));
        }
    }
    return list;
}

static void run_rounds(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    json_t *list = list_rounds(call, &error);
    if (list)
        http_answer_json(call->answer, 200, json_pack("{s:o}", "rounds", list));
    else
        http_answer_error(call->answer, error);
}

/* ---------------------------------------------------------------- one now */

typedef struct {
    const Role *role;
    const char *unit; /* NULL: all units */
    unsigned shard;   /* 0: all shards */
} Asked;

/* {"unit": "data", "shard": 2}, both may be missing; false: the answer is made. */
static bool read_asked(HttpCall *call, const json_t *body, Asked *ret)
{
    const json_t *unit = json_object_get(body, "unit"), *shard = json_object_get(body, "shard");
    json_int_t number = json_integer_value(shard);
    ret->role = role_find(call->house->roles, call->segments[2]);
    if (!ret->role || !ret->role->schedule) {
        http_answer_problem(call->answer, 404, "there is no role \"%.80s\" that has rounds",
                            call->segments[2]);
        return false;
    }
    if ((unit && !json_is_string(unit)) ||
        (shard && (!json_is_integer(shard) || number < 1 || number > SHARDS_MAX))) {
        http_answer_problem(call->answer, 400, "unit is a name, and shard a number from 1");
        return false;
    }
    ret->unit = json_string_value(unit);
    ret->shard = (unsigned)number;
    return true;
}

/* In the open transaction. */
static bool enqueue(HttpCall *call, const Asked *asked, unsigned *ret_rounds, GError **error)
{
    const HttpHouse *house = call->house;
    const char *name = asked->role->name;
    g_auto(TableInForce) in_force = {0};
    if (!read_table(call, &in_force, error))
        return false;
    if (table_role_is_none(in_force.table, name))
        return fail(error, ERROR_CONFLICT,
                    "the role table says that no node shall do %s (\"none\")", name);
    if (asked->shard > table_shards(in_force.table, name))
        return fail(error, ERROR_GONE, "%s has %u shards", name,
                    table_shards(in_force.table, name));
    for (unsigned i = 0; i < house->round_count; i++) {
        const Round *round = &house->rounds[i];
        if (strcmp(round->role->name, name) != 0 ||
            (asked->unit && strcmp(asked->unit, round->unit) != 0))
            continue;
        if (!round_now(call->db, in_force.table, round, asked->shard, error))
            return false;
        (*ret_rounds)++;
    }
    if (*ret_rounds == 0)
        return fail(error, ERROR_GONE, "%s has no unit of that name", name);
    return task_notify(call->db, name, error);
}

static bool ask(HttpCall *call, const Asked *asked, GError **error)
{
    unsigned rounds = 0;
    if (!db_begin(call->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!enqueue(call, asked, &rounds, error) || db_commit(call->db, error) != DB_DONE)
        return false;
    task_wake(asked->role->name);
    return true;
}

static void run_now(HttpCall *call)
{
    static const char *const names[] = {"unit", "shard", NULL};
    g_autoptr(GError) error = NULL;
    Asked asked;
    json_t *body = http_call_query_is(call, no_names) ? http_call_object(call, names) : NULL;
    if (body && read_asked(call, body, &asked)) {
        if (ask(call, &asked, &error)) {
            http_call_log_change(call, "asked for a round of", asked.role->name);
            http_answer_json(
                call->answer, 202,
                json_pack("{s:s, s:i}", "role", asked.role->name, "shard", (int)asked.shard));
        } else {
            http_answer_error(call->answer, error);
        }
    }
    json_decref(body);
}

const HttpRoute api_route_rounds = API_GET("/api/rounds", run_rounds);
const HttpRoute api_route_round_now = API_CHANGE("POST", "/api/rounds/{role}", run_now);
