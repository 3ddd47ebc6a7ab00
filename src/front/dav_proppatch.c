/* dav_proppatch: PROPPATCH (RFC 4918 section 9.2), MKCALENDAR (RFC 4791 section 5.3.1) and extended
 * MKCOL (RFC 5689): what a calendar is called and looks like.
 *
 * How it fits: the three read the same sets of properties into a Calendar, which model/calendar.c
 * writes. All or nothing: where one property cannot be set, none is, and the answer says which.
 * Failures: 403 for such properties, 405 for a calendar that is there already, 409 below no home.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"
#include "content/default_alarm.h"

#include "front/dav.h"
#include "front/dav_xml.h"

static void take(char **field, char *take_text)
{
    g_free(*field);
    *field = take_text;
}

/* The name in tzdata of the VTIMEZONE's TZID; "" where nobody knows it. */
static char *zone_of_text(const char *text)
{
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", 200);
    for (unsigned i = 0; lines[i]; i++) {
        if (g_ascii_strncasecmp(lines[i], "TZID:", 5) != 0)
            continue;
        const Zone *zone = zone_find(g_strstrip(lines[i] + 5));
        char *name = g_strdup(zone ? zone_name(zone) : "");
        zone_unref(zone);
        return name;
    }
    return g_strdup("");
}

static unsigned read_kinds(const xmlNode *property)
{
    unsigned kinds = 0;
    for (xmlNode *each = dav_xml_first(property); each; each = dav_xml_next(each)) {
        g_autofree char *name = dav_xml_attribute(each, "name");
        IcalendarKind kind = name ? icalendar_kind_of_name(name) : 0;
        if (kind && kind != ICALENDAR_FREEBUSY)
            kinds |= kind;
    }
    return kinds;
}

static bool set_alarms(char **field, const char *value)
{
    bool right = default_alarm_is_valid(value);
    if (right)
        take(field, g_strdup(value));
    return right;
}

/* False: this property cannot be set. `text` NULL: it is removed. */
static bool set_property(Calendar *calendar, const xmlNode *property, const char *text, bool is_new)
{
    const char *value = text ? text : "";
    gint64 number = 0;
    if (dav_xml_is(property, NS_DAV, "displayname"))
        take(&calendar->title, g_strdup(value));
    else if (dav_xml_is(property, NS_APPLE, "calendar-color"))
        take(&calendar->color, g_strdup(value));
    else if (dav_xml_is(property, NS_CALDAV, "calendar-description"))
        take(&calendar->description, g_strdup(value));
    else if (dav_xml_is(property, NS_CALDAV, "default-alarm-vevent-datetime"))
        return set_alarms(&calendar->alarms, value);
    else if (dav_xml_is(property, NS_CALDAV, "default-alarm-vevent-date"))
        return set_alarms(&calendar->day_alarms, value);
    else if (dav_xml_is(property, NS_CALDAV, "schedule-calendar-transp"))
        calendar->transparent = dav_xml_child(property, NS_CALDAV, "transparent") != NULL;
    else if (dav_xml_is(property, NS_CALDAV, "calendar-timezone")) {
        take(&calendar->zone_text, g_strdup(value));
        take(&calendar->zone, zone_of_text(value));
    } else if (dav_xml_is(property, NS_APPLE, "calendar-order")) {
        if (*value && !g_ascii_string_to_signed(value, 10, 0, INT32_MAX, &number, NULL))
            return false;
        calendar->position = number;
    } else if (is_new && dav_xml_is(property, NS_CALDAV, "supported-calendar-component-set")) {
        calendar->kinds = read_kinds(property);
        return calendar->kinds != 0;
    } else if (is_new && dav_xml_is(property, NS_DAV, "resourcetype")) {
        return dav_xml_child(property, NS_CALDAV, "calendar") != NULL;
    } else {
        return false;
    }
    return true;
}

