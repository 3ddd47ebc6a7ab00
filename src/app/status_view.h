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

#endif
