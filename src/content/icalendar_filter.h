/* icalendar_filter.h: does an object fit the filter of a calendar-query (RFC 4791 section 9.7)?
 *
 * A filter is a tree: a component by name, with a time range, filters of properties, and of
 * components in it. Pure; the maker bounds the tree.
 */
#ifndef ROTA_CONTENT_ICALENDAR_FILTER_H
#define ROTA_CONTENT_ICALENDAR_FILTER_H

#include "content/recurrence.h"

typedef struct {
    char *text;          /* NULL: any */
    bool negate, octets; /* octets: i;octet, else i;ascii-casemap */
} FilterText;

typedef struct {
    char *name;
    bool is_absent;
    FilterText text;
} FilterParameter;

typedef struct {
    char *name;
    bool is_absent;
    FilterText text;
    GPtrArray *parameters; /* of FilterParameter */
} FilterProperty;

typedef struct {
    char *name; /* upper case */
    bool is_absent, has_range;
    int64_t from, to;                   /* INT64_MIN, INT64_MAX: open */
    GPtrArray *properties, *components; /* of FilterProperty, IcalendarFilter */
} IcalendarFilter;
IcalendarFilter *icalendar_filter_new(const char *name);
void icalendar_filter_free(IcalendarFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IcalendarFilter, icalendar_filter_free)
FilterProperty *filter_property_new(const char *name);
FilterParameter *filter_parameter_new(const char *name);

/* The filter's root is for VCALENDAR. `max`: expansions. */
bool icalendar_filter_fits(const IcalendarFilter *filter, const Icalendar *object,
                           const Zone *floating, unsigned max);

#endif
