/* load_report.h: what the nodes have done, as their heartbeats told the store: load_sample, added
 * up over the last days. `rota plan` and `rota audit` read it.
 *
 * Only what was counted under the table in force, for a shard's number means nothing under another
 * one. Read inside the caller's transaction; all is owned by the report.
 */
#ifndef ROTA_ROSTER_LOAD_REPORT_H
#define ROTA_ROSTER_LOAD_REPORT_H

#include "db/db.h"
#include "roster/load.h"

typedef struct {
    int64_t node;
    char *role;
    unsigned shard;
    LoadCounts counts;
} LoadRow;

/* One key of a shard: an account, and at least so much of the shard's load was its. */
typedef struct {
    char *role, *key;
    unsigned shard;
    int64_t busy_us;
} LoadTop;

typedef struct {
    int64_t ms;      /* from how long a time it is; 0: no measurement */
    GPtrArray *rows; /* of LoadRow, by role, shard and node */
    GPtrArray *tops; /* of LoadTop, the greatest first; at most LOAD_TOPS_MAX */
} LoadReport;
void load_report_free(LoadReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoadReport, load_report_free)

/* Of the last LOAD_REPORT_DAYS, but not from before `since` (the store's clock, ms): when the table
 * in force came (TableInForce.at). */
LoadReport *load_report_read(Db *db, int64_t since, GError **error);

#endif
