/* dav_move: MOVE and COPY of objects, within the calendars of one person (RFC 4918
 * section 9.8, 9.9).
 *
 * How it fits: the bytes are put at the other place, and removed here for a MOVE, in one
 * transaction; nothing is sent to anybody, for nothing changed. An alarm that was due and has not
 * rung goes along with a MOVE; a copy begins with the alarms to come. Failures: 412 where
 * "Overwrite: F" finds something there, 403 for other places and what the calendar does not take.
 */
#include <string.h>

#include "base/error.h"

#include "front/dav.h"
#include "front/http_parse.h"

/* The segments of a Destination; NULL: it is in no calendar of the person's. */
static char **read_destination(const HttpCall *call)
{
    const char *text = dav_field(call, "Destination");
    const char *path = text ? strstr(text, "://") : NULL;
    path = path ? strchr(path + 3, '/') : text;
    char **parts = path ? http_path_parse(path, strlen(path)) : NULL;
    if (parts && g_strv_length(parts) == 5 && strcmp(parts[0], "dav") == 0 &&
        strcmp(parts[1], "calendars") == 0 && *parts[4] &&
        g_ascii_strcasecmp(parts[2], call->person) == 0)
        return parts;
    g_strfreev(parts);
    return NULL;
}

/* As the other calendar would have it; NULL without an error: the answer is made. */
static CalendarDraft *draft_for(Dav *dav, const Calendar *to, const CalendarObject *object,
                                GError **error)
{
    if (!(to->kinds & object->kind)) {
        dav_refuse(dav, 403, "C:supported-calendar-component",
                   "the calendar takes no such component");
        return NULL;
    }
    const Zone *zone = calendar_zone(to, dav->settings->zone);
    CalendarDraftAsk ask = {.limits = icalendar_stored,
                            .expansions = dav->settings->expansions,
                            .zone = zone,
                            .now = clock_wall_ms(dav->call->house->clock)};
    CalendarDraft *draft = calendar_draft_new(object->data, &ask, error);
    zone_unref(zone);
    return draft;
}

/* False without an error: the answer is made. */
static bool bring(Dav *dav, const Calendar *to, CalendarPut *put, bool moves, CalendarEnd *ret,
                  GError **error)
{
    HttpCall *call = dav->call;
    g_auto(DavMatch) match = {0};
    CalendarMatch asked = dav_read_match(call, &match);
    CalendarEnd removed;
    g_autoptr(CalendarObject) object =
        calendar_object_find(call->db, call->account, dav->calendar->id, dav->object_name, error);
    g_autoptr(CalendarDraft) draft = object ? draft_for(dav, to, object, error) : NULL;
    if (!draft)
        return false;
    if (moves) {
        bool pending = object->alert_at > 0 && object->alert_at <= draft->now;
        put->pending_since = pending ? object->alerted_at : 0;
        if (!calendar_object_remove(call->db, dav->calendar, dav->object_name, &asked, &removed,
                                    error))
            return false;
        if (removed != CALENDAR_UPDATED) {
            *ret = removed;
            return true;
        }
    }
    return calendar_object_put(call->db, to, put, draft, ret, error);
}

static void run(HttpCall *call, bool moves)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) target = read_destination(call);
    static const char *const none[] = {"*", NULL};
    const char *overwrite = dav_field(call, "Overwrite");
    CalendarEnd end;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_WRITE))
        return;
    if (dav.kind != DAV_OBJECT || !dav.calendar || !target) {
        http_answer_problem(call->answer, target ? 404 : 403,
                            "an object goes to a place in a calendar of the same person");
        return;
    }
    if (strcmp(target[3], dav.calendar_name) == 0 && strcmp(target[4], dav.object_name) == 0) {
        http_answer_problem(call->answer, 403, "the object is at that place already");
        return;
    }
    g_autoptr(Calendar) to = calendar_find(call->db, call->account, target[3], &error);
    CalendarPut put = {.name = target[4],
                       .match.if_none = overwrite && *overwrite == 'F' ? none : NULL};
    if (!to && error_kind(error) == ERROR_GONE) {
        http_answer_problem(call->answer, 409, "there is no calendar \"%s\"", target[3]);
        return;
    }
    if (!to || !bring(&dav, to, &put, moves, &end, &error)) {
        if (error)
            dav_fail(&dav, error);
        return;
    }
    dav_end_put(&dav, end, &put);
}

void dav_run_move(HttpCall *call)
{
    run(call, true);
}

void dav_run_copy(HttpCall *call)
{
    run(call, false);
}
