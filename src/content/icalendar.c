/* icalendar: an iCalendar object is read, within bounds.
 *
 * How it fits: model/calendar.c stores the bytes with facts from here, front/dav_*.c filters by
 * them, content/recurrence.c and content/alarm.c reckon with them. The text is looked over first
 * (icalendar_scan), so that libical never sees what is too long, too deep or no text; then libical
 * makes its tree, and the items are read from it.
 *
 * libical keeps texts that its functions return in a ring of the thread; it is freed with each
 * object, else every thread would hold one for good (libical issue 662). Its table of built-in
 * zones, which two threads must not make at one time (issue 1029), is made once. Failures:
 * ERROR_REJECT. Known weak point: libical drops a property whose value it cannot read; we note that
 * (`unread`), and the bytes keep it.
 */
#include "content/icalendar.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"

#include "content/icalendar_private.h"

const IcalendarLimits icalendar_stored = {.bytes_max = INT32_MAX, .attendees_max = INT32_MAX};

const char *icalendar_kind_name(IcalendarKind kind)
{
    switch (kind) {
    case ICALENDAR_EVENT:
        return "VEVENT";
    case ICALENDAR_TODO:
        return "VTODO";
    case ICALENDAR_JOURNAL:
        return "VJOURNAL";
    case ICALENDAR_FREEBUSY:
        return "VFREEBUSY";
    }
    return "";
}

IcalendarKind icalendar_kind_of_name(const char *name)
{
    static const IcalendarKind kinds[] = {ICALENDAR_EVENT, ICALENDAR_TODO, ICALENDAR_JOURNAL,
                                          ICALENDAR_FREEBUSY};
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_ascii_strcasecmp(name, icalendar_kind_name(kinds[i])) == 0)
            return kinds[i];
    return 0;
}

/* ---- before libical sees it */

/* The line's name is BEGIN, however it is folded and spaced, with or without parameters: libical
 * opens a component for each of these, and its functions call themselves for each level. */
static bool is_begin(const char *line, const char *end)
{
    static const char word[] = "BEGIN";
    unsigned known = 0;
    for (const char *at = line; at < end; at++) {
        if (g_ascii_isspace(*at))
            continue;
        if (known == sizeof word - 1)
            return *at == ':' || *at == ';';
        if (g_ascii_toupper(*at) != word[known++])
            return false;
    }
    return false;
}

/* libical's time grows with the square of what stands before the colon of one line. */
static bool scan_parameters(const char *text, size_t size, GError **error)
{
    unsigned parameters = 0;
    bool quoted = false, head = true;
    for (size_t i = 0; i < size; i++) {
        bool folded = i + 1 < size && (text[i + 1] == ' ' || text[i + 1] == '\t');
        if (text[i] == '\n' && !folded) {
            parameters = 0;
            quoted = false;
            head = true;
        } else if (head && text[i] == '"') {
            quoted = !quoted;
        } else if (head && !quoted) {
            parameters += text[i] == ';';
            head = text[i] != ':';
        }
        if (parameters > ICALENDAR_PARAMETERS_MAX)
            return fail(error, ERROR_REJECT,
                        "a line of a calendar object has more than %d parameters",
                        ICALENDAR_PARAMETERS_MAX);
    }
    return true;
}

/* Control characters, which neither iCalendar nor XML can hold; U+FFFE and U+FFFF, which XML
 * cannot: what is stored comes back in a REPORT too. */
static bool scan_characters(const char *text, size_t size, GError **error)
{
    for (size_t i = 0; i < size; i++) {
        if ((guint8)text[i] < 0x20 && !strchr("\t\r\n", text[i]))
            return fail(error, ERROR_REJECT, "a calendar object has a control character, %d",
                        text[i]);
        if (text[i] == '\xef' && size - i >= 3 && text[i + 1] == '\xbf' &&
            (guint8)text[i + 2] >= 0xbe)
            return fail(error, ERROR_REJECT, "a calendar object has the character U+%s",
                        (guint8)text[i + 2] == 0xbe ? "FFFE" : "FFFF");
    }
    return true;
}

/* Characters, lines, components and depth. */
static bool scan(const char *text, size_t size, GError **error)
{
    unsigned lines = 0, components = 0, depth = 0;
    if (!scan_characters(text, size, error))
        return false;
    for (const char *line = text, *end = text + size; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        bool folded = *line == ' ' || *line == '\t';
        lines += !folded;
        if (!folded && is_begin(line, end)) {
            components++;
            depth++;
        } else if (length >= 4 && g_ascii_strncasecmp(line, "END:", 4) == 0 && depth > 0) {
            depth--;
        }
        if (depth > ICALENDAR_DEPTH_MAX)
            return fail(error, ERROR_REJECT, "a calendar object is nested deeper than %d",
                        ICALENDAR_DEPTH_MAX);
        if (components > ICALENDAR_COMPONENTS_MAX || lines > ICALENDAR_LINES_MAX)
            return fail(error, ERROR_REJECT,
                        "a calendar object has more than %d components or %d lines",
                        ICALENDAR_COMPONENTS_MAX, ICALENDAR_LINES_MAX);
        line += length + 1;
    }
    return scan_parameters(text, size, error);
}

