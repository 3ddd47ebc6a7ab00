/* cmd_audit: does the role table still suit the cluster?
 *
 * How it fits: front/audit_read.c reads, roster/audit judges, this prints: the weightiest finding
 * first, each with its name (docs/audit.md explains it), its figures, what to do, and a table to
 * paste where one helps. Failures: no node has ever started (1), the store cannot be reached (75).
 * A finding that is an error is the answer no (1).
 */
#include <inttypes.h>
#include <string.h>

#include "front/audit_read.h"

#include "app/command.h"
#include "app/ui.h"

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
    g_autofree unsigned *concurrency = db ? settings_concurrency(context->settings) : NULL;
    CertificateHouse house = settings_certificates(context->settings);
    g_autoptr(Audit) audit =
        db ? audit_read(db, &context->settings->roles, concurrency, &house, &error) : NULL;
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
