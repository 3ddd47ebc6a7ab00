/* report_private.h: what the report_*.c share: the snapshot that a report is made from.
 */
#ifndef ROTA_ROSTER_REPORT_PRIVATE_H
#define ROTA_ROSTER_REPORT_PRIVATE_H

#include "roster/adoption.h"
#include "roster/report.h"
#include "roster/takeover.h"

/* True of a task `t` that a node holds: its owner has a row. */
#define SQL_RUNNING                                                                                \
    "(t.owner <> 0 AND EXISTS (SELECT 1 FROM member m WHERE m.incarnation = t.owner))"

typedef struct {
    Db *db; /* in the report's read transaction */
    const RoleSet *set;
    int64_t now; /* the store's clock */
    TableInForce in_force;
    GPtrArray *members;   /* of MemberRow */
    GPtrArray *takeovers; /* of Takeover */
} ReportView;

/* Begins the read transaction and reads what all reports need. Clear it in any case: that ends the
 * transaction. */
bool report_view_open(ReportView *view, Db *db, const RoleSet *set, GError **error);
void report_view_clear(ReportView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReportView, report_view_clear)

/* By the table in force; 1 while there is none. */
unsigned report_shards(const ReportView *view, const char *role);
/* The nodes of a shard by the table in force, as people write them; the caller frees it. */
char *report_nodes(const ReportView *view, const char *role, unsigned shard);

/* report_tasks.c: report_task within a view. */
GPtrArray *report_find(const ReportView *view, const char *id, GError **error);

#endif
