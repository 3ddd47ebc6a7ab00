/* run_dry: what a real run would remove, counted by kind, and item by item where that is asked for.
 *
 * How it fits: the role's handler itself goes its way, dry (roster/dry_run); here is only what
 * hears of it. Items are printed as they come, so that memory does not grow with their number: as
 * lines, or as JSON whose list of items is written piece by piece.
 *
 * Failures: the store's, after what was printed by then; the JSON is whole only with exit status 0.
 */
#include <inttypes.h>
#include <string.h>

#include "roster/dry_run.h"

#include "app/run_dry.h"
#include "app/ui.h"

typedef struct {
    char *kind;
    int64_t count, bytes;
} Total;

typedef struct {
    const CommandContext *context;
    const RunDryAsk *ask;
    unsigned shard;
    int64_t items;
    GArray *totals; /* of Total, in the order in which they came */
    UiProgress *progress;
} Hearing;

static void total_clear(void *data)
{
    g_free(((Total *)data)->kind);
}

static Total *total_of(Hearing *hearing, const char *kind)
{
    for (unsigned i = 0; i < hearing->totals->len; i++) {
        Total *total = &g_array_index(hearing->totals, Total, i);
        if (strcmp(total->kind, kind) == 0)
            return total;
    }
    Total total = {.kind = g_strdup(kind)};
    g_array_append_val(hearing->totals, total);
    return &g_array_index(hearing->totals, Total, hearing->totals->len - 1);
}

static void print_item(const Hearing *hearing, const char *kind, const char *name, int64_t bytes)
{
    if (!hearing->context->json) {
        g_autofree char *safe = ui_safe(name), *size = ui_format_bytes(bytes);
        printf("%u  %s  %s  %s\n", hearing->shard, kind, safe, size);
        return;
    }
    json_t *item = json_pack("{s:i, s:s, s:s, s:I}", "shard", (int)hearing->shard, "kind", kind,
                             "item", name, "bytes", (json_int_t)bytes);
    printf("%s    ", hearing->items > 1 ? ",\n" : "\n");
    if (item)
        json_dumpf(item, stdout, JSON_COMPACT);
    json_decref(item);
}

static void hear(const char *kind, const char *name, int64_t bytes, void *data)
{
    Hearing *hearing = data;
    Total *total = total_of(hearing, kind);
    total->count++;
    total->bytes += bytes;
    hearing->items++;
    ui_progress_set(hearing->progress, hearing->items, kind);
    if (hearing->ask->verbose)
        print_item(hearing, kind, name, bytes);
}

static void print_totals(const Hearing *hearing)
{
    g_autoptr(UiTable) table = ui_table_new("would go", ">count", ">bytes", NULL);
    for (unsigned i = 0; i < hearing->totals->len; i++) {
        const Total *total = &g_array_index(hearing->totals, Total, i);
        g_autofree char *count = g_strdup_printf("%" PRId64, total->count),
                        *bytes = ui_format_bytes(total->bytes);
        ui_table_add(table, total->kind, count, bytes, NULL);
    }
    ui_table_print(table, stdout);
    if (hearing->totals->len == 0)
        printf("%s would remove nothing now\n", hearing->ask->role->name);
}

static void print_totals_json(const Hearing *hearing)
{
    json_t *kinds = json_array();
    for (unsigned i = 0; i < hearing->totals->len; i++) {
        const Total *total = &g_array_index(hearing->totals, Total, i);
        json_array_append_new(kinds, json_pack("{s:s, s:I, s:I}", "kind", total->kind, "count",
                                               (json_int_t)total->count, "bytes",
                                               (json_int_t)total->bytes));
    }
    printf("  \"would_go\": ");
    json_dumpf(kinds, stdout, JSON_COMPACT);
    printf("\n}\n");
    json_decref(kinds);
}

static bool run_shards(Hearing *hearing, GError **error)
{
    const RunDryAsk *ask = hearing->ask;
    RunWatch watch = {hear, hearing};
    for (hearing->shard = ask->first; hearing->shard <= ask->last; hearing->shard++) {
        DryRun dry = {.db = ask->db,
                      .clock = hearing->context->clock,
                      .role = ask->role,
                      .shard = hearing->shard,
                      .shards = ask->shards,
                      .settings = &hearing->context->settings->duty,
                      .watch = &watch};
        if (!dry_run(&dry, error))
            return false;
    }
    return true;
}

int run_dry(CommandContext *context, const RunDryAsk *ask)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) totals = g_array_new(FALSE, FALSE, sizeof(Total));
    g_array_set_clear_func(totals, total_clear);
    Hearing hearing = {.context = context, .ask = ask, .totals = totals};
    if (context->json)
        printf("{\n  \"role\": \"%s\",\n%s", ask->role->name, ask->verbose ? "  \"items\": [" : "");
    hearing.progress = ui_progress_new("looking for what would go", 0, context->clock);
    bool good = run_shards(&hearing, &error);
    g_clear_pointer(&hearing.progress, ui_progress_free);
    if (context->json && ask->verbose)
        printf("%s],\n", hearing.items ? "\n  " : "");
    if (!good)
        return command_fail(error);
    if (context->json)
        print_totals_json(&hearing);
    else
        print_totals(&hearing);
    return EXIT_FINE;
}
