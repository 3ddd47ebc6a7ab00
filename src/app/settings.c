/* settings: from nothing to defaults. (Files follow with base/toml.)
 */
#include "app/settings.h"

#include <string.h>

#include "base/limits.h"

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
    g_free(settings->role_lines);
    g_free(settings->data.path);
    g_free(settings->data.type);
    g_free(settings->data.purge_schedule);
    g_free(settings->account_purge_schedule);
    g_strfreev(settings->lmtp.listen);
    g_free(settings->lmtp.host_name);
    g_free(settings->lanes);
    g_free(settings->time_zone);
    g_free(settings->file);
    g_free(settings);
}

Settings *settings_default(GPtrArray *problems)
{
    (void)problems;
    Settings *settings = g_new0(Settings, 1);
    settings->node_id = 1;
    settings->lease_ms = LEASE_MS;
    settings->heartbeat_ms = HEARTBEAT_MS;
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    settings->table = table_builder_seal(builder);
    settings->role_lines = g_new0(unsigned, duty_roles.count);
    settings->data.type = g_strdup("sqlite");
    settings->data.path = g_strdup("var/rota.db");
    settings->data.db = (DbConfig){.kind = DB_SQLITE, .path = settings->data.path};
    settings->data.purge_schedule = g_strdup("0 3 * * *");
    settings->account_purge_schedule = g_strdup("0 0 * * *");
    settings->duty = (DutySettings){
        .undelete_retention_ms = 3600000,
        .auto_expunge_ms = 30 * 86400000ll,
        .changes_max_history = 10000,
        .account_retention_ms = 30 * 86400000ll,
        .history_retention_ms = 30 * 86400000ll,
        .purge_pause_us = 10000,
        .spam_min_samples = 200,
    };
    settings->lmtp.listen = g_strsplit("127.0.0.1:11024", ",", -1);
    settings->lmtp.message_bytes_max = MESSAGE_BYTES_MAX;
    settings->lmtp.sessions_max = LMTP_SESSIONS_MAX;
    settings->lmtp.timeout_ms = 300000;
    settings->lmtp.host_name = g_strdup(g_get_host_name());
    settings->spam = (SpamSettings){.enabled = true, .score_spam = 0.9};
    settings->lanes = g_new0(LaneSettings, duty_roles.count);
    for (size_t i = 0; i < duty_roles.count; i++) {
        const Role *role = &duty_roles.roles[i];
        settings->lanes[i] = (LaneSettings){role->concurrency, role->batch, role->attempts,
                                            role->retry_min_ms, role->retry_max_ms};
    }
    settings->log_level = LOG_LEVEL_INFO;
    settings->log_format = LOG_FORMAT_AUTO;
    settings->time_zone = g_strdup("UTC");
    return settings;
}

Settings *settings_load(const char *path, const char *text, size_t size, GPtrArray *problems)
{
    (void)path, (void)text, (void)size;
    return settings_default(problems);
}

Settings *settings_read(const char *path, GPtrArray *problems)
{
    return settings_load(path, "", 0, problems);
}

const LaneSettings *settings_lane(const Settings *settings, const Role *role)
{
    return &settings->lanes[role - duty_roles.roles];
}

GArray *settings_rounds(const Settings *settings)
{
    GArray *rounds = g_array_new(FALSE, TRUE, sizeof(Round));
    for (size_t i = 0; i < duty_roles.count; i++) {
        const Role *role = &duty_roles.roles[i];
        if (!role->handler || !role->schedule)
            continue;
        bool by_store = role->unit == ROLE_BY_STORE;
        Round round = {
            .role = role,
            .unit = by_store ? "data" : "",
            .schedule = by_store ? settings->data.purge_schedule : settings->account_purge_schedule,
            .time_zone = settings->time_zone,
        };
        g_array_append_val(rounds, round);
    }
    return rounds;
}
