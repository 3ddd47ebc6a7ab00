/* settings: from a file to a Settings, with every problem told.
 *
 * How it fits: base/toml reads the text, the table of settings_table.c says what may stand there,
 * settings_value.c reads values and settings_roles.c the role table. Defaults are values of the
 * same table, read by the same functions before the file's. Failures: problems with file, line and
 * column; one that is no warning makes the settings broken, and then there are none. Known weak
 * point: where the TOML itself is broken, rules between settings (a missing node-id) are not
 * checked, since what they need may be in the part that could not be read.
 */
#include "app/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "base/nearest.h"
#include "duty/metrics_snapshot.h"
#include "remote/smtp.h"

#include "app/settings_table.h"

#define HEARTBEATS_MIN  3 /* in one lease: two may be lost */
#define TAKEOVER_LEASES 2 /* a node that is back at once gets its shard back without a fuss */

/* A line of the table with its role filled in, and its field in the Settings that are read. */
typedef struct {
    char *name;
    const SettingRow *row;
    void *field;
    unsigned line; /* that set it; 0: its default */
    TomlPlace place;
} Target;

typedef struct {
    SettingsReading base;
    GPtrArray *targets;   /* of Target */
    GHashTable *by_name;  /* name to Target */
    GHashTable *prefixes; /* "lmtp", "lane.purge": set of names that are tables */
} Reading;

static void problem_free(void *data)
{
    SettingsProblem *problem = data;
    g_free(problem->text);
    g_free(problem);
}

GPtrArray *settings_problems_new(void)
{
    return g_ptr_array_new_with_free_func(problem_free);
}

char *settings_problems_format(const GPtrArray *problems)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < problems->len; i++) {
        const SettingsProblem *problem = g_ptr_array_index(problems, i);
        g_string_append_printf(text, "%s%s%s", i > 0 ? "\n" : "",
                               problem->warning ? "warning: " : "", problem->text);
    }
    return g_string_free(text, FALSE);
}

void settings_add_problem(SettingsReading *reading, bool warning, TomlPlace place,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    /* what was found is cut to a length, which may be in the middle of a letter */
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    reading->broken = reading->broken || !warning;
    if (reading->problems->len >= SETTINGS_PROBLEMS_MAX)
        return;
    SettingsProblem *problem = g_new0(SettingsProblem, 1);
    const char *file = reading->file ? reading->file : "settings";
    bool last = reading->problems->len + 1 == SETTINGS_PROBLEMS_MAX;
    *problem = (SettingsProblem){.warning = warning && !last};
    if (!last)
        problem->line = place.line, problem->column = place.column;
    if (last)
        problem->text =
            g_strdup_printf("%s: found more problems than are shown; mend the first ones", file);
    else if (place.line)
        problem->text = g_strdup_printf("%s:%u:%u: %s", file, place.line, place.column, valid);
    else
        problem->text = g_strdup_printf("%s: %s", file, valid);
    g_ptr_array_add(reading->problems, problem);
}

static void target_free(void *data)
{
    Target *target = data;
    g_free(target->name);
    g_free(target);
}

static void add_target(Reading *reading, const SettingRow *row, char *take_name, void *field)
{
    Target *target = g_new0(Target, 1);
    *target = (Target){.name = take_name, .row = row, .field = field};
    g_ptr_array_add(reading->targets, target);
    g_hash_table_insert(reading->by_name, target->name, target);
    for (const char *dot = target->name; (dot = strchr(dot, '.')); dot++)
        g_hash_table_add(reading->prefixes, g_strndup(target->name, (gsize)(dot - target->name)));
}

/* A lane's setting, for the role's name and for its other name. */
static void add_lane_targets(Reading *reading, const SettingRow *row)
{
    const char *rest = strstr(row->name, ".*.") + 3;
    for (size_t i = 0; i < duty_roles.count; i++) {
        const Role *role = &duty_roles.roles[i];
        char *field = (char *)&reading->base.settings->lanes[i] + row->offset;
        add_target(reading, row, g_strdup_printf("lane.%s.%s", role->name, rest), field);
        if (role->other_name)
            add_target(reading, row, g_strdup_printf("lane.%s.%s", role->other_name, rest), field);
    }
}

