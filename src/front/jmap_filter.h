/* jmap_filter.h: the filter of a /query (RFC 8620 §5.5): conditions, and AND, OR and NOT of them,
 * nested.
 *
 * What conditions there are is a table of the type's own; what each means, its callback. Bounded:
 * JMAP_CONDITIONS_MAX in one filter, and as deep as a request may be (JMAP_DEPTH_MAX). A filter
 * borrows its JSON. One thread.
 */
#ifndef ROTA_FRONT_JMAP_FILTER_H
#define ROTA_FRONT_JMAP_FILTER_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    JMAP_VALUE_TEXT,         /* a string, in `value` */
    JMAP_VALUE_TEXT_OR_NULL, /* or null */
    JMAP_VALUE_TEXTS,        /* a list of strings */
    JMAP_VALUE_FLAG,         /* true or false, in `number` */
    JMAP_VALUE_SIZE,         /* an UnsignedInt, in `number` */
    JMAP_VALUE_DATE,         /* a UTCDate, in `number` as ms since 1970 */
} JmapValue;

/* A row of a table that a row without a name ends. */
typedef struct {
    const char *name;
    JmapValue type;
} JmapCondition;

enum { JMAP_FILTER_AND = -1, JMAP_FILTER_OR = -2, JMAP_FILTER_NOT = -3 };

typedef struct JmapFilter JmapFilter;
struct JmapFilter {
    int kind;            /* one of the above, or the condition's row in the table */
    GPtrArray *children; /* of JmapFilter; NULL: it is a condition */
    json_t *value;       /* of a condition; borrowed */
    int64_t number;
    /* The type's own, freed with the filter; NULL at first. */
    GHashTable *found;
    char *word;
};
void jmap_filter_free(JmapFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JmapFilter, jmap_filter_free)

/* NULL: *ret_error is made: invalidArguments for what is none, unsupportedFilter for conditions
 * that the table does not have or are too many. Nothing and null are the filter that all pass. */
JmapFilter *jmap_filter_parse(json_t *json, const JmapCondition *table, json_t **ret_error);

/* Does an object pass one condition? -1: *error says why that is not known. */
typedef int (*JmapPasses)(const JmapFilter *condition, void *object, GError **error);
/* The same for the whole filter; conditions are asked from the left, and no more than needed. */
int jmap_filter_passes(const JmapFilter *filter, JmapPasses passes, void *object, GError **error);

/* A condition by itself; false with an error ends the walk. */
typedef bool (*JmapEach)(JmapFilter *condition, void *data, GError **error);
bool jmap_filter_each(JmapFilter *filter, JmapEach each, void *data, GError **error);
/* The condition of this kind without which none passes; NULL: there is none. */
const JmapFilter *jmap_filter_needs(const JmapFilter *filter, int kind);
/* Is the filter one condition, whatever stands around it? */
bool jmap_filter_is_one(const JmapFilter *filter);

#endif
