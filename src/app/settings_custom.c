/* settings_custom: [cluster.roles.custom.NAME] into the operator's own roles.
 *
 * How it fits: settings.c lets it find the names first, for the role table and the lanes are made
 * by all roles; settings_roles.c comes here with each table when it reads the role table, and reads
 * `nodes` itself. What may stand there are the rows "cluster.roles.custom.*" of settings_table.c;
 * a command and an environment have a form of their own, read here. Failures: problems with their
 * place, as everywhere in the settings. Whether a command is there on this machine is no question
 * of the settings: `rota check` asks it.
 */
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "base/text.h"
#include "base/units.h"

#include "app/settings_table.h"

#define PREFIX                "cluster.roles.custom.*."
#define CUSTOM_NAME_BYTES_MAX 40 /* a column of `rota status` */
#define PATH_TEXT             "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SHOW_BYTES            60

/* What a command gets of our own environment: what programs need to find their way, and no secret
 * of ours. */
static const char *const passed_on[] = {"PATH", "HOME",   "USER", "LOGNAME", "SHELL",
                                        "LANG", "LC_ALL", "TZ",   "TMPDIR",  NULL};

typedef struct {
    SettingsReading *reading;
    CustomDuty *custom;
    TomlPlace place;      /* of the table's name */
    TomlPlace command;    /* of the command; line 0: there is none */
    bool command_is_text; /* one text, not an array */
    bool schedule, every;
    const TomlValue *nodes;
} CustomReading;

static bool is_name(const TomlText *name)
{
    return name->size >= 1 && name->size <= CUSTOM_NAME_BYTES_MAX &&
           strspn(name->data, "abcdefghijklmnopqrstuvwxyz0123456789-_") == name->size &&
           g_ascii_isalnum(name->data[0]);
}

static const TomlValue *find_table(const TomlValue *root)
{
    static const char *const way[] = {"cluster", "roles", "custom"};
    for (unsigned i = 0; i < G_N_ELEMENTS(way); i++) {
        const TomlEntry *entry = toml_find(root, way[i]);
        if (!entry || entry->value->type != TOML_TABLE)
            return NULL;
        root = entry->value;
    }
    return root;
}

static void make_roles(Settings *settings)
{
    g_free((gpointer)(uintptr_t)settings->roles.roles);
    settings->roles =
        (RoleSet){duty_roles_with(settings->duty.customs, settings->duty.custom_count),
                  duty_roles.count + settings->duty.custom_count};
}

void settings_find_customs(SettingsReading *reading, const TomlValue *root)
{
    Settings *settings = reading->settings;
    const TomlValue *table = find_table(root);
    unsigned count = 0;
    settings->customs = g_new0(CustomDuty, CUSTOM_ROLES_MAX);
    for (unsigned i = 0; table && i < table->table.entries->len && count < CUSTOM_ROLES_MAX; i++) {
        const TomlEntry *entry = g_ptr_array_index(table->table.entries, i);
        if (!is_name(&entry->name))
            continue; /* refused when it is read */
        CustomDuty *custom = &settings->customs[count++];
        custom->role = g_strdup_printf("custom.%s", entry->name.data);
        for (unsigned row = 0; row < setting_row_count; row++)
            if (g_str_has_prefix(setting_rows[row].name, PREFIX) && setting_rows[row].fallback)
                setting_set_default(&setting_rows[row], (char *)custom + setting_rows[row].offset);
    }
    settings->duty.customs = settings->customs;
    settings->duty.custom_count = count;
    make_roles(settings);
}

/* ---------------------------------------------------------------- values of their own form */

static void refuse(CustomReading *custom, TomlPlace place, const char *setting, const char *text)
{
    settings_add_problem(custom->reading, false, place, "cluster.roles.%s.%s: %s",
                         custom->custom->role, setting, text);
}

/* A text with its secrets; NULL: it was refused. */
static char *take_text(CustomReading *custom, const TomlValue *value, const char *setting)
{
    static const SettingRow row = {"", SETTING_TEXT, 0, "\"text\"", 0, 0, NULL, ""};
    char *text = NULL;
    g_autofree char *problem = NULL;
    if (!setting_convert(&row, value, custom->reading->folder, &text, &problem))
        refuse(custom, value->place, setting, problem);
    return text;
}

/* "tar -c x" as ["tar", "-c", "x"], so far as it can be told. */
static char *show_array(const char *text)
{
    g_auto(GStrv) words = NULL;
    if (!g_shell_parse_argv(text, NULL, &words, NULL))
        words = g_strsplit(text, " ", 3);
    g_autofree char *joined = g_strjoinv("\", \"", words);
    return g_strdup_printf("[\"%s\"]", joined);
}

