/* report_json: the roster's reports as JSON.
 *
 * How it fits: the commands print it (--json), the admin API sends it. Failures: none. Known weak
 * point: a number is a JSON number, so that a reader in JavaScript loses the last digits of ids
 * beyond 2^53; there are none so large.
 */
#include "front/report_json.h"

#include <string.h>

#include "roster/health.h"

#include "front/status_words.h"

bool report_is_bad(const StatusReport *report)
{
    return report->epoch == 0 || report->uncovered > 0;
}

json_t *report_json_node(const StatusReport *report, const MemberRow *member)
{
    g_auto(NodeHealth) health;
    health_parse(member, &health);
    return json_pack(
        "{s:I, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:s, s:b, s:I, s:f, s:I, s:I, s:I, "
        "s:I, s:I, s:I, s:I}",
        "node", (json_int_t)member->node, "host", member->host, "pid", (json_int_t)member->pid,
        "state", member->state, "living", member->living, "incarnation",
        (json_int_t)member->incarnation, "started_at", (json_int_t)member->started_at,
        "lease_until", (json_int_t)member->lease_until, "version", member->version, "differs",
        strcmp(member->proposed_digest, report->digest) != 0, "held", (json_int_t)health.held,
        "load", health.load, "cores", (json_int_t)health.cores, "memory_bytes",
        (json_int_t)health.memory_bytes, "memory_free_bytes", (json_int_t)health.memory_free_bytes,
        "statements", (json_int_t)health.statements, "beat_gap_ms", (json_int_t)health.beat_gap_ms,
        "beats_failed", (json_int_t)health.beats_failed, "clock_ahead_ms",
        (json_int_t)health.clock_ahead_ms);
}

static void set_count(json_t *json, const char *name, ReportCount count)
{
    g_autofree char *at_least = g_strdup_printf("%s_at_least", name);
    json_object_set_new(json, name, json_integer(count.count));
    json_object_set_new(json, at_least, json_boolean(count.more));
}

static json_t *nodes_json(const GArray *nodes)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < nodes->len; i++)
        json_array_append_new(list, json_integer(g_array_index(nodes, int64_t, i)));
    return list;
}

static json_t *shard_json(const ShardReport *shard)
{
    g_autofree char *works = status_words_works(shard);
    json_t *json = json_pack(
        "{s:s, s:i, s:i, s:s, s:s, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "role",
        shard->role->name, "shard", (int)shard->shard, "shards", (int)shard->shards, "nodes",
        shard->nodes, "works", works, "living", nodes_json(shard->living), "taken_over_by",
        nodes_json(shard->takers), "covered", shard->covered, "in_this_version",
        shard->role->handler != NULL, "lag_ms", (json_int_t)shard->lag_ms, "done_hour",
        (json_int_t)shard->done_hour, "failed_hour", (json_int_t)shard->failed_hour,
        "round_started_at", (json_int_t)shard->round_started_at, "round_done_at",
        (json_int_t)shard->round_done_at, "round_result", shard->round_result);
    set_count(json, "due", shard->due);
    set_count(json, "waiting", shard->waiting);
    set_count(json, "running", shard->running);
    set_count(json, "dead", shard->dead);
    return json;
}

static json_t *unknown_json(const UnknownReport *unknown)
{
    g_autofree char *words = status_words_unknown(unknown);
    json_t *json = json_pack("{s:s, s:I, s:s}", "role", unknown->role, "dead",
                             (json_int_t)unknown->dead, "words", words);
    set_count(json, "tasks", unknown->tasks);
    return json;
}

json_t *report_json_status(const StatusReport *report)
{
    g_autofree char *alarm = status_words_alarm(report);
    json_t *unknown = json_array();
    for (unsigned i = 0; i < report->unknown->len; i++)
        json_array_append_new(unknown, unknown_json(g_ptr_array_index(report->unknown, i)));
    json_t *nodes = json_array(), *shards = json_array(), *differing = json_array();
    for (unsigned i = 0; i < report->members->len; i++)
        json_array_append_new(nodes,
                              report_json_node(report, g_ptr_array_index(report->members, i)));
    for (unsigned i = 0; i < report->shards->len; i++)
        json_array_append_new(shards, shard_json(g_ptr_array_index(report->shards, i)));
    for (unsigned i = 0; i < report->differing->len; i++)
        json_array_append_new(differing, json_string(g_ptr_array_index(report->differing, i)));
    return json_pack("{s:b, s:s, s:I, s:I, s:s, s:i, s:o, s:o, s:o, s:o}", "good",
                     !report_is_bad(report), "alarm", alarm, "at", (json_int_t)report->at, "epoch",
                     (json_int_t)report->epoch, "digest", report->digest, "uncovered",
                     (int)report->uncovered, "nodes", nodes, "shards", shards, "differing",
                     differing, "unknown", unknown);
}

