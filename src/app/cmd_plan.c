/* cmd_plan: what another role table, or fewer or more nodes, would mean, before it is so.
 *
 * How it fits: reads the table in force, the members, the accounts of each bucket and the measured
 * loads in one snapshot, and lets roster/plan compare. What would be: the table of the settings,
 * or, with --without or --with alone, the one in force; the nodes that run now, less and more those
 * of the options. It changes nothing.
 *
 * Failures: broken settings, or a node list that is none (2); no table is in force yet, or no node
 * runs and none is assumed (1); the store cannot be reached (75). An uncovered shard is the answer
 * no (1).
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/account.h"
#include "roster/adoption.h"
#include "roster/member.h"
#include "roster/plan.h"

#include "app/command.h"
#include "app/plan_view.h"
#include "app/ui.h"

#define NODES_MAX 10000 /* that are taken for running; more than a cluster has */

static char *option_without, *option_with;

/* What is read from the store. */
typedef struct {
    TableInForce in_force;
    GArray *running; /* of int64, ascending */
    LoadReport *load;
    int64_t accounts[BUCKETS];
} Reading;

static void reading_clear(Reading *reading)
{
    table_in_force_clear(&reading->in_force);
    g_clear_pointer(&reading->running, g_array_unref);
    g_clear_pointer(&reading->load, load_report_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)

static bool read_running(Db *db, Reading *reading, GError **error)
{
    g_autoptr(GPtrArray) members = member_list(db, error);
    if (!members)
        return false;
    reading->running = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *member = g_ptr_array_index(members, i);
        if (member->living && strcmp(member->state, "up") == 0)
            g_array_append_val(reading->running, member->node);
    }
    return true;
}

static bool read_all(Db *db, const RoleSet *set, Reading *reading, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!adoption_read(db, set, 0, &reading->in_force, error))
        return false;
    if (!reading->in_force.table)
        return fail(error, ERROR_GONE,
                    "no node has ever started on this store: there is no table in force to "
                    "compare with; `rota roles` shows the table of the settings");
    if (!read_running(db, reading, error) || !account_count_by_bucket(db, reading->accounts, error))
        return false;
    reading->load = load_report_read(db, reading->in_force.at, error);
    return reading->load != NULL;
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    const int64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static bool in_ranges(const GArray *ranges, int64_t node)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        NodeRange range = g_array_index(ranges, NodeRange, i);
        if (range.first <= node && node <= range.last)
            return true;
    }
    return false;
}

static bool add_nodes(GArray *running, const GArray *ranges, GError **error)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        NodeRange range = g_array_index(ranges, NodeRange, i);
        for (int64_t node = range.first; node <= range.last; node++) {
            if (running->len >= NODES_MAX)
                return fail(error, ERROR_REJECT,
                            "--with names more than %d nodes; write those that you will start",
                            NODES_MAX);
            bool there = false;
            for (unsigned n = 0; n < running->len && !there; n++)
                there = g_array_index(running, int64_t, n) == node;
            if (!there)
                g_array_append_val(running, node);
        }
    }
    g_array_sort(running, compare_numbers);
    return true;
}

/* The nodes of an option; *ret is NULL where it is not given. */
static bool parse_option(const char *name, const char *value, GArray **ret, GError **error)
{
    if (!value)
        return true;
    *ret = node_set_parse(value, error);
    if (!*ret)
        g_prefix_error(error, "%s: ", name);
    return *ret != NULL;
}

/* Who runs, or is said to: `all` with --with, and of these `after` those but --without. Both are
 * the caller's. */
static bool read_options(const GArray *running, GArray **ret_all, GArray **ret_after,
                         GError **error)
{
    g_autoptr(GArray) with = NULL;
    g_autoptr(GArray) without = NULL;
    if (!parse_option("--with", option_with, &with, error) ||
        !parse_option("--without", option_without, &without, error))
        return false;
    g_autoptr(GArray) all = g_array_copy((GArray *)(uintptr_t)running);
    if (with && !add_nodes(all, with, error))
        return false;
    GArray *after = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < all->len; i++) {
        int64_t node = g_array_index(all, int64_t, i);
        if (!without || !in_ranges(without, node))
            g_array_append_val(after, node);
    }
    *ret_all = g_steal_pointer(&all);
    *ret_after = after;
    return true;
}

static void print_head(const CommandContext *context, const Reading *reading, bool own)
{
    printf("In force: table %.12s, epoch %" PRId64 ".  Then: %s",
           table_digest(reading->in_force.table), reading->in_force.epoch,
           own ? "the same table" : "the table of ");
    if (!own)
        printf("%s, %.12s", context->settings->file ? context->settings->file : "the defaults",
               table_digest(context->settings->table));
    if (option_without)
        printf(", without %s", option_without);
    if (option_with)
        printf(", with %s", option_with);
    printf("\n\n");
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_auto(Reading) reading = {0};
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !read_all(db, &context->settings->roles, &reading, &error))
        return command_fail(error);
    g_autoptr(GArray) all = NULL;
    g_autoptr(GArray) after = NULL;
    if (!read_options(reading.running, &all, &after, &error))
        return command_misuse(context, "%s", error->message);
    if (reading.running->len == 0 && !option_with) {
        fail(&error, ERROR_GONE,
             "no node runs now, and a plan is about nodes that do; say which are to be counted, as "
             "in: rota plan --with 1-6");
        return command_fail(error);
    }
    bool own = !context->settings_option && (option_with || option_without);
    PlanAsk ask = {
        .set = &context->settings->roles,
        .before = reading.in_force.table,
        .after = own ? reading.in_force.table : context->settings->table,
        .running_before = reading.running->len ? reading.running : all,
        .running_after = after,
        .accounts = reading.accounts,
        .load = reading.load,
    };
    g_autoptr(Plan) plan = plan_new(&ask);
    if (context->json) {
        ui_print_json(plan_view_json(plan));
    } else {
        print_head(context, &reading, own);
        plan_view_print(plan, stdout);
    }
    return plan->uncovered->len == 0 ? EXIT_FINE : EXIT_NO;
}

static const GOptionEntry options[] = {
    {"without", 0, 0, G_OPTION_ARG_STRING, &option_without, "as if these nodes did not run",
     "NODES"},
    {"with", 0, 0, G_OPTION_ARG_STRING, &option_with, "as if these nodes ran too", "NODES"},
    {0},
};

const Command cmd_plan = {
    .name = "plan",
    .usage = "",
    .summary = "says what a table, or the loss of nodes, would change, and changes nothing",
    .example = "rota plan -c rota-new.toml\nrota plan --without 2,5\nrota plan -c rota-new.toml "
               "--with 7",
    .options = options,
    .run = run,
};
