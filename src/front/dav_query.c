/* dav_query: calendar-query (RFC 4791 section 7.8), and the bytes of objects in answers.
 *
 * How it fits: the filter becomes a tree (content/icalendar_filter.h); a time range of the
 * component asked for narrows what the store gives by its index; each object that is left is read
 * and asked. An object of one instance that the index has decided, with no other filter, is not
 * read.
 *
 * Failures: a filter that is not understood is 403 valid-filter. Known weak point: an object is
 * parsed for each question.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_dav.h"
#include "content/icalendar_expand.h"

#include "front/dav.h"
#include "front/dav_xml.h"

static bool read_range(const xmlNode *node, int64_t *ret_from, int64_t *ret_to)
{
    g_autofree char *start = dav_xml_attribute(node, "start");
    g_autofree char *end = dav_xml_attribute(node, "end");
    *ret_from = INT64_MIN;
    *ret_to = INT64_MAX;
    return (start || end) && (!start || icalendar_parse_utc(start, ret_from)) &&
           (!end || icalendar_parse_utc(end, ret_to)) && *ret_from < *ret_to;
}

static bool read_text(const xmlNode *parent, FilterText *ret)
{
    const xmlNode *node = dav_xml_child(parent, NS_CALDAV, "text-match");
    if (!node)
        return true;
    g_autofree char *collation = dav_xml_attribute(node, "collation");
    g_autofree char *negate = dav_xml_attribute(node, "negate-condition");
    ret->text = dav_xml_text(node);
    ret->octets = collation && strcmp(collation, "i;octet") == 0;
    ret->negate = negate && strcmp(negate, "yes") == 0;
    return !collation || ret->octets || strcmp(collation, "i;ascii-casemap") == 0 ||
           strcmp(collation, "i;unicode-casemap") == 0 || strcmp(collation, "default") == 0;
}

static bool read_property(const xmlNode *node, FilterProperty *property, unsigned *left)
{
    property->is_absent = dav_xml_child(node, NS_CALDAV, "is-not-defined") != NULL;
    if (!read_text(node, &property->text))
        return false;
    for (xmlNode *each = dav_xml_first(node); each; each = dav_xml_next(each)) {
        if (!dav_xml_is(each, NS_CALDAV, "param-filter"))
            continue;
        g_autofree char *name = dav_xml_attribute(each, "name");
        if (!name || (*left)-- == 0)
            return false;
        FilterParameter *parameter = filter_parameter_new(name);
        g_ptr_array_add(property->parameters, parameter);
        parameter->is_absent = dav_xml_child(each, NS_CALDAV, "is-not-defined") != NULL;
        if (!read_text(each, &parameter->text))
            return false;
    }
    return true;
}

/* NULL: not understood, or over DAV_FILTERS_MAX. The XML's depth is bounded. */
static IcalendarFilter *read_filter(const xmlNode *node, unsigned *left)
{
    g_autofree char *name = node ? dav_xml_attribute(node, "name") : NULL;
    if (!name || *left == 0)
        return NULL;
    (*left)--;
    g_autoptr(IcalendarFilter) filter = icalendar_filter_new(name);
    for (xmlNode *each = dav_xml_first(node); each; each = dav_xml_next(each)) {
        if (dav_xml_is(each, NS_CALDAV, "is-not-defined")) {
            filter->is_absent = true;
        } else if (dav_xml_is(each, NS_CALDAV, "time-range")) {
            filter->has_range = true;
            if (!read_range(each, &filter->from, &filter->to))
                return NULL;
        } else if (dav_xml_is(each, NS_CALDAV, "comp-filter")) {
            IcalendarFilter *inner = read_filter(each, left);
            if (!inner)
                return NULL;
            g_ptr_array_add(filter->components, inner);
        } else if (dav_xml_is(each, NS_CALDAV, "prop-filter")) {
            g_autofree char *property_name = dav_xml_attribute(each, "name");
            if (!property_name || (*left)-- == 0)
                return NULL;
            FilterProperty *property = filter_property_new(property_name);
            g_ptr_array_add(filter->properties, property);
            if (!read_property(each, property, left))
                return NULL;
        }
    }
    return g_steal_pointer(&filter);
}

/* ---- what the index can decide */

typedef struct {
    Dav *dav;
    const IcalendarFilter *filter;
    const IcalendarFilter *component; /* the one below VCALENDAR, where it is the only one */
    const xmlNode *prop;
    const Zone *zone;
    bool simple; /* the component's kind and a range, and nothing else */
} Query;

