/* plan_view: what `rota plan` shows.
 *
 * How it fits: cmd_plan.c reads and compares, this prints: what nobody would do, who would change
 * hands role by role, what hangs on one node, what each node would have to do. Failures: none.
 * Known weak point: a change from one number of shards to another makes many small moves; of each
 * role the largest MOVES_SHOWN are printed, and --json has all.
 */
#include "app/plan_view.h"

#include <inttypes.h>

#include "app/ui.h"

#define MOVES_SHOWN 8

static void print_uncovered(const Plan *plan, FILE *out)
{
    for (unsigned i = 0; i < plan->uncovered->len; i++) {
        const PlanShard *shard = g_ptr_array_index(plan->uncovered, i);
        fprintf(out, "%sUNCOVERED: %s shard %u of %u: of its nodes (%s) none would run%s\n",
                ui_colour(out, UI_RED), shard->role->name, shard->shard, shard->shards,
                shard->nodes, ui_colour(out, UI_PLAIN));
    }
    for (unsigned i = 0; i < plan->dropped->len; i++)
        fprintf(out, "%s%s is in force, and these settings do not have it: nobody would do it%s\n",
                ui_colour(out, UI_YELLOW), (const char *)g_ptr_array_index(plan->dropped, i),
                ui_colour(out, UI_PLAIN));
    if (plan->uncovered->len + plan->dropped->len > 0)
        fputc('\n', out);
}

static void print_move(const PlanRole *role, const PlanMove *move, FILE *out)
{
    fprintf(out, "    %s -> %s: %u buckets", move->before, move->after, move->buckets);
    if (role->role->unit == ROLE_BY_ACCOUNT)
        fprintf(out, ", %" PRId64 " accounts", move->accounts);
    fputc('\n', out);
}

static void print_role(const PlanRole *role, FILE *out)
{
    fprintf(out, "%s%s%s: ", ui_colour(out, UI_BOLD), role->role->name, ui_colour(out, UI_PLAIN));
    if (g_strcmp0(role->before, role->after) == 0)
        fprintf(out, "%s\n", role->before);
    else
        fprintf(out, "%s  ->  %s\n", role->before, role->after);
    fprintf(out, "  %u buckets", role->buckets);
    if (role->role->unit == ROLE_BY_ACCOUNT)
        fprintf(out, " with %" PRId64 " accounts", role->accounts);
    fprintf(out, " change hands\n");
    for (unsigned i = 0; i < role->moves->len && i < MOVES_SHOWN; i++)
        print_move(role, g_ptr_array_index(role->moves, i), out);
    if (role->moves->len > MOVES_SHOWN)
        fprintf(out, "    and %u smaller ones\n", role->moves->len - MOVES_SHOWN);
}

static void print_roles(const Plan *plan, FILE *out)
{
    unsigned moved = 0;
    for (unsigned i = 0; i < plan->roles->len; i++) {
        const PlanRole *role = g_ptr_array_index(plan->roles, i);
        if (role->buckets == 0)
            continue;
        moved++;
        print_role(role, out);
    }
    if (moved == 0)
        fprintf(out, "Nothing changes hands.\n");
    else
        fprintf(out,
                "In all: %" PRId64 " of %" PRId64 " accounts change hands for one role or more.\n",
                plan->accounts, plan->all_accounts);
}

static void print_single(const Plan *plan, FILE *out)
{
    unsigned runs = 0;
    for (unsigned i = 0; i < plan->nodes->len; i++)
        runs += g_array_index(plan->nodes, PlanNode, i).runs_after;
    if (runs == 1)
        fprintf(out, "\nOne node would run: everything hangs on it.\n");
    for (unsigned i = 0; runs > 1 && i < plan->single->len; i++) {
        const PlanShard *shard = g_ptr_array_index(plan->single, i);
        bool fragile = shard->role->fragile;
        fprintf(out, "%s%s%s shard %u of %u would hang on node %" PRId64 "%s%s\n", i ? "" : "\n",
                ui_colour(out, fragile ? UI_YELLOW : UI_PLAIN), shard->role->name, shard->shard,
                shard->shards, shard->node,
                fragile ? ": if it fails, this work waits; give the shard a second node" : "",
                ui_colour(out, UI_PLAIN));
    }
}

/* Of one thread, over the time that was measured: "12.3 %". */
static char *format_busy(const Plan *plan, double busy_us)
{
    return g_strdup_printf("%.1f %%", busy_us / 10 / (double)plan->measured_ms);
}

static void print_nodes(const Plan *plan, FILE *out)
{
    g_autoptr(UiTable) table =
        ui_table_new(">node", "runs", ">shards", ">runs/h", ">busy now", ">busy then", NULL);
    for (unsigned i = 0; i < plan->nodes->len; i++) {
        const PlanNode *node = &g_array_index(plan->nodes, PlanNode, i);
        g_autofree char *number = g_strdup_printf("%" PRId64, node->node);
        g_autofree char *shards = g_strdup_printf("%u", node->shards_after);
        g_autofree char *runs =
            g_strdup_printf("%.0f", (double)node->runs * 3600000 / (double)plan->measured_ms);
        g_autofree char *before = format_busy(plan, (double)node->busy_us);
        g_autofree char *after = format_busy(plan, node->busy_us_after);
        ui_table_add(table, number,
                     node->runs_after    ? node->runs_before ? "as now" : "then"
                     : node->runs_before ? "now, not then"
                                         : "no",
                     shards, runs, before, after, NULL);
    }
    ui_table_print(table, out);
}

static void print_load(const Plan *plan, FILE *out)
{
    fputc('\n', out);
    if (plan->measured_ms == 0) {
        fprintf(out, "No measurement: since this table came into force no node has told what it "
                     "did, so nothing can be said about load.\n");
        return;
    }
    g_autofree char *time = ui_format_duration(plan->measured_ms);
    fprintf(out, "Load, measured over %s, as parts of one busy thread:\n", time);
    print_nodes(plan, out);
    if (plan->busy_us_uncovered > 0) {
        g_autofree char *busy = format_busy(plan, plan->busy_us_uncovered);
        fprintf(out, "%s%s would be done by nobody%s\n", ui_colour(out, UI_RED), busy,
                ui_colour(out, UI_PLAIN));
    }
}

void plan_view_print(const Plan *plan, FILE *out)
{
    print_uncovered(plan, out);
    print_roles(plan, out);
    print_single(plan, out);
    print_load(plan, out);
}
