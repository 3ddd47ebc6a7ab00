/* status_view: what `rota status` shows.
 *
 * How it fits: cmd_status.c reads the report and prints it once, or again and again on a screen.
 * What is uncovered stands first and in red, then the nodes, then a line for each shard of each
 * role, then how nodes' files differ from the table in force. Failures: none. Known weak point: the
 * table is wider than 80 columns where a round's result is long; on a screen it is cut there.
 */
#include "app/status_view.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "roster/health.h"

#include "app/ui.h"

#define LAG_LONG_MS     300000 /* work that waits so long is worth a colour */
#define UNCOVERED_NAMED 5      /* in one line; the table has all */

bool status_view_is_bad(const StatusReport *report)
{
    return report->epoch == 0 || report->uncovered > 0;
}

/* "12", ">= 10000" */
static char *format_count(ReportCount count)
{
    return g_strdup_printf("%s%" PRId64, count.more ? ">= " : "", count.count);
}

char *status_view_format_uncovered(const StatusReport *report)
{
    GString *text = g_string_new(NULL);
    unsigned named = 0;
    for (unsigned i = 0; i < report->shards->len && named < UNCOVERED_NAMED; i++) {
        const ShardReport *shard = g_ptr_array_index(report->shards, i);
        if (!shard->covered)
            g_string_append_printf(text, "%s%s shard %u of %u", named++ ? ", " : "",
                                   shard->role->name, shard->shard, shard->shards);
    }
    if (report->uncovered > named)
        g_string_append_printf(text, " and %u more", report->uncovered - named);
    return g_string_free(text, FALSE);
}

/* What becomes of the work of uncovered shards. The caller frees it. */
static char *format_fate(const StatusReport *report)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < report->shards->len; i++) {
        const ShardReport *shard = g_ptr_array_index(report->shards, i);
        taken += !shard->covered && shard->takers->len > 0;
    }
    if (taken == 0)
        return g_strdup("their work waits");
    if (taken == report->uncovered)
        return g_strdup("nodes of other shards do their work");
    return g_strdup_printf("their work waits, but for %u that nodes of other shards do", taken);
}

static void print_head(const StatusReport *report, FILE *out)
{
    g_autofree char *time = ui_format_time(report->at);
    if (report->epoch == 0) {
        fprintf(out, "%s%s: no node has ever started on this store; `rota serve` starts one%s\n\n",
                ui_colour(out, UI_RED), time, ui_colour(out, UI_PLAIN));
        return;
    }
    fprintf(out, "%s   role table %.12s, epoch %" PRId64 "\n", time, report->digest, report->epoch);
    if (report->uncovered > 0) {
        g_autofree char *uncovered = status_view_format_uncovered(report);
        g_autofree char *fate = format_fate(report);
        fprintf(out, "%sUNCOVERED: %u of %u shards have no living node, %s: %s%s\n",
                ui_colour(out, UI_RED), report->uncovered, report->shards->len, fate, uncovered,
                ui_colour(out, UI_PLAIN));
    }
    fputc('\n', out);
}

static char *format_told(bool told, int digits, double number)
{
    return told ? g_strdup_printf("%.*f", digits, number) : g_strdup("-");
}

static void print_nodes(const StatusReport *report, FILE *out)
{
    g_autoptr(UiTable) table = ui_table_new(">node", "host", ">pid", "state", ">up", ">lease",
                                            ">holds", ">load", ">cores", "version", NULL);
    for (unsigned i = 0; i < report->members->len; i++) {
        const MemberRow *member = g_ptr_array_index(report->members, i);
        bool drained = strcmp(member->state, "drained") == 0;
        g_auto(NodeHealth) health;
        health_parse(member, &health);
        g_autofree char *node = g_strdup_printf("%" PRId64, member->node);
        g_autofree char *pid = g_strdup_printf("%" PRId64, member->pid);
        g_autofree char *up = ui_format_duration(MAX(report->at - member->started_at, 0));
        g_autofree char *lease = member->living
                                     ? ui_format_duration(member->lease_until - report->at)
                                     : g_strdup(drained ? "given back" : "has run out");
        bool told = health.cores > 0; /* else it has just joined */
        g_autofree char *held = format_told(told, 0, (double)health.held);
        g_autofree char *load = format_told(told, 2, health.load);
        g_autofree char *cores = format_told(told, 0, (double)health.cores);
        ui_table_add(table, node, member->host, pid, member->state, up, lease, held, load, cores,
                     member->version, NULL);
        if (!member->living)
            ui_table_colour(table, drained ? UI_DIM : UI_RED);
        else if (strcmp(member->state, "up") != 0)
            ui_table_colour(table, UI_YELLOW);
    }
    ui_table_print(table, out);
    if (report->members->len == 0 && report->epoch != 0)
        fprintf(out, "%sno node is running%s\n", ui_colour(out, UI_RED), ui_colour(out, UI_PLAIN));
}

