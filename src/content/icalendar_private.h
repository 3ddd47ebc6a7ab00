/* icalendar_private.h: the parts of icalendar.c among themselves; here libical has its names.
 */
#ifndef ROTA_CONTENT_ICALENDAR_PRIVATE_H
#define ROTA_CONTENT_ICALENDAR_PRIVATE_H

#include <libical/ical.h>

#include "content/icalendar.h"

/* What goes on while an object is read. */
typedef struct {
    Icalendar *object;
    const IcalendarLimits *limits;
} IcalendarReader;

/* icalendar_time.c. False: there is no such time, or it is out of the years that are known. */
bool icalendar_read_time(IcalendarReader *reader, icalproperty *property,
                         const struct icaltimetype *value, IcalendarTime *ret);
bool icalendar_read_span(const struct icaldurationtype *value, IcalendarSpan *ret);
/* Notes what was not understood; the first counts. */
void icalendar_note(IcalendarReader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* icalendar_zone.c: what a VTIMEZONE says. The caller's; NULL: nothing usable. */
const Zone *icalendar_zone_of_component(icalcomponent *component, const char *name);

/* icalendar_item.c. NULL: refused. */
IcalendarItem *icalendar_read_item(IcalendarReader *reader, icalcomponent *component,
                                   IcalendarKind kind, GError **error);
void icalendar_item_free(IcalendarItem *item);
/* icalendar_alarm.c: VALARMs of a component, into its item. */
bool icalendar_read_alarms(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                           GError **error);
void icalendar_alarm_free(IcalendarAlarm *alarm);

/* A property's text, "" where there is none; valid UTF-8, cut to CALENDAR_TEXT_BYTES_MAX where
 * `cut`. The caller's. */
char *icalendar_text(icalcomponent *component, const char *name, bool cut);
/* The value of a parameter, "" where there is none. The caller's. */
char *icalendar_parameter(icalproperty *property, const char *name);
/* The first property of that name, of any kind; NULL. */
icalproperty *icalendar_property(icalcomponent *component, const char *name);

#endif
