/* report: the snapshot that each report is made from.
 *
 * How it fits: report_status.c, report_tasks.c and report_why.c open a view, read, and let it go;
 * the view's clearing ends the transaction. Failures: those of the store. Known weak point: before
 * the first node there is no table in force, and every role counts as one shard of every node.
 */
#include "roster/report_private.h"

/* clang-format off */
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
/* clang-format on */

bool report_view_open(ReportView *view, Db *db, const RoleSet *set, GError **error)
{
    *view = (ReportView){.db = db, .set = set};
    if (!db_begin(db, DB_READ, error))
        return false;
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &view->now, error) < 0 ||
        !adoption_read(db, set, 0, &view->in_force, error))
        return false;
    view->members = member_list(db, error);
    view->takeovers = view->members ? takeover_list(db, view->in_force.epoch, error) : NULL;
    return view->takeovers != NULL;
}

void report_view_clear(ReportView *view)
{
    if (view->db)
        db_rollback(view->db);
    table_in_force_clear(&view->in_force);
    g_clear_pointer(&view->members, g_ptr_array_unref);
    g_clear_pointer(&view->takeovers, g_ptr_array_unref);
}

unsigned report_shards(const ReportView *view, const char *role)
{
    return view->in_force.table ? table_shards(view->in_force.table, role) : 1;
}

char *report_nodes(const ReportView *view, const char *role, unsigned shard)
{
    return view->in_force.table ? node_set_format(table_nodes(view->in_force.table, role, shard))
                                : g_strdup("*");
}
