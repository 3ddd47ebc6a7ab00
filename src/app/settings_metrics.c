/* settings_metrics: the rules of [metrics].
 *
 * How it fits: settings.c reads the values and calls this at the end. Failures: problems of the
 * settings. Known weak point: whether an endpoint is one is seen when something is sent.
 */
#include <gio/gio.h>
#include <string.h>

#include "duty/metrics_snapshot.h"

#include "app/settings_table.h"

/* A name and a password, or neither; and of the two ways to say who we are one alone. */
static void check_who(SettingsReading *reading, const char *of, const MetricsTarget *target)
{
    if (!*target->username && !*target->password)
        return;
    g_autofree char *at =
        g_strdup_printf("metrics.%s.%s", of, *target->username ? "username" : "password");
    TomlPlace place = settings_place_of(reading, at);
    if (!*target->username != !*target->password)
        settings_add_problem(reading, false, place,
                             "metrics.%s: found a username or a password alone; write both, or "
                             "neither",
                             of);
    else if (*target->username && *target->token)
        settings_add_problem(reading, false, place,
                             "metrics.%s: found a username and a token; write one of them", of);
}

/* Whoever listens on the way would have the password. */
static void warn_of_plain_text(SettingsReading *reading, int kind, const MetricsTarget *target)
{
    g_autoptr(GUri) url =
        *target->endpoint ? g_uri_parse(target->endpoint, G_URI_FLAGS_ENCODED, NULL) : NULL;
    if (!url || strcmp(g_uri_get_scheme(url), "http") != 0 ||
        (!*target->username && !*target->token))
        return;
    const char *host = g_uri_get_host(url);
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    if (strcmp(host, "localhost") == 0 || (address && g_inet_address_get_is_loopback(address)))
        return;
    g_autofree char *at = g_strdup_printf("metrics.%s.endpoint", metrics_target_names[kind]);
    settings_add_problem(reading, true, settings_place_of(reading, at),
                         "%s: the password or token goes to \"%.80s\" without TLS; write an "
                         "https:// URL",
                         at, host);
}

/* Names that our own series have, or that whose they are is said with. */
static const char *const taken_names[] = {"certificate", "cluster", "instance", "job",   "le",
                                          "node",        "result",  "role",     "shard", "state",
                                          "status",      "target",  "version",  NULL};

static void check_labels(SettingsReading *reading, int kind, char *const *labels)
{
    g_autofree char *at = g_strdup_printf("metrics.%s.labels", metrics_target_names[kind]);
    g_autoptr(GHashTable) met = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (; *labels; labels++) {
        char *name = g_strndup(*labels, strcspn(*labels, "="));
        bool point = kind != METRICS_OPEN_TELEMETRY && strchr(name, '.');
        bool taken = g_strv_contains(taken_names, name) || g_str_has_prefix(name, "__") ||
                     g_str_has_prefix(name, "service.") || g_hash_table_contains(met, name);
        if (point || taken)
            settings_add_problem(reading, false, settings_place_of(reading, at),
                                 "%s: found the name \"%.80s\", %s; write another", at, name,
                                 point ? "which has a point" : "which is taken");
        g_hash_table_add(met, name);
    }
}

static void make_absolute(const SettingsReading *reading, char **path)
{
    if (!**path || !reading->folder || g_path_is_absolute(*path))
        return;
    char *whole = g_build_filename(reading->folder, *path, NULL);
    g_free(*path);
    *path = whole;
}

void settings_settle_metrics(SettingsReading *reading)
{
    MetricsSettings *metrics = &reading->settings->metrics;
    const MetricsTarget scraped = {.username = metrics->username,
                                   .password = metrics->password,
                                   .token = (char *)(uintptr_t) ""};
    check_who(reading, "prometheus", &scraped);
    for (int i = 0; i < METRICS_TARGETS; i++) {
        check_who(reading, metrics_target_names[i], &metrics->push.targets[i]);
        check_labels(reading, i, metrics->push.targets[i].labels);
        warn_of_plain_text(reading, i, &metrics->push.targets[i]);
        make_absolute(reading, &metrics->push.targets[i].ca_file);
    }
    reading->settings->duty.metrics_push = &metrics->push;
}
