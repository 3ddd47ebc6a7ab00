/* dav_object: GET, PUT, DELETE and MOVE of objects, DELETE of calendars.
 *
 * How it fits: the bytes go to model/calendar_store.c with facts of content/icalendar.c, and come
 * back as they were. Preconditions (If-Match, If-None-Match) are judged under the account's lock.
 * Failures: 412 where one does not hold; 403 with a named condition (RFC 4791 section 5.3.2.1) for
 * what may not be stored; 507 over quota. After a commit whose outcome is not known 503: the client
 * comes again, and a PUT of the same bytes finds itself, or makes it.
 */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "model/invitation.h"

#include "front/dav.h"
#include "front/http_parse.h"

static const char *field(const HttpCall *call, const char *name)
{
    return call->request->header(name, call->request->data);
}

/* The first entity-tag of a field, without quotes; "*" stays. The caller's; NULL: there is none. */
static char *read_etag(const HttpCall *call, const char *name)
{
    const char *text = field(call, name);
    if (!text)
        return NULL;
    g_autofree char *copy = g_strstrip(g_strdup(text));
    const char *at = g_str_has_prefix(copy, "W/") ? copy + 2 : copy;
    if (*at != '"')
        return g_strdup(at);
    const char *end = strchr(at + 1, '"');
    return end ? g_strndup(at + 1, (gsize)(end - at - 1)) : g_strdup(at);
}

static void add_etag(HttpCall *call, const char *etag)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", etag);
    http_answer_add_header(call->answer, "ETag", quoted);
}

void dav_run_get(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_READ))
        return;
    if (dav.kind != DAV_OBJECT || !dav.calendar) {
        http_answer_problem(
            call->answer, dav.kind == DAV_OBJECT ? 404 : 405,
            "only an object of a calendar can be got; PROPFIND tells what there is");
        return;
    }
    g_autoptr(CalendarObject) object =
        calendar_object_find(call->db, call->account, dav.calendar->id, dav.object_name, &error);
    if (!object) {
        dav_fail(&dav, error);
        return;
    }
    g_autofree char *known = read_etag(call, "If-None-Match");
    g_autofree char *schedule = g_strdup_printf("\"%" G_GINT64_FORMAT "\"", object->schedule_tag);
    add_etag(call, object->etag);
    http_answer_add_header(call->answer, "Schedule-Tag", schedule);
    if (known && strcmp(known, object->etag) == 0) {
        call->answer->status = 304;
        return;
    }
    http_answer_bytes(call->answer, "text/calendar; charset=utf-8", g_bytes_ref(object->data));
}

/* Answers an end that is not as the client wished; true: it is. */
static bool check_end(Dav *dav, CalendarEnd end, const CalendarPut *put)
{
    switch (end) {
    case CALENDAR_CREATED:
    case CALENDAR_UPDATED:
        return true;
    case CALENDAR_UNMET:
        http_answer_problem(dav->call->answer, 412, "the object is not as the request expects it");
        return false;
    case CALENDAR_UID_TAKEN: {
        g_autofree char *detail = g_strdup_printf(
            "the UID is that of \"%s\"", put && put->ret_taken ? put->ret_taken : "another");
        dav_refuse(dav, 403, "C:no-uid-conflict", detail);
        return false;
    }
    case CALENDAR_OVER_QUOTA:
        dav_refuse(dav, 507, "D:quota-not-exceeded", "the account is over its quota");
        return false;
    case CALENDAR_FULL:
        dav_refuse(dav, 507, "D:quota-not-exceeded", "the calendar is full");
        return false;
    case CALENDAR_MISSING:
        http_answer_problem(dav->call->answer, 404, "there is nothing at this path");
        return false;
    }
    return false;
}

/* RFC 6638, by mail: what is sent to those invited, or back to who invites, is written in the same
 * transaction. `after` NULL: it goes. */
static bool schedule(Dav *dav, GBytes *after, GError **error)
{
    return !dav->settings->scheduling ||
           imip_change(dav->call->db, dav->calendar, dav->object_name, after, error);
}

static void wake(void)
{
    calendar_wake();
    imip_wake();
}

/* The body as a draft; NULL: the answer is made, and the reason is in the log. */
static CalendarDraft *read_draft(Dav *dav, const Zone *zone)
{
    HttpCall *call = dav->call;
    g_autoptr(GError) error = NULL;
    int64_t most = dav->settings->limits.bytes_max;
    CalendarDraftAsk ask = {.limits = dav->settings->limits,
                            .expansions = dav->settings->expansions,
                            .zone = zone,
                            .now = clock_wall_ms(call->house->clock)};
    g_autoptr(GBytes) bytes = g_bytes_new(call->request->body, call->request->body_size);
    CalendarDraft *draft = calendar_draft_new(bytes, &ask, &error);
    if (draft && (dav->calendar->kinds & draft->object->kind))
        return draft;
    const char *condition = "C:valid-calendar-data";
    if (draft)
        condition = "C:supported-calendar-component";
    else if (most && call->request->body_size > (size_t)most)
        condition = "C:max-resource-size";
    const char *why = draft ? "the calendar takes no such component" : error->message;
    log_event(LOG_LEVEL_INFO, "calendar.refused", "%s: %s", dav->object_name, why);
    dav_refuse(dav, 403, condition, why);
    calendar_draft_free(draft);
    return NULL;
}

