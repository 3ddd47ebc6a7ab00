/* settings_roles: [cluster.roles] into the role table.
 *
 * How it fits: the form of shards and nodes is roster/table's to judge; this knows TOML, names and
 * places: both spellings of a role with a one-word path, other names, "*", "none", and the forms
 * that are refused since they have meant different things in different systems. The operator's own
 * roles are settings_custom.c's, but for their nodes. Failures: a problem
 * for each wrong item, so that all of a table are told at once. A role that is wrong leaves the
 * others as they are.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"

#include "app/settings_table.h"

#define NAMES_MAX 32 /* the ten, their other names, and room */

typedef struct {
    SettingsReading *reading;
    RoleTableBuilder *builder;
} RolesReading;

static bool refuse(RolesReading *roles, TomlPlace place, const Role *role, const char *text)
{
    settings_add_problem(roles->reading, false, place, "cluster.roles.%s: %s", role->name, text);
    return false;
}

/* One shard, as the text of a string. */
static bool add_shard(RolesReading *roles, const TomlValue *value, const Role *role)
{
    g_autoptr(GError) error = NULL;
    if (strlen(value->string.data) != value->string.size)
        return refuse(roles, value->place, role,
                      "found a NUL in a shard; write nodes, as in \"1,4\"");
    return table_builder_add_shard(roles->builder, role, value->string.data, &error) ||
           refuse(roles, value->place, role, error->message);
}

/* "*" and "none": true if it was one of them. */
static bool set_word(RolesReading *roles, const TomlValue *value, const Role *role)
{
    g_autofree char *word = g_strstrip(g_strdup(value->string.data));
    if (strlen(value->string.data) != value->string.size)
        return false;
    if (strcmp(word, "*") == 0) {
        table_builder_set_all(roles->builder, role);
        return true;
    }
    if (strcmp(word, "none") != 0)
        return false;
    table_builder_set_none(roles->builder, role);
    settings_add_problem(roles->reading, true, value->place,
                         "cluster.roles.%s: \"none\": no node does this role, its work waits",
                         role->name);
    return true;
}

/* [1, 4] could mean one shard or two. */
static bool refuse_integers(RolesReading *roles, const TomlValue *value, const Role *role)
{
    g_autoptr(GString) bare = g_string_new(NULL), one = g_string_new(NULL),
                       many = g_string_new(NULL);
    for (unsigned i = 0; i < value->items->len && i < 8; i++) {
        const TomlValue *item = g_ptr_array_index(value->items, i);
        const char *comma = i ? ", " : "";
        g_string_append_printf(bare, "%s%" PRId64, comma, item->integer);
        g_string_append_printf(one, "%s%" PRId64, i ? "," : "", item->integer);
        g_string_append_printf(many, "%s\"%" PRId64 "\"", comma, item->integer);
    }
    const char *more = value->items->len > 8 ? ", …" : "";
    g_autofree char *text =
        value->items->len == 1
            ? g_strdup_printf("found the bare number [%s]; write [\"%s\"]", bare->str, one->str)
            : g_strdup_printf("found bare numbers, [%s%s], which could mean one shard or several; "
                              "write [\"%s%s\"] for one shard of these nodes, or "
                              "[%s%s] for a shard each",
                              bare->str, more, one->str, more, many->str, more);
    return refuse(roles, value->place, role, text);
}

static bool read_shards(RolesReading *roles, const TomlValue *value, const Role *role)
{
    const GPtrArray *items = value->items;
    unsigned integers = 0;
    bool good = true;
    if (items->len == 0)
        return refuse(roles, value->place, role,
                      "found an empty list, which has meant every node elsewhere; write \"*\" for "
                      "every node, \"none\" for no node");
    for (unsigned i = 0; i < items->len; i++)
        integers += ((const TomlValue *)g_ptr_array_index(items, i))->type == TOML_INTEGER;
    if (integers == items->len)
        return refuse_integers(roles, value, role);
    for (unsigned i = 0; i < items->len; i++) {
        const TomlValue *item = g_ptr_array_index(items, i);
        if (item->type == TOML_STRING && items->len == 1 && set_word(roles, item, role))
            return true;
        if (item->type == TOML_STRING) {
            good = add_shard(roles, item, role) && good;
            continue;
        }
        g_autofree char *text = NULL;
        if (item->type == TOML_INTEGER)
            text = g_strdup_printf("found the bare number %" PRId64
                                   " among shards; write \"%" PRId64 "\"",
                                   item->integer, item->integer);
        else
            text = g_strdup_printf(
                "found %s as a shard; write its nodes between quotes, as in \"1,4\"",
                toml_type_name(item->type));
        good = refuse(roles, item->place, role, text);
    }
    return good;
}

static bool read_nodes(RolesReading *roles, const TomlValue *value, const Role *role)
{
    if (value->type == TOML_ARRAY)
        return read_shards(roles, value, role);
    if (value->type == TOML_STRING)
        return set_word(roles, value, role) || add_shard(roles, value, role);
    if (value->type == TOML_INTEGER) {
        g_autoptr(GError) error = NULL;
        g_autofree char *nodes = g_strdup_printf("%" PRId64, value->integer);
        return table_builder_add_shard(roles->builder, role, nodes, &error) ||
               refuse(roles, value->place, role, error->message);
    }
    g_autofree char *text = g_strdup_printf(
        "found %s; write shards of nodes, as in [\"1,4\", \"2,3\"], or \"*\", or \"none\"",
        toml_type_name(value->type));
    return refuse(roles, value->place, role, text);
}