/* Its tables have names of the operator's own: it is read elsewhere. */
static bool setting_is_of_a_table(const SettingRow *row)
{
    return g_str_has_prefix(row->name, "cluster.roles.") || g_str_has_prefix(row->name, "acme.*.");
}

static void add_targets(Reading *reading)
{
    for (unsigned i = 0; i < setting_row_count; i++) {
        const SettingRow *row = &setting_rows[i];
        if (g_str_has_prefix(row->name, "lane."))
            add_lane_targets(reading, row);
        else if (!setting_is_of_a_table(row))
            add_target(reading, row, g_strdup(row->name),
                       (char *)reading->base.settings + row->offset);
    }
}

void setting_set_default(const SettingRow *row, void *field)
{
    g_autofree char *text = g_strdup_printf("x = %s\n", row->fallback);
    g_autofree char *problem = NULL;
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, strlen(text), problems);
    MUST(problems->len == 0);
    MUST(setting_convert(row, toml_find(root, "x")->value, NULL, field, &problem));
}

/* The defaults: the table's, and for lanes the roles'. */
static void set_defaults(Reading *reading)
{
    Settings *settings = reading->base.settings;
    for (unsigned i = 0; i < reading->targets->len; i++) {
        const Target *target = g_ptr_array_index(reading->targets, i);
        if (target->row->fallback)
            setting_set_default(target->row, target->field);
    }
    for (size_t i = 0; i < duty_roles.count; i++) {
        const Role *role = &duty_roles.roles[i];
        settings->lanes[i] = (LaneSettings){role->concurrency, role->batch, role->attempts,
                                            role->retry_min_ms, role->retry_max_ms};
    }
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What may stand in a table: "data, purge"; "" is the whole file. The caller frees it. */
static char *list_children(const Reading *reading, const char *above)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func(g_free);
    size_t size = strlen(above);
    for (unsigned i = 0; i < reading->targets->len; i++) {
        const char *name = ((const Target *)g_ptr_array_index(reading->targets, i))->name;
        if (strncmp(name, above, size) != 0 || (size && name[size] != '.'))
            continue;
        const char *child = name + size + (size > 0);
        g_autofree char *word = g_strndup(child, strcspn(child, "."));
        if (!g_ptr_array_find_with_equal_func(children, word, g_str_equal, NULL))
            g_ptr_array_add(children, g_steal_pointer(&word));
    }
    g_ptr_array_add(children, NULL);
    return g_strjoinv(", ", (char **)children->pdata);
}

bool settings_problems_full(SettingsReading *reading)
{
    reading->broken = reading->broken || reading->problems->len >= SETTINGS_PROBLEMS_MAX;
    return reading->problems->len >= SETTINGS_PROBLEMS_MAX;
}

static void refuse_unknown(Reading *reading, const TomlEntry *entry, const char *above,
                           const char *path)
{
    if (settings_problems_full(&reading->base))
        return;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    bool table = entry->value->type == TOML_TABLE;
    GHashTableIter iter;
    gpointer name;
    if (g_hash_table_contains(reading->by_name, path)) {
        settings_add_problem(&reading->base, false, entry->place,
                             "found \"%s\" in quotes; write %s without them", path, path);
        return;
    }
    g_hash_table_iter_init(&iter, table ? reading->prefixes : reading->by_name);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_add(names, (gpointer)(uintptr_t) "cluster.roles");
    g_ptr_array_sort(names, compare_names);
    const char *nearest = nearest_find(path, (const char *const *)names->pdata, names->len);
    g_autofree char *children = list_children(reading, above);
    if (nearest)
        settings_add_problem(&reading->base, false, entry->place,
                             "found the unknown setting \"%.80s\"; did you mean \"%s\"?", path,
                             nearest);
    else
        settings_add_problem(&reading->base, false, entry->place,
                             "found the unknown setting \"%.80s\"; write one of %s", path,
                             children);
}

