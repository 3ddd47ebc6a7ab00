/* cmd_tasks: the queue and the dead letters, to look at.
 *
 * How it fits: the reports are roster/report's; what a person does about a task is in
 * cmd_tasks_admin.c. Failures: no such role or state (2), no such task (1), a store that cannot be
 * reached (75). Known weak point: a list is a snapshot; on a busy node most of it is done when it
 * is read.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "front/report_json.h"
#include "roster/report.h"

#include "app/command.h"
#include "app/ui.h"

#define LIMIT_DEFAULT 50 /* a screen full */

static char *option_role, *option_state;
static gint64 option_limit = LIMIT_DEFAULT;

static void add_row(UiTable *table, const TaskReport *task)
{
    bool dead = task->state == TASK_STATE_DEAD;
    g_autofree char *shard = g_strdup_printf("%u of %u", task->shard, task->shards);
    g_autofree char *when = ui_format_time(dead ? task->buried_at : task->due_at);
    g_autofree char *attempts = g_strdup_printf("%" PRId64, task->attempts);
    g_autofree char *node = task->node ? g_strdup_printf("%" PRId64, task->node) : g_strdup("");
    ui_table_add(table, task->id, task_state_name(task->state), shard, when, attempts, node,
                 task->error, NULL);
    if (dead)
        ui_table_colour(table, UI_RED);
    else if (task->attempts > 0)
        ui_table_colour(table, UI_YELLOW);
}

static int run_list(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    TaskFilter filter = {.state = -1};
    if (option_state && !task_state_parse(option_state, &filter.state))
        return command_misuse(
            context, "there is no state \"%s\"; write due, waiting, running or dead", option_state);
    if (option_limit < 1 || option_limit >= REPORT_TASKS_MAX)
        return command_misuse(context, "--limit is a number from 1 to %d", REPORT_TASKS_MAX - 1);
    filter.limit = (unsigned)option_limit + 1; /* one more: is there more? */
    const Role *role = option_role ? role_find(&duty_roles, option_role) : NULL;
    if (option_role)
        filter.role = role ? role->name : option_role;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(GPtrArray) tasks =
        db ? report_tasks(db, &context->settings->roles, &filter, &error) : NULL;
    if (!tasks)
        return command_fail(error);
    bool more = tasks->len > option_limit;
    if (more)
        g_ptr_array_set_size(tasks, (int)option_limit);
    if (context->json) {
        ui_print_json(report_json_tasks(tasks, more));
        return EXIT_FINE;
    }
    g_autoptr(UiTable) table =
        ui_table_new("task", "state", "shard", "due", ">attempts", ">node", "last error", NULL);
    for (unsigned i = 0; i < tasks->len; i++)
        add_row(table, g_ptr_array_index(tasks, i));
    ui_table_print(table, stdout);
    if (tasks->len == 0 && option_role && !role)
        fprintf(stderr, "there are none, and this version knows no role \"%s\"\n", option_role);
    else if (tasks->len == 0)
        fprintf(stderr, "there are none\n");
    if (more)
        fprintf(stderr, "there are more: --limit %" PRId64 " shows them\n",
                MIN((int64_t)option_limit * 10, REPORT_TASKS_MAX - 1));
    return EXIT_FINE;
}

static void print_line(const char *name, const char *value)
{
    g_autofree char *safe = ui_safe(value);
    printf("%-10s %s\n", name, safe);
}

static void print_time(const char *name, int64_t at)
{
    g_autofree char *time = ui_format_time(at);
    if (at != 0)
        print_line(name, time);
}

static void print_number(const char *name, int64_t number)
{
    if (number != 0)
        printf("%-10s %" PRId64 "\n", name, number);
}

static void print_task(const TaskReport *task)
{
    print_line("task", task->id);
    print_line("state", task_state_name(task->state));
    printf("%-10s %u of %u (bucket %u)\n", "shard", task->shard, task->shards, task->bucket);
    print_time("due", task->due_at);
    print_time("asked for", task->created_at);
    print_time("claimed", task->claimed_at);
    print_time("given up", task->buried_at);
    print_number("node", task->node);
    print_number("attempts", task->attempts);
    print_number("deaths", task->deaths);
    if (*task->payload)
        print_line("payload", task->payload);
    if (*task->error)
        print_line("last error", task->error);
}

