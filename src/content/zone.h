/* zone.h: from the time on a wall to the time of the world, and back.
 *
 * A zone is UTC, one of the system's (tzdata, read anew whenever nobody holds it, so that a new
 * rule counts from the next event that is read), or what a file's VTIMEZONE says. A wall time that
 * a gap leaves out is read with the offset before the gap; one that comes twice is its first (RFC
 * 5545 section 3.3.5). Seconds since 1970; immutable, any thread.
 */
#ifndef ROTA_CONTENT_ZONE_H
#define ROTA_CONTENT_ZONE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Zone Zone;

typedef struct {
    int64_t at;     /* UTC */
    int64_t offset; /* from then on, seconds east */
} ZoneChange;

const Zone *zone_utc(void); /* needs no unref, and bears it */
/* By its name in tzdata ("Europe/Berlin"), as the last part of a longer one
 * ("/example.org/20260101_1/Europe/Berlin"), or by Microsoft's ("W. Europe Standard Time"). NULL:
 * nobody knows it. The caller's. */
const Zone *zone_find(const char *name);
/* Of a file: sorted here; `offset` holds before the first. The caller's. */
const Zone *zone_new(const char *name, int64_t offset, ZoneChange *changes, unsigned count);
void zone_unref(const Zone *zone);

/* The name in tzdata; for a file's own what the file calls it. */
const char *zone_name(const Zone *zone);
int64_t zone_to_utc(const Zone *zone, int64_t wall);
int64_t zone_to_wall(const Zone *zone, int64_t utc);

/* The name in tzdata of one of Microsoft's; NULL: it is none. Static. */
const char *zone_name_of_windows(const char *name);

#endif
