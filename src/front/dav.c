/* dav: the routes of CalDAV, and what each request begins and ends with.
 *
 * How it fits: front/http.c finds the route and the person; here the path finds the resource, and
 * the method's own file does the rest. Failures: another person's path is 403, what is not there
 * 404; the store's as problems. Known weak point: a segment that is an alias is answered with hrefs
 * of the address that the person logged in with.
 */
#include "front/dav.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"
#include "model/account.h"

#include "front/dav_xml.h"

/* ADDRESS, "inbox" or "outbox", and of the inbox LETTER. */
static bool find_scheduling(Dav *dav, char **at, unsigned count)
{
    if (!dav->settings->scheduling || count < 2 || count > 3)
        return false;
    dav->address = at[0];
    dav->object_name = count > 2 ? at[2] : NULL;
    if (strcmp(at[1], "inbox") == 0)
        dav->kind = dav->object_name ? DAV_LETTER : DAV_INBOX;
    else if (strcmp(at[1], "outbox") == 0 && !dav->object_name)
        dav->kind = DAV_OUTBOX;
    else
        return false;
    return true;
}

/* ADDRESS, CALENDAR, OBJECT. */
static bool find_calendars(Dav *dav, char **at, unsigned count)
{
    static const DavKind kinds[] = {DAV_HOME, DAV_CALENDAR, DAV_OBJECT};
    if (count < 1 || count > G_N_ELEMENTS(kinds))
        return false;
    dav->address = at[0];
    dav->calendar_name = count > 1 ? at[1] : NULL;
    dav->object_name = count > 2 ? at[2] : NULL;
    dav->kind = kinds[count - 1];
    return true;
}

/* "dav", "calendars" or another part, and what follows; empty ones at the end do not count. */
static bool find_kind(Dav *dav)
{
    char **at = dav->call->segments;
    unsigned count = g_strv_length(at);
    while (count > 1 && !*at[count - 1])
        count--;
    if (count == 1) {
        dav->kind = DAV_ROOT;
        return true;
    }
    if (strcmp(at[1], "calendars") == 0)
        return find_calendars(dav, at + 2, count - 2);
    if (strcmp(at[1], "scheduling") == 0)
        return find_scheduling(dav, at + 2, count - 2);
    dav->kind = DAV_PRINCIPAL;
    dav->address = count == 3 ? at[2] : NULL;
    return strcmp(at[1], "principals") == 0 && count == 3;
}

/* A client that reads calendar-auto-schedule leaves invitations to us. */
static void add_classes(HttpCall *call)
{
    http_answer_add_header(call->answer, "DAV",
                           call->house->dav->scheduling
                               ? "1, 3, extended-mkcol, calendar-access, calendar-auto-schedule"
                               : "1, 3, extended-mkcol, calendar-access");
}

bool dav_init(Dav *dav, HttpCall *call)
{
    const char *depth;
    *dav = (Dav){.call = call, .settings = call->house->dav};
    add_classes(call);
    depth = dav_field(call, "Depth");
    dav->depth = !depth || strcmp(depth, "infinity") == 0 ? 2 : *depth == '1';
    if (find_kind(dav))
        return true;
    http_answer_problem(call->answer, 404, "there is nothing at this path");
    return false;
}

void dav_clear(Dav *dav)
{
    if (dav->call->db)
        db_rollback(dav->call->db);
    calendar_free(dav->calendar);
    if (dav->document)
        xmlFreeDoc(dav->document);
}

bool dav_read_xml(Dav *dav)
{
    const HttpRequest *request = dav->call->request;
    g_autoptr(GError) error = NULL;
    if (!request->body_size)
        return true;
    dav->document = dav_xml_parse(request->body, request->body_size, &error);
    if (!dav->document)
        http_answer_problem(dav->call->answer, 400, "%s", error->message);
    return dav->document != NULL;
}

void dav_fail(Dav *dav, const GError *error)
{
    http_answer_error(dav->call->answer, error);
}

/* The address of the path is the person's own. */
static bool check_person(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    int64_t account = 0;
    if (!dav->address || g_ascii_strcasecmp(dav->address, dav->call->person) == 0)
        return true;
    if (account_resolve(dav->call->db, dav->address, &account, &error)) {
        if (account == dav->call->account)
            return true;
    } else if (error_kind(error) != ERROR_GONE && error_kind(error) != ERROR_REJECT) {
        dav_fail(dav, error);
        return false;
    }
    /* Whether there is such an address is not told. */
    http_answer_problem(dav->call->answer, 403, "this is another person's");
    return false;
}

bool dav_open(Dav *dav, DbMode mode)
{
    g_autoptr(GError) error = NULL;
    Db *db = dav->call->db;
    if (!db_begin(db, mode, &error)) {
        dav_fail(dav, error);
        return false;
    }
    if (!check_person(dav))
        return false;
    if (!dav->calendar_name)
        return true;
    dav->calendar = calendar_find(db, dav->call->account, dav->calendar_name, &error);
    if (dav->calendar || error_kind(error) == ERROR_GONE)
        return true;
    dav_fail(dav, error);
    return false;
}

