/* cmd_roles: the role table as it is resolved: all of it, what one node does, or the whole way of
 * one line of it.
 *
 * How it fits: prints what settings_roles.c built; --explain follows a line from the file to the
 * last run, the way that a reader of the code goes too (settings, table, round, task, worker,
 * duty), with live values where the store can be reached. Failures: broken settings (2), a role or
 * shard that is not there (2). A store that cannot be reached is said, and is no failure: the table
 * of the file is the answer.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "front/report_json.h"

#include "app/command.h"
#include "app/roles_explain.h"
#include "app/ui.h"

static gint64 option_node;
static gboolean option_explain;

/* Where a role is set: "rota.toml:3", or "default". */
static char *place_of(const Settings *settings, size_t index)
{
    unsigned line = settings->role_lines[index];
    return line ? g_strdup_printf("%s:%u", settings->file, line) : g_strdup("default");
}

static size_t index_of(const Settings *settings, const char *role)
{
    return (size_t)(role_find(&settings->roles, role) - settings->roles.roles);
}

static json_t *table_json(const Settings *settings)
{
    size_t index;
    json_t *list = report_json_table(settings->table, &settings->roles), *row;
    json_array_foreach(list, index, row)
    {
        const char *role = json_string_value(json_object_get(row, "role"));
        g_autofree char *place = place_of(settings, index_of(settings, role));
        json_object_set_new(row, "set", json_string(place));
    }
    return json_pack("{s:s, s:o}", "digest", table_digest(settings->table), "table", list);
}

static void print_table(const Settings *settings, bool json)
{
    if (json) {
        ui_print_json(table_json(settings));
        return;
    }
    g_autoptr(UiTable) table = ui_table_new("role", "shard", "nodes", "set", NULL);
    for (size_t i = 0; i < settings->roles.count; i++) {
        const char *role = settings->roles.roles[i].name;
        unsigned shards = table_shards(settings->table, role);
        g_autofree char *place = place_of(settings, i);
        for (unsigned shard = 1; shard <= shards; shard++) {
            g_autofree char *nodes = node_set_format(table_nodes(settings->table, role, shard));
            g_autofree char *of = g_strdup_printf("%u of %u", shard, shards);
            ui_table_add(table, shard == 1 ? role : "", of,
                         strcmp(nodes, "*") == 0 ? "every node" : nodes, shard == 1 ? place : "",
                         NULL);
        }
    }
    ui_table_print(table, stdout);
}

static void print_node(const Settings *settings, int64_t node, bool json)
{
    json_t *list = json_array();
    for (size_t i = 0; i < settings->roles.count; i++) {
        const char *role = settings->roles.roles[i].name;
        unsigned count = table_shards(settings->table, role);
        g_autoptr(GArray) shards = table_shards_of_node(settings->table, role, node);
        for (unsigned s = 0; s < shards->len; s++) {
            unsigned shard = g_array_index(shards, unsigned, s);
            json_array_append_new(list, json_pack("{s:s, s:i, s:i}", "role", role, "shard",
                                                  (int)shard, "shards", (int)count));
            if (!json && count > 1)
                printf("%s shard %u of %u\n", role, shard, count);
            else if (!json)
                printf("%s\n", role);
        }
    }
    if (!json && json_array_size(list) == 0)
        fprintf(stderr, "node %" PRId64 " does no role\n", node);
    if (json)
        ui_print_json(json_pack("{s:I, s:o}", "node", (json_int_t)node, "roles", list));
    else
        json_decref(list);
}

static int explain(CommandContext *context, const Settings *settings, int argc, char **argv)
{
    const Role *role = command_find_role(context, argv[0]);
    if (!role)
        return EXIT_USAGE;
    unsigned shards = table_shards(settings->table, role->name);
    guint64 shard = 1;
    if (argc > 1 && !g_ascii_string_to_unsigned(argv[1], 10, 1, shards, &shard, NULL))
        return command_misuse(context,
                              "there is no shard \"%s\" of %s; write a number from 1 to %u",
                              argv[1], role->name, shards);
    json_t *way = roles_explain(context, role, (unsigned)shard);
    if (context->json)
        ui_print_json(way);
    else
        roles_explain_print(way);
    return EXIT_FINE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    if (!settings)
        return command_fail(error);
    if (option_explain && argc == 0)
        return command_misuse(context,
                              "--explain needs a role, as in: rota roles --explain purge.stores 1");
    if (option_explain)
        return explain(context, settings, argc, argv);
    if (argc > 0)
        return command_misuse(context, "\"%s\" is an argument that only --explain takes", argv[0]);
    if (option_node < 0 || option_node > NODE_ID_MAX)
        return command_misuse(context, "there is no node %" PRId64 "; write a number from 1 to %d",
                              (int64_t)option_node, NODE_ID_MAX);
    if (option_node)
        print_node(settings, option_node, context->json);
    else
        print_table(settings, context->json);
    return EXIT_FINE;
}

static const GOptionEntry options[] = {
    {"node", 'n', 0, G_OPTION_ARG_INT64, &option_node, "what one node does", "N"},
    {"explain", 0, 0, G_OPTION_ARG_NONE, &option_explain,
     "the whole way of a role's shard, from the file to its last run", NULL},
    {0},
};

const Command cmd_roles = {
    .name = "roles",
    .usage = "[ROLE [SHARD]]",
    .summary = "shows the role table as it is resolved: roles, shards, nodes",
    .example = "rota roles\nrota roles --node 4\nrota roles --explain purge.stores 1",
    .options = options,
    .args_max = 2,
    .run = run,
};