/* Sets all; the names of those that could not be set go to `bad`, of the others to `good`. */
static void set_all(Calendar *calendar, const xmlNode *root, bool is_new, GString *good,
                    GString *bad)
{
    unsigned count = 0;
    for (xmlNode *set = dav_xml_first(root); set; set = dav_xml_next(set)) {
        bool removes = dav_xml_is(set, NS_DAV, "remove");
        const xmlNode *prop = dav_xml_child(set, NS_DAV, "prop");
        if (!removes && !dav_xml_is(set, NS_DAV, "set"))
            continue;
        for (xmlNode *each = dav_xml_first(prop); each; each = dav_xml_next(each)) {
            g_autofree char *text = removes ? NULL : dav_xml_text(each);
            bool right = ++count <= DAV_PROPS_MAX && set_property(calendar, each, text, is_new);
            GString *out = right ? good : bad;
            g_string_append_c(out, '<');
            dav_xml_put_name(out, each->ns && each->ns->href ? (const char *)each->ns->href : "",
                             (const char *)each->name, false);
            g_string_append(out, "/>");
        }
    }
}

static void put_status(GString *out, const char *names, const char *status)
{
    if (*names)
        g_string_append_printf(out,
                               "<D:propstat><D:prop>%s</D:prop><D:status>HTTP/1.1 %s</D:status>"
                               "</D:propstat>",
                               names, status);
}

/* 207 with what became of each property. */
static void answer_properties(Dav *dav, const GString *good, const GString *bad)
{
    GString *out = g_string_new(NULL);
    g_autofree char *path = dav_path(dav, DAV_CALENDAR, dav->calendar_name, NULL);
    dav_xml_open(out, "D:multistatus");
    g_string_append(out, "<D:response><D:href>");
    dav_xml_put_path(out, path);
    g_string_append(out, "</D:href>");
    put_status(out, good->str, bad->len ? "424 Failed Dependency" : "200 OK");
    put_status(out, bad->str, "403 Forbidden");
    g_string_append(out, "</D:response>");
    dav_answer_multistatus(dav, out);
}

void dav_run_proppatch(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) good = g_string_new(NULL);
    g_autoptr(GString) bad = g_string_new(NULL);
    if (!dav_init(&dav, call) || !dav_read_xml(&dav) || !dav_open(&dav, DB_WRITE))
        return;
    const xmlNode *root = dav.document ? xmlDocGetRootElement(dav.document) : NULL;
    if (!dav_xml_is(root, NS_DAV, "propertyupdate")) {
        http_answer_problem(call->answer, 400, "a PROPPATCH has a DAV:propertyupdate in its body");
        return;
    }
    if (dav.kind != DAV_CALENDAR || !dav.calendar) {
        http_answer_problem(call->answer, dav.kind == DAV_CALENDAR ? 404 : 403,
                            "only a calendar has properties that can be set");
        return;
    }
    set_all(dav.calendar, root, false, good, bad);
    if (!bad->len && (!calendar_set(call->db, dav.calendar, &error) || !dav_commit(&dav))) {
        if (error)
            dav_fail(&dav, error);
        return;
    }
    if (!bad->len)
        dav_wake();
    answer_properties(&dav, good, bad);
}

void dav_run_mkcalendar(HttpCall *call)
{
    g_auto(Dav) dav = {.call = call};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) good = g_string_new(NULL);
    g_autoptr(GString) bad = g_string_new(NULL);
    if (!dav_init(&dav, call) || !dav_read_xml(&dav) || !dav_open(&dav, DB_WRITE))
        return;
    if (dav.kind != DAV_CALENDAR || dav.calendar) {
        http_answer_problem(call->answer, dav.calendar ? 405 : 403,
                            "a calendar is made below the home, where there is none of its name");
        return;
    }
    const xmlNode *root = dav.document ? xmlDocGetRootElement(dav.document) : NULL;
    bool plain = strcmp(call->request->method, "MKCOL") == 0 && !root;
    dav.calendar = calendar_new(dav.calendar_name);
    dav.calendar->account = call->account;
    if (root)
        set_all(dav.calendar, root, true, good, bad);
    if (plain || bad->len) {
        if (plain)
            dav_refuse(&dav, 403, "D:valid-resourcetype", "only calendars can be made here");
        else
            answer_properties(&dav, good, bad);
        return;
    }
    if (!calendar_add(call->db, dav.calendar, &error)) {
        dav_fail(&dav, error);
        return;
    }
    if (!dav_commit(&dav))
        return;
    dav_wake();
    call->answer->status = 201;
}