/* ---- libical's tree */

char *icalendar_text(icalcomponent *component, const char *name, bool cut)
{
    icalproperty *property = icalendar_property(component, name);
    icalvalue *value = property ? icalproperty_get_value(property) : NULL;
    const char *text = "";
    switch (value ? icalvalue_isa(value) : ICAL_NO_VALUE) {
    case ICAL_TEXT_VALUE:
        text = icalvalue_get_text(value);
        break;
    case ICAL_X_VALUE:
        text = icalvalue_get_x(value);
        break;
    case ICAL_NO_VALUE:
        break;
    default:
        text = icalproperty_get_value_as_string(property);
    }
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    if (cut && strlen(valid) > CALENDAR_TEXT_BYTES_MAX) {
        char *end = g_utf8_find_prev_char(valid, valid + CALENDAR_TEXT_BYTES_MAX);
        *(end ? end : valid) = '\0';
    }
    return g_steal_pointer(&valid);
}

char *icalendar_parameter(icalproperty *property, const char *name)
{
    char *text = icalproperty_get_parameter_as_string_r(property, name);
    char *copy = g_utf8_make_valid(text ? text : "", -1);
    icalmemory_free_buffer(text);
    size_t size = strlen(copy);
    if (size >= 2 && copy[0] == '"' && copy[size - 1] == '"') {
        memmove(copy, copy + 1, size - 2);
        copy[size - 2] = '\0';
    }
    return copy;
}

icalproperty *icalendar_property(icalcomponent *component, const char *name)
{
    icalproperty_kind kind = icalproperty_string_to_kind(name);
    if (kind != ICAL_NO_PROPERTY && kind != ICAL_X_PROPERTY)
        return icalcomponent_get_first_property(component, kind);
    /* The others have their name with them; libical's own way to ask for any name copies it. */
    icalproperty *property = icalcomponent_get_first_property(component, ICAL_ANY_PROPERTY);
    for (; property; property = icalcomponent_get_next_property(component, ICAL_ANY_PROPERTY)) {
        const char *own = icalproperty_get_x_name(property);
        if (own && g_ascii_strcasecmp(own, name) == 0)
            return property;
    }
    return NULL;
}

static gpointer make_zones(gpointer data)
{
    (void)data;
    icaltimezone_get_utc_timezone();
    return NULL;
}

/* The one VCALENDAR in the text; NULL: there is none, or several. */
static icalcomponent *read_tree(const char *text, GError **error)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, make_zones, NULL);
    icalcomponent *root = icalparser_parse_string(text);
    icalcomponent *calendar = root;
    if (root && icalcomponent_isa(root) == ICAL_XROOT_COMPONENT) {
        calendar = icalcomponent_get_first_component(root, ICAL_VCALENDAR_COMPONENT);
        if (calendar && !icalcomponent_get_next_component(root, ICAL_VCALENDAR_COMPONENT)) {
            icalcomponent_remove_component(root, calendar);
            icalcomponent_free(root);
            return calendar;
        }
        calendar = NULL;
    }
    if (calendar && icalcomponent_isa(calendar) == ICAL_VCALENDAR_COMPONENT)
        return calendar;
    if (root)
        icalcomponent_free(root);
    fail(error, ERROR_REJECT, "this is not one VCALENDAR");
    return NULL;
}

/* ---- the object */

char *icalendar_address(const char *uri)
{
    g_autofree char *copy = g_utf8_make_valid(uri ? uri : "", -1);
    g_strstrip(copy);
    const char *address = g_ascii_strncasecmp(copy, "mailto:", 7) == 0 ? copy + 7 : copy;
    g_autofree char *lower =
        g_str_is_ascii(address) ? g_ascii_strdown(address, -1) : g_utf8_strdown(address, -1);
    return g_strdup(g_strstrip(lower));
}

