/* jmap_filter: filters as trees: reading, asking.
 *
 * How it fits: Email/query and Mailbox/query bring their tables (jmap_email_filter.c,
 * jmap_mailbox_query.c). Several conditions in one object are their AND, which the tree then says.
 *
 * Failures: a filter that is none is the caller's fault, and told as such; recursion is as deep as
 * JSON in a request may be. Known weak point: a condition that is there twice is asked twice.
 */
#include "front/jmap_filter.h"

#include <string.h>

#include "base/limits_jmap.h"

#include "front/jmap.h"

void jmap_filter_free(JmapFilter *filter)
{
    if (!filter)
        return;
    g_clear_pointer(&filter->children, g_ptr_array_unref);
    g_clear_pointer(&filter->found, g_hash_table_unref);
    g_free(filter->word);
    g_free(filter);
}

static JmapFilter *node_new(int kind)
{
    JmapFilter *node = g_new0(JmapFilter, 1);
    node->kind = kind;
    if (kind < 0)
        node->children = g_ptr_array_new_with_free_func((GDestroyNotify)jmap_filter_free);
    return node;
}

/* ---------------------------------------------------------------- reading */

typedef struct {
    const JmapCondition *table;
    unsigned count;
    json_t **ret_error;
} Reader;

static bool refuse(const Reader *reader, const char *type, const char *text)
{
    jmap_fail(reader->ret_error, type, text);
    return false;
}

static bool are_texts(json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) if (!json_is_string(one)) return false;
    return json_is_array(list);
}

static bool read_value(json_t *value, JmapValue type, int64_t *ret_number)
{
    switch (type) {
    case JMAP_VALUE_TEXT:
        return json_is_string(value);
    case JMAP_VALUE_TEXT_OR_NULL:
        return json_is_string(value) || json_is_null(value);
    case JMAP_VALUE_TEXTS:
        return are_texts(value);
    case JMAP_VALUE_FLAG:
        *ret_number = json_is_true(value);
        return json_is_boolean(value);
    case JMAP_VALUE_SIZE:
        *ret_number = json_integer_value(value);
        return json_is_integer(value) && *ret_number >= 0;
    case JMAP_VALUE_DATE:
        return jmap_date_parse(json_string_value(value), ret_number);
    }
    return false;
}

static bool add_condition(Reader *reader, JmapFilter *parent, const char *key, json_t *value)
{
    const JmapCondition *row = reader->table;
    while (row->name && strcmp(row->name, key) != 0)
        row++;
    if (!row->name) {
        g_autofree char *text = g_strdup_printf("there is no condition \"%.60s\"", key);
        return refuse(reader, "unsupportedFilter", text);
    }
    if (++reader->count > JMAP_CONDITIONS_MAX)
        return refuse(reader, "unsupportedFilter", "there are too many conditions");
    JmapFilter *node = node_new((int)(row - reader->table));
    g_ptr_array_add(parent->children, node);
    node->value = value;
    if (read_value(value, row->type, &node->number))
        return true;
    g_autofree char *text = g_strdup_printf("the condition \"%s\" has no such value", row->name);
    return refuse(reader, "invalidArguments", text);
}

static bool add_filter(Reader *reader, JmapFilter *parent, json_t *json);

static bool add_operator(Reader *reader, JmapFilter *parent, json_t *json)
{
    static const char *const names[] = {"AND", "OR", "NOT"};
    static const int kinds[] = {JMAP_FILTER_AND, JMAP_FILTER_OR, JMAP_FILTER_NOT};
    const char *name = json_string_value(json_object_get(json, "operator"));
    json_t *conditions = json_object_get(json, "conditions"), *one;
    size_t i, at = 0;
    while (at < G_N_ELEMENTS(names) && g_strcmp0(names[at], name) != 0)
        at++;
    if (at == G_N_ELEMENTS(names) || !json_is_array(conditions) || json_object_size(json) != 2)
        return refuse(reader, "invalidArguments",
                      "a filter operator has operator (AND, OR, NOT) and conditions");
    if (++reader->count > JMAP_CONDITIONS_MAX)
        return refuse(reader, "unsupportedFilter", "there are too many operators");
    JmapFilter *node = node_new(kinds[at]);
    g_ptr_array_add(parent->children, node);
    json_array_foreach(conditions, i, one) if (!add_filter(reader, node, one)) return false;
    return true;
}

static bool add_filter(Reader *reader, JmapFilter *parent, json_t *json)
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return refuse(reader, "invalidArguments", "a filter is an object");
    if (json_object_get(json, "operator"))
        return add_operator(reader, parent, json);
    if (parent->kind != JMAP_FILTER_AND && json_object_size(json) != 1) {
        JmapFilter *all = node_new(JMAP_FILTER_AND);
        g_ptr_array_add(parent->children, all);
        parent = all;
    }
    json_object_foreach(json, key,
                        value) if (!add_condition(reader, parent, key, value)) return false;
    return true;
}

JmapFilter *jmap_filter_parse(json_t *json, const JmapCondition *table, json_t **ret_error)
{
    Reader reader = {.table = table, .ret_error = ret_error};
    g_autoptr(JmapFilter) root = node_new(JMAP_FILTER_AND);
    if (json && !json_is_null(json) && !add_filter(&reader, root, json))
        return NULL;
    return g_steal_pointer(&root);
}

/* ---------------------------------------------------------------- asking */

int jmap_filter_passes(const JmapFilter *filter, JmapPasses passes, void *object, GError **error)
{
    if (!filter->children)
        return passes(filter, object, error);
    /* What one condition must say that the answer is known; and the answer where none does. */
    const int ends = filter->kind != JMAP_FILTER_AND;
    for (guint i = 0; i < filter->children->len; i++) {
        int one = jmap_filter_passes(filter->children->pdata[i], passes, object, error);
        if (one < 0)
            return -1;
        if (one == ends)
            return filter->kind == JMAP_FILTER_OR;
    }
    return filter->kind != JMAP_FILTER_OR;
}

bool jmap_filter_each(JmapFilter *filter, JmapEach each, void *data, GError **error)
{
    if (!filter->children)
        return each(filter, data, error);
    for (guint i = 0; i < filter->children->len; i++)
        if (!jmap_filter_each(filter->children->pdata[i], each, data, error))
            return false;
    return true;
}

const JmapFilter *jmap_filter_needs(const JmapFilter *filter, int kind)
{
    if (!filter->children)
        return filter->kind == kind ? filter : NULL;
    const JmapFilter *found = NULL;
    for (guint i = 0; filter->kind == JMAP_FILTER_AND && !found && i < filter->children->len; i++)
        found = jmap_filter_needs(filter->children->pdata[i], kind);
    return found;
}

bool jmap_filter_is_one(const JmapFilter *filter)
{
    while (filter->kind == JMAP_FILTER_AND && filter->children->len == 1)
        filter = filter->children->pdata[0];
    return !filter->children;
}