void dav_run_put(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_READ))
        return;
    if (dav.kind != DAV_OBJECT || !dav.calendar) {
        http_answer_problem(call->answer, dav.kind == DAV_OBJECT ? 409 : 405,
                            "an object goes into a calendar that is there");
        return;
    }
    db_rollback(call->db);
    const Zone *zone = dav_zone(&dav);
    g_autoptr(CalendarDraft) draft = read_draft(&dav, zone);
    zone_unref(zone);
    if (!draft)
        return;
    g_autofree char *match = read_etag(call, "If-Match");
    g_autofree char *none = read_etag(call, "If-None-Match");
    CalendarPut put = {
        .name = dav.object_name, .if_match = match, .if_none = none && strcmp(none, "*") == 0};
    CalendarEnd end;
    if (!db_begin(call->db, DB_WRITE, &error) || !schedule(&dav, draft->data, &error) ||
        !calendar_object_put(call->db, dav.calendar, &put, draft, &end, &error)) {
        dav_fail(&dav, error);
        return;
    }
    bool right = check_end(&dav, end, &put);
    g_free(put.ret_taken);
    if (!right || !dav_commit(&dav))
        return;
    wake();
    call->answer->status = end == CALENDAR_CREATED ? 201 : 204;
    add_etag(call, draft->etag);
}

static void delete_calendar(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    if (!calendar_destroy(dav->call->db, dav->call->account, dav->calendar->id, &error)) {
        dav_fail(dav, error);
        return;
    }
    if (dav_commit(dav))
        dav->call->answer->status = 204;
}

void dav_run_delete(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_autofree char *match = read_etag(call, "If-Match");
    CalendarEnd end;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_WRITE))
        return;
    if (dav.kind < DAV_CALENDAR || !dav.calendar) {
        http_answer_problem(call->answer, dav.kind < DAV_CALENDAR ? 403 : 404,
                            "there is nothing here that can be deleted");
        return;
    }
    if (dav.kind == DAV_CALENDAR) {
        delete_calendar(&dav);
        return;
    }
    if (!schedule(&dav, NULL, &error) ||
        !calendar_object_remove(call->db, dav.calendar, dav.object_name, match, &end, &error)) {
        dav_fail(&dav, error);
        return;
    }
    if (!check_end(&dav, end, NULL) || !dav_commit(&dav))
        return;
    wake();
    call->answer->status = 204;
}

/* The object's name in a Destination; NULL: it is in no calendar of the person's. */
static char **read_destination(const HttpCall *call)
{
    const char *text = field(call, "Destination");
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

/* Puts the bytes at the other place and removes them here, in one transaction. False without an
 * error: the answer is made. */
static bool move_object(Dav *dav, const Calendar *to, const char *name, CalendarEnd *ret,
                        GError **error)
{
    HttpCall *call = dav->call;
    CalendarEnd removed;
    const char *overwrite = field(call, "Overwrite");
    g_autoptr(CalendarObject) object =
        calendar_object_find(call->db, call->account, dav->calendar->id, dav->object_name, error);
    if (!object)
        return false;
    if (!(to->kinds & object->kind)) {
        dav_refuse(dav, 403, "C:supported-calendar-component",
                   "the calendar takes no such component");
        return false;
    }
    const Zone *zone = calendar_zone(to, dav->settings->zone);
    CalendarDraftAsk ask = {.limits = dav->settings->limits,
                            .expansions = dav->settings->expansions,
                            .zone = zone,
                            .now = clock_wall_ms(call->house->clock)};
    g_autoptr(CalendarDraft) draft = calendar_draft_new(object->data, &ask, error);
    zone_unref(zone);
    CalendarPut put = {.name = name, .if_none = overwrite && *overwrite == 'F'};
    bool good =
        draft &&
        calendar_object_remove(call->db, dav->calendar, dav->object_name, NULL, &removed, error) &&
        calendar_object_put(call->db, to, &put, draft, ret, error);
    g_free(put.ret_taken);
    return good;
}

void dav_run_move(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) target = read_destination(call);
    CalendarEnd end;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_WRITE))
        return;
    if (dav.kind != DAV_OBJECT || !dav.calendar || !target) {
        http_answer_problem(call->answer, target ? 404 : 403,
                            "an object moves to a place in a calendar of the same person");
        return;
    }
    g_autoptr(Calendar) to = calendar_find(call->db, call->account, target[3], &error);
    if (!to || !move_object(&dav, to, target[4], &end, &error)) {
        if (error)
            dav_fail(&dav, error);
        return;
    }
    if (!check_end(&dav, end, &(CalendarPut){0}) || !dav_commit(&dav))
        return;
    wake();
    call->answer->status = end == CALENDAR_CREATED ? 201 : 204;
}
