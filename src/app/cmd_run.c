/* cmd_run: a round of a role now, outside its schedule, followed to its end.
 *
 * How it fits: the round is enqueued like a slot's, and a node of each shard does it
 * (roster/round); this command only watches, so that it may be cut off at any time. A round that
 * waits or runs already is not doubled: one that waits comes earlier, one that runs is run once
 * more after it. The slots of the schedule stay as they are. --dry-run needs no node and leaves no
 * trace (run_dry.c).
 *
 * Failures: no such role, no rounds, no handler (2); a run that failed, or a shard without a living
 * node, for which nobody is waited: the round is there and runs when one comes (1); a store that
 * cannot be reached, or a commit whose outcome is not known (75): then the round may be there, and
 * asking again does no harm. Known weak point: the shards are those of the table that was in force
 * when the command began.
 */
#include <inttypes.h>

#include "base/error.h"
#include "roster/adoption.h"
#include "roster/coverage.h"
#include "roster/round.h"
#include "roster/takeover.h"
#include "roster/task.h"

#include "app/command.h"
#include "app/run_dry.h"
#include "app/ui.h"

#define WATCH_MS 200

static gint64 option_shard;
static gboolean option_dry, option_no_wait, option_verbose;

typedef enum { WATCH_WAITS, WATCH_RUNS, WATCH_DONE, WATCH_FAILED, WATCH_DEAD, WATCH_NOBODY } Watch;

/* One shard of one round. */
typedef struct {
    const Round *round;
    unsigned shard;
    int64_t asked_at, created_at, attempts; /* as they were when it was asked for */
    Watch state;
    int64_t node; /* who runs it, or ran it when last seen; 0: not seen */
    char *text;   /* the result, or why not; owned */
} Watched;

typedef struct {
    CommandContext *context;
    Db *db;
    const Role *role;
    RoleTable *table; /* in force, or the settings' while none is; owned */
    int64_t epoch;    /* of `table` */
    unsigned shards;
    GArray *rounds;  /* of Round; owned */
    GArray *watched; /* of Watched; owned */
} RunCommand;

static void watched_clear(void *data)
{
    g_free(((Watched *)data)->text);
}

