/* dav_inbox: the scheduling inbox (RFC 6638 section 2.2): invitations and answers that came by mail
 * and were taken in, for clients that show them; PROPFIND, GET, DELETE, and the reports
 * calendar-multiget and calendar-query.
 *
 * How it fits: a letter is shown as an object whose name and etag are its email's number; its bytes
 * are the mail's, read where they are asked for. What a letter meant has been done to the calendar
 * by then (imip-processing): a client that deletes it says that it has been seen, and nothing else.
 *
 * Failures: 404, the store's. Known weak point: a query parses each letter; there are as many as
 * storage.history-retention keeps and no client has deleted.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"
#include "model/imip_inbox.h"

#include "front/dav.h"
#include "front/dav_xml.h"
#include "front/http_parse.h"

/* "17.ics"; 0: no letter is called so. */
static int64_t number_of_name(const char *name)
{
    guint64 number = 0;
    g_autofree char *digits =
        g_str_has_suffix(name, ".ics") ? g_strndup(name, strlen(name) - 4) : g_strdup("");
    if (!g_ascii_string_to_unsigned(digits, 10, 1, INT64_MAX, &number, NULL))
        return 0;
    return (int64_t)number;
}

/* NULL: it went away, or *error. */
static CalendarObject *read_letter(Dav *dav, const InboxLetter *letter, bool with_data,
                                   GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) data =
        with_data ? imip_inbox_read(dav->call->db, dav->call->account, letter->email, &why) : NULL;
    if (why && error_kind(why) != ERROR_GONE)
        g_propagate_error(error, g_steal_pointer(&why));
    if (with_data && !data)
        return NULL;
    CalendarObject *object = g_new0(CalendarObject, 1);
    object->name = g_strdup_printf("%" PRId64 ".ics", letter->email);
    object->etag = g_strdup_printf("%" PRId64, letter->email);
    object->uid = g_strdup(letter->uid ? letter->uid : "");
    object->modified_at = letter->at;
    object->data = g_steal_pointer(&data);
    object->size = object->data ? (int64_t)g_bytes_get_size(object->data) : 0;
    return object;
}

/* The letter of a name, with its bytes. NULL: it is not there, or *error. */
static CalendarObject *find_letter(Dav *dav, const char *name, GError **error)
{
    int64_t number = number_of_name(name);
    if (number == 0)
        return NULL;
    g_autoptr(GPtrArray) list =
        imip_inbox_list(dav->call->db, dav->call->account, number - 1, 1, error);
    const InboxLetter *letter = list && list->len ? list->pdata[0] : NULL;
    return letter && letter->email == number ? read_letter(dav, letter, true, error) : NULL;
}

typedef struct {
    const xmlNode *prop;
    bool names_only;
    const IcalendarFilter *filter; /* NULL: all */
    const Zone *zone;
} Showing;

static bool fits(const Dav *dav, const Showing *showing, const CalendarObject *object)
{
    if (!showing->filter)
        return true;
    g_autoptr(Icalendar) parsed = calendar_object_parse(object);
    return parsed &&
           icalendar_filter_fits(showing->filter, parsed, showing->zone, dav->settings->expansions);
}

static void put_one(Dav *dav, GString *out, const Showing *showing, const CalendarObject *object)
{
    DavResource one = {.dav = dav, .kind = DAV_LETTER, .object = object};
    if (fits(dav, showing, object))
        dav_put_response(out, &one, showing->prop, showing->names_only);
}

static bool put_all(Dav *dav, GString *out, const Showing *showing)
{
    g_autoptr(GError) error = NULL;
    bool with_data = showing->filter || dav_asks_for_data(showing->prop);
    int64_t after = 0;
    for (bool more = true; more && !error;) {
        g_autoptr(GPtrArray) page =
            imip_inbox_list(dav->call->db, dav->call->account, after, DAV_PAGE_OBJECTS, &error);
        more = page && page->len == DAV_PAGE_OBJECTS;
        for (unsigned i = 0; page && i < page->len && !error; i++) {
            const InboxLetter *letter = page->pdata[i];
            g_autoptr(CalendarObject) object = read_letter(dav, letter, with_data, &error);
            after = letter->email;
            if (object)
                put_one(dav, out, showing, object);
            if (out->len > DAV_ANSWER_BYTES_MAX) {
                http_answer_problem(dav->call->answer, 507,
                                    "the answer is over %d bytes: ask for less",
                                    DAV_ANSWER_BYTES_MAX);
                return false;
            }
        }
    }
    if (error)
        dav_fail(dav, error);
    return !error;
}