static void print_history(const GPtrArray *history)
{
    g_autoptr(UiTable) table =
        ui_table_new("ended", ">took", ">node", "outcome", ">attempts", "~detail", NULL);
    for (unsigned i = 0; i < history->len; i++) {
        const TaskPast *past = g_ptr_array_index(history, i);
        g_autofree char *ended = ui_format_time(past->ended_at);
        g_autofree char *took = ui_format_duration(MAX(past->ended_at - past->started_at, 0));
        g_autofree char *node = g_strdup_printf("%" PRId64, past->node);
        g_autofree char *attempts = g_strdup_printf("%" PRId64, past->attempts);
        ui_table_add(table, ended, took, node, past->outcome, attempts, past->detail, NULL);
    }
    if (history->len > 0)
        printf("\n");
    ui_table_print(table, stdout);
}

/* The task and its past; a task that is done, and has a past, is no failure. */
static int run_show(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(GPtrArray) history =
        db ? report_history(db, &context->settings->roles, argv[0], &error) : NULL;
    if (!history)
        return command_fail(error);
    g_autoptr(GPtrArray) found = report_task(db, &context->settings->roles, argv[0], &error);
    if (!found && (error_kind(error) != ERROR_GONE || history->len == 0))
        return command_fail(error);
    if (!found)
        found = g_ptr_array_new();
    if (context->json) {
        ui_print_json(report_json_task(found, history));
        return EXIT_FINE;
    }
    for (unsigned i = 0; i < found->len; i++) {
        if (i > 0)
            printf("\n");
        print_task(g_ptr_array_index(found, i));
    }
    if (found->len == 0)
        printf("There is no such task now; this is how earlier ones ended:\n");
    print_history(history);
    return EXIT_FINE;
}

/* Of a task that is not there any more: how its last run ended. NULL, and the error stays, where
 * nothing is known of it. */
static GPtrArray *why_gone(Db *db, const RoleSet *set, const char *id, GError **error)
{
    if (error_kind(*error) != ERROR_GONE)
        return NULL;
    g_autoptr(GPtrArray) history = report_history(db, set, id, NULL);
    if (!history || history->len == 0)
        return NULL;
    const TaskPast *past = g_ptr_array_index(history, 0);
    g_autofree char *ended = ui_format_time(past->ended_at);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(lines, g_strdup("There is no such task now."));
    g_ptr_array_add(lines, g_strdup_printf("Its last run that is known of ended at %s on node "
                                           "%" PRId64 " (%s): %s",
                                           ended, past->node, past->outcome,
                                           *past->detail ? past->detail : "nothing to say"));
    g_clear_error(error);
    return lines;
}

static int run_why(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(GPtrArray) lines =
        db ? report_why(db, &context->settings->roles, argv[0], &error) : NULL;
    if (!lines && db)
        lines = why_gone(db, &context->settings->roles, argv[0], &error);
    if (!lines)
        return command_fail(error);
    if (context->json) {
        ui_print_json(report_json_why(argv[0], lines));
        return EXIT_FINE;
    }
    for (unsigned i = 0; i < lines->len; i++) {
        g_autofree char *safe = ui_safe(g_ptr_array_index(lines, i));
        printf("%s\n", safe);
    }
    return EXIT_FINE;
}

static const GOptionEntry list_options[] = {
    {"role", 'r', 0, G_OPTION_ARG_STRING, &option_role, "only of this role", "ROLE"},
    {"state", 's', 0, G_OPTION_ARG_STRING, &option_state, "due, waiting, running or dead", "STATE"},
    {"limit", 'n', 0, G_OPTION_ARG_INT64, &option_limit, "at most so many; default: 50", "N"},
    {0},
};

const Command cmd_tasks_list = {
    .name = "tasks list",
    .usage = "",
    .summary = "lists dead letters and tasks, what has waited longest first",
    .example = "rota tasks list\nrota tasks list --role fts-indexing --state dead --limit 200",
    .options = list_options,
    .run = run_list,
};

const Command cmd_tasks_show = {
    .name = "tasks show",
    .usage = "ROLE:KEY",
    .summary = "shows a task or dead letter, and how its earlier runs ended",
    .example = "rota tasks show fts-indexing:17",
    .args_min = 1,
    .args_max = 1,
    .run = run_show,
};

const Command cmd_tasks_why = {
    .name = "tasks why",
    .usage = "ROLE:KEY",
    .summary = "says why a task is where it is: who may do it, who holds it, what comes next",
    .example = "rota tasks why fts-indexing:17",
    .args_min = 1,
    .args_max = 1,
    .run = run_why,
};