static void set_target(Reading *reading, const TomlEntry *entry, Target *target)
{
    g_autofree char *problem = NULL;
    SettingsReading *base = &reading->base;
    target->line = entry->place.line;
    target->place = entry->value->place;
    if (!setting_convert(target->row, entry->value, base->folder, target->field, &problem))
        settings_add_problem(base, false, entry->value->place, "%s: %s", target->name, problem);
}

static void read_table(Reading *reading, const TomlValue *table, const char *path);

static void read_entry(Reading *reading, const TomlEntry *entry, const char *above)
{
    g_autofree char *path =
        *above ? g_strdup_printf("%s.%s", above, entry->name.data) : g_strdup(entry->name.data);
    /* a role's name holds a point: [lane."purge.stores"]; other names with points would be a second
     * spelling */
    bool pointed = strchr(entry->name.data, '.') && strcmp(above, "lane") != 0;
    Target *target = pointed ? NULL : g_hash_table_lookup(reading->by_name, path);
    if (strlen(entry->name.data) != entry->name.size) {
        settings_add_problem(&reading->base, false, entry->place,
                             "found a name with a NUL; remove it");
    } else if (strcmp(path, "cluster.roles") == 0 && !pointed) {
        settings_read_roles(&reading->base, entry);
    } else if (strcmp(above, "acme") == 0 && !target && entry->value->type == TOML_TABLE) {
        settings_read_acme(&reading->base, entry);
    } else if (target) {
        if (target->line)
            settings_add_problem(&reading->base, false, entry->place,
                                 "found \"%s\" again, which line %u has set; remove one of them",
                                 path, target->line);
        else
            set_target(reading, entry, target);
    } else if (!pointed && g_hash_table_contains(reading->prefixes, path)) {
        if (entry->value->type == TOML_TABLE)
            read_table(reading, entry->value, path);
        else
            settings_add_problem(&reading->base, false, entry->place,
                                 "found \"%s\" with %s; write the table [%s]", path,
                                 toml_type_name(entry->value->type), path);
    } else {
        refuse_unknown(reading, entry, above, path);
    }
}

static void read_table(Reading *reading, const TomlValue *table, const char *path)
{
    for (unsigned i = 0; i < table->table.entries->len; i++)
        read_entry(reading, g_ptr_array_index(table->table.entries, i), path);
}

static const Target *get_target(const Reading *reading, const char *name)
{
    const Target *target = g_hash_table_lookup(reading->by_name, name);
    MUST(target != NULL);
    return target;
}

TomlPlace settings_place_of(const SettingsReading *reading, const char *name)
{
    return get_target((const Reading *)(const void *)reading, name)->place;
}

static bool names_nodes(const RoleTable *table)
{
    for (size_t i = 0; i < duty_roles.count; i++) {
        const char *role = duty_roles.roles[i].name;
        if (!table_role_is_all(table, role) && !table_role_is_none(table, role))
            return true;
    }
    return false;
}

/* $ROTA_NODE_ID, the file, or 1 where there can be only one node. */
static void settle_node_id(Reading *reading)
{
    Settings *settings = reading->base.settings;
    const Target *target = get_target(reading, "cluster.node-id");
    const char *variable = g_getenv("ROTA_NODE_ID");
    if (variable && *variable) {
        guint64 node = 0;
        if (g_ascii_string_to_unsigned(variable, 10, 1, NODE_ID_MAX, &node, NULL))
            settings->node_id = (int64_t)node;
        else
            settings_add_problem(
                &reading->base, false, (TomlPlace){0},
                "cluster.node-id: found \"%.40s\" in $ROTA_NODE_ID; write a number from 1 to %d",
                variable, NODE_ID_MAX);
        return;
    }
    if (target->line)
        return;
    if (settings->table && names_nodes(settings->table))
        settings_add_problem(&reading->base, false, (TomlPlace){0},
                             "cluster.node-id: found none, but [cluster.roles] names nodes; write "
                             "node-id = 1 (each node its own number) below "
                             "[cluster], or set $ROTA_NODE_ID");
    else if (settings->data.db.kind == DB_POSTGRESQL)
        settings_add_problem(&reading->base, false, (TomlPlace){0},
                             "cluster.node-id: found none, but nodes may share a PostgreSQL store; "
                             "write node-id = 1 (each node its own number) "
                             "below [cluster], or set $ROTA_NODE_ID");
    settings->node_id = 1;
}

