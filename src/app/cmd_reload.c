/* cmd_reload: nodes shall read their settings again and propose the role table that stands there.
 *
 * How it fits: the wish is a word in the nodes' rows; each reads its own file, as at SIGHUP, and
 * answers with its heartbeat: what it proposes now, or why its file is refused. The table comes
 * into force when all living nodes propose the same one (roster/adoption); this waits for that, and
 * says what came of it.
 *
 * Failures: no such node (1), a file that was refused, a node that did not answer, or files that
 * differ (1), a store that cannot be reached (75). Known weak point: settings other than the role
 * table need a restart of their node.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "roster/health.h"
#include "roster/report.h"
#include "roster/wish.h"

#include "app/command.h"
#include "app/member_watch.h"
#include "app/status_view.h"
#include "app/ui.h"

/* Heartbeats that a living node may take to answer, and that a table may take to come into force.
 */
#define ANSWER_BEATS 6

typedef struct {
    int64_t node, incarnation;
    int64_t reloads; /* before */
    bool answered;
    char *refusal; /* why its file was refused; NULL: it was not */
} Asked;

static void asked_clear(void *data)
{
    Asked *asked = data;
    g_free(asked->refusal);
}

/* Those that hear the wish. */
static GArray *list_asked(const GPtrArray *members, int64_t node)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(Asked));
    g_array_set_clear_func(list, asked_clear);
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (!member->living || strcmp(member->state, "drained") == 0 ||
            (node != 0 && member->node != node))
            continue;
        g_auto(NodeHealth) health;
        health_parse(member, &health);
        Asked asked = {
            .node = member->node, .incarnation = member->incarnation, .reloads = health.reloads};
        g_array_append_val(list, asked);
    }
    return list;
}

/* How many have not answered. */
static unsigned take_answers(GArray *list, const GPtrArray *members)
{
    unsigned left = 0;
    for (unsigned i = 0; i < list->len; i++) {
        Asked *asked = &g_array_index(list, Asked, i);
        const MemberRow *member = member_watch_find(members, asked->node);
        if (asked->answered)
            continue;
        left++;
        if (!member || member->incarnation != asked->incarnation)
            continue;
        g_auto(NodeHealth) health;
        health_parse(member, &health);
        if (health.reloads <= asked->reloads)
            continue;
        asked->answered = true;
        asked->refusal = g_strdup(health.reload_error);
        left--;
    }
    return left;
}

static bool wait_for_answers(CommandContext *context, Db *db, GArray *list, GError **error)
{
    int64_t until =
        clock_monotonic_us(context->clock) + ANSWER_BEATS * context->settings->heartbeat_ms * 1000;
    g_autoptr(UiProgress) progress =
        ui_progress_new("waiting for nodes", list->len, context->clock);
    while (clock_monotonic_us(context->clock) < until) {
        g_autoptr(GPtrArray) members = member_watch_read(db, error);
        if (!members)
            return false;
        unsigned left = take_answers(list, members);
        if (left == 0)
            return true;
        ui_progress_set(progress, list->len - left, NULL);
        member_watch_pause();
    }
    return true;
}

/* Waits, while all agree, for the heartbeat that brings their table into force. */
static StatusReport *wait_for_table(CommandContext *context, Db *db, GError **error)
{
    int64_t until =
        clock_monotonic_us(context->clock) + ANSWER_BEATS * context->settings->heartbeat_ms * 1000;
    for (;;) {
        g_autoptr(StatusReport) report = report_status(db, &context->settings->roles, error);
        if (!report)
            return NULL;
        const char *first = NULL;
        bool agree = true;
        for (unsigned i = 0; i < report->members->len; i++) {
            const MemberRow *member = g_ptr_array_index(report->members, i);
            if (!member->living || strcmp(member->state, "drained") == 0)
                continue;
            agree = agree && (!first || strcmp(first, member->proposed_digest) == 0);
            first = member->proposed_digest;
        }
        bool in_force = !first || strcmp(first, report->digest) == 0;
        if (!agree || in_force || clock_monotonic_us(context->clock) >= until)
            return g_steal_pointer(&report);
        member_watch_pause();
    }
}

