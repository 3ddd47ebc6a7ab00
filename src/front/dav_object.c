/* dav_object: GET, PUT and DELETE of objects, DELETE of calendars.
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

static void add_etag(HttpCall *call, const char *etag)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", etag);
    http_answer_add_header(call->answer, "ETag", quoted);
}

static void add_schedule_tag(HttpCall *call, int64_t tag)
{
    g_autofree char *quoted = g_strdup_printf("\"%" G_GINT64_FORMAT "\"", tag);
    http_answer_add_header(call->answer, "Schedule-Tag", quoted);
}

void dav_run_get(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_READ))
        return;
    if (dav.kind == DAV_LETTER) {
        dav_get_letter(&dav);
        return;
    }
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
    g_auto(DavMatch) known = {0};
    dav_read_match(call, &known);
    add_etag(call, object->etag);
    add_schedule_tag(call, object->schedule_tag);
    if (known.if_none && (g_strv_contains((const char *const *)known.if_none, object->etag) ||
                          g_strv_contains((const char *const *)known.if_none, "*"))) {
        call->answer->status = 304;
        return;
    }
    http_answer_bytes(call->answer, "text/calendar; charset=utf-8", g_bytes_ref(object->data));
}

/* Answers an end that is not as the client wished; true: it is. `put` may be NULL. */
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

void dav_wake(void)
{
    calendar_wake();
    imip_wake();
}

bool dav_end_put(Dav *dav, CalendarEnd end, CalendarPut *put)
{
    bool right = check_end(dav, end, put);
    g_clear_pointer(&put->ret_taken, g_free);
    if (!right || !dav_commit(dav))
        return false;
    dav_wake();
    dav->call->answer->status = end == CALENDAR_CREATED ? 201 : 204;
    return true;
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
    g_auto(DavMatch) match = {0};
    CalendarPut put = {.name = dav.object_name, .match = dav_read_match(call, &match)};
    CalendarEnd end;
    bool merged;
    if (!db_begin(call->db, DB_WRITE, &error) ||
        !dav_schedule_merge(&dav, &put.match, &draft, &merged, &error) ||
        !dav_schedule_change(&dav, draft, &error) ||
        !calendar_object_put(call->db, dav.calendar, &put, draft, &end, &error)) {
        if (error)
            dav_fail(&dav, error);
        return;
    }
    if (!dav_end_put(&dav, end, &put))
        return;
    add_schedule_tag(call, put.ret_schedule_tag);
    if (!merged) /* else a client that takes the etag for its own bytes' would be wrong */
        add_etag(call, draft->etag);
}

static void delete_calendar(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    if (!calendar_destroy(dav->call->db, dav->call->account, dav->calendar->id, &error)) {
        dav_fail(dav, error);
        return;
    }
    if (!dav_commit(dav))
        return;
    dav_wake();
    dav->call->answer->status = 204;
}

void dav_run_delete(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_auto(DavMatch) match = {0};
    CalendarMatch asked = dav_read_match(call, &match);
    CalendarEnd end;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_WRITE))
        return;
    if (dav.kind == DAV_LETTER) {
        dav_delete_letter(&dav);
        return;
    }
    if (!dav.calendar) {
        http_answer_problem(call->answer, dav.calendar_name ? 404 : 403,
                            "there is nothing here that can be deleted");
        return;
    }
    if (dav.kind == DAV_CALENDAR) {
        delete_calendar(&dav);
        return;
    }
    if (!dav_schedule_change(&dav, NULL, &error) ||
        !calendar_object_remove(call->db, dav.calendar, dav.object_name, &asked, &end, &error)) {
        if (error)
            dav_fail(&dav, error);
        return;
    }
    if (!check_end(&dav, end, NULL) || !dav_commit(&dav))
        return;
    dav_wake();
    call->answer->status = 204;
}