static int64_t to_ms(int64_t seconds)
{
    return seconds == INT64_MIN || seconds == INT64_MAX ? seconds : seconds * 1000;
}

static void look_over(Query *query)
{
    const IcalendarFilter *filter = query->filter;
    if (filter->components->len != 1 || filter->properties->len)
        return;
    query->component = filter->components->pdata[0];
    query->simple = !query->component->is_absent && !query->component->properties->len &&
                    !query->component->components->len;
}

/* 1 it fits, 0 it does not, -1 the object itself has to be asked. */
static int decide(const Query *query, const CalendarObject *object)
{
    const IcalendarFilter *component = query->component;
    if (!component || component->is_absent)
        return -1;
    if (strcmp(component->name, icalendar_kind_name(object->kind)) != 0)
        return 0;
    if (!query->simple)
        return -1;
    if (!component->has_range)
        return 1;
    /* The bounds of one instance are itself, but for times that float. */
    bool inside = object->first_at >= to_ms(component->from) &&
                  object->last_at < to_ms(component->to) && object->last_at > object->first_at;
    return inside && !object->recurs && object->first_at != INT64_MIN ? 1 : -1;
}

static bool fits(const Query *query, const CalendarObject *object)
{
    int decided = decide(query, object);
    if (decided >= 0)
        return decided == 1;
    g_autoptr(Icalendar) parsed = calendar_object_parse(object);
    return parsed && icalendar_filter_fits(query->filter, parsed, query->zone,
                                           query->dav->settings->expansions);
}

/* Goes through what the index gives; false: the answer is made. */
static bool put_found(const Query *query, GString *out)
{
    g_autoptr(GError) error = NULL;
    Dav *dav = query->dav;
    bool range = query->component && query->component->has_range && !query->component->is_absent;
    CalendarAsk ask = {.calendar = dav->calendar->id,
                       .from = range ? to_ms(query->component->from) : INT64_MIN,
                       .to = range ? to_ms(query->component->to) : INT64_MAX,
                       .limit = DAV_PAGE_OBJECTS,
                       .with_data = range || !query->simple || dav_asks_for_data(query->prop)};
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
            ask.after = object->id;
            if (fits(query, object))
                dav_put_response(out, &one, query->prop, false);
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

IcalendarFilter *dav_read_filter(Dav *dav)
{
    const xmlNode *root = xmlDocGetRootElement(dav->document);
    unsigned left = DAV_FILTERS_MAX;
    const xmlNode *node = dav_xml_child(root, NS_CALDAV, "filter");
    g_autoptr(IcalendarFilter) filter =
        node ? read_filter(dav_xml_child(node, NS_CALDAV, "comp-filter"), &left)
             : icalendar_filter_new("VCALENDAR");
    if (filter && strcmp(filter->name, "VCALENDAR") == 0)
        return g_steal_pointer(&filter);
    dav_refuse(dav, 403, "C:valid-filter", "this filter is not understood");
    return NULL;
}

void dav_report_query(Dav *dav)
{
    const xmlNode *root = xmlDocGetRootElement(dav->document);
    g_autoptr(IcalendarFilter) filter = dav_read_filter(dav);
    if (!filter)
        return;
    Query query = {.dav = dav, .filter = filter, .prop = dav_xml_child(root, NS_DAV, "prop")};
    query.zone = dav_zone(dav);
    look_over(&query);
    GString *out = g_string_new(NULL);
    dav_xml_open(out, "D:multistatus");
    if (put_found(&query, out))
        dav_answer_multistatus(dav, out);
    else
        g_string_free(out, TRUE);
    zone_unref(query.zone);
}

void dav_put_data(GString *out, const DavResource *resource)
{
    size_t size;
    const char *bytes = g_bytes_get_data(resource->object->data, &size);
    const xmlNode *expand =
        resource->asked ? dav_xml_child(resource->asked, NS_CALDAV, "expand") : NULL;
    g_autofree char *text = NULL;
    int64_t from, to;
    if (expand && read_range(expand, &from, &to)) {
        const Dav *dav = resource->dav;
        g_autoptr(Icalendar) parsed = calendar_object_parse(resource->object);
        const Zone *zone = dav->calendar ? dav_zone(dav) : zone_utc();
        RecurrenceAsk ask = {.floating = zone, .from = from, .max = dav->settings->expansions};
        text = parsed ? icalendar_expand(parsed, &ask, to) : NULL;
        zone_unref(zone);
    }
    if (!text)
        text = g_strndup(bytes, size);
    dav_xml_put(out, text);
}
