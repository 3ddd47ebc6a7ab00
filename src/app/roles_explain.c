/* roles_explain: what `rota roles --explain` says.
 *
 * How it fits: each step names the file of the source that does it, so that the command, the manual
 * and the code tell one story. What the store knows is roles_explain_live.c's. Failures: none.
 */
#include "app/roles_explain.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "base/units.h"

#include "app/ui.h"

void explain_add(json_t *way, const char *name, char *take)
{
    g_autofree char *text = g_utf8_make_valid(take, -1);
    json_object_set_new(way, name, json_string(text));
    g_free(take);
}

static void add_lane(json_t *way, const Settings *settings, const Role *role)
{
    const LaneSettings *lane = settings_lane(settings, role);
    g_autofree char *min = units_format_duration(lane->retry_min_ms);
    g_autofree char *max = units_format_duration(lane->retry_max_ms);
    if (!role->handler)
        explain_add(way, "lane", g_strdup("this build does not do this role: its tasks wait"));
    else
        explain_add(way, "lane",
                    g_strdup_printf("%" PRId64 " threads on each node, batches of %" PRId64
                                    ", %" PRId64 " attempts, waits of %s to %s between them",
                                    lane->concurrency, lane->batch, lane->attempts, min, max));
}

/* The part that the settings know. */
static json_t *explain_settings(const Settings *settings, const Role *role, unsigned shard)
{
    json_t *way = json_object();
    unsigned shards = table_shards(settings->table, role->name),
             line = settings->role_lines[settings_index(settings, role)];
    g_autoptr(GString) all = g_string_new(NULL);
    for (unsigned i = 1; i <= shards; i++) {
        g_autofree char *nodes = node_set_format(table_nodes(settings->table, role->name, i));
        g_string_append_printf(all, "%s%s", i > 1 ? " | " : "", nodes);
    }
    explain_add(
        way, "role",
        g_strdup_printf("%s, shard %u of %u: %s", role->name, shard, shards, role->summary));
    if (line)
        explain_add(way, "file", g_strdup_printf("%s, line %u", settings->file, line));
    else
        explain_add(way, "file",
                    g_strdup_printf("%s: every node, as one shard",
                                    settings->file ? "not set" : "no file"));
    explain_add(way, "shards", g_strdup_printf("%u: %s", shards, all->str));
    explain_add(way, "nodes", node_set_format(table_nodes(settings->table, role->name, shard)));
    MUST(shards >= 1);
    unsigned buckets = BUCKETS / shards + (shard <= BUCKETS % shards);
    explain_add(way, "buckets",
                g_strdup_printf("%u of %d: those with bucket %% %u + 1 = %u", buckets, BUCKETS,
                                shards, shard));
    const char *schedule = settings_schedule(settings, role);
    if (schedule)
        explain_add(way, "schedule",
                    g_strdup_printf("%s (%s, time zone %s)", schedule,
                                    role->schedule_setting       ? role->schedule_setting
                                    : role_is_custom(role->name) ? "set there"
                                                                 : "fixed",
                                    settings->time_zone));
    else
        explain_add(way, "schedule",
                    g_strdup("none: its tasks come with the changes that cause them"));
    add_lane(way, settings, role);
    return way;
}

json_t *roles_explain(CommandContext *context, const Role *role, unsigned shard)
{
    json_t *way = explain_settings(context->settings, role, shard);
    roles_explain_live(way, context, role, shard);
    return way;
}

void roles_explain_print(json_t *take)
{
    static const struct {
        const char *name, *code;
    } steps[] = {
        {"file", "app/settings_roles"},
        {"shards", "roster/table"},
        {"nodes", "roster/table"},
        {"buckets", "roster/shard"},
        {"schedule", "roster/round"},
        {"lane", "roster/worker"},
        {"store", "db"},
        {"table", "roster/adoption"},
        {"living", "roster/member"},
        {"holder", "roster/task"},
        {"tasks", "roster/task"},
        {"next slot", "roster/round"},
        {"last run", "duty"},
    };
    g_autofree char *title = ui_safe(json_string_value(json_object_get(take, "role")));
    printf("%s%s%s\n", ui_colour(stdout, UI_BOLD), title, ui_colour(stdout, UI_PLAIN));
    g_autoptr(UiTable) table = ui_table_new("step", "now", "code", NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        const char *text = json_string_value(json_object_get(take, steps[i].name));
        if (text)
            ui_table_add(table, steps[i].name, text, steps[i].code, NULL);
    }
    ui_table_print(table, stdout);
    json_decref(take);
}
