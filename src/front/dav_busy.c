/* dav_busy: when a person is busy: free-busy-query (RFC 4791 section 7.10), and a POST to the
 * scheduling outbox that asks it of others (RFC 6638 section 5).
 *
 * How it fits: the outbox answers for people of this cluster with an address in a domain that the
 * asker has one in; for all others, whether they are here or not, it says that it does not know
 * them. What is told is times alone. Of others each calendar counts that is not marked transparent;
 * what they declined does not.
 *
 * Failures: an answer's own status for each person; 507 for more than DAV_BUSY_TIMES_MAX; the
 * store's. Each person is a read transaction of its own.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"
#include "content/icalendar_expand.h"
#include "model/account.h"
#include "model/invitation.h"

#include "front/dav.h"
#include "front/dav_xml.h"

typedef struct {
    Dav *dav;
    int64_t account, from, to; /* seconds */
    ItipOwn own;               /* what they declined does not count; of nobody: it does */
    GArray *busy;              /* of BusyTime */
} Asking;

static bool is_declined(const Asking *asking, const IcalendarItem *item)
{
    for (unsigned i = 0; i < item->attendees->len; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (itip_is_own(&asking->own, attendee->address))
            return g_ascii_strcasecmp(attendee->status, "DECLINED") == 0;
    }
    return false;
}

static void add_object(Asking *asking, const CalendarObject *object, const RecurrenceAsk *ask)
{
    g_autoptr(Icalendar) parsed = calendar_object_parse(object);
    if (!parsed || parsed->kind != ICALENDAR_EVENT)
        return;
    g_autoptr(GArray) found = recurrence_between(parsed, ask, asking->to, NULL);
    for (unsigned i = 0; i < found->len; i++) {
        const Instance *instance = &g_array_index(found, Instance, i);
        BusyTime time = {instance->start, instance->end};
        if (!instance->item->is_transparent && !instance->item->is_cancelled &&
            time.to > time.from && !is_declined(asking, instance->item))
            g_array_append_val(asking->busy, time);
    }
}

/* Of one calendar, in the open transaction. */
static bool add_calendar(Asking *asking, const Calendar *calendar, GError **error)
{
    const struct DavSettings *settings = asking->dav->settings;
    const Zone *zone = calendar_zone(calendar, settings->zone);
    RecurrenceAsk recurrence = {
        .floating = zone, .from = asking->from, .max = settings->expansions};
    CalendarAsk ask = {.calendar = calendar->id,
                       .from = asking->from * 1000,
                       .to = asking->to * 1000,
                       .limit = DAV_PAGE_OBJECTS,
                       .with_data = true};
    bool good = true;
    for (bool more = true; more;) {
        g_autoptr(GPtrArray) page =
            calendar_object_list(asking->dav->call->db, asking->account, &ask, error);
        for (unsigned i = 0; page && i < page->len; i++) {
            const CalendarObject *object = page->pdata[i];
            add_object(asking, object, &recurrence);
            ask.after = object->id;
        }
        good = page != NULL;
        more = good && page->len == DAV_PAGE_OBJECTS && asking->busy->len <= DAV_BUSY_TIMES_MAX;
    }
    zone_unref(zone);
    return good;
}

