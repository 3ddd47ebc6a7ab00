/* cmd_tasks_admin: what a person does about dead letters and tasks that wait: retry, drop; one by
 * its id, or all dead letters of a role.
 *
 * How it fits: the verbs are roster/task_admin's. Failures: no such task, or a node runs it (1); a
 * store that cannot be reached, or a commit whose outcome is not known (75): then the same command
 * again does what is left.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

#include "app/command.h"
#include "app/ui.h"
#include "roster/task_admin.h"

static gboolean option_dead;
static char *option_role;

/* All of a role; the exit status. */
static int act_on_all(CommandContext *context, TaskVerb verb, const char *role)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    int64_t total = db ? dead_letters_count(db, role, &error) : -1;
    if (total < 0)
        return command_fail(error);
    const char *doing = verb == VERB_RETRY ? "retrying" : "dropping";
    UiProgress *progress = ui_progress_new(doing, total, context->clock);
    DeadWalk walk = {0};
    bool going = true;
    while (going && !walk.over) {
        going = dead_letters_step(db, role, verb, &walk, &error);
        ui_progress_set(progress, walk.count, NULL);
    }
    ui_progress_free(progress);
    const char *done = verb == VERB_RETRY ? "retried" : "dropped";
    if (context->json)
        ui_print_json(json_pack("{s:s, s:I}", "role", role, done, (json_int_t)walk.count));
    else
        printf("%s: %s %" PRId64 " dead letters\n", role, done, walk.count);
    return going ? EXIT_FINE : command_fail(error);
}

static int act_on_one(CommandContext *context, TaskVerb verb, const char *id)
{
    g_autoptr(GError) error = NULL;
    TaskWas was;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    bool done = verb == VERB_RETRY ? task_retry(db, &context->settings->roles, id, &was, &error)
                                   : task_drop(db, &context->settings->roles, id, &was, &error);
    if (!done)
        return command_fail(error);
    const char *what = was == TASK_WAS_DEAD ? "dead letter" : "task";
    if (context->json) {
        ui_print_json(json_pack("{s:s, s:s, s:s}", "id", id, "was", what, "result",
                                verb == VERB_RETRY ? "retried" : "dropped"));
        return EXIT_FINE;
    }
    g_autofree char *safe = ui_safe(id);
    if (verb == VERB_DROP)
        printf("%s: the %s is dropped\n", safe, what);
    else
        printf("%s: the %s is due now; `rota tasks why %s` says how it goes\n", safe, what, safe);
    return EXIT_FINE;
}

static int act(CommandContext *context, TaskVerb verb, int argc, char **argv)
{
    if (option_dead != (option_role != NULL) || (argc == 1) == (bool)option_dead)
        return command_misuse(context, "name one task (ROLE:KEY), or all dead letters of a role "
                                       "(--dead --role ROLE)");
    if (!option_dead)
        return act_on_one(context, verb, argv[0]);
    const Role *role = role_find(&duty_roles, option_role);
    return act_on_all(context, verb, role ? role->name : option_role);
}

static int run_retry(CommandContext *context, int argc, char **argv)
{
    return act(context, VERB_RETRY, argc, argv);
}

static int run_drop(CommandContext *context, int argc, char **argv)
{
    return act(context, VERB_DROP, argc, argv);
}

static const GOptionEntry options[] = {
    {"dead", 0, 0, G_OPTION_ARG_NONE, &option_dead, "all dead letters of --role", NULL},
    {"role", 'r', 0, G_OPTION_ARG_STRING, &option_role, "the role, with --dead", "ROLE"},
    {0},
};

const Command cmd_tasks_retry = {
    .name = "tasks retry",
    .usage = "[ROLE:KEY]",
    .summary = "runs a dead letter, or a task that waits, now",
    .example = "rota tasks retry fts-indexing:17\nrota tasks retry --dead --role fts-indexing",
    .options = options,
    .args_max = 1,
    .run = run_retry,
};

const Command cmd_tasks_drop = {
    .name = "tasks drop",
    .usage = "[ROLE:KEY]",
    .summary = "removes a dead letter, or a task that waits, for good",
    .example = "rota tasks drop fts-indexing:17\nrota tasks drop --dead --role fts-indexing",
    .options = options,
    .args_max = 1,
    .run = run_drop,
};
