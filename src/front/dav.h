/* dav.h: CalDAV (RFC 4791) on the HTTP door: its routes, and what its parts share.
 *
 *     /.well-known/caldav                     where it begins (RFC 6764)
 *     /dav/                                   says who asks (RFC 5397)
 *     /dav/principals/ADDRESS/                the person
 *     /dav/calendars/ADDRESS/                 the home: their calendars
 *     /dav/calendars/ADDRESS/NAME/            a calendar
 *     /dav/calendars/ADDRESS/NAME/OBJECT      an object
 *     /dav/scheduling/ADDRESS/inbox/          invitations that came (RFC 6638): dav_inbox.c
 *     /dav/scheduling/ADDRESS/outbox/         when are others busy: dav_busy.c
 *
 * ADDRESS is any of the person's own; another's is 403. Each request is one transaction. What a
 * client stores comes back byte for byte. Known and not done: ACL, locks.
 */
#ifndef ROTA_FRONT_DAV_H
#define ROTA_FRONT_DAV_H

#include <libxml/tree.h>

#include "content/icalendar_filter.h"
#include "front/http.h"
#include "model/calendar_object.h"

/* What the operator has set; borrowed by the house. */
struct DavSettings {
    IcalendarLimits limits;
    unsigned expansions; /* calendar.max-recurrence-expansions */
    const char *zone;    /* of what has none, and no calendar says one */
    bool scheduling;     /* calendar.scheduling.enable */
};

extern const HttpRoute *const dav_routes[]; /* ended by NULL */

/* ---- private to dav_*.c */

typedef enum {
    DAV_ROOT,
    DAV_PRINCIPAL,
    DAV_HOME,
    DAV_CALENDAR,
    DAV_OBJECT,
    DAV_INBOX,
    DAV_OUTBOX,
    DAV_LETTER, /* of the inbox */
} DavKind;
typedef struct {
    HttpCall *call;
    const struct DavSettings *settings;
    DavKind kind;
    const char *address; /* as the request says it; else call->person */
    const char *calendar_name, *object_name;
    Calendar *calendar; /* found by dav_open; NULL: there is none of that name, or it was not asked
                           for */
    xmlDoc *document;   /* of the body; NULL: it was empty */
    unsigned depth;     /* 0, 1; 2: infinity */
} Dav;
void dav_clear(Dav *dav);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dav, dav_clear)

/* Reads path and headers. False: the answer is made. */
bool dav_init(Dav *dav, HttpCall *call);
/* Parses the body as XML. False: the answer is made. */
bool dav_read_xml(Dav *dav);
/* Begins a transaction and finds the calendar that the path names, where it names one. */
bool dav_open(Dav *dav, DbMode mode);
/* Ends a write; false: the answer is made. What is not known is 503: the client looks again. */
bool dav_commit(Dav *dav);
/* Answers the error, whatever it is. */
void dav_fail(Dav *dav, const GError *error);
/* 403 or 409 with a precondition's name, as "C:valid-calendar-data". */
void dav_refuse(Dav *dav, unsigned status, const char *condition, const char *detail);
/* The zone of what has none in the calendar, which is there. Unref it. */
const Zone *dav_zone(const Dav *dav);
/* "/dav/calendars/ADDRESS/CALENDAR/OBJECT" or a beginning of it, the caller's. */
char *dav_path(const Dav *dav, DavKind kind, const char *calendar, const char *object);

/* One property of a resource: true, and its value appended. */
typedef struct {
    const char *space, *name;
} DavName;
typedef struct {
    const Dav *dav;
    DavKind kind;
    const Calendar *calendar;     /* of a calendar or an object */
    const CalendarObject *object; /* of an object or a letter; its bytes where they are asked for */
    const xmlNode *asked;         /* the element that asks; NULL: all were asked for */
} DavResource;
/* Writes one <D:response> with the properties that a <D:prop> names, NULL: all that are told so. */
void dav_put_response(GString *out, const DavResource *resource, const xmlNode *prop,
                      bool names_only);
/* A <D:prop> asks for the bytes of objects. */
bool dav_asks_for_data(const xmlNode *prop);
/* <C:calendar-data>'s content. */
void dav_put_data(GString *out, const DavResource *resource);
/* Sends 207 with `out`. */
void dav_answer_multistatus(Dav *dav, GString *take);

/* What a request asks of the object that is there, borrowed from *owned. */
typedef struct {
    char **if_match, **if_none, *schedule_tag;
} DavMatch;
void dav_match_clear(DavMatch *match);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DavMatch, dav_match_clear)
CalendarMatch dav_read_match(const HttpCall *call, DavMatch *owned);
/* A field of the request; NULL: there is none. */
const char *dav_field(const HttpCall *call, const char *name);
/* Answers a put, and commits it where it went as the client wished; true: it is there. */
bool dav_end_put(Dav *dav, CalendarEnd end, CalendarPut *put);
/* After a commit: wakes whoever waits for changes of calendars. */
void dav_wake(void);

void dav_run_propfind(HttpCall *call);
void dav_run_proppatch(HttpCall *call);
void dav_run_mkcalendar(HttpCall *call);
void dav_run_report(HttpCall *call);
void dav_run_get(HttpCall *call);
void dav_run_put(HttpCall *call);
void dav_run_delete(HttpCall *call);
void dav_run_move(HttpCall *call);
void dav_run_copy(HttpCall *call);
void dav_run_post(HttpCall *call);
void dav_report_query(Dav *dav);
void dav_report_busy(Dav *dav);
void dav_report_inbox(Dav *dav);

/* dav_query.c: the filter of a calendar-query; NULL: the answer is made. */
IcalendarFilter *dav_read_filter(Dav *dav);

/* dav_inbox.c: letters of the inbox, in the open transaction. False: the answer is made. */
bool dav_put_letters(Dav *dav, GString *out, const xmlNode *prop, bool names_only);
bool dav_put_letter(Dav *dav, GString *out, const xmlNode *prop, bool names_only);
void dav_get_letter(Dav *dav);
void dav_delete_letter(Dav *dav);

/* dav_schedule.c: what RFC 6638 asks of a change of an object that has an organizer, in the open
 * write transaction, before the object is put or removed. False without an error: the answer is
 * made. `after` NULL: it goes. */
bool dav_schedule_change(Dav *dav, const CalendarDraft *after, GError **error);
/* Before that: a version that may be older than answers that came (If-Schedule-Tag-Match) gets
 * them. *draft is another one then, and *ret_merged. */
bool dav_schedule_merge(Dav *dav, const CalendarMatch *match, CalendarDraft **draft,
                        bool *ret_merged, GError **error);

#endif