bool dav_commit(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    if (db_commit(dav->call->db, &error) == DB_DONE)
        return true;
    dav_fail(dav, error);
    return false;
}

void dav_refuse(Dav *dav, unsigned status, const char *condition, const char *detail)
{
    HttpAnswer *answer = dav->call->answer;
    g_string_truncate(answer->body, 0);
    answer->status = status;
    answer->type = "application/xml; charset=utf-8";
    dav_xml_open(answer->body, "D:error");
    g_string_append_printf(answer->body, "<%s/><D:responsedescription>", condition);
    dav_xml_put(answer->body, detail);
    g_string_append(answer->body, "</D:responsedescription></D:error>\n");
}

const Zone *dav_zone(const Dav *dav)
{
    return calendar_zone(dav->calendar, dav->settings->zone);
}

char *dav_path(const Dav *dav, DavKind kind, const char *calendar, const char *object)
{
    const char *person = dav->call->person;
    switch (kind) {
    case DAV_ROOT:
        return g_strdup("/dav/");
    case DAV_PRINCIPAL:
        return g_strdup_printf("/dav/principals/%s/", person);
    case DAV_HOME:
        return g_strdup_printf("/dav/calendars/%s/", person);
    case DAV_CALENDAR:
        return g_strdup_printf("/dav/calendars/%s/%s/", person, calendar);
    case DAV_OBJECT:
        return g_strdup_printf("/dav/calendars/%s/%s/%s", person, calendar, object);
    case DAV_INBOX:
        return g_strdup_printf("/dav/scheduling/%s/inbox/", person);
    case DAV_OUTBOX:
        return g_strdup_printf("/dav/scheduling/%s/outbox/", person);
    case DAV_LETTER:
        return g_strdup_printf("/dav/scheduling/%s/inbox/%s", person, object);
    }
    return NULL;
}

void dav_answer_multistatus(Dav *dav, GString *take)
{
    HttpAnswer *answer = dav->call->answer;
    g_string_append(take, "</D:multistatus>\n");
    answer->status = 207;
    answer->type = "application/xml; charset=utf-8";
    g_string_free(answer->body, TRUE);
    answer->body = take;
}

/* ---- routes */

static void run_options(HttpCall *call)
{
    add_classes(call);
    http_answer_add_header(call->answer, "Allow",
                           "OPTIONS, GET, HEAD, PUT, DELETE, POST, PROPFIND, PROPPATCH, REPORT, "
                           "MKCALENDAR, MKCOL, MOVE, COPY");
    call->answer->status = 200;
}

/* RFC 6764: a client that knows the host alone begins here, with whatever method it likes. */
static void run_well_known(HttpCall *call)
{
    http_answer_add_header(call->answer, "Location", "/dav/");
    call->answer->status = 301;
}

#define XML "application/xml text/xml"
#define DAV_ROUTE_AT(where, verb, what, media, most)                                               \
    {                                                                                              \
        .method = verb, .path = where, .store = HTTP_STORE_NEEDED, .access = HTTP_FOR_PERSON,      \
        .run = what, .types = media, .body_max = most                                              \
    }
#define DAV_ROUTE(verb, what, media, most) DAV_ROUTE_AT("/dav/{*}", verb, what, media, most)
static const HttpRoute rows[] = {
    {.method = "GET", .path = "/.well-known/caldav", .run = run_well_known},
    {.method = "PROPFIND", .path = "/.well-known/caldav", .run = run_well_known, .types = "*"},
    {.method = "OPTIONS", .path = "/dav/{*}", .run = run_options},
    {.method = "OPTIONS", .path = "/dav", .run = run_options},
    DAV_ROUTE("PROPFIND", dav_run_propfind, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE_AT("/dav", "PROPFIND", dav_run_propfind, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE("PROPPATCH", dav_run_proppatch, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE("MKCALENDAR", dav_run_mkcalendar, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE("MKCOL", dav_run_mkcalendar, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE("REPORT", dav_run_report, XML, DAV_XML_BYTES_MAX),
    DAV_ROUTE("GET", dav_run_get, NULL, 0),
    DAV_ROUTE("PUT", dav_run_put, "*", DAV_OBJECT_BYTES_MAX),
    DAV_ROUTE("DELETE", dav_run_delete, "*", 0),
    DAV_ROUTE("MOVE", dav_run_move, "*", 0),
    DAV_ROUTE("COPY", dav_run_copy, "*", 0),
    DAV_ROUTE("POST", dav_run_post, "text/calendar", DAV_OBJECT_BYTES_MAX),
};
const HttpRoute *const dav_routes[] = {
    &rows[0], &rows[1],  &rows[2],  &rows[3],  &rows[4],  &rows[5],  &rows[6],  &rows[7], &rows[8],
    &rows[9], &rows[10], &rows[11], &rows[12], &rows[13], &rows[14], &rows[15], NULL};
