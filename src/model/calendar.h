/* calendar.h: a person's calendars. Their objects are calendar_object.h's. All (tx); each verb that
 * writes takes the account row's lock first.
 *
 * A change of a calendar, or of an object in it, has a number of the account's change log; it is
 * the calendar's sync token and state.
 */
#ifndef ROTA_MODEL_CALENDAR_H
#define ROTA_MODEL_CALENDAR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/zone.h"
#include "db/db.h"

#define CALENDAR_DEFAULT                                                                           \
    "default" /* the name of the one that is made for a person who has none                        \
               */

typedef struct {
    int64_t account, id;
    char *name, *title, *color, *description;
    int64_t position;
    unsigned kinds; /* IcalendarKind, summed */
    bool transparent;
    char *zone, *zone_text; /* "": none was set */
    char *alarms, *day_alarms;
    int64_t changed_seq;
} Calendar;
void calendar_free(Calendar *calendar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Calendar, calendar_free)
/* A new one that is in no store yet, with that name and nothing else said. */
Calendar *calendar_new(const char *name);

/* By position and title: GPtrArray of Calendar. */
GPtrArray *calendar_list(Db *db, int64_t account, GError **error);
/* By name; ERROR_GONE. */
Calendar *calendar_find(Db *db, int64_t account, const char *name, GError **error);
/* By id; ERROR_GONE. */
Calendar *calendar_get(Db *db, int64_t account, int64_t id, GError **error);
/* Makes it; fills id and changed_seq. ERROR_CONFLICT: there is one of that name; ERROR_REJECT: the
 * name or a text is too long, or the account has CALENDARS_MAX. */
bool calendar_add(Db *db, Calendar *calendar, GError **error);
/* Writes what may change: all but account, id and name. ERROR_GONE, ERROR_REJECT. */
bool calendar_set(Db *db, Calendar *calendar, GError **error);
/* With all in it. ERROR_GONE. */
bool calendar_destroy(Db *db, int64_t account, int64_t id, GError **error);
/* Makes the default one where there is none at all; *ret_made (may be NULL). */
bool calendar_ensure(Db *db, int64_t account, bool *ret_made, GError **error);

/* The newest change that the account has, and the oldest that sync can still tell (changes up to
 * `floor` are forgotten). */
bool calendar_state(Db *db, int64_t account, int64_t *ret_seq, int64_t *ret_floor, GError **error);

/* The zone of what has none: the calendar's, else one of that name, else UTC. Unref it. */
const Zone *calendar_zone(const Calendar *calendar, const char *otherwise);

#endif