static void read_role(RolesReading *roles, const TomlEntry *entry, const Role *role)
{
    unsigned *line =
        &roles->reading->settings->role_lines[settings_index(roles->reading->settings, role)];
    g_autoptr(GError) error = NULL;
    if (*line) {
        g_autofree char *text = g_strdup_printf(
            "found this role again, which line %u has set; remove one of them", *line);
        refuse(roles, entry->place, role, text);
        return;
    }
    *line = entry->place.line;
    if (read_nodes(roles, entry->value, role) && !table_builder_check(roles->builder, role, &error))
        refuse(roles, entry->value->place, role, error->message);
}

static void refuse_name(RolesReading *roles, TomlPlace place, const char *name)
{
    if (settings_problems_full(roles->reading))
        return;
    const char *names[NAMES_MAX] = {NULL};
    unsigned count = 0;
    for (size_t i = 0; i < duty_roles.count && count + 2 <= NAMES_MAX; i++) {
        names[count++] = duty_roles.roles[i].name;
        if (duty_roles.roles[i].other_name)
            names[count++] = duty_roles.roles[i].other_name;
    }
    const char *nearest = nearest_find(name, names, count);
    if (nearest) {
        settings_add_problem(roles->reading, false, place,
                             "found the unknown role \"%.60s\"; did you mean \"%s\"?", name,
                             nearest);
        return;
    }
    g_autoptr(GString) all = g_string_new(NULL);
    for (size_t i = 0; i < duty_roles.count; i++)
        g_string_append_printf(all, "%s%s", i ? ", " : "", duty_roles.roles[i].name);
    settings_add_problem(roles->reading, false, place,
                         "found the unknown role \"%.60s\"; write one of %s", name, all->str);
}

static bool has_nul(RolesReading *roles, const TomlEntry *entry)
{
    if (strlen(entry->name.data) == entry->name.size)
        return false;
    settings_add_problem(roles->reading, false, entry->place, "found a name with a NUL; remove it");
    return true;
}

/* A role's own name as a table: [cluster.roles.fts-indexing] fts-indexing = …; or a group:
 * [cluster.roles.purge] stores = … */
static void read_group(RolesReading *roles, const TomlEntry *group, const Role *role)
{
    const GPtrArray *entries = group->value->table.entries;
    for (unsigned i = 0; i < entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(entries, i);
        if (has_nul(roles, entry))
            continue;
        g_autofree char *full = g_strdup_printf("%s.%s", group->name.data, entry->name.data);
        const Role *named = role_find(&duty_roles, role ? entry->name.data : full);
        if (named && (!role || named == role))
            read_role(roles, entry, named);
        else if (role)
            settings_add_problem(
                roles->reading, false, entry->place,
                "found \"%.60s\" in the table of the role %s; write %s = [\"1,4\"]",
                entry->name.data, group->name.data, group->name.data);
        else
            refuse_name(roles, entry->place, full);
    }
}

static bool is_group(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < duty_roles.count; i++) {
        const char *role = duty_roles.roles[i].name;
        if (strncmp(role, name, size) == 0 && role[size] == '.')
            return true;
    }
    return false;
}

static void read_customs(RolesReading *roles, const TomlEntry *group)
{
    if (group->value->type != TOML_TABLE) {
        settings_add_problem(roles->reading, false, group->place,
                             "found \"custom\" with %s; write the table "
                             "[cluster.roles.custom.backup] and the like",
                             toml_type_name(group->value->type));
        return;
    }
    const GPtrArray *entries = group->value->table.entries;
    for (unsigned i = 0; i < entries->len; i++) {
        const Role *role = NULL;
        const TomlValue *nodes =
            settings_read_custom(roles->reading, g_ptr_array_index(entries, i), &role);
        if (nodes)
            read_nodes(roles, nodes, role);
    }
}

static void read_entry(RolesReading *roles, const TomlEntry *entry)
{
    if (has_nul(roles, entry))
        return;
    const char *name = entry->name.data;
    if (strcmp(name, "custom") == 0) {
        read_customs(roles, entry);
        return;
    }
    const Role *role = role_find(&duty_roles, name);
    bool table = entry->value->type == TOML_TABLE;
    if (role && table)
        read_group(roles, entry, role);
    else if (role)
        read_role(roles, entry, role);
    else if (is_group(name) && table)
        read_group(roles, entry, NULL);
    else if (is_group(name))
        settings_add_problem(roles->reading, false, entry->place,
                             "found \"%s\" with %s; write the table [cluster.roles.%s]", name,
                             toml_type_name(entry->value->type), name);
    else
        refuse_name(roles, entry->place, name);
}

void settings_read_roles(SettingsReading *reading, const TomlEntry *entry)
{
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&reading->settings->roles);
    RolesReading roles = {reading, builder};
    if (entry && entry->value->type != TOML_TABLE)
        settings_add_problem(
            reading, false, entry->place,
            "found \"cluster.roles\" with %s; write the table [cluster.roles.purge] and the like",
            toml_type_name(entry->value->type));
    else if (entry)
        for (unsigned i = 0; i < entry->value->table.entries->len; i++)
            read_entry(&roles, g_ptr_array_index(entry->value->table.entries, i));
    reading->settings->table = table_builder_seal(builder);
}

unsigned *settings_concurrency(const Settings *settings)
{
    unsigned *concurrency = g_new(unsigned, settings->roles.count);
    for (size_t i = 0; i < settings->roles.count; i++)
        concurrency[i] = (unsigned)settings->lanes[i].concurrency;
    return concurrency;
}