static void settle_store(Reading *reading)
{
    StoreSettings *store = &reading->base.settings->data;
    const Target *path = get_target(reading, "store.data.path"),
                 *url = get_target(reading, "store.data.url");
    bool postgresql = store->db.kind == DB_POSTGRESQL;
    if (postgresql && !*store->url)
        settings_add_problem(&reading->base, false, get_target(reading, "store.data.type")->place,
                             "store.data.url: found none, but the type is \"postgresql\"; write "
                             "url = \"host=… dbname=rota user=rota\"");
    if (!postgresql && *store->url)
        settings_add_problem(&reading->base, false, url->place,
                             "store.data.url: found one, but the type is \"sqlite\"; write type = "
                             "\"postgresql\", or remove the url");
    if (postgresql && path->line)
        settings_add_problem(&reading->base, true, path->place,
                             "store.data.path: has no meaning with the type \"postgresql\"");
    if (!postgresql && !*store->path)
        settings_add_problem(
            &reading->base, false, path->place,
            "store.data.path: found an empty path; write one as in \"var/rota.db\"");
    if (*store->path && reading->base.folder && !g_path_is_absolute(store->path) &&
        strcmp(store->path, ":memory:") != 0) {
        char *whole = g_build_filename(reading->base.folder, store->path, NULL);
        g_free(store->path);
        store->path = whole;
    }
    store->db.path = postgresql ? NULL : store->path;
    store->db.url = postgresql ? store->url : NULL;
}

static void make_absolute(const Reading *reading, char **path)
{
    if (!**path || !reading->base.folder || g_path_is_absolute(*path))
        return;
    char *whole = g_build_filename(reading->base.folder, *path, NULL);
    g_free(*path);
    *path = whole;
}

static void settle_tls(Reading *reading)
{
    TlsSettings *tls = &reading->base.settings->tls;
    bool certificate = *tls->certificate, key = *tls->key;
    if (certificate != key)
        settings_add_problem(
            &reading->base, false,
            get_target(reading, certificate ? "tls.certificate" : "tls.private-key")->place,
            "%s: found no tls.%s; write both, or neither",
            certificate ? "tls.certificate" : "tls.private-key",
            certificate ? "private-key" : "certificate");
    make_absolute(reading, &tls->certificate);
    make_absolute(reading, &tls->key);
}

/* RFC 8292: a push service is told a mailbox or a page. */
static void settle_push(Reading *reading)
{
    PushSettings *push = &reading->base.settings->push;
    if (*push->contact && !g_str_has_prefix(push->contact, "mailto:") &&
        !g_str_has_prefix(push->contact, "https:"))
        settings_add_problem(&reading->base, false, get_target(reading, "jmap.push.contact")->place,
                             "jmap.push.contact: found \"%s\"; write one as in "
                             "\"mailto:postmaster@example.org\"",
                             push->contact);
    make_absolute(reading, &push->ca_file);
}

static void settle_smtp(Reading *reading)
{
    SmtpSettings *smtp = &reading->base.settings->smtp;
    if (*smtp->relay && !smtp_is_relay(smtp->relay))
        settings_add_problem(&reading->base, false, get_target(reading, "smtp.relay")->place,
                             "smtp.relay: found \"%s\"; write one as in "
                             "\"smtp://mail.example.org:587\" or \"smtps://mail.example.org\"",
                             smtp->relay);
    make_absolute(reading, &smtp->ca_file);
}

