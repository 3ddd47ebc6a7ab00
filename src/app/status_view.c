/* status_view: what `rota status` shows.
 *
 * How it fits: its words are front/status_words.c's; cmd_status.c reads the report and prints it
 * once, or again and again on a screen. What is uncovered stands first and in red, then the nodes,
 * then a line for each shard of each role, then how nodes' files differ from the table in force.
 * Failures: none. Known weak point: the table is wider than 80 columns where a round's result is
 * long; on a screen it is cut there.
 */
#include "app/status_view.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "front/status_words.h"
#include "roster/health.h"

#include "app/ui.h"

#define LAG_LONG_MS 300000 /* work that waits so long is worth a colour */

/* "12", ">= 10000" */
static char *format_count(ReportCount count)
{
    return g_strdup_printf("%s%" PRId64, count.more ? ">= " : "", count.count);
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
    g_autofree char *alarm = status_words_alarm(report);
    if (*alarm)
        fprintf(out, "%s%s%s\n", ui_colour(out, UI_RED), alarm, ui_colour(out, UI_PLAIN));
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
    g_autofree char *living = status_words_works(shard);
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
        g_autofree char *words = status_words_unknown(unknown);
        g_autofree char *line = ui_safe(words);
        fprintf(out, "%s%s%s%s\n", i ? "" : "\n", ui_colour(out, UI_YELLOW), line,
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
