/* cmd_drain: a node shall hand over: claim no more, finish what it holds, give its lease back.
 *
 * How it fits: the wish is a word in the node's row; the node does the rest (roster/node) and says
 * "drained" when it is empty. This command waits for that. The node goes on taking in mail; it does
 * background work again when it is started again.
 *
 * Failures: no such node, or it dies before it is empty (1: its tasks are free for others all the
 * same); a store that cannot be reached (75; the wish stands). Known weak point: what the node
 * holds is as its last heartbeat told.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "front/status_words.h"
#include "roster/health.h"
#include "roster/report.h"
#include "roster/wish.h"

#include "app/command.h"
#include "app/member_watch.h"
#include "app/ui.h"

static gboolean option_no_wait;

typedef enum { DRAIN_GOES_ON, DRAIN_DONE, DRAIN_FAILED } DrainState;

/* What the row says of the life that was asked. */
static DrainState look(const GPtrArray *members, int64_t node, int64_t incarnation,
                       int64_t *ret_held, GError **error)
{
    const MemberRow *member = member_watch_find(members, node);
    if (!member)
        return DRAIN_DONE; /* it was stopped, which hands over too, or others let its tasks go */
    if (member->incarnation != incarnation) {
        fail(error, ERROR_CONFLICT,
             "node %" PRId64 " was started again meanwhile: it works; drain it again if it shall "
             "not",
             node);
        return DRAIN_FAILED;
    }
    if (strcmp(member->state, "drained") == 0)
        return DRAIN_DONE;
    if (!member->living) {
        fail(error, ERROR_GONE,
             "the lease of node %" PRId64 " has run out before it was empty: its tasks are free "
             "for other nodes",
             node);
        return DRAIN_FAILED;
    }
    g_auto(NodeHealth) health;
    health_parse(member, &health);
    *ret_held = health.held;
    return DRAIN_GOES_ON;
}

static bool wait_until_empty(CommandContext *context, Db *db, int64_t node, int64_t incarnation,
                             GError **error)
{
    g_autofree char *what =
        g_strdup_printf("draining node %" PRId64 ", tasks that it holds:", node);
    g_autoptr(UiProgress) progress = ui_progress_new(what, 0, context->clock);
    int64_t held = 0;
    for (;;) {
        g_autoptr(GPtrArray) members = member_watch_read(db, error);
        if (!members)
            return false;
        switch (look(members, node, incarnation, &held, error)) {
        case DRAIN_DONE:
            return true;
        case DRAIN_FAILED:
            return false;
        case DRAIN_GOES_ON:
            break;
        }
        ui_progress_set(progress, held, NULL);
        member_watch_pause();
    }
}

static void print_result(const CommandContext *context, int64_t node, bool waited,
                         const char *uncovered)
{
    if (context->json) {
        ui_print_json(json_pack("{s:I, s:b, s:s}", "node", (json_int_t)node, "drained", waited,
                                "uncovered", uncovered));
        return;
    }
    if (waited)
        printf("node %" PRId64 " is drained: it holds nothing, and does no background work until "
               "it is started again\n",
               node);
    else
        printf("node %" PRId64 " is asked to drain; `rota status` shows how it goes\n", node);
    if (*uncovered)
        fprintf(stderr, "%swarning: these have no living node now: %s%s\n",
                ui_colour(stderr, UI_YELLOW), uncovered, ui_colour(stderr, UI_PLAIN));
}

/* What nobody does any more; "" where that is nothing, or cannot be known. */
static char *read_uncovered(const CommandContext *context, Db *db)
{
    g_autoptr(StatusReport) report = report_status(db, &context->settings->roles, NULL);
    return report ? status_words_uncovered(report) : g_strdup("");
}

static int drain(CommandContext *context, Db *db, int64_t node)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) members = member_watch_read(db, &error);
    if (!members)
        return command_fail(error);
    const MemberRow *member = member_watch_find(members, node);
    if (!member || (!member->living && strcmp(member->state, "drained") != 0)) {
        fail(&error, ERROR_GONE,
             "node %" PRId64 " is not running: it holds nothing; `rota status` shows who is", node);
        return command_fail(error);
    }
    bool drained = strcmp(member->state, "drained") == 0;
    if (!drained && !wish_set(db, node, "drain", &error))
        return command_fail(error);
    if (!drained && !option_no_wait &&
        !wait_until_empty(context, db, node, member->incarnation, &error))
        return command_fail(error);
    bool waited = drained || !option_no_wait;
    g_autofree char *uncovered = waited ? read_uncovered(context, db) : g_strdup("");
    print_result(context, node, waited, uncovered);
    return EXIT_FINE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    guint64 node;
    if (!g_ascii_string_to_unsigned(argv[0], 10, 1, NODE_ID_MAX, &node, NULL))
        return command_misuse(context, "there is no node \"%s\"; write a number from 1 to %d",
                              argv[0], NODE_ID_MAX);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    return drain(context, db, (int64_t)node);
}

static const GOptionEntry options[] = {
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &option_no_wait, "do not wait until the node is empty",
     NULL},
    {0},
};

const Command cmd_drain = {
    .name = "drain",
    .usage = "NODE",
    .summary = "lets a node finish what it holds and hand over its background work",
    .example = "rota drain 3",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
