/* dav_report: REPORT: multiget (RFC 4791 section 7.9) and sync-collection (RFC 6578);
 * calendar-query is dav_query.c's, free-busy-query dav_busy.c's, those of the scheduling inbox are
 * dav_inbox.c's.
 *
 * How it fits: clients keep up with these. A sync token is the calendar's id and the number of a
 * change in the account's log; what became of its objects since is in their own rows and in
 * calendar_gone, whatever else the log has. Failures: an old token is 403 valid-sync-token, and the
 * client begins anew.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"

#include "front/dav.h"
#include "front/dav_xml.h"
#include "front/http_parse.h"

static void put_gone(GString *out, const char *path)
{
    g_string_append(out, "<D:response><D:href>");
    dav_xml_put_path(out, path);
    g_string_append(out, "</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>");
}

/* The object that an href names, in the calendar of the request; NULL: the name of none. */
static char *name_of_href(const Dav *dav, const char *href)
{
    const char *path = strstr(href, "://");
    path = path ? strchr(path + 3, '/') : href;
    g_auto(GStrv) parts = path ? http_path_parse(path, strlen(path)) : NULL;
    if (!parts || g_strv_length(parts) != 5 || strcmp(parts[3], dav->calendar_name) != 0)
        return NULL;
    return g_strdup(parts[4]);
}

static bool put_href(Dav *dav, GString *out, const char *href, const xmlNode *prop)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = name_of_href(dav, href);
    g_autoptr(CalendarObject) object = name
                                           ? calendar_object_find(dav->call->db, dav->call->account,
                                                                  dav->calendar->id, name, &error)
                                           : NULL;
    if (object) {
        DavResource one = {
            .dav = dav, .kind = DAV_OBJECT, .calendar = dav->calendar, .object = object};
        dav_put_response(out, &one, prop, false);
    } else if (!name || error_kind(error) == ERROR_GONE) {
        g_autofree char *decoded = http_decode(href, strlen(href), false);
        put_gone(out, decoded ? decoded : href);
    } else {
        dav_fail(dav, error);
        return false;
    }
    return true;
}

static void report_multiget(Dav *dav)
{
    const xmlNode *root = xmlDocGetRootElement(dav->document);
    const xmlNode *prop = dav_xml_child(root, NS_DAV, "prop");
    GString *out = g_string_new(NULL);
    unsigned count = 0;
    bool good = true;
    dav_xml_open(out, "D:multistatus");
    for (xmlNode *each = dav_xml_first(root); each && good; each = dav_xml_next(each)) {
        if (!dav_xml_is(each, NS_DAV, "href"))
            continue;
        g_autofree char *href = dav_xml_text(each);
        if (++count > DAV_HREFS_MAX || out->len > DAV_ANSWER_BYTES_MAX) {
            http_answer_problem(dav->call->answer, 507, "too much for one answer: ask for less");
            good = false;
        } else {
            good = put_href(dav, out, href, prop);
        }
    }
    if (good)
        dav_answer_multistatus(dav, out);
    else
        g_string_free(out, TRUE);
}

/* "" is the beginning. False: it is none of this calendar, or what was since is not known any more.
 */
static bool read_token(Dav *dav, const char *text, int64_t *ret_since)
{
    g_autoptr(GError) error = NULL;
    int64_t newest = 0, floor = 0;
    g_autofree char *own =
        g_strdup_printf("urn:rota:sync:%" G_GINT64_FORMAT ":", dav->calendar->id);
    guint64 since = 0;
    *ret_since = 0;
    if (!*text)
        return true;
    bool right = g_str_has_prefix(text, own) &&
                 g_ascii_string_to_unsigned(text + strlen(own), 10, 0, INT64_MAX, &since, NULL);
    if (right && !calendar_state(dav->call->db, dav->call->account, &newest, &floor, &error)) {
        dav_fail(dav, error);
        return false;
    }
    *ret_since = (int64_t)since;
    /* The token of a calendar where nothing happens is older than the log: it is still the newest.
     */
    if (right && *ret_since <= newest &&
        (*ret_since >= floor || *ret_since == dav->calendar->changed_seq))
        return true;
    dav_refuse(dav, 403, "D:valid-sync-token", "begin anew, with an empty token");
    return false;
}

