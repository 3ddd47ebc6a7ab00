/* cmd_check: validates the settings: every problem at once, each with its place.
 *
 * How it fits: the same reading as every other command's, but here the problems are the result.
 * Warnings do not fail the check. Failures: broken settings, exit status 2.
 */
#include <stdio.h>

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

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autofree char *path = settings_find(context->settings_option);
    g_autoptr(Settings) settings =
        path ? settings_read(path, problems) : settings_default(problems);
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