bool dav_put_letters(Dav *dav, GString *out, const xmlNode *prop, bool names_only)
{
    Showing showing = {.prop = prop, .names_only = names_only};
    return put_all(dav, out, &showing);
}

static void answer_missing(Dav *dav, const GError *error)
{
    if (error)
        dav_fail(dav, error);
    else
        http_answer_problem(dav->call->answer, 404, "there is no such letter");
}

bool dav_put_letter(Dav *dav, GString *out, const xmlNode *prop, bool names_only)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CalendarObject) object = find_letter(dav, dav->object_name, &error);
    Showing showing = {.prop = prop, .names_only = names_only};
    if (object)
        put_one(dav, out, &showing, object);
    else
        answer_missing(dav, error);
    return object != NULL;
}

void dav_get_letter(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CalendarObject) object = find_letter(dav, dav->object_name, &error);
    if (!object) {
        answer_missing(dav, error);
        return;
    }
    g_autofree char *quoted = g_strdup_printf("\"%s\"", object->etag);
    http_answer_add_header(dav->call->answer, "ETag", quoted);
    http_answer_bytes(dav->call->answer, "text/calendar; charset=utf-8", g_bytes_ref(object->data));
}

void dav_delete_letter(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    int64_t number = number_of_name(dav->object_name);
    bool removed = false;
    if (number && !imip_inbox_remove(dav->call->db, dav->call->account, number, &removed, &error)) {
        dav_fail(dav, error);
        return;
    }
    if (!removed)
        answer_missing(dav, NULL);
    else if (dav_commit(dav))
        dav->call->answer->status = 204;
}

/* ---- reports */

static bool put_href(Dav *dav, GString *out, const char *href, const Showing *showing)
{
    g_autoptr(GError) error = NULL;
    const char *path = strstr(href, "://");
    path = path ? strchr(path + 3, '/') : href;
    g_auto(GStrv) parts = path ? http_path_parse(path, strlen(path)) : NULL;
    bool named = parts && g_strv_length(parts) == 5 && strcmp(parts[3], "inbox") == 0;
    g_autoptr(CalendarObject) object = named ? find_letter(dav, parts[4], &error) : NULL;
    if (error) {
        dav_fail(dav, error);
        return false;
    }
    if (object) {
        put_one(dav, out, showing, object);
        return true;
    }
    g_string_append(out, "<D:response><D:href>");
    dav_xml_put(out, href);
    g_string_append(out, "</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>");
    return true;
}

static bool put_hrefs(Dav *dav, GString *out, const Showing *showing)
{
    unsigned count = 0;
    const xmlNode *root = xmlDocGetRootElement(dav->document);
    for (xmlNode *each = dav_xml_first(root); each; each = dav_xml_next(each)) {
        if (!dav_xml_is(each, NS_DAV, "href"))
            continue;
        g_autofree char *href = dav_xml_text(each);
        if (++count > DAV_HREFS_MAX || out->len > DAV_ANSWER_BYTES_MAX) {
            http_answer_problem(dav->call->answer, 507, "too much for one answer: ask for less");
            return false;
        }
        if (!put_href(dav, out, href, showing))
            return false;
    }
    return true;
}

static bool put_found(Dav *dav, GString *out, Showing *showing)
{
    g_autoptr(IcalendarFilter) filter = dav_read_filter(dav);
    if (!filter)
        return false;
    const Zone *zone = zone_find(dav->settings->zone);
    showing->filter = filter;
    showing->zone = zone ? zone : zone_utc();
    bool good = put_all(dav, out, showing);
    zone_unref(zone);
    return good;
}

void dav_report_inbox(Dav *dav)
{
    const xmlNode *root = dav->document ? xmlDocGetRootElement(dav->document) : NULL;
    bool query = dav_xml_is(root, NS_CALDAV, "calendar-query");
    if (!query && !dav_xml_is(root, NS_CALDAV, "calendar-multiget")) {
        dav_refuse(dav, 403, "D:supported-report", "the scheduling inbox has no such report");
        return;
    }
    Showing showing = {.prop = dav_xml_child(root, NS_DAV, "prop")};
    GString *out = g_string_new(NULL);
    dav_xml_open(out, "D:multistatus");
    if (query ? put_found(dav, out, &showing) : put_hrefs(dav, out, &showing))
        dav_answer_multistatus(dav, out);
    else
        g_string_free(out, TRUE);
}