static void run_command_clear(RunCommand *run)
{
    g_clear_pointer(&run->table, table_unref);
    g_clear_pointer(&run->rounds, g_array_unref);
    g_clear_pointer(&run->watched, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunCommand, run_command_clear)

static const char *state_name(Watch state)
{
    static const char *const names[] = {
        [WATCH_WAITS] = "waits",   [WATCH_RUNS] = "runs",   [WATCH_DONE] = "done",
        [WATCH_FAILED] = "failed", [WATCH_DEAD] = "buried", [WATCH_NOBODY] = "no node"};
    return names[state];
}

static bool is_over(const Watched *watched)
{
    return watched->state != WATCH_WAITS && watched->state != WATCH_RUNS;
}

static bool is_asked(unsigned shard)
{
    return option_shard == 0 || option_shard == (gint64)shard;
}

/* ---------------------------------------------------------------- asking */

static bool read_table(RunCommand *run, GError **error)
{
    g_auto(TableInForce) in_force = {0};
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = adoption_read(run->db, &run->context->settings->roles, 0, &in_force, error);
    db_rollback(run->db);
    if (!good)
        return false;
    run->epoch = in_force.epoch;
    run->table = table_ref(in_force.table ? in_force.table : run->context->settings->table);
    run->shards = table_shards(run->table, run->role->name);
    return true;
}

static bool ask_shard(RunCommand *run, const Round *round, unsigned shard, GError **error)
{
    g_auto(RoundLook) look = {0};
    if (!round_now(run->db, run->table, round, shard, error) ||
        !round_look(run->db, round, shard, run->shards, &look, error))
        return false;
    Watched watched = {.round = round,
                       .shard = shard,
                       .asked_at = look.now,
                       .created_at = look.created_at,
                       .attempts = look.attempts};
    g_array_append_val(run->watched, watched);
    return true;
}

static bool ask(RunCommand *run, GError **error)
{
    if (!db_begin(run->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(run->db);
    for (unsigned i = 0; i < run->rounds->len; i++) {
        const Round *round = &g_array_index(run->rounds, Round, i);
        for (unsigned shard = 1; round->role == run->role && shard <= run->shards; shard++)
            if (is_asked(shard) && !ask_shard(run, round, shard, error))
                return false;
    }
    return task_notify(run->db, run->role->name, error) && db_commit(run->db, error) == DB_DONE;
}

/* ---------------------------------------------------------------- following */

static void judge(RunCommand *run, Watched *watched, const RoundLook *look, bool covered)
{
    g_free(watched->text);
    watched->text = NULL;
    watched->node = look->node ? look->node : watched->node;
    if (look->there && look->created_at == watched->created_at) {
        watched->state = look->node ? WATCH_RUNS : WATCH_WAITS;
        if (look->attempts > watched->attempts && *look->error) {
            g_autofree char *time = ui_format_time(look->due_at);
            watched->state = WATCH_FAILED;
            watched->text = g_strdup_printf("%s; it is tried again at %s", look->error, time);
        } else if (!look->node && !covered) {
            g_autofree char *nodes =
                node_set_format(table_nodes(run->table, run->role->name, watched->shard));
            watched->state = WATCH_NOBODY;
            watched->text = g_strdup_printf(
                "no node that may do it is alive (%s): it is asked for, and runs when one is",
                nodes);
        }
    } else if (look->buried_at >= watched->asked_at) {
        watched->state = WATCH_DEAD;
        watched->text =
            g_strdup_printf("%s; `rota tasks show %s:round/%s/%u` has all of it", look->burial,
                            run->role->name, watched->round->unit, watched->shard);
    } else {
        watched->state = WATCH_DONE;
        watched->text = g_strdup(look->done_at >= watched->asked_at ? look->result : "");
    }
}

static bool look_at_all(RunCommand *run, GError **error)
{
    if (!db_begin(run->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(run->db);
    g_autoptr(GPtrArray) members = member_list(run->db, error);
    g_autoptr(GPtrArray) takeovers = members ? takeover_list(run->db, run->epoch, error) : NULL;
    for (unsigned i = 0; takeovers && i < run->watched->len; i++) {
        Watched *watched = &g_array_index(run->watched, Watched, i);
        g_auto(RoundLook) look = {0};
        if (is_over(watched))
            continue;
        if (!round_look(run->db, watched->round, watched->shard, run->shards, &look, error))
            return false;
        g_autoptr(GArray) living =
            coverage_nodes(run->table, run->role->name, watched->shard, members);
        g_autoptr(GArray) takers =
            takeover_nodes(takeovers, members, run->role->name, watched->shard);
        judge(run, watched, &look, living->len + takers->len > 0);
    }
    return takeovers != NULL;
}

static unsigned count_over(const RunCommand *run, char **ret_detail)
{
    unsigned over = 0;
    *ret_detail = NULL;
    for (unsigned i = 0; i < run->watched->len; i++) {
        const Watched *watched = &g_array_index(run->watched, Watched, i);
        over += is_over(watched);
        if (watched->state == WATCH_RUNS && !*ret_detail)
            *ret_detail =
                g_strdup_printf("shard %u on node %" PRId64, watched->shard, watched->node);
    }
    return over;
}

static bool follow(RunCommand *run, GError **error)
{
    g_autoptr(UiProgress) progress =
        ui_progress_new(run->role->name, run->watched->len, run->context->clock);
    for (;;) {
        g_autofree char *detail = NULL, *word = NULL;
        if (!look_at_all(run, error))
            return false;
        unsigned over = count_over(run, &detail);
        ui_progress_set(progress, over, detail);
        if (over == run->watched->len || option_no_wait)
            return true;
        if (!db_listen(run->db, WATCH_MS, &word, error))
            return false;
    }
}

/* ---------------------------------------------------------------- saying it */

static int print_result(const RunCommand *run)
{
    g_autoptr(UiTable) table = ui_table_new(">shard", ">node", "state", "result", NULL);
    json_t *list = json_array();
    int status = EXIT_FINE;
    for (unsigned i = 0; i < run->watched->len; i++) {
        const Watched *watched = &g_array_index(run->watched, Watched, i);
        bool bad = is_over(watched) && watched->state != WATCH_DONE;
        const char *text = watched->text ? watched->text : "";
        g_autofree char *shard = g_strdup_printf("%u of %u", watched->shard, run->shards),
                        *node = watched->node ? g_strdup_printf("%" PRId64, watched->node)
                                              : g_strdup(""),
                        *safe = ui_safe(text);
        ui_table_add(table, shard, node, state_name(watched->state), safe, NULL);
        ui_table_colour(table, bad ? UI_RED : UI_PLAIN);
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:I, s:s, s:s}", "unit",
                                              watched->round->unit, "shard", (int)watched->shard,
                                              "shards", (int)run->shards, "node",
                                              (json_int_t)watched->node, "state",
                                              state_name(watched->state), "result", text));
        if (bad)
            status = EXIT_NO;
    }
    if (run->context->json) {
        ui_print_json(json_pack("{s:s, s:o}", "role", run->role->name, "rounds", list));
        return status;
    }
    json_decref(list);
    ui_table_print(table, stdout);
    return status;
}

static int run_real(RunCommand *run)
{
    g_autoptr(GError) error = NULL;
    if (table_role_is_none(run->table, run->role->name)) {
        bool own = table_role_is_none(run->context->settings->table, run->role->name);
        fail(&error, ERROR_GONE,
             own ? "the role table says that no node shall do %s (\"none\"): nothing was asked for"
                 : "the table in force has no node for %s, though these settings do: nothing was "
                   "asked for; `rota status` says which nodes work by another table",
             run->role->name);
        return command_fail(error);
    }
    run->rounds = settings_rounds(run->context->settings);
    run->watched = g_array_new(FALSE, FALSE, sizeof(Watched));
    g_array_set_clear_func(run->watched, watched_clear);
    if (!ask(run, &error)) {
        if (error_kind(error) == ERROR_UNKNOWN)
            g_prefix_error(&error, "it may have been asked for, and asking again does no harm: ");
        return command_fail(error);
    }
    if (!follow(run, &error)) {
        g_prefix_error(&error, "it is asked for, but could not be followed: ");
        return command_fail(error);
    }
    return print_result(run);
}

static int run_role(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    const Role *role = command_find_role(context, argv[0]);
    if (!role)
        return EXIT_USAGE;
    if (!role->handler)
        return command_misuse(context, "this build of rota does not do %s", role->name);
    if (option_dry ? !role->handler->dry : !role->schedule)
        return command_misuse(context,
                              option_dry ? "%s removes nothing, so it has no dry run"
                                         : "%s has no rounds: its work comes with the mail",
                              role->name);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_auto(RunCommand) run = {.context = context, .db = db, .role = role};
    if (!db || !read_table(&run, &error))
        return command_fail(error);
    if (option_shard < 0 || option_shard > (gint64)run.shards)
        return command_misuse(context, "%s has %u shards: write a number from 1 to %u", role->name,
                              run.shards, run.shards);
    if (!option_dry)
        return run_real(&run);
    RunDryAsk dry = {.db = db,
                     .role = role,
                     .first = option_shard ? (unsigned)option_shard : 1,
                     .last = option_shard ? (unsigned)option_shard : run.shards,
                     .shards = run.shards,
                     .verbose = option_verbose};
    return run_dry(context, &dry);
}

static const GOptionEntry OPTIONS[] = {
    {"shard", 's', 0, G_OPTION_ARG_INT64, &option_shard, "this shard alone; default: all", "N"},
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &option_no_wait, "do not wait for its end", NULL},
    {"dry-run", 0, 0, G_OPTION_ARG_NONE, &option_dry,
     "say what a run would remove now, and change nothing", NULL},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &option_verbose, "with --dry-run: each item", NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const Command cmd_run = {
    .name = "run",
    .usage = "ROLE",
    .summary = "runs a round of a role now, outside its schedule, and waits for its end",
    .example = "rota run purge.accounts\n"
               "rota run purge.stores --shard 2\n"
               "rota run purge.stores --dry-run -v",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = run_role,
};