json_t *report_json_coverage(const StatusReport *report)
{
    json_t *shards = json_array();
    for (unsigned i = 0; i < report->shards->len; i++) {
        const ShardReport *shard = g_ptr_array_index(report->shards, i);
        json_array_append_new(
            shards, json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:b}", "role", shard->role->name,
                              "shard", (int)shard->shard, "shards", (int)shard->shards, "nodes",
                              shard->nodes, "living", nodes_json(shard->living), "taken_over_by",
                              nodes_json(shard->takers), "covered", shard->covered));
    }
    return json_pack("{s:b, s:i, s:I, s:s, s:o}", "good", !report_is_bad(report), "uncovered",
                     (int)report->uncovered, "epoch", (json_int_t)report->epoch, "digest",
                     report->digest, "shards", shards);
}

static json_t *task_json(const TaskReport *task)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:s}",
        "id", task->id, "role", task->role, "key", task->key, "state", task_state_name(task->state),
        "payload", task->payload, "bucket", (int)task->bucket, "shard", (int)task->shard, "shards",
        (int)task->shards, "due_at", (json_int_t)task->due_at, "created_at",
        (json_int_t)task->created_at, "claimed_at", (json_int_t)task->claimed_at, "buried_at",
        (json_int_t)task->buried_at, "node", (json_int_t)task->node, "attempts",
        (json_int_t)task->attempts, "deaths", (json_int_t)task->deaths, "error", task->error);
}

static json_t *tasks_json(const GPtrArray *tasks)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < tasks->len; i++)
        json_array_append_new(list, task_json(g_ptr_array_index(tasks, i)));
    return list;
}

static json_t *history_json(const GPtrArray *history)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < history->len; i++) {
        const TaskPast *past = g_ptr_array_index(history, i);
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:s, s:I, s:i, s:s}", "started_at",
                                              (json_int_t)past->started_at, "ended_at",
                                              (json_int_t)past->ended_at, "node",
                                              (json_int_t)past->node, "outcome", past->outcome,
                                              "attempts", (json_int_t)past->attempts, "shard",
                                              (int)past->shard, "detail", past->detail));
    }
    return list;
}

static json_t *ranges_json(NodeSet nodes)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < nodes.count; i++)
        json_array_append_new(list, json_pack("[I, I]", (json_int_t)nodes.ranges[i].first,
                                              (json_int_t)nodes.ranges[i].last));
    return list;
}

json_t *report_json_tasks(const GPtrArray *tasks, bool more)
{
    return json_pack("{s:o, s:b}", "tasks", tasks_json(tasks), "more", more);
}

json_t *report_json_task(const GPtrArray *tasks, const GPtrArray *history)
{
    return json_pack("{s:o, s:o}", "tasks", tasks_json(tasks), "history", history_json(history));
}

json_t *report_json_why(const char *id, const GPtrArray *lines)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < lines->len; i++)
        json_array_append_new(list, json_string(g_ptr_array_index(lines, i)));
    return json_pack("{s:s, s:o}", "id", id, "why", list);
}

json_t *report_json_table(const RoleTable *table, const RoleSet *set)
{
    json_t *list = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const char *role = set->roles[i].name;
        unsigned shards = table_shards(table, role);
        for (unsigned shard = 1; shard <= shards; shard++) {
            NodeSet nodes = table_nodes(table, role, shard);
            g_autofree char *text = node_set_format(nodes);
            json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:o}", "role", role,
                                                  "shard", (int)shard, "shards", (int)shards,
                                                  "nodes", text, "ranges", ranges_json(nodes)));
        }
    }
    return list;
}