static char *format_nodes(const GArray *nodes)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < nodes->len; i++)
        g_string_append_printf(text, "%s%" PRId64, i ? "," : "", g_array_index(nodes, int64_t, i));
    return g_string_free(text, FALSE);
}

/* Who works for the shard now. */
static char *format_living(const ShardReport *shard)
{
    if (!shard->covered && shard->takers->len > 0) {
        g_autofree char *takers = format_nodes(shard->takers);
        return g_strdup_printf("%s (taken over)", takers);
    }
    if (!shard->covered)
        return g_strdup("NOBODY");
    if (!shard->role->handler)
        return g_strdup("not in this version");
    if (shard->none)
        return g_strdup("none");
    return format_nodes(shard->living);
}

static char *format_round(const ShardReport *shard)
{
    if (shard->round_started_at > shard->round_done_at) {
        g_autofree char *started = ui_format_time(shard->round_started_at);
        return g_strdup_printf("since %s", started);
    }
    if (shard->round_done_at == 0)
        return g_strdup("");
    g_autofree char *done = ui_format_time(shard->round_done_at);
    return g_strdup_printf("%s %s", done, shard->round_result);
}

static UiColour colour_of(const ShardReport *shard)
{
    if (!shard->covered)
        return shard->takers->len > 0 ? UI_YELLOW : UI_RED;
    if (shard->dead.count > 0 || shard->lag_ms > LAG_LONG_MS)
        return UI_YELLOW;
    return shard->role->handler ? UI_PLAIN : UI_DIM;
}

static void add_shard(UiTable *table, const ShardReport *shard)
{
    g_autofree char *of = g_strdup_printf("%u of %u", shard->shard, shard->shards);
    g_autofree char *living = format_living(shard);
    g_autofree char *lag = shard->lag_ms > 0 ? ui_format_duration(shard->lag_ms) : g_strdup("-");
    g_autofree char *due = format_count(shard->due);
    g_autofree char *waiting = format_count(shard->waiting);
    g_autofree char *running = format_count(shard->running);
    g_autofree char *dead = format_count(shard->dead);
    g_autofree char *done = g_strdup_printf("%" PRId64, shard->done_hour);
    g_autofree char *failed = g_strdup_printf("%" PRId64, shard->failed_hour);
    g_autofree char *round = format_round(shard);
    ui_table_add(table, shard->shard == 1 ? shard->role->name : "", of,
                 strcmp(shard->nodes, "*") == 0 ? "every node" : shard->nodes, living, lag, due,
                 waiting, running, dead, done, failed, round, NULL);
    if (colour_of(shard) != UI_PLAIN)
        ui_table_colour(table, colour_of(shard));
}

static void print_shards(const StatusReport *report, FILE *out)
{
    g_autoptr(UiTable) table =
        ui_table_new("role", "shard", "nodes", "works", ">lag", ">due", ">later", ">running",
                     ">dead", ">done/h", ">failed/h", "last round", NULL);
    for (unsigned i = 0; i < report->shards->len; i++)
        add_shard(table, g_ptr_array_index(report->shards, i));
    if (ui_table_rows(table) > 0)
        fputc('\n', out);
    ui_table_print(table, out);
}

