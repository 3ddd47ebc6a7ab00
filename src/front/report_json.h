/* report_json.h: the roster's reports as JSON: one form for `rota … --json`, the admin API and the
 * page, so that they tell the same.
 *
 * Pure: from a report's structs to a value that the caller owns. Times are milliseconds since
 * 1970-01-01 UTC by the store's clock, 0 where there is none. Any thread.
 */
#ifndef ROTA_FRONT_REPORT_JSON_H
#define ROTA_FRONT_REPORT_JSON_H

#include <jansson.h>

#include "roster/report.h"

/* Some shard has nobody who does its work, or no node has ever started. */
bool report_is_bad(const StatusReport *report);
json_t *report_json_status(const StatusReport *report);
json_t *report_json_node(const StatusReport *report, const MemberRow *member);
/* Which shards have somebody who works, and who that is. */
json_t *report_json_coverage(const StatusReport *report);
/* Of TaskReport; `more`: there are more than these. */
json_t *report_json_tasks(const GPtrArray *tasks, bool more);
/* What goes by one id now, as TaskReport, and how earlier runs ended, as TaskPast. */
json_t *report_json_task(const GPtrArray *tasks, const GPtrArray *history);
json_t *report_json_why(const char *id, const GPtrArray *lines);
/* A list: each shard of each role with its nodes, as text and as ranges. */
json_t *report_json_table(const RoleTable *table, const RoleSet *set);

#endif
