/* calendar_object.h: what is in a calendar: events, to-dos, journals, as a client stored them. All
 * (tx) but the draft.
 *
 * Each write appends a change, moves the calendar's number, counts for the quota, and, where there
 * are alarms, adds the task of calendar-alerts with the next one's time as its due time, all in the
 * caller's transaction. A name is unique in its calendar, and so is a UID.
 *
 * Calling sequence of a write: calendar_draft_new (no transaction: it costs time), db_begin,
 * calendar_object_put, db_commit, calendar_wake. After an unknown outcome the same put again gives
 * the same object.
 */
#ifndef ROTA_MODEL_CALENDAR_OBJECT_H
#define ROTA_MODEL_CALENDAR_OBJECT_H

#include "content/icalendar.h"
#include "model/calendar.h"

#define CALENDAR_ALERTS_ROLE "calendar-alerts"

typedef struct {
    int64_t account, calendar, id;
    char *name, *uid, *etag; /* etag without quotes */
    IcalendarKind kind;
    int64_t size;
    bool recurs;
    int64_t first_at, last_at; /* ms; INT64_MIN, INT64_MAX: no bound */
    int64_t schedule_tag, changed_seq, modified_at, alerted_at, alert_at;
    int64_t mailed_at, shown_at; /* as calendar_alert.h has it; calendar_object_get alone */
    GBytes *data;                /* NULL: was not asked for */
} CalendarObject;
void calendar_object_free(CalendarObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CalendarObject, calendar_object_free)

/* By name, with its bytes; ERROR_GONE. */
CalendarObject *calendar_object_find(Db *db, int64_t account, int64_t calendar, const char *name,
                                     GError **error);
/* By id, with its bytes; ERROR_GONE. */
CalendarObject *calendar_object_get(Db *db, int64_t account, int64_t id, GError **error);
/* What it holds, the caller's; NULL: nobody can read it. Its bytes were asked for. */
Icalendar *calendar_object_parse(const CalendarObject *object);
/* All of an account with that UID, with their bytes; the organiser's copy is in one calendar as a
 * rule. GPtrArray of CalendarObject. */
GPtrArray *calendar_object_by_uid(Db *db, int64_t account, const char *uid, GError **error);

typedef struct {
    int64_t calendar;
    int64_t from, to; /* ms; what may have an instance in between; INT64_MIN, INT64_MAX: all */
    int64_t after;    /* id of the last of the page before */
    unsigned limit;
    bool with_data;
} CalendarAsk;
/* By id: GPtrArray of CalendarObject. */
GPtrArray *calendar_object_list(Db *db, int64_t account, const CalendarAsk *ask, GError **error);

typedef struct {
    int64_t seq;
    bool gone;
    char *name, *etag; /* etag NULL: gone */
} CalendarChange;
/* What became of a calendar's objects after `since`, each once, by seq, at most `limit`: GPtrArray
 * of CalendarChange. `since` 0 is the beginning: what is gone is not told then. Whether `since` can
 * be told at all is calendar_state's floor. */
GPtrArray *calendar_object_changes(Db *db, int64_t account, int64_t calendar, int64_t since,
                                   unsigned limit, GError **error);

/* Bytes that are ready to be stored. */
typedef struct {
    GBytes *data;
    char *etag;
    Icalendar *object;
    bool recurs;
    int64_t first_at, last_at, alert_at;
    int64_t now;
} CalendarDraft;
typedef struct {
    IcalendarLimits limits;
    unsigned expansions; /* calendar.max-recurrence-expansions */
    const Zone *zone;    /* of what has none */
    int64_t now;         /* wall ms */
    Icalendar **facts;   /* what the bytes say, where that is known: taken; NULL: they are read */
} CalendarDraftAsk;
/* ERROR_REJECT: as icalendar_parse and icalendar_is_storable. */
CalendarDraft *calendar_draft_new(GBytes *data, const CalendarDraftAsk *ask, GError **error);
void calendar_draft_free(CalendarDraft *draft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CalendarDraft, calendar_draft_free)

typedef enum {
    CALENDAR_CREATED,
    CALENDAR_UPDATED,   /* or removed, or moved */
    CALENDAR_UNMET,     /* a precondition does not hold; nothing was written, as below */
    CALENDAR_UID_TAKEN, /* another object of the calendar has that UID, or this one had another */
    CALENDAR_OVER_QUOTA,
    CALENDAR_FULL,    /* CALENDAR_OBJECTS_MAX */
    CALENDAR_MISSING, /* no such object, or no such calendar */
} CalendarEnd;
/* What a request asks of the object that is there (RFC 9110 section 13.1, RFC 6638 section 8.3). */
typedef struct {
    const char *const *if_match; /* one of these etags, "*" any; NULL: whatever */
    const char *const *if_none;  /* none of these etags, "*" none at all; NULL: whatever */
    const char *schedule_tag;    /* NULL: whatever */
} CalendarMatch;
typedef struct {
    const char *name;
    CalendarMatch match;
    bool keep_schedule_tag;
    int64_t pending_since; /* of one that moves here with an alarm that is due and has not rung: its
                              alerted_at; 0: none */
    char *ret_taken;       /* CALENDAR_UID_TAKEN: the other's name, the caller's */
    int64_t ret_schedule_tag; /* created or updated */
} CalendarPut;
/* False: the store failed. */
bool calendar_object_put(Db *db, const Calendar *calendar, CalendarPut *put,
                         const CalendarDraft *draft, CalendarEnd *ret, GError **error);
/* `match` may be NULL. */
bool calendar_object_remove(Db *db, const Calendar *calendar, const char *name,
                            const CalendarMatch *match, CalendarEnd *ret, GError **error);
/* After the commit of a put: wakes the lanes of calendar-alerts and push. */
void calendar_wake(void);

/* When the task of an object whose next alarm is at alert_at is due: then, or first some time
 * before, since the rules of its zone may change until then. ms. */
int64_t calendar_alert_due_at(int64_t alert_at, int64_t now);
/* The key of an alarm's task is "ACCOUNT.OBJECT". */
bool calendar_alert_parse_key(const char *key, int64_t *ret_account, int64_t *ret_object);

#endif
