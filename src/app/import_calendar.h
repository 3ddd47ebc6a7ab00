/* import_calendar.h: calendars out of .ics files, for `rota import`.
 *
 * One thread (the command's).
 */
#ifndef ROTA_APP_IMPORT_CALENDAR_H
#define ROTA_APP_IMPORT_CALENDAR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/command.h"
#include "app/settings.h"

typedef struct {
    CommandContext *context;
    const Settings *settings;
    Db *db;
    int64_t account;
    char **paths; /* files; borrowed, as all here */
    int count;
    const char *calendar; /* by name or title; NULL: of the name of each file */
} CalendarImportConfig;

/* All paths end in ".ics". */
bool calendar_import_fits(char **paths, int count);
/* Takes them in, says what became of it; the exit status. Nothing is sent to anybody, and what is
 * there already stays as it is. */
int calendar_import_run(const CalendarImportConfig *config);

#endif