/* The rules between settings. */
static void settle(Reading *reading)
{
    Settings *settings = reading->base.settings;
    settle_node_id(reading);
    settle_store(reading);
    settle_tls(reading);
    settings_settle_acme(&reading->base, get_target(reading, "storage.secret-key")->place);
    settle_push(reading);
    settle_smtp(reading);
    settings_settle_metrics(&reading->base);
    if (strlen(settings->cluster_name) > CLUSTER_NAME_BYTES_MAX)
        settings_add_problem(&reading->base, false, get_target(reading, "cluster.name")->place,
                             "cluster.name: found %zu bytes; write a name of at most %d",
                             strlen(settings->cluster_name), CLUSTER_NAME_BYTES_MAX);
    if (settings->lease_ms < HEARTBEATS_MIN * settings->heartbeat_ms) {
        const Target *lease = get_target(reading, "cluster.lease"),
                     *beat = get_target(reading, "cluster.heartbeat");
        settings_add_problem(&reading->base, false, lease->line ? lease->place : beat->place,
                             "cluster.lease: found %" PRId64
                             " ms, less than %d heartbeats of %" PRId64
                             " ms; write a longer lease or a shorter heartbeat",
                             settings->lease_ms, HEARTBEATS_MIN, settings->heartbeat_ms);
    }
    if (settings->takeover_ms > 0 && settings->takeover_ms < TAKEOVER_LEASES * settings->lease_ms)
        settings_add_problem(&reading->base, false, get_target(reading, "cluster.takeover")->place,
                             "cluster.takeover: found %" PRId64 " ms, less than %d leases of "
                             "%" PRId64 " ms; write a longer time, or 0 for never",
                             settings->takeover_ms, TAKEOVER_LEASES, settings->lease_ms);
    for (size_t i = 0; i < duty_roles.count; i++) {
        const char *role = duty_roles.roles[i].name;
        g_autofree char *name = g_strdup_printf("lane.%s.retry.max", role);
        g_autofree char *min_name = g_strdup_printf("lane.%s.retry.min", role);
        const Target *max = get_target(reading, name), *min = get_target(reading, min_name);
        if (settings->lanes[i].retry_max_ms < settings->lanes[i].retry_min_ms)
            settings_add_problem(
                &reading->base, false, max->line ? max->place : min->place,
                "%s: found a longest wait that is shorter than the first; write a longer one",
                name);
    }
    if (!*settings->lmtp.host_name) {
        g_free(settings->lmtp.host_name);
        settings->lmtp.host_name = g_strdup(g_get_host_name());
    }
}

static int compare_problems(gconstpointer a, gconstpointer b)
{
    const SettingsProblem *one = *(SettingsProblem *const *)a,
                          *other = *(SettingsProblem *const *)b;
    unsigned one_line = one->line ? one->line : G_MAXUINT,
             other_line = other->line ? other->line : G_MAXUINT;
    if (one_line != other_line)
        return one_line < other_line ? -1 : 1;
    return one->column < other->column ? -1 : one->column > other->column;
}

/* `path` NULL: no file. */
static Settings *load(const char *path, const char *text, size_t size, GPtrArray *problems)
{
    g_autofree char *folder = path ? g_path_get_dirname(path) : NULL;
    g_autoptr(Settings) settings = g_new0(Settings, 1);
    settings->file = g_strdup(path);
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(target_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) prefixes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Reading reading = {{path, folder, problems, false, settings}, targets, by_name, prefixes};
    g_autoptr(GPtrArray) mistakes = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, size, mistakes);
    settings_find_customs(&reading.base, root);
    settings->role_lines = g_new0(unsigned, settings->roles.count);
    settings->lanes = g_new0(LaneSettings, settings->roles.count);
    add_targets(&reading);
    set_defaults(&reading);
    for (unsigned i = 0; i < mistakes->len; i++) {
        const TomlProblem *mistake = g_ptr_array_index(mistakes, i);
        settings_add_problem(&reading.base, false, mistake->place, "%s", mistake->text);
    }
    read_table(&reading, root, "");
    if (!settings->table)
        settings_read_roles(&reading.base, NULL);
    settings_settle_customs(settings);
    if (mistakes->len == 0)
        settle(&reading);
    g_ptr_array_sort(problems, compare_problems);
    return reading.base.broken ? NULL : g_steal_pointer(&settings);
}

