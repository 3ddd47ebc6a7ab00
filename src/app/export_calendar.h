/* export_calendar.h: an account's calendars into .ics files, for `rota export`.
 *
 * One thread (the command's).
 */
#ifndef ROTA_APP_EXPORT_CALENDAR_H
#define ROTA_APP_EXPORT_CALENDAR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/command.h"

typedef struct {
    CommandContext *context;
    Db *db;
    int64_t account;
    const char *folder;   /* made where it is not there */
    const char *calendar; /* by name or title; NULL: all */
} CalendarExportConfig;
/* Writes NAME.ics for each calendar, in the place of one that is there; the exit status. */
int calendar_export_run(const CalendarExportConfig *config);

#endif
