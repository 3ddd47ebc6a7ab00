/* dav_props: the properties of resources.
 *
 * How it fits: PROPFIND, REPORT and the answers of PROPPATCH write responses with it. A property is
 * a row of the table: where it lives, whether "all" tells it, and what writes it. Failures: none; a
 * property that is not there is 404 in its response. Known weak point: dead properties (those that
 * mean nothing to us) are not kept, and PROPPATCH says so.
 */
#include <string.h>

#include "base/limits_calendar.h"
#include "base/limits_dav.h"
#include "model/imip_inbox.h"
#include "model/invitation.h"

#include "front/dav.h"
#include "front/dav_xml.h"

typedef bool (*Write)(GString *out, const DavResource *resource);

static void put_href(GString *out, const Dav *dav, DavKind kind)
{
    g_autofree char *path = dav_path(dav, kind, NULL, NULL);
    g_string_append(out, "<D:href>");
    dav_xml_put_path(out, path);
    g_string_append(out, "</D:href>");
}

static bool put_type(GString *out, const DavResource *resource)
{
    static const char *const types[] = {
        [DAV_ROOT] = "<D:collection/>",
        [DAV_PRINCIPAL] = "<D:collection/><D:principal/>",
        [DAV_HOME] = "<D:collection/>",
        [DAV_CALENDAR] = "<D:collection/><C:calendar/>",
        [DAV_OBJECT] = "",
        [DAV_INBOX] = "<D:collection/><C:schedule-inbox/>",
        [DAV_OUTBOX] = "<D:collection/><C:schedule-outbox/>",
        [DAV_LETTER] = "",
    };
    g_string_append(out, types[resource->kind]);
    return true;
}

static bool put_title(GString *out, const DavResource *resource)
{
    if (resource->kind == DAV_CALENDAR) {
        dav_xml_put(out, resource->calendar->title);
        return *resource->calendar->title != '\0';
    }
    dav_xml_put(out, resource->dav->call->person);
    return resource->kind != DAV_ROOT;
}

static bool put_principal(GString *out, const DavResource *resource)
{
    put_href(out, resource->dav, DAV_PRINCIPAL);
    return true;
}

static bool put_principals(GString *out, const DavResource *resource)
{
    (void)resource;
    g_string_append(out, "<D:href>/dav/principals/</D:href>");
    return true;
}

static bool put_home(GString *out, const DavResource *resource)
{
    put_href(out, resource->dav, DAV_HOME);
    return true;
}

static bool put_addresses(GString *out, const DavResource *resource)
{
    const HttpCall *call = resource->dav->call;
    g_autoptr(GPtrArray) own = imip_addresses(call->db, call->account, NULL);
    for (unsigned i = 0; own && i < own->len; i++) {
        g_string_append(out, "<D:href>mailto:");
        dav_xml_put(out, own->pdata[i]);
        g_string_append(out, "</D:href>");
    }
    put_href(out, resource->dav, DAV_PRINCIPAL);
    return own != NULL;
}

static bool put_inbox(GString *out, const DavResource *resource)
{
    put_href(out, resource->dav, DAV_INBOX);
    return resource->dav->settings->scheduling;
}

static bool put_outbox(GString *out, const DavResource *resource)
{
    put_href(out, resource->dav, DAV_OUTBOX);
    return resource->dav->settings->scheduling;
}

static bool put_user_type(GString *out, const DavResource *resource)
{
    (void)resource;
    g_string_append(out, "INDIVIDUAL");
    return true;
}

/* Where imip-processing puts an invitation to an event that is new. */
static bool put_default_calendar(GString *out, const DavResource *resource)
{
    const HttpCall *call = resource->dav->call;
    g_autoptr(GPtrArray) list = calendar_list(call->db, call->account, NULL);
    for (unsigned i = 0; list && i < list->len; i++) {
        const Calendar *calendar = list->pdata[i];
        if (!(calendar->kinds & ICALENDAR_EVENT))
            continue;
        g_autofree char *path = dav_path(resource->dav, DAV_CALENDAR, calendar->name, NULL);
        g_string_append(out, "<D:href>");
        dav_xml_put_path(out, path);
        g_string_append(out, "</D:href>");
        return true;
    }
    return false;
}