void dav_report_busy(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    const xmlNode *range =
        dav_xml_child(xmlDocGetRootElement(dav->document), NS_CALDAV, "time-range");
    g_autofree char *start = range ? dav_xml_attribute(range, "start") : NULL;
    g_autofree char *end = range ? dav_xml_attribute(range, "end") : NULL;
    g_autoptr(GArray) busy = g_array_new(FALSE, FALSE, sizeof(BusyTime));
    Asking asking = {.dav = dav, .account = dav->call->account, .busy = busy};
    if (!start || !end || !icalendar_parse_utc(start, &asking.from) ||
        !icalendar_parse_utc(end, &asking.to) || asking.from >= asking.to) {
        dav_refuse(dav, 400, "C:valid-filter", "a free-busy-query has a time-range in UTC");
        return;
    }
    if (!add_calendar(&asking, dav->calendar, &error)) {
        dav_fail(dav, error);
        return;
    }
    if (busy->len > DAV_BUSY_TIMES_MAX) {
        http_answer_problem(dav->call->answer, 507,
                            "more than %d busy times: ask for a shorter range", DAV_BUSY_TIMES_MAX);
        return;
    }
    BusyHead head = {.from = asking.from,
                     .to = asking.to,
                     .stamp = clock_wall_ms(dav->call->house->clock) / 1000};
    g_autofree char *text = icalendar_format_busy(busy, &head);
    dav->call->answer->type = "text/calendar; charset=utf-8";
    g_string_assign(dav->call->answer->body, text);
}

/* ---- the outbox */

typedef struct {
    Dav *dav;
    GPtrArray *own; /* addresses of who asks */
    BusyHead head;
} Outbox;

static bool is_near(const Outbox *outbox, const char *address)
{
    const char *domain = strrchr(address, '@');
    for (unsigned i = 0; domain && i < outbox->own->len; i++) {
        const char *own = strrchr(outbox->own->pdata[i], '@');
        if (own && strcmp(own, domain) == 0)
            return true;
    }
    return false;
}

/* The account behind an address that the asker may ask about; 0: none, -1: the store failed. */
static int64_t find_account(const Outbox *outbox, const char *address, GError **error)
{
    g_autoptr(GError) why = NULL;
    int64_t account = 0;
    if (!is_near(outbox, address) ||
        account_resolve(outbox->dav->call->db, address, &account, &why))
        return account;
    if (error_kind(why) == ERROR_GONE || error_kind(why) == ERROR_REJECT)
        return 0;
    g_propagate_error(error, g_steal_pointer(&why));
    return -1;
}

static bool read_person(Asking *asking, GError **error)
{
    Db *db = asking->dav->call->db;
    g_autoptr(GPtrArray) own = imip_addresses(db, asking->account, error);
    g_autoptr(GPtrArray) list = own ? calendar_list(db, asking->account, error) : NULL;
    if (!list)
        return false;
    asking->own = (ItipOwn){(const char *const *)own->pdata, own->len};
    for (unsigned i = 0; i < list->len; i++) {
        const Calendar *calendar = list->pdata[i];
        if (!calendar->transparent && (calendar->kinds & ICALENDAR_EVENT) &&
            !add_calendar(asking, calendar, error))
            return false;
    }
    asking->own = (ItipOwn){NULL, 0};
    return true;
}

static void put_status(GString *out, const char *address, const char *status)
{
    g_string_append(out, "<C:response><C:recipient><D:href>mailto:");
    dav_xml_put(out, address);
    g_string_append_printf(out, "</D:href></C:recipient><C:request-status>%s</C:request-status>",
                           status);
}

/* One person's answer, from a transaction of its own; false: the answer to all is made. */
static bool put_person(Outbox *outbox, const char *address, GString *out)
{
    g_autoptr(GError) error = NULL;
    Dav *dav = outbox->dav;
    Db *db = dav->call->db;
    g_autoptr(GArray) busy = g_array_new(FALSE, FALSE, sizeof(BusyTime));
    Asking asking = {.dav = dav, .from = outbox->head.from, .to = outbox->head.to, .busy = busy};
    asking.account = db_begin(db, DB_READ, &error) ? find_account(outbox, address, &error) : -1;
    bool good = asking.account == 0 || (asking.account > 0 && read_person(&asking, &error));
    db_rollback(db);
    if (!good) {
        dav_fail(dav, error);
        return false;
    }
    if (asking.account == 0) {
        put_status(out, address, "3.7;Invalid calendar user");
    } else if (busy->len > DAV_BUSY_TIMES_MAX) {
        put_status(out, address, "5.1;Service unavailable");
    } else {
        BusyHead head = outbox->head;
        head.attendee = address;
        g_autofree char *text = icalendar_format_busy(busy, &head);
        put_status(out, address, "2.0;Success");
        g_string_append(out, "<C:calendar-data>");
        dav_xml_put(out, text);
        g_string_append(out, "</C:calendar-data>");
    }
    g_string_append(out, "</C:response>");
    return true;
}

