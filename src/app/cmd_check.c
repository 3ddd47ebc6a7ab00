/* cmd_check: validates the settings: every problem at once, each with its place.
 *
 * How it fits: the same reading as every other command's, but here the problems are the result. It
 * also looks whether the commands of custom roles are there, where this node is one of theirs: that
 * is this machine's to answer, not the file's. Warnings do not fail the check. Failures: broken
 * settings, exit status 2.
 */
#include <stdio.h>

#include "base/child.h"
#include "app/command.h"
#include "app/ui.h"

static json_t *problem_json(const SettingsProblem *problem, const char *path)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:s?}", "level", problem->warning ? "warning" : "error",
                     "line", (int)problem->line, "column", (int)problem->column, "text",
                     problem->text, "file", path);
}

static void print_problems(const GPtrArray *problems)
{
    for (unsigned i = 0; i < problems->len; i++) {
        const SettingsProblem *problem = g_ptr_array_index(problems, i);
        g_autofree char *safe = ui_safe(problem->text);
        fprintf(stderr, "%s%s%s %s\n", ui_colour(stderr, problem->warning ? UI_YELLOW : UI_RED),
                problem->warning ? "warning:" : "error:", ui_colour(stderr, UI_PLAIN), safe);
    }
}

/* A custom role's command that this node shall run, and cannot. */
static void check_command(const Settings *settings, const CustomDuty *custom, GPtrArray *problems)
{
    const char *why = NULL;
    g_autoptr(GArray) shards =
        table_shards_of_node(settings->table, custom->role, settings->node_id);
    if (shards->len == 0)
        return;
    g_autofree char *file =
        child_find(custom->command[0], (const char *const *)custom->environment, &why);
    bool folder = g_file_test(custom->directory, G_FILE_TEST_IS_DIR);
    if (file && folder)
        return;
    SettingsProblem *problem = g_new0(SettingsProblem, 1);
    problem->warning = true;
    problem->line =
        settings->role_lines[settings_index(settings, role_find(&settings->roles, custom->role))];
    problem->column = 1;
    problem->text =
        file
            ? g_strdup_printf("%s:%u: cluster.roles.%s.directory: \"%s\" is no directory on this "
                              "machine",
                              settings->file, problem->line, custom->role, custom->directory)
            : g_strdup_printf("%s:%u: cluster.roles.%s.command: \"%s\" cannot be run on this "
                              "machine: %s",
                              settings->file, problem->line, custom->role, custom->command[0], why);
    g_ptr_array_add(problems, problem);
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autofree char *path = settings_find(context->settings_option);
    g_autoptr(Settings) settings =
        path ? settings_read(path, problems) : settings_default(problems);
    for (unsigned i = 0; settings && i < settings->duty.custom_count; i++)
        check_command(settings, &settings->customs[i], problems);
    if (context->json) {
        json_t *list = json_array();
        for (unsigned i = 0; i < problems->len; i++)
            json_array_append_new(list, problem_json(g_ptr_array_index(problems, i), path));
        ui_print_json(json_pack("{s:b, s:s?, s:o}", "good", settings != NULL, "file", path,
                                "problems", list));
        return settings ? EXIT_FINE : EXIT_USAGE;
    }
    print_problems(problems);
    if (!settings)
        return EXIT_USAGE;
    printf("%s: good\n", path ? path : "no settings file: all defaults");
    return EXIT_FINE;
}

const Command cmd_check = {
    .name = "check",
    .usage = "",
    .summary = "validates the settings, all problems at once",
    .example = "rota check -c /etc/rota/rota.toml",
    .run = run,
};