Settings *settings_load(const char *path, const char *text, size_t size, GPtrArray *problems)
{
    return load(path, text, size, problems);
}

Settings *settings_default(GPtrArray *problems)
{
    return load(NULL, "", 0, problems);
}

Settings *settings_read(const char *path, GPtrArray *problems)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;
    if (g_file_get_contents(path, &text, &size, &error))
        return load(path, text, size, problems);
    SettingsProblem *problem = g_new0(SettingsProblem, 1);
    problem->text = g_strdup_printf(
        "could not read the settings: %s; write the path of a file that this user may read",
        error->message);
    g_ptr_array_add(problems, problem);
    return NULL;
}

char *settings_find(const char *option)
{
    if (option)
        return g_strdup(option);
    if (g_getenv("ROTA_CONFIG"))
        return g_strdup(g_getenv("ROTA_CONFIG"));
    if (g_file_test("rota.toml", G_FILE_TEST_EXISTS))
        return g_strdup("rota.toml");
    if (g_file_test("/etc/rota/rota.toml", G_FILE_TEST_EXISTS))
        return g_strdup("/etc/rota/rota.toml");
    return NULL;
}

void settings_free(Settings *settings)
{
    if (!settings)
        return;
    for (unsigned i = 0; i < setting_row_count; i++)
        if (!g_str_has_prefix(setting_rows[i].name, "lane.") &&
            !setting_is_of_a_table(&setting_rows[i]))
            setting_clear(&setting_rows[i], (char *)settings + setting_rows[i].offset);
    if (settings->table)
        table_unref(settings->table);
    g_free(settings->role_lines);
    g_free(settings->lanes);
    settings_clear_customs(settings);
    settings_clear_acme(settings);
    g_free(settings->file);
    g_free(settings);
}

size_t settings_index(const Settings *settings, const Role *role)
{
    const Role *own = role_find(&settings->roles, role->name);
    MUST(own);
    return (size_t)(own - settings->roles.roles);
}

const LaneSettings *settings_lane(const Settings *settings, const Role *role)
{
    return &settings->lanes[settings_index(settings, role)];
}

const char *settings_schedule(const Settings *settings, const Role *role)
{
    for (unsigned i = 0; role->schedule_setting && i < setting_row_count; i++)
        if (strcmp(setting_rows[i].name, role->schedule_setting) == 0)
            return *(char *const *)((const char *)settings + setting_rows[i].offset);
    return role->schedule;
}

/* A role with nothing to do by these settings would only wake the store. */
static bool has_rounds(const Settings *settings, const Role *role)
{
    bool wanted = role->handler != &metrics_push_handler ||
                  metrics_push_is_wanted(settings->duty.metrics_push);
    return wanted && role->handler && role->schedule;
}

GArray *settings_rounds(const Settings *settings)
{
    GArray *rounds = g_array_new(FALSE, TRUE, sizeof(Round));
    for (size_t i = 0; i < settings->roles.count; i++) {
        const Role *role = &settings->roles.roles[i];
        Round round = {
            .role = role,
            .unit = role->unit == ROLE_BY_STORE ? "data" : "",
            .schedule = settings_schedule(settings, role),
            .time_zone = settings->time_zone,
        };
        if (has_rounds(settings, role))
            g_array_append_val(rounds, round);
    }
    return rounds;
}
