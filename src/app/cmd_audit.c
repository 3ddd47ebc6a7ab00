/* cmd_audit: does the role table still suit the cluster?
 *
 * How it fits: audit_read.c reads, roster/audit judges, this prints: the weightiest finding first,
 * each with its name (docs/audit.md explains it), its figures, what to do, and a table to paste
 * where one helps. Failures: no node has ever started (1), the store cannot be reached (75). A
 * finding that is an error is the answer no (1).
 */
#include <inttypes.h>
#include <string.h>

#include "app/audit_read.h"
#include "app/command.h"
#include "app/ui.h"

static json_t *finding_json(const Finding *finding)
{
    json_t *json = json_pack("{s:s, s:s, s:f, s:f, s:f, s:s, s:s, s:s}", "name",
                             audit_kind_name(finding->kind), "severity",
                             audit_severity_name(finding->severity), "weight", finding->weight,
                             "value", finding->value, "limit", finding->limit, "unit",
                             finding->unit, "what", finding->what, "advice", finding->advice);
    if (finding->role)
        json_object_set_new(json, "role", json_string(finding->role->name));
    if (finding->shard)
        json_object_set_new(json, "shard", json_integer(finding->shard));
    if (finding->node)
        json_object_set_new(json, "node", json_integer(finding->node));
    if (finding->account)
        json_object_set_new(json, "account", json_string(finding->account));
    if (finding->toml)
        json_object_set_new(json, "toml", json_string(finding->toml));
    return json;
}

static json_t *audit_json(const Audit *audit)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < audit->findings->len; i++)
        json_array_append_new(list, finding_json(g_ptr_array_index(audit->findings, i)));
    return json_pack("{s:b, s:i, s:i, s:I, s:o}", "good", audit->errors == 0, "errors",
                     (int)audit->errors, "nodes", (int)audit->nodes, "measured_ms",
                     (json_int_t)audit->measured_ms, "findings", list);
}

static void print_finding(const Finding *finding)
{
    static const UiColour colours[] = {
        [AUDIT_NOTE] = UI_DIM, [AUDIT_WARNING] = UI_YELLOW, [AUDIT_ERROR] = UI_RED};
    g_autofree char *what = ui_safe(finding->what);
    printf("%s%s %s%s: %s\n  %s\n", ui_colour(stdout, colours[finding->severity]),
           audit_severity_name(finding->severity), audit_kind_name(finding->kind),
           ui_colour(stdout, UI_PLAIN), what, finding->advice);
    if (!finding->toml)
        return;
    g_auto(GStrv) lines = g_strsplit(finding->toml, "\n", -1);
    printf("\n");
    for (char **line = lines; *line; line++)
        if (**line)
            printf("      %s\n", *line);
    printf("\n");
}

static void print_measured(const Audit *audit)
{
    if (audit->measured_ms == 0) {
        printf("No measurement: since this table came into force no node has told what it did; "
               "nothing is said about load.\n");
        return;
    }
    g_autofree char *time = ui_format_duration(audit->measured_ms);
    printf("Loads were measured over %s%s.\n", time,
           audit->measured_ms < AUDIT_MEASURED_MS ? ", which is too short to be judged" : "");
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(Audit) audit = db ? audit_read(db, context->settings, &error) : NULL;
    if (!audit)
        return command_fail(error);
    int status = audit->errors == 0 ? EXIT_FINE : EXIT_NO;
    if (context->json) {
        ui_print_json(audit_json(audit));
        return status;
    }
    for (unsigned i = 0; i < audit->findings->len; i++)
        print_finding(g_ptr_array_index(audit->findings, i));
    if (audit->findings->len == 0)
        printf("Nothing to find fault with.\n");
    print_measured(audit);
    return status;
}

const Command cmd_audit = {
    .name = "audit",
    .usage = "",
    .summary = "says what of the role table no longer suits the cluster, and what would",
    .example = "rota audit\nrota audit --json",
    .run = run,
};