static bool put_inbox_state(GString *out, const DavResource *resource)
{
    const HttpCall *call = resource->dav->call;
    g_autofree char *state = imip_inbox_state(call->db, call->account, NULL);
    g_string_append_printf(out, "\"%s\"", state ? state : "");
    return state != NULL;
}

static bool put_privileges(GString *out, const DavResource *resource)
{
    static const char *const all[] = {
        "D:all",           "D:read", "D:write",  "D:write-properties",
        "D:write-content", "D:bind", "D:unbind", "D:read-current-user-privilege-set"};
    static const char *const inbox[] = {"D:read", "D:unbind", "D:read-current-user-privilege-set"};
    static const char *const outbox[] = {"D:read", "C:schedule-send", "C:schedule-send-freebusy",
                                         "D:read-current-user-privilege-set"};
    bool in = resource->kind == DAV_INBOX || resource->kind == DAV_LETTER;
    const char *const *mine = in ? inbox : resource->kind == DAV_OUTBOX ? outbox : all;
    size_t count = in                             ? G_N_ELEMENTS(inbox)
                   : resource->kind == DAV_OUTBOX ? G_N_ELEMENTS(outbox)
                                                  : G_N_ELEMENTS(all);
    for (size_t i = 0; i < count; i++)
        g_string_append_printf(out, "<D:privilege><%s/></D:privilege>", mine[i]);
    return true;
}

static bool put_reports(GString *out, const DavResource *resource)
{
    static const char *const all[] = {"C:calendar-query", "C:calendar-multiget",
                                      "C:free-busy-query", "D:sync-collection"};
    unsigned count = resource->kind == DAV_CALENDAR ? G_N_ELEMENTS(all)
                     : resource->kind == DAV_INBOX  ? 2
                                                    : 0;
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(
            out, "<D:supported-report><D:report><%s/></D:report></D:supported-report>", all[i]);
    return true;
}

static bool put_color(GString *out, const DavResource *resource)
{
    dav_xml_put(out, resource->calendar->color);
    return *resource->calendar->color != '\0';
}

static bool put_position(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "%" G_GINT64_FORMAT, resource->calendar->position);
    return true;
}

static bool put_description(GString *out, const DavResource *resource)
{
    dav_xml_put(out, resource->calendar->description);
    return *resource->calendar->description != '\0';
}

static bool put_zone(GString *out, const DavResource *resource)
{
    dav_xml_put(out, resource->calendar->zone_text);
    return *resource->calendar->zone_text != '\0';
}

static bool put_alarms(GString *out, const DavResource *resource)
{
    dav_xml_put(out, resource->calendar->alarms);
    return *resource->calendar->alarms != '\0';
}

static bool put_day_alarms(GString *out, const DavResource *resource)
{
    dav_xml_put(out, resource->calendar->day_alarms);
    return *resource->calendar->day_alarms != '\0';
}

static bool put_transparent(GString *out, const DavResource *resource)
{
    g_string_append(out, resource->calendar->transparent ? "<C:transparent/>" : "<C:opaque/>");
    return true;
}

static bool put_kinds(GString *out, const DavResource *resource)
{
    for (unsigned kind = ICALENDAR_EVENT; kind <= ICALENDAR_JOURNAL; kind *= 2)
        if (resource->calendar->kinds & kind)
            g_string_append_printf(out, "<C:comp name=\"%s\"/>",
                                   icalendar_kind_name((IcalendarKind)kind));
    return true;
}

static bool put_media(GString *out, const DavResource *resource)
{
    (void)resource;
    g_string_append(out, "<C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/>");
    return true;
}

static bool put_collations(GString *out, const DavResource *resource)
{
    (void)resource;
    g_string_append(out, "<C:supported-collation>i;ascii-casemap</C:supported-collation>"
                         "<C:supported-collation>i;octet</C:supported-collation>");
    return true;
}

static bool put_largest(GString *out, const DavResource *resource)
{
    int64_t most = resource->dav->settings->limits.bytes_max;
    g_string_append_printf(out, "%" G_GINT64_FORMAT, most ? most : CALENDAR_OBJECT_BYTES_MAX);
    return true;
}

static bool put_token(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "urn:rota:sync:%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT,
                           resource->calendar->id, resource->calendar->changed_seq);
    return true;
}

