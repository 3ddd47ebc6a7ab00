/* health: a node's word of itself, to and from the JSON of its row.
 *
 * How it fits: `rota serve` fills it in (app/serve.c), the heartbeat carries it, commands and the
 * audit read it. Failures: none; what cannot be read is zero.
 */
#include "roster/health.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/must.h"

static int64_t get_int(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

void health_parse(const MemberRow *member, NodeHealth *ret)
{
    *ret = (NodeHealth){0};
    json_t *json = json_loads(member->health, 0, NULL);
    if (!json)
        return; /* another version's, or none yet */
    ret->cores = get_int(json, "cores");
    ret->load = json_number_value(json_object_get(json, "load"));
    ret->memory_bytes = get_int(json, "memory_bytes");
    ret->memory_free_bytes = get_int(json, "memory_free_bytes");
    ret->lease_ms = get_int(json, "lease_ms");
    ret->beat_gap_ms = get_int(json, "beat_gap_ms");
    ret->beats_failed = get_int(json, "beats_failed");
    ret->clock_ahead_ms = get_int(json, "clock_ahead_ms");
    ret->held = get_int(json, "held");
    ret->statements = get_int(json, "statements");
    ret->reloads = get_int(json, "reloads");
    ret->reload_error = g_strdup(json_string_value(json_object_get(json, "reload_error")));
    json_decref(json);
}

void health_clear(NodeHealth *health)
{
    g_clear_pointer(&health->reload_error, g_free);
}

char *health_format(const NodeHealth *health)
{
    json_t *json = json_pack(
        "{s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s*}", "cores",
        (json_int_t)health->cores, "load", health->load, "memory_bytes",
        (json_int_t)health->memory_bytes, "memory_free_bytes",
        (json_int_t)health->memory_free_bytes, "lease_ms", (json_int_t)health->lease_ms,
        "beat_gap_ms", (json_int_t)health->beat_gap_ms, "beats_failed",
        (json_int_t)health->beats_failed, "clock_ahead_ms", (json_int_t)health->clock_ahead_ms,
        "held", (json_int_t)health->held, "statements", (json_int_t)health->statements, "reloads",
        (json_int_t)health->reloads, "reload_error", health->reload_error);
    MUST(json);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    char *copy = g_strdup(text);
    free(text);
    return copy;
}