static bool add_item(IcalendarReader *reader, icalcomponent *component, IcalendarKind kind,
                     GError **error)
{
    Icalendar *object = reader->object;
    g_autofree char *uid = icalendar_text(component, "UID", false);
    if (object->kind && object->kind != kind)
        return fail(error, ERROR_REJECT, "a calendar object has a %s beside a %s",
                    icalendar_kind_name(kind), icalendar_kind_name(object->kind));
    if (strlen(uid) > CALENDAR_TEXT_BYTES_MAX)
        return fail(error, ERROR_REJECT, "a UID is longer than %d bytes", CALENDAR_TEXT_BYTES_MAX);
    if (object->uid && strcmp(object->uid, uid) != 0)
        return fail(error, ERROR_REJECT, "a calendar object has two UIDs, \"%.40s\" and \"%.40s\"",
                    object->uid, uid);
    if (!object->uid)
        object->uid = g_steal_pointer(&uid);
    object->kind = kind;
    IcalendarItem *item = icalendar_read_item(reader, component, kind, error);
    if (!item)
        return false;
    if (item->recurrence.set || object->has_master) {
        if (!item->recurrence.set) {
            icalendar_item_free(item);
            return fail(error, ERROR_REJECT, "two components have the UID \"%.60s\"", object->uid);
        }
        g_ptr_array_add(object->items, item);
    } else {
        object->has_master = true;
        g_ptr_array_insert(object->items, 0, item);
    }
    return true;
}

static IcalendarKind kind_of(icalcomponent_kind kind)
{
    switch (kind) {
    case ICAL_VEVENT_COMPONENT:
        return ICALENDAR_EVENT;
    case ICAL_VTODO_COMPONENT:
        return ICALENDAR_TODO;
    case ICAL_VJOURNAL_COMPONENT:
        return ICALENDAR_JOURNAL;
    case ICAL_VFREEBUSY_COMPONENT:
        return ICALENDAR_FREEBUSY;
    default:
        return 0; /* zones, and what others put beside */
    }
}

static bool read_items(IcalendarReader *reader, GError **error)
{
    Icalendar *object = reader->object;
    g_autofree char *method = icalendar_text(object->root, "METHOD", true);
    object->method = g_ascii_strup(method, -1);
    /* An iterator of its own: to find a zone goes through the same components. */
    icalcompiter all = icalcomponent_begin_component(object->root, ICAL_ANY_COMPONENT);
    for (icalcomponent *each; (each = icalcompiter_deref(&all)); icalcompiter_next(&all)) {
        IcalendarKind kind = kind_of(icalcomponent_isa(each));
        if (kind && !add_item(reader, each, kind, error))
            return false;
    }
    if (!object->items->len)
        return fail(error, ERROR_REJECT, "a VCALENDAR has no event, to-do or journal in it");
    if ((!object->uid || !*object->uid) && object->kind != ICALENDAR_FREEBUSY)
        return fail(error, ERROR_REJECT, "a calendar object has no UID");
    return true;
}

Icalendar *icalendar_parse(const void *bytes, size_t size, const IcalendarLimits *limits,
                           GError **error)
{
    static const IcalendarLimits none;
    limits = limits ? limits : &none;
    bytes = bytes ? bytes : ""; /* of no bytes */
    int64_t most = limits->bytes_max ? limits->bytes_max : CALENDAR_OBJECT_BYTES_MAX;
    if (size > (size_t)most) {
        fail(error, ERROR_REJECT,
             "a calendar object of %zu bytes is over the limit, %" G_GINT64_FORMAT, size, most);
        return NULL;
    }
    if (!g_utf8_validate_len(bytes, size, NULL)) {
        fail(error, ERROR_REJECT, "a calendar object is not UTF-8");
        return NULL;
    }
    if (!scan(bytes, size, error))
        return NULL;
    g_autofree char *text = g_strndup(bytes, size);
    icalcomponent *root = read_tree(text, error);
    g_autoptr(Icalendar) object = NULL;
    if (root) {
        object = g_new0(Icalendar, 1);
        object->root = root;
        object->items = g_ptr_array_new_with_free_func((GDestroyNotify)icalendar_item_free);
        object->zones = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify)(void (*)(void))zone_unref);
        IcalendarReader reader = {.object = object, .limits = limits};
        if (!read_items(&reader, error))
            icalendar_free(g_steal_pointer(&object));
    }
    icalmemory_free_ring();
    return g_steal_pointer(&object);
}

void icalendar_free(Icalendar *object)
{
    if (!object)
        return;
    g_free(object->uid);
    g_free(object->method);
    g_free(object->unread);
    g_ptr_array_unref(object->items);
    g_hash_table_unref(object->zones);
    icalcomponent_free(object->root);
    g_free(object);
}

bool icalendar_is_storable(const Icalendar *object, GError **error)
{
    if (*object->method)
        return fail(error, ERROR_REJECT, "an object with METHOD:%.20s is a message, not stored",
                    object->method);
    return object->kind != ICALENDAR_FREEBUSY ||
           fail(error, ERROR_REJECT, "a VFREEBUSY is not stored");
}
