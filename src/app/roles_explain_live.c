/* roles_explain_live: what the store knows of a shard: table in force, living nodes, next slot.
 *
 * How it fits: the second half of roles_explain.c; the questions are roster/'s. Failures: none; a
 * store that cannot be read is one more line.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cron.h"
#include "roster/adoption.h"
#include "roster/coverage.h"
#include "roster/member.h"
#include "roster/takeover.h"

#include "app/roles_explain.h"
#include "app/ui.h"

static char *format_nodes(const GArray *nodes)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < nodes->len; i++)
        g_string_append_printf(text, "%s%" PRId64, i ? ", " : "", g_array_index(nodes, int64_t, i));
    return g_string_free(text, FALSE);
}

static char *format_living(const GArray *living)
{
    return living->len == 0 ? g_strdup("nobody: this shard is uncovered") : format_nodes(living);
}

/* The nodes of other shards that do its work meanwhile. */
static void add_takers(json_t *way, const GPtrArray *takeovers, const GPtrArray *members,
                       const char *role, unsigned shard)
{
    g_autoptr(GArray) takers = takeover_nodes(takeovers, members, role, shard);
    if (takers->len > 0)
        explain_add(way, "taken over", format_nodes(takers));
}

/* The table in force, and who of the shard lives by it. */
static void add_table(json_t *way, const TableInForce *in_force, const GPtrArray *members,
                      const char *role, unsigned shard, const char *own_digest)
{
    if (in_force->epoch == 0) {
        explain_add(way, "table", g_strdup("none in force yet: the first node's will be"));
        return;
    }
    bool same = strcmp(table_digest(in_force->table), own_digest) == 0;
    explain_add(way, "table",
                g_strdup_printf("epoch %" PRId64 " is in force, %s", in_force->epoch,
                                same ? "the same as this file's" : "and differs from this file's"));
    if (shard > table_shards(in_force->table, role)) {
        explain_add(way, "living", g_strdup("the table in force has no such shard"));
        return;
    }
    g_autoptr(GArray) living = coverage_nodes(in_force->table, role, shard, members);
    bool none = table_role_is_none(in_force->table, role);
    explain_add(way, "living",
                none ? g_strdup("none: no node shall do it") : format_living(living));
}

static void add_next_slot(json_t *way, const Settings *settings, const Role *role, int64_t now)
{
    const char *text = settings_schedule(settings, role);
    g_autoptr(CronSchedule) schedule = text ? cron_parse(text, NULL) : NULL;
    g_autoptr(GTimeZone) zone = g_time_zone_new_identifier(settings->time_zone);
    int64_t next = schedule ? cron_next(schedule, now, zone) : INT64_MAX;
    if (next != INT64_MAX)
        explain_add(way, "next slot", ui_format_time(next));
}

static bool read_store(json_t *way, Db *db, const Settings *settings, const Role *role,
                       unsigned shard, GError **error)
{
    g_auto(TableInForce) in_force = {0};
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (!adoption_read(db, &settings->roles, 0, &in_force, error))
        return false;
    g_autoptr(GPtrArray) members = member_list(db, error);
    g_autoptr(GPtrArray) takeovers = members ? takeover_list(db, in_force.epoch, error) : NULL;
    if (!takeovers)
        return false;
    add_table(way, &in_force, members, role->name, shard, table_digest(settings->table));
    add_takers(way, takeovers, members, role->name, shard);
    return true;
}

void roles_explain_live(json_t *way, CommandContext *context, const Role *role, unsigned shard)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !read_store(way, db, context->settings, role, shard, &error))
        explain_add(way, "store", g_strdup(error->message));
    add_next_slot(way, context->settings, role, clock_wall_ms(context->clock));
}