/* Nothing goes wrong by it here; but what these nodes write for people is wrong. */
static void print_clocks(const StatusReport *report, FILE *out)
{
    bool first = true;
    for (unsigned i = 0; i < report->members->len; i++) {
        const MemberRow *member = g_ptr_array_index(report->members, i);
        g_auto(NodeHealth) health;
        health_parse(member, &health);
        if (!member->living ||
            (health.clock_ahead_ms <= CLOCK_OFF_MS && health.clock_ahead_ms >= -CLOCK_OFF_MS))
            continue;
        g_autofree char *off = ui_format_duration(ABS(health.clock_ahead_ms));
        fprintf(out,
                "%s%sthe clock of node %" PRId64 " (%s) is %s %s the store's: set it right%s\n",
                first ? "\n" : "", ui_colour(out, UI_YELLOW), member->node, member->host, off,
                health.clock_ahead_ms > 0 ? "ahead of" : "behind", ui_colour(out, UI_PLAIN));
        first = false;
    }
}

/* Work that waits for a role nobody knows. */
static void print_unknown(const StatusReport *report, FILE *out)
{
    for (unsigned i = 0; i < report->unknown->len; i++) {
        const UnknownReport *unknown = g_ptr_array_index(report->unknown, i);
        g_autofree char *tasks = format_count(unknown->tasks);
        g_autofree char *role = ui_safe(unknown->role);
        fprintf(out,
                "%s%s%s: %s tasks and %" PRId64 " dead letters of a role that these settings do "
                "not know: they wait until it comes back, or `rota tasks drop`%s\n",
                i ? "" : "\n", ui_colour(out, UI_YELLOW), role, tasks, unknown->dead,
                ui_colour(out, UI_PLAIN));
    }
}

void status_view_print(const StatusReport *report, FILE *out)
{
    print_head(report, out);
    print_nodes(report, out);
    print_clocks(report, out);
    print_shards(report, out);
    print_unknown(report, out);
    for (unsigned i = 0; i < report->differing->len; i++) {
        g_autofree char *line = ui_safe(g_ptr_array_index(report->differing, i));
        fprintf(out, "%s%s%s%s\n", i ? "" : "\n", ui_colour(out, UI_YELLOW), line,
                ui_colour(out, UI_PLAIN));
    }
    if (report->differing->len > 0)
        fprintf(out, "A table comes into force when all living nodes propose it, or by `rota roles "
                     "adopt`.\n");
}

/* ---------------------------------------------------------------- for machines */

static json_t *node_json(const StatusReport *report, const MemberRow *member)
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
    json_t *json =
        json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "role",
                  shard->role->name, "shard", (int)shard->shard, "shards", (int)shard->shards,
                  "nodes", shard->nodes, "living", nodes_json(shard->living), "taken_over_by",
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
    json_t *json =
        json_pack("{s:s, s:I}", "role", unknown->role, "dead", (json_int_t)unknown->dead);
    set_count(json, "tasks", unknown->tasks);
    return json;
}

json_t *status_view_json(const StatusReport *report)
{
    json_t *unknown = json_array();
    for (unsigned i = 0; i < report->unknown->len; i++)
        json_array_append_new(unknown, unknown_json(g_ptr_array_index(report->unknown, i)));
    json_t *nodes = json_array(), *shards = json_array(), *differing = json_array();
    for (unsigned i = 0; i < report->members->len; i++)
        json_array_append_new(nodes, node_json(report, g_ptr_array_index(report->members, i)));
    for (unsigned i = 0; i < report->shards->len; i++)
        json_array_append_new(shards, shard_json(g_ptr_array_index(report->shards, i)));
    for (unsigned i = 0; i < report->differing->len; i++)
        json_array_append_new(differing, json_string(g_ptr_array_index(report->differing, i)));
    return json_pack("{s:b, s:I, s:I, s:s, s:i, s:o, s:o, s:o, s:o}", "good",
                     !status_view_is_bad(report), "at", (json_int_t)report->at, "epoch",
                     (json_int_t)report->epoch, "digest", report->digest, "uncovered",
                     (int)report->uncovered, "nodes", nodes, "shards", shards, "differing",
                     differing, "unknown", unknown);
}