static bool put_ctag(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "\"%" G_GINT64_FORMAT "\"", resource->calendar->changed_seq);
    return true;
}

static bool put_etag(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "\"%s\"", resource->object->etag);
    return true;
}

static bool put_schedule_tag(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "\"%" G_GINT64_FORMAT "\"", resource->object->schedule_tag);
    return true;
}

static bool put_media_type(GString *out, const DavResource *resource)
{
    g_string_append(out, "text/calendar; charset=utf-8");
    if (resource->kind == DAV_OBJECT)
        g_string_append_printf(out, "; component=%s", icalendar_kind_name(resource->object->kind));
    return true;
}

static bool put_length(GString *out, const DavResource *resource)
{
    g_string_append_printf(out, "%" G_GINT64_FORMAT, resource->object->size);
    return true;
}

static bool put_modified(GString *out, const DavResource *resource)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(resource->object->modified_at / 1000);
    g_autofree char *text = time ? g_date_time_format(time, "%a, %d %b %Y %H:%M:%S GMT") : NULL;
    g_string_append(out, text ? text : "");
    return text != NULL;
}

static bool put_data(GString *out, const DavResource *resource)
{
    dav_put_data(out, resource);
    return true;
}

#define ON(kind)     (1U << (kind))
#define EVERYWHERE   0xffU
#define ON_CALENDARS ON(DAV_CALENDAR)
#define ON_LETTERS   (ON(DAV_OBJECT) | ON(DAV_LETTER))
#define ON_OBJECTS   ON(DAV_OBJECT)

static const struct {
    DavName name;
    unsigned where;
    bool with_all;
    Write write;
} PROPERTIES[] = {
    {{NS_DAV, "resourcetype"}, EVERYWHERE, true, put_type},
    {{NS_DAV, "displayname"}, EVERYWHERE & ~ON_LETTERS, true, put_title},
    {{NS_DAV, "current-user-principal"}, EVERYWHERE, true, put_principal},
    {{NS_DAV, "principal-URL"}, ON(DAV_PRINCIPAL), false, put_principal},
    {{NS_DAV, "owner"}, EVERYWHERE & ~ON(DAV_ROOT), true, put_principal},
    {{NS_DAV, "principal-collection-set"}, EVERYWHERE, false, put_principals},
    {{NS_DAV, "current-user-privilege-set"}, EVERYWHERE, false, put_privileges},
    {{NS_DAV, "supported-report-set"}, EVERYWHERE, false, put_reports},
    {{NS_CALDAV, "calendar-home-set"}, ON(DAV_PRINCIPAL) | ON(DAV_ROOT), false, put_home},
    {{NS_CALDAV, "calendar-user-address-set"}, ON(DAV_PRINCIPAL), false, put_addresses},
    {{NS_CALDAV, "calendar-user-type"}, ON(DAV_PRINCIPAL), false, put_user_type},
    {{NS_CALDAV, "schedule-inbox-URL"}, ON(DAV_PRINCIPAL), false, put_inbox},
    {{NS_CALDAV, "schedule-outbox-URL"}, ON(DAV_PRINCIPAL), false, put_outbox},
    {{NS_CALDAV, "schedule-default-calendar-URL"}, ON(DAV_INBOX), false, put_default_calendar},
    {{NS_SERVER, "getctag"}, ON(DAV_INBOX), true, put_inbox_state},
    {{NS_APPLE, "calendar-color"}, ON_CALENDARS, true, put_color},
    {{NS_APPLE, "calendar-order"}, ON_CALENDARS, true, put_position},
    {{NS_CALDAV, "calendar-description"}, ON_CALENDARS, true, put_description},
    {{NS_CALDAV, "calendar-timezone"}, ON_CALENDARS, false, put_zone},
    {{NS_CALDAV, "default-alarm-vevent-datetime"}, ON_CALENDARS, false, put_alarms},
    {{NS_CALDAV, "default-alarm-vevent-date"}, ON_CALENDARS, false, put_day_alarms},
    {{NS_CALDAV, "schedule-calendar-transp"}, ON_CALENDARS, false, put_transparent},
    {{NS_CALDAV, "supported-calendar-component-set"}, ON_CALENDARS, true, put_kinds},
    {{NS_CALDAV, "supported-calendar-data"}, ON_CALENDARS, false, put_media},
    {{NS_CALDAV, "supported-collation-set"}, ON_CALENDARS, false, put_collations},
    {{NS_CALDAV, "max-resource-size"}, ON_CALENDARS, false, put_largest},
    {{NS_DAV, "sync-token"}, ON_CALENDARS, true, put_token},
    {{NS_SERVER, "getctag"}, ON_CALENDARS, true, put_ctag},
    {{NS_DAV, "getetag"}, ON_LETTERS, true, put_etag},
    {{NS_CALDAV, "schedule-tag"}, ON_OBJECTS, false, put_schedule_tag},
    {{NS_DAV, "getcontenttype"}, ON_LETTERS, true, put_media_type},
    {{NS_DAV, "getcontentlength"}, ON_OBJECTS, true, put_length},
    {{NS_DAV, "getlastmodified"}, ON_LETTERS, true, put_modified},
    {{NS_CALDAV, "calendar-data"}, ON_LETTERS, false, put_data},
};

