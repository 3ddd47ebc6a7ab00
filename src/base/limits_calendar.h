/* limits_calendar.h: the limits of calendars, each with its reason.
 *
 * What can be set by an operator has its default here and its range in app/settings.
 */
#ifndef ROTA_BASE_LIMITS_CALENDAR_H
#define ROTA_BASE_LIMITS_CALENDAR_H

/* calendar.max-size: of one object as a client stores it; a day's minutes with a picture fit */
#define CALENDAR_OBJECT_BYTES_MAX (512 * 1024)
/* one VCALENDAR of a file that is imported: some 100,000 events; all of it is in memory as lines */
#define CALENDAR_FILE_BYTES_MAX (64 * 1024 * 1024)
/* components of one object: a series with an override for each day of a year, with alarms */
#define ICALENDAR_COMPONENTS_MAX 2000
/* VCALENDAR, VEVENT, VALARM, and what others may put into that */
#define ICALENDAR_DEPTH_MAX 8
/* lines (properties) of one object, once unfolded */
#define ICALENDAR_LINES_MAX 100000
/* of one line; people's programs write a dozen at most */
#define ICALENDAR_PARAMETERS_MAX 200
/* calendar.max-attendees-per-instance; a whole company's meeting is an address of its own */
#define CALENDAR_ATTENDEES_MAX 1000
/* of RDATE, EXDATE and overrides of one series; a daily one of eight years */
#define RECURRENCE_DATES_MAX 3000
/* calendar.max-recurrence-expansions: instances that are made for one question */
#define RECURRENCE_EXPANSIONS_MAX 3000
/* RRULEs of one series: RFC 5545 says one */
#define RECURRENCE_RULES_MAX 8
/* days and periods that one rule is tried on; a leap day of 50 years needs 20,000; about 5 ms */
#define RULE_STEPS_MAX 400000
/* of BYDAY with a number, of BYSETPOS; RFC 5545 knows no use for more */
#define RULE_LIST_MAX 64
/* alarms of a component, and repetitions of one alarm (REPEAT) */
#define ALARMS_MAX        50
#define ALARM_REPEATS_MAX 200
/* an alarm that comes so long after its time is late: it rings no more if its event is over */
#define ALARM_LATE_S 60
/* before an alarm's time its object is looked at once more: by the rules that its zone has then */
#define ALARM_LOOK_AGAIN_MS (26 * 3600 * INT64_C(1000))
/* of what a relay said to a reminder, as the ledger keeps it */
#define ALERT_ERROR_LETTERS_MAX 200
/* onsets of a VTIMEZONE of a file: two a year for as long as anybody plans */
#define ZONE_CHANGES_MAX    800
#define ZONE_NAME_BYTES_MAX 128
/* texts that are kept as facts beside the bytes (uid, names); PostgreSQL's index bears 2,704 */
#define CALENDAR_TEXT_BYTES_MAX 1000
/* calendar.max-calendars, calendar.max-objects: of one account, of one calendar */
#define CALENDARS_MAX        250
#define CALENDAR_OBJECTS_MAX 100000

#endif
