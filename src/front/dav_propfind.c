/* dav_propfind: PROPFIND (RFC 4918 section 9.1): what there is, and what it is like.
 *
 * How it fits: clients find the principal, the home, calendars and etags with it. Depth infinity
 * counts as 1, which section 9.1 allows a server to say by 403; clients that ask for it mean 1.
 * Failures: 404, the store's. A person who has no calendar gets one when the home is asked for.
 */
#include "base/error.h"
#include "base/limits_dav.h"

#include "front/dav.h"
#include "front/dav_xml.h"

/* The person's first look: makes the default calendar in a transaction of its own. */
static bool ensure_calendar(Dav *dav)
{
    g_autoptr(GError) error = NULL;
    Db *db = dav->call->db;
    bool made = false;
    if (db_begin(db, DB_WRITE, &error) && calendar_ensure(db, dav->call->account, &made, &error) &&
        (!made || db_commit(db, &error) == DB_DONE)) {
        db_rollback(db);
        return true;
    }
    db_rollback(db);
    dav_fail(dav, error);
    return false;
}

static bool put_calendars(Dav *dav, GString *out, const xmlNode *prop, bool names)
{
    g_autoptr(GError) error = NULL;
    Db *db = dav->call->db;
    g_autoptr(GPtrArray) list = calendar_list(db, dav->call->account, &error);
    if (list && !list->len) {
        db_rollback(db);
        if (!ensure_calendar(dav) || !dav_open(dav, DB_READ))
            return false;
        g_ptr_array_unref(list);
        list = calendar_list(db, dav->call->account, &error);
    }
    if (!list) {
        dav_fail(dav, error);
        return false;
    }
    for (unsigned i = 0; i < list->len; i++) {
        DavResource one = {.dav = dav, .kind = DAV_CALENDAR, .calendar = list->pdata[i]};
        dav_put_response(out, &one, prop, names);
    }
    return true;
}

static bool put_objects(Dav *dav, GString *out, const xmlNode *prop, bool names)
{
    g_autoptr(GError) error = NULL;
    CalendarAsk ask = {.calendar = dav->calendar->id,
                       .from = INT64_MIN,
                       .to = INT64_MAX,
                       .limit = DAV_PAGE_OBJECTS,
                       .with_data = dav_asks_for_data(prop)};
    for (bool more = true; more;) {
        g_autoptr(GPtrArray) page =
            calendar_object_list(dav->call->db, dav->call->account, &ask, &error);
        if (!page) {
            dav_fail(dav, error);
            return false;
        }
        for (unsigned i = 0; i < page->len; i++) {
            const CalendarObject *object = page->pdata[i];
            DavResource one = {
                .dav = dav, .kind = DAV_OBJECT, .calendar = dav->calendar, .object = object};
            dav_put_response(out, &one, prop, names);
            ask.after = object->id;
        }
        more = page->len == DAV_PAGE_OBJECTS;
        if (out->len > DAV_ANSWER_BYTES_MAX) {
            http_answer_problem(dav->call->answer, 507, "the answer is over %d bytes: ask for less",
                                DAV_ANSWER_BYTES_MAX);
            return false;
        }
    }
    return true;
}

/* The resource of the path itself, and its members at depth 1. */
static bool put_all(Dav *dav, GString *out, const xmlNode *prop, bool names)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CalendarObject) object = NULL;
    if (dav->calendar_name && !dav->calendar) {
        http_answer_problem(dav->call->answer, 404, "there is no such calendar");
        return false;
    }
    if (dav->kind == DAV_OBJECT) {
        object = calendar_object_find(dav->call->db, dav->call->account, dav->calendar->id,
                                      dav->object_name, &error);
        if (!object) {
            dav_fail(dav, error);
            return false;
        }
    }
    if (dav->kind == DAV_LETTER)
        return dav_put_letter(dav, out, prop, names);
    DavResource self = {.dav = dav, .kind = dav->kind, .calendar = dav->calendar, .object = object};
    dav_put_response(out, &self, prop, names);
    if (dav->depth == 0)
        return true;
    if (dav->kind == DAV_HOME)
        return put_calendars(dav, out, prop, names);
    if (dav->kind == DAV_INBOX)
        return dav_put_letters(dav, out, prop, names);
    return dav->kind != DAV_CALENDAR || put_objects(dav, out, prop, names);
}

void dav_run_propfind(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    if (!dav_init(&dav, call) || !dav_read_xml(&dav) || !dav_open(&dav, DB_READ))
        return;
    const xmlNode *root = dav.document ? xmlDocGetRootElement(dav.document) : NULL;
    if (root && !dav_xml_is(root, NS_DAV, "propfind")) {
        http_answer_problem(call->answer, 400, "a PROPFIND has a DAV:propfind in its body");
        return;
    }
    const xmlNode *prop = root ? dav_xml_child(root, NS_DAV, "prop") : NULL;
    bool names = root && dav_xml_child(root, NS_DAV, "propname");
    GString *out = g_string_new(NULL);
    dav_xml_open(out, "D:multistatus");
    if (put_all(&dav, out, prop, names))
        dav_answer_multistatus(&dav, out);
    else
        g_string_free(out, TRUE);
}