/* <D:name>value</D:name>; false, and nothing is written: it is not there. */
static bool put_one(GString *out, const DavResource *resource, unsigned index, bool names_only)
{
    const DavName *name = &PROPERTIES[index].name;
    size_t before = out->len;
    if (!(PROPERTIES[index].where & ON(resource->kind)))
        return false;
    g_string_append_c(out, '<');
    dav_xml_put_name(out, name->space, name->name, false);
    if (names_only) {
        g_string_append(out, "/>");
        return true;
    }
    g_string_append_c(out, '>');
    if (!PROPERTIES[index].write(out, resource)) {
        g_string_truncate(out, before);
        return false;
    }
    g_string_append(out, "</");
    dav_xml_put_name(out, name->space, name->name, true);
    g_string_append_c(out, '>');
    return true;
}

static int find_property(const xmlNode *asked, DavKind kind)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(PROPERTIES); i++)
        if ((PROPERTIES[i].where & ON(kind)) &&
            dav_xml_is(asked, PROPERTIES[i].name.space, PROPERTIES[i].name.name))
            return (int)i;
    return -1;
}

/* What was asked for by name; what is not there goes to `missing`. */
static void put_asked(GString *out, GString *missing, DavResource *resource, const xmlNode *prop)
{
    unsigned count = 0;
    for (xmlNode *each = dav_xml_first(prop); each && count < DAV_PROPS_MAX;
         each = dav_xml_next(each), count++) {
        int index = find_property(each, resource->kind);
        resource->asked = each;
        if (index >= 0 && put_one(out, resource, (unsigned)index, false))
            continue;
        g_string_append_c(missing, '<');
        dav_xml_put_name(missing, each->ns && each->ns->href ? (const char *)each->ns->href : "",
                         (const char *)each->name, false);
        g_string_append(missing, "/>");
    }
}

void dav_put_response(GString *out, const DavResource *resource, const xmlNode *prop,
                      bool names_only)
{
    DavResource each = *resource;
    g_autoptr(GString) missing = g_string_new(NULL);
    g_autofree char *path = dav_path(resource->dav, resource->kind,
                                     resource->calendar ? resource->calendar->name : NULL,
                                     resource->object ? resource->object->name : NULL);
    g_string_append(out, "<D:response><D:href>");
    dav_xml_put_path(out, path);
    g_string_append(out, "</D:href>");
    size_t before = out->len;
    g_string_append(out, "<D:propstat><D:prop>");
    size_t empty = out->len;
    if (prop)
        put_asked(out, missing, &each, prop);
    for (unsigned i = 0; !prop && i < G_N_ELEMENTS(PROPERTIES); i++)
        if (names_only || PROPERTIES[i].with_all)
            put_one(out, &each, i, names_only);
    if (out->len == empty && missing->len)
        g_string_truncate(out, before);
    else
        g_string_append(out, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
    if (missing->len)
        g_string_append_printf(
            out,
            "<D:propstat><D:prop>%s</D:prop><D:status>HTTP/1.1 404 Not Found</D:status>"
            "</D:propstat>",
            missing->str);
    g_string_append(out, "</D:response>");
}

bool dav_asks_for_data(const xmlNode *prop)
{
    return prop && dav_xml_child(prop, NS_CALDAV, "calendar-data");
}