static bool put_change(Dav *dav, GString *out, const CalendarChange *change, const xmlNode *prop)
{
    g_autoptr(GError) error = NULL;
    if (change->gone) {
        g_autofree char *path = dav_path(dav, DAV_OBJECT, dav->calendar->name, change->name);
        put_gone(out, path);
        return true;
    }
    g_autoptr(CalendarObject) object = calendar_object_find(
        dav->call->db, dav->call->account, dav->calendar->id, change->name, &error);
    if (!object) {
        dav_fail(dav, error);
        return false;
    }
    DavResource one = {.dav = dav, .kind = DAV_OBJECT, .calendar = dav->calendar, .object = object};
    dav_put_response(out, &one, prop, false);
    return true;
}

/* A name that went and came back is told once, as what it is last. */
static GHashTable *names_that_stay(const GPtrArray *changes)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < changes->len; i++) {
        const CalendarChange *change = changes->pdata[i];
        g_hash_table_insert(names, change->name, changes->pdata[i]);
    }
    return names;
}

/* *count goes down to what has room in one answer. */
static bool put_changes(Dav *dav, GString *out, const GPtrArray *changes, unsigned *count,
                        const xmlNode *prop)
{
    g_autoptr(GHashTable) last = names_that_stay(changes);
    for (unsigned i = 0; i < *count; i++) {
        CalendarChange *change = changes->pdata[i];
        if (g_hash_table_lookup(last, change->name) == change &&
            !put_change(dav, out, change, prop))
            return false;
        if (out->len > DAV_ANSWER_BYTES_MAX)
            *count = i + 1;
    }
    return true;
}

static void report_sync(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    const xmlNode *root = xmlDocGetRootElement(dav->document);
    g_autofree char *token = dav_xml_text(dav_xml_child(root, NS_DAV, "sync-token"));
    g_autofree char *limit =
        dav_xml_text(dav_xml_child(dav_xml_child(root, NS_DAV, "limit"), NS_DAV, "nresults"));
    guint64 most = DAV_HREFS_MAX;
    int64_t since;
    if (*limit)
        g_ascii_string_to_unsigned(limit, 10, 1, DAV_HREFS_MAX, &most, NULL);
    if (!read_token(dav, token, &since))
        return;
    g_autoptr(GPtrArray) changes = calendar_object_changes(
        dav->call->db, dav->call->account, dav->calendar->id, since, (unsigned)most + 1, &error);
    if (!changes) {
        dav_fail(dav, error);
        return;
    }
    GString *out = g_string_new(NULL);
    unsigned count = MIN(changes->len, (unsigned)most);
    int64_t reached = dav->calendar->changed_seq;
    dav_xml_open(out, "D:multistatus");
    if (!put_changes(dav, out, changes, &count, dav_xml_child(root, NS_DAV, "prop"))) {
        g_string_free(out, TRUE);
        return;
    }
    if (changes->len > count) { /* RFC 6578 section 3.6: the rest with the next token */
        g_autofree char *path = dav_path(dav, DAV_CALENDAR, dav->calendar->name, NULL);
        reached = ((CalendarChange *)changes->pdata[count - 1])->seq;
        g_string_append(out, "<D:response><D:href>");
        dav_xml_put_path(out, path);
        g_string_append(out,
                        "</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status>"
                        "<D:error><D:number-of-matches-within-limits/></D:error></D:response>");
    }
    g_string_append_printf(
        out, "<D:sync-token>urn:rota:sync:%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT "</D:sync-token>",
        dav->calendar->id, reached);
    dav_answer_multistatus(dav, out);
}

void dav_run_report(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    if (!dav_init(&dav, call) || !dav_read_xml(&dav) || !dav_open(&dav, DB_READ))
        return;
    const xmlNode *root = dav.document ? xmlDocGetRootElement(dav.document) : NULL;
    if (dav.kind == DAV_INBOX) {
        dav_report_inbox(&dav);
        return;
    }
    if (dav.kind != DAV_CALENDAR || !dav.calendar) {
        http_answer_problem(call->answer, dav.kind == DAV_CALENDAR ? 404 : 403,
                            "only a calendar has reports");
        return;
    }
    if (dav_xml_is(root, NS_CALDAV, "calendar-query"))
        dav_report_query(&dav);
    else if (dav_xml_is(root, NS_CALDAV, "calendar-multiget"))
        report_multiget(&dav);
    else if (dav_xml_is(root, NS_CALDAV, "free-busy-query"))
        dav_report_busy(&dav);
    else if (dav_xml_is(root, NS_DAV, "sync-collection"))
        report_sync(&dav);
    else
        dav_refuse(&dav, 403, "D:supported-report", "there is no such report");
}
