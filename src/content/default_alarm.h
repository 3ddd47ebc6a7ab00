/* default_alarm.h: the alarms that a calendar gives to events that come without one: VALARMs as a
 * client set them (CALDAV:default-alarm-vevent-datetime and -date). Pure; any thread.
 */
#ifndef ROTA_CONTENT_DEFAULT_ALARM_H
#define ROTA_CONTENT_DEFAULT_ALARM_H

#include <glib.h>
#include <stdbool.h>

/* "", or VALARMs and nothing else. */
bool default_alarm_is_valid(const char *text);
/* The object with the alarms in each event that has none: `timed` where it begins at a time,
 * `dated` for whole days; "": none. NULL: nothing is added. The caller's. */
GBytes *default_alarm_add(GBytes *object, const char *timed, const char *dated);

#endif
