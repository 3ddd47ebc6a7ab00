/* icalendar_split.h: a file of calendars as the objects that a calendar holds: one for each UID, as
 * RFC 4791 section 4.1 wants them.
 *
 * An object that is one already keeps its bytes. Out of others each UID gets a VCALENDAR of its own
 * with its components as they stood, line by line, the time zones that they name, and the file's
 * version and product; a METHOD is left away, and a component without a UID gets one, which is the
 * same at each reading. Whether an object can be stored is not judged here. Pure; any thread.
 */
#ifndef ROTA_CONTENT_ICALENDAR_SPLIT_H
#define ROTA_CONTENT_ICALENDAR_SPLIT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* The next VCALENDAR of a file in [*at, end), its size, and *at where to go on; NULL: there is
 * none. Its last line end is its own, unless an empty line follows: so an export says that there is
 * none. One that does not end reaches to the end. */
const char *icalendar_split_next(const char **at, const char *end, size_t *ret_size);
/* Read back out of a file of many, an object would have the same bytes. */
bool icalendar_split_is_plain(const char *bytes, size_t size);

typedef struct {
    GPtrArray *objects; /* of GBytes, in the order of their first component */
    unsigned left_out;  /* components that no calendar holds (VFREEBUSY, another program's own) */
} IcalendarSplit;
void icalendar_split_clear(IcalendarSplit *split);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IcalendarSplit, icalendar_split_clear)
/* Of one VCALENDAR. */
IcalendarSplit icalendar_split(const char *bytes, size_t size);

#endif
