/* status_view.h: a status report as people and machines read it.
 *
 * Pure printing; the report is report.h's. One thread.
 */
#ifndef ROTA_APP_STATUS_VIEW_H
#define ROTA_APP_STATUS_VIEW_H

#include <jansson.h>
#include <stdio.h>

#include "roster/report.h"

/* Prints the whole of it; what needs a person comes first. */
void status_view_print(const StatusReport *report, FILE *out);
/* The same for machines; owned by the caller. */
json_t *status_view_json(const StatusReport *report);
/* Some shard has nobody who does its work: the answer of `rota status` is no. */
bool status_view_is_bad(const StatusReport *report);
/* "purge.stores shard 2 of 3, …", of the uncovered shards, the first few by name; the caller frees
 * it. */
char *status_view_format_uncovered(const StatusReport *report);

#endif