static void read_command(CustomReading *custom, const TomlValue *value)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    custom->command = value->place;
    custom->command_is_text = value->type == TOML_STRING;
    if (custom->command_is_text) {
        char *text = take_text(custom, value, "command");
        if (!text)
            return;
        g_ptr_array_add(words, text);
    } else if (value->type != TOML_ARRAY || value->items->len == 0 ||
               value->items->len > CUSTOM_WORDS_MAX) {
        g_autofree char *text = g_strdup_printf(
            "found %s; write the program and its arguments, 1 to %d texts, as in [\"tar\", "
            "\"-cf\", \"/backup/mail.tar\", \"/srv/mail\"]",
            value->type == TOML_ARRAY ? "an array of another length" : toml_type_name(value->type),
            CUSTOM_WORDS_MAX);
        refuse(custom, value->place, "command", text);
        return;
    }
    for (unsigned i = 0; !custom->command_is_text && i < value->items->len; i++) {
        char *text = take_text(custom, g_ptr_array_index(value->items, i), "command");
        if (!text)
            return;
        g_ptr_array_add(words, text);
    }
    if (!*(const char *)g_ptr_array_index(words, 0)) {
        refuse(custom, value->place, "command", "found an empty program; write its name");
        return;
    }
    g_ptr_array_add(words, NULL);
    custom->custom->command = (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static bool is_variable(const TomlText *name)
{
    return name->size > 0 && !g_ascii_isdigit(name->data[0]) &&
           strspn(name->data, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_") == name->size;
}

static void read_environment(CustomReading *custom, const TomlValue *value)
{
    if (value->type != TOML_TABLE || value->table.entries->len > CUSTOM_WORDS_MAX) {
        g_autofree char *text = g_strdup_printf(
            "found %s; write a table of at most %d variables, as in { LANG = \"C.UTF-8\" }",
            value->type == TOML_TABLE ? "a larger one" : toml_type_name(value->type),
            CUSTOM_WORDS_MAX);
        refuse(custom, value->place, "environment", text);
        return;
    }
    char **environment = custom->custom->environment;
    for (unsigned i = 0; i < value->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(value->table.entries, i);
        if (!is_variable(&entry->name) || g_str_has_prefix(entry->name.data, "ROTA_")) {
            g_autofree char *text = g_strdup_printf(
                "found \"%.*s\"; write the name of a variable, of letters, digits and \"_\", that "
                "does not begin with ROTA_",
                SHOW_BYTES, entry->name.data);
            refuse(custom, entry->place, "environment", text);
            continue;
        }
        g_autofree char *text = take_text(custom, entry->value, "environment");
        if (text)
            environment = g_environ_setenv(environment, entry->name.data, text, TRUE);
    }
    custom->custom->environment = environment;
}

/* ---------------------------------------------------------------- one entry */

static void read_row(CustomReading *custom, const TomlEntry *entry, const SettingRow *row)
{
    const char *name = row->name + strlen(PREFIX);
    g_autofree char *problem = NULL;
    custom->schedule |= strcmp(name, "schedule") == 0;
    custom->every |= strcmp(name, "every") == 0;
    if (row->type == SETTING_ROLES)
        custom->nodes = entry->value;
    else if (row->type == SETTING_COMMAND)
        read_command(custom, entry->value);
    else if (row->type == SETTING_ENVIRONMENT)
        read_environment(custom, entry->value);
    else if (!setting_convert(row, entry->value, custom->reading->folder,
                              (char *)custom->custom + row->offset, &problem))
        refuse(custom, entry->value->place, name, problem);
}

static void read_entries(CustomReading *custom, const TomlValue *table, const char *above)
{
    for (unsigned i = 0; i < table->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(table->table.entries, i);
        g_autofree char *name =
            g_strdup_printf("%s%s%s", above, *above ? "." : "", entry->name.data);
        bool plain = strlen(entry->name.data) == entry->name.size &&
                     !strchr(entry->name.data, '.') && !settings_problems_full(custom->reading);
        const SettingRow *row = plain ? setting_find(PREFIX, name) : NULL;
        if (row)
            read_row(custom, entry, row);
        else if (plain && !*above && strcmp(name, "retry") == 0 && entry->value->type == TOML_TABLE)
            read_entries(custom, entry->value, name);
        else
            settings_refuse_unknown(custom->reading, entry->place, PREFIX, name,
                                    custom->custom->role);
    }
}

/* ---------------------------------------------------------------- the rules between them */

/* A relative path counts from the settings' folder. */
static void set_below_folder(const CustomReading *custom, char **path)
{
    const char *folder = custom->reading->folder ? custom->reading->folder : ".";
    g_autofree char *below = g_build_filename(folder, *path, NULL);
    g_free(*path);
    *path = g_canonicalize_filename(below, NULL);
}

static void settle_command(CustomReading *custom)
{
    CustomDuty *duty = custom->custom;
    if (custom->command.line == 0) {
        refuse(custom, custom->place, "command",
               "found none; write the program and its arguments, as in command = [\"rspamc\", "
               "\"stat\"]");
        return;
    }
    if (!duty->command)
        return;
    if (duty->shell != custom->command_is_text) {
        g_autofree char *array = custom->command_is_text ? show_array(duty->command[0]) : NULL;
        g_autofree char *joined = g_strjoinv(" ", duty->command);
        g_autofree char *text =
            array ? g_strdup_printf("found one text; write its words as an array, command = "
                                    "%.200s, or add shell = true to have /bin/sh read it",
                                    array)
                  : g_strdup_printf("found an array with shell = true; write one text, as in "
                                    "\"%.200s\", or remove shell",
                                    joined);
        refuse(custom, custom->command, "command", text);
        return;
    }
    if (duty->shell) {
        char **words = g_new0(char *, 4);
        words[0] = g_strdup("/bin/sh");
        words[1] = g_strdup("-c");
        words[2] = g_strdup(duty->command[0]);
        g_strfreev(duty->command);
        duty->command = words;
    } else if (strchr(duty->command[0], '/') && !g_path_is_absolute(duty->command[0])) {
        set_below_folder(custom, &duty->command[0]);
    }
}

static void settle_schedule(CustomReading *custom)
{
    CustomDuty *duty = custom->custom;
    if (custom->schedule == custom->every) {
        refuse(custom, custom->place, custom->schedule ? "every" : "schedule",
               custom->schedule
                   ? "found a schedule too; write one of the two"
                   : "found neither schedule nor every; write schedule = \"0 3 * * *\" or every = "
                     "\"10m\"");
        return;
    }
    if (!custom->every || duty->every_ms == 0)
        return;
    g_autofree char *text = units_format_duration(duty->every_ms);
    duty->schedule = g_strdup_printf("every %s", text);
}

static void settle_rest(CustomReading *custom)
{
    CustomDuty *duty = custom->custom;
    if (duty->retry_max_ms < duty->retry_min_ms)
        refuse(custom, custom->place, "retry.max",
               "found a longest wait that is shorter than the first; write a longer one");
    if (!g_path_is_absolute(duty->directory)) {
        set_below_folder(custom, &duty->directory);
    }
    for (unsigned i = 0; passed_on[i]; i++) {
        const char *value = g_getenv(passed_on[i]);
        if (value)
            duty->environment = g_environ_setenv(duty->environment, passed_on[i], value, FALSE);
    }
    duty->environment = g_environ_setenv(duty->environment, "PATH", PATH_TEXT, FALSE);
    g_autofree char *words = duty->command ? g_strjoinv(" ", duty->command) : g_strdup("");
    g_autofree char *valid = g_utf8_make_valid(words, -1);
    g_autofree char *cut = text_cut(valid, SHOW_BYTES);
    duty->summary = g_strdup_printf("runs %s%s", cut, strlen(cut) < strlen(valid) ? "…" : "");
}

/* ---------------------------------------------------------------- from settings_roles.c */

const TomlValue *settings_read_custom(SettingsReading *reading, const TomlEntry *entry,
                                      const Role **ret_role)
{
    Settings *settings = reading->settings;
    if (!is_name(&entry->name)) {
        settings_add_problem(reading, false, entry->place,
                             "found the custom role \"%.*s\"; write a name of at most %d small "
                             "letters, digits, \"-\" and \"_\"",
                             SHOW_BYTES, entry->name.data, CUSTOM_NAME_BYTES_MAX);
        return NULL;
    }
    g_autofree char *name = g_strdup_printf("custom.%s", entry->name.data);
    const Role *role = role_find(&settings->roles, name);
    if (!role) {
        settings_add_problem(reading, false, entry->place,
                             "found more than %d custom roles; write fewer: a command may do the "
                             "work of several",
                             CUSTOM_ROLES_MAX);
        return NULL;
    }
    if (entry->value->type != TOML_TABLE) {
        settings_add_problem(reading, false, entry->place,
                             "found \"%s\" with %s; write the table [cluster.roles.%s]", name,
                             toml_type_name(entry->value->type), name);
        return NULL;
    }
    size_t index = settings_index(settings, role);
    CustomReading custom = {.reading = reading,
                            .custom = &settings->customs[index - duty_roles.count],
                            .place = entry->place};
    settings->role_lines[index] = entry->place.line;
    read_entries(&custom, entry->value, "");
    settle_command(&custom);
    settle_schedule(&custom);
    settle_rest(&custom);
    *ret_role = role;
    return custom.nodes;
}

void settings_settle_customs(Settings *settings)
{
    make_roles(settings);
    for (size_t i = duty_roles.count; i < settings->roles.count; i++) {
        const Role *role = &settings->roles.roles[i];
        settings->lanes[i] = (LaneSettings){role->concurrency, role->batch, role->attempts,
                                            role->retry_min_ms, role->retry_max_ms};
    }
}

void settings_clear_customs(Settings *settings)
{
    for (unsigned i = 0; settings->customs && i < CUSTOM_ROLES_MAX; i++) {
        CustomDuty *custom = &settings->customs[i];
        g_free(custom->role);
        g_free(custom->summary);
        g_strfreev(custom->command);
        g_free(custom->schedule);
        g_free(custom->directory);
        g_strfreev(custom->environment);
    }
    g_free(settings->customs);
    g_free((gpointer)(uintptr_t)settings->roles.roles);
}
