/* status_view.h: a status report as people read it; report_json.h has it for machines.
 *
 * Pure printing; the report is report.h's. One thread.
 */
#ifndef ROTA_APP_STATUS_VIEW_H
#define ROTA_APP_STATUS_VIEW_H

#include <stdio.h>

#include "roster/report.h"

/* Prints the whole of it; what needs a person comes first. */
void status_view_print(const StatusReport *report, FILE *out);
/* "purge.stores shard 2 of 3, …", of the uncovered shards, the first few by name; the caller frees
 * it. */
char *status_view_format_uncovered(const StatusReport *report);

#endif