/* What a POST asks for; NULL: the answer is made. */
static Icalendar *read_request(Outbox *outbox)
{
    Dav *dav = outbox->dav;
    g_autoptr(GError) error = NULL;
    const HttpRequest *request = dav->call->request;
    g_autoptr(Icalendar) object =
        icalendar_parse(request->body, request->body_size, &dav->settings->limits, &error);
    if (!object) {
        dav_refuse(dav, 403, "C:valid-calendar-data", error->message);
        return NULL;
    }
    const IcalendarItem *item = object->items->pdata[0];
    if (object->kind != ICALENDAR_FREEBUSY || strcmp(object->method, "REQUEST") != 0 ||
        !item->start.set || !item->attendees->len) {
        dav_refuse(dav, 403, "C:valid-scheduling-message",
                   "the outbox takes a REQUEST with a VFREEBUSY alone: events are sent by storing "
                   "them");
        return NULL;
    }
    ItipOwn own = {(const char *const *)outbox->own->pdata, outbox->own->len};
    if (!item->organizer || !itip_is_own(&own, item->organizer->address)) {
        dav_refuse(dav, 403, "C:organizer-allowed", "the ORGANIZER is not who asks");
        return NULL;
    }
    const Zone *utc = zone_utc();
    outbox->head.from = icalendar_utc(&item->start, utc);
    outbox->head.to =
        icalendar_later(item->start.wall, item->start.zone ? item->start.zone : utc, &item->length);
    if (outbox->head.to <= outbox->head.from ||
        outbox->head.to - outbox->head.from > DAV_BUSY_SECONDS_MAX) {
        dav_refuse(dav, 403, "C:valid-scheduling-message",
                   "a VFREEBUSY has a DTSTART and a DTEND at most a year later");
        return NULL;
    }
    outbox->head.uid = object->uid;
    outbox->head.organizer = item->organizer->address;
    return g_steal_pointer(&object);
}

static void answer_all(Outbox *outbox, const Icalendar *request)
{
    const IcalendarItem *item = request->items->pdata[0];
    GString *out = g_string_new(NULL);
    bool good = true;
    dav_xml_open(out, "C:schedule-response");
    for (unsigned i = 0; i < item->attendees->len && good; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        good = put_person(outbox, attendee->address, out);
        if (good && out->len > DAV_ANSWER_BYTES_MAX) {
            http_answer_problem(outbox->dav->call->answer, 507,
                                "the answer is over %d bytes: ask for less", DAV_ANSWER_BYTES_MAX);
            good = false;
        }
    }
    if (!good) {
        g_string_free(out, TRUE);
        return;
    }
    g_string_append(out, "</C:schedule-response>\n");
    HttpAnswer *answer = outbox->dav->call->answer;
    answer->status = 200;
    answer->type = "application/xml; charset=utf-8";
    g_string_free(answer->body, TRUE);
    answer->body = out;
}

void dav_run_post(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    if (!dav_init(&dav, call) || !dav_open(&dav, DB_READ))
        return;
    if (dav.kind != DAV_OUTBOX) {
        http_answer_problem(call->answer, 405, "only the scheduling outbox takes a POST");
        return;
    }
    g_autoptr(GPtrArray) own = imip_addresses(call->db, call->account, &error);
    db_rollback(call->db);
    if (!own) {
        dav_fail(&dav, error);
        return;
    }
    Outbox outbox = {
        .dav = &dav, .own = own, .head.stamp = clock_wall_ms(call->house->clock) / 1000};
    g_autoptr(Icalendar) request = read_request(&outbox);
    if (request)
        answer_all(&outbox, request);
}
