/* report_why: why a task is where it is, in sentences, so that none is ever stuck for a reason that
 * nobody can see.
 *
 * How it fits: the facts are report_find's and the view's; this puts them in words, in the order in
 * which a person asks: what is it, who may do it, is anyone doing it, what went wrong before, what
 * comes next. Failures: as report_task. Known weak point: that all lanes of the living nodes are
 * busy is not seen from the store; it is what remains when everything else is in order, and is said
 * so.
 */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"

#include "roster/coverage.h"
#include "roster/report_private.h"
#include "roster/round.h"

/* A spell of time, as people say it. */
static char *format_spell(int64_t ms)
{
    if (ms < 10000)
        return g_strdup_printf("%.1f s", (double)MAX(ms, 0) / 1000);
    if (ms < 120000)
        return g_strdup_printf("%" PRId64 " s", ms / 1000);
    if (ms < 2 * INT64_C(3600000))
        return g_strdup_printf("%" PRId64 " min", ms / 60000);
    if (ms < 48 * INT64_C(3600000))
        return g_strdup_printf("%" PRId64 " h", ms / 3600000);
    return g_strdup_printf("%" PRId64 " days", ms / (24 * INT64_C(3600000)));
}

G_GNUC_PRINTF(2, 3) static void say(GPtrArray *lines, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(lines, g_strdup_vprintf(format, args));
    va_end(args);
}

static void say_what(const ReportView *view, const TaskReport *task, GPtrArray *lines)
{
    g_autofree char *age = format_spell(view->now - task->created_at);
    unsigned shard, shards;
    if (round_parse(task->key, task->payload, &shard, &shards))
        say(lines, "%s is a round for shard %u of %u, asked for %s ago.", task->id, shard, shards,
            age);
    else
        say(lines, "%s was asked for %s ago.", task->id, age);
}

static char *format_living(const GArray *living)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < living->len; i++)
        g_string_append_printf(text, "%s%" PRId64, i ? ", " : "",
                               g_array_index(living, int64_t, i));
    return g_string_free(text, FALSE);
}

/* True if somebody can do it. */
static bool say_who_may(const ReportView *view, const TaskReport *task, GPtrArray *lines)
{
    const RoleTable *table = view->in_force.table;
    if (!table) {
        say(lines, "No role table is in force yet: no node has ever started on this store.");
        return false;
    }
    g_autofree char *nodes = report_nodes(view, task->role, task->shard);
    const Role *role = role_find(view->set, task->role);
    if (!role)
        say(lines,
            "This program does not know the role %s, or its settings do not: no node that has them "
            "runs it.",
            task->role);
    if (table_role_is_none(table, task->role)) {
        say(lines, "The table in force says that no node does %s: it waits until that is changed.",
            task->role);
        return false;
    }
    g_autoptr(GArray) living = coverage_nodes(table, task->role, task->shard, view->members);
    g_autofree char *who = format_living(living);
    g_autofree char *may =
        strcmp(nodes, "*") == 0 ? g_strdup("every node") : g_strdup_printf("node %s", nodes);
    say(lines, "Its bucket %u is of shard %u of %u, which %s may do by the table in force.",
        task->bucket, task->shard, task->shards, may);
    g_autoptr(GArray) takers =
        takeover_nodes(view->takeovers, view->members, task->role, task->shard);
    g_autofree char *others = format_living(takers);
    if (living->len == 0)
        say(lines, "None of these is alive and working: the shard is uncovered. Start one, or "
                   "change the table.");
    if (living->len == 0 && takers->len > 0)
        say(lines, "Meanwhile it is taken over by %s (cluster.takeover).", others);
    if (living->len > 0)
        say(lines, "Of these, alive and working: %s.", who);
    if (role && !role->handler)
        say(lines, "This build does not do %s yet: its tasks wait for a version that does.",
            task->role);
    return living->len + takers->len > 0 && role && role->handler;
}

static void say_trouble(const TaskReport *task, GPtrArray *lines)
{
    if (task->attempts > 0)
        say(lines, "%" PRId64 " runs have failed; the last one said: %s", task->attempts,
            *task->error ? task->error : "nothing");
    if (task->deaths > 0)
        say(lines,
            "%" PRId64 " nodes died while they ran it%s; after %d it is taken for the cause and "
            "becomes a dead letter.",
            task->deaths, task->deaths >= TASK_DEATHS_SUSPECT ? ", so that it runs alone" : "",
            TASK_DEATHS_MAX);
}

static void say_now(const ReportView *view, const TaskReport *task, bool possible, GPtrArray *lines)
{
    g_autofree char *wait = format_spell(ABS(view->now - task->due_at));
    g_autofree char *held = format_spell(view->now - task->claimed_at);
    g_autofree char *buried = format_spell(view->now - task->buried_at);
    switch (task->state) {
    case TASK_STATE_RUNNING:
        say(lines, "Node %" PRId64 " has held it for %s.", task->node, held);
        return;
    case TASK_STATE_WAITING:
        say(lines, "It is due in %s%s.", wait,
            task->attempts > 0 ? ", the pause after a failure; `rota tasks retry` ends it" : "");
        return;
    case TASK_STATE_DUE:
        say(lines, "It has been due for %s, and nobody holds it.", wait);
        if (possible)
            say(lines, "Nothing stands in its way: it runs when a lane of %s is free.", task->role);
        return;
    case TASK_STATE_DEAD:
        say(lines,
            "It is a dead letter: node %" PRId64 " gave it up %s ago. It stays until a person "
            "says `rota tasks retry %s` or `rota tasks drop %s`.",
            task->node, buried, task->id, task->id);
        return;
    }
}

GPtrArray *report_why(Db *db, const RoleSet *set, const char *id, GError **error)
{
    g_auto(ReportView) view = {0};
    if (!report_view_open(&view, db, set, error))
        return NULL;
    g_autoptr(GPtrArray) found = report_find(&view, id, error);
    if (!found)
        return NULL;
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < found->len; i++) {
        const TaskReport *task = g_ptr_array_index(found, i);
        say_what(&view, task, lines);
        bool possible = say_who_may(&view, task, lines);
        say_trouble(task, lines);
        say_now(&view, task, possible, lines);
    }
    return lines;
}