static void print_answers(const GArray *list)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Asked *asked = &g_array_index(list, Asked, i);
        if (!asked->answered) {
            fprintf(stderr,
                    "rota: node %" PRId64 " has not answered: it stopped, or cannot reach the "
                    "store\n",
                    asked->node);
        } else if (asked->refusal) {
            g_auto(GStrv) lines = g_strsplit(asked->refusal, "\n", -1);
            fprintf(stderr, "rota: node %" PRId64 " refuses its settings, nothing changes there:\n",
                    asked->node);
            for (char **line = lines; *line; line++) {
                g_autofree char *safe = ui_safe(*line);
                fprintf(stderr, "%s\n", safe);
            }
        } else {
            printf("node %" PRId64 " has read its settings again\n", asked->node);
        }
    }
}

static void print_table(const StatusReport *report)
{
    if (report->differing->len == 0) {
        printf("the role table %.12s is in force, epoch %" PRId64 "\n", report->digest,
               report->epoch);
        return;
    }
    printf("the role table %.12s stays in force, epoch %" PRId64 ", for nodes differ:\n",
           report->digest, report->epoch);
    for (unsigned i = 0; i < report->differing->len; i++) {
        g_autofree char *safe = ui_safe(g_ptr_array_index(report->differing, i));
        printf("%s\n", safe);
    }
    printf("it comes into force when all living nodes propose it, or by `rota roles adopt`\n");
}

static json_t *result_json(const GArray *list, const StatusReport *report)
{
    json_t *nodes = json_array(), *differing = json_array();
    for (unsigned i = 0; i < list->len; i++) {
        const Asked *asked = &g_array_index(list, Asked, i);
        json_array_append_new(nodes,
                              json_pack("{s:I, s:b, s:s?}", "node", (json_int_t)asked->node,
                                        "answered", asked->answered, "refusal", asked->refusal));
    }
    for (unsigned i = 0; i < report->differing->len; i++)
        json_array_append_new(differing, json_string(g_ptr_array_index(report->differing, i)));
    return json_pack("{s:o, s:s, s:I, s:b, s:o}", "nodes", nodes, "digest", report->digest, "epoch",
                     (json_int_t)report->epoch, "in_force", report->differing->len == 0,
                     "differing", differing);
}

static int reload(CommandContext *context, Db *db, int64_t node)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) members = member_watch_read(db, &error);
    if (!members)
        return command_fail(error);
    g_autoptr(GArray) list = list_asked(members, node);
    if (list->len == 0)
        fail(&error, ERROR_GONE, "%s",
             node ? "that node is not running; `rota status` shows who is"
                  : "no node is running on this store");
    if (error || !wish_set(db, node, "reload", &error) ||
        !wait_for_answers(context, db, list, &error))
        return command_fail(error);
    g_autoptr(StatusReport) report = wait_for_table(context, db, &error);
    if (!report)
        return command_fail(error);
    bool taken = true;
    for (unsigned i = 0; i < list->len; i++) {
        const Asked *asked = &g_array_index(list, Asked, i);
        taken = taken && asked->answered && !asked->refusal;
    }
    if (context->json) {
        ui_print_json(result_json(list, report));
    } else {
        print_answers(list);
        print_table(report);
    }
    /* One node of several, as files are changed one by one, is well done when it has taken it. */
    return taken && (node != 0 || report->differing->len == 0) ? EXIT_FINE : EXIT_NO;
}

static int run(CommandContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    guint64 node = 0;
    if (argc > 0 && !g_ascii_string_to_unsigned(argv[0], 10, 1, NODE_ID_MAX, &node, NULL))
        return command_misuse(context, "there is no node \"%s\"; write a number from 1 to %d",
                              argv[0], NODE_ID_MAX);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    return reload(context, db, (int64_t)node);
}

const Command cmd_reload = {
    .name = "reload",
    .usage = "[NODE]",
    .summary = "lets nodes read their settings again and propose the role table of these",
    .example = "rota reload\nrota reload 3",
    .args_max = 1,
    .run = run,
};
