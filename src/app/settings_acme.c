/* settings_acme: [acme.NAME] into the certificates that acme.renew gets.
 *
 * How it fits: settings.c comes here with each table below [acme]; what may stand there are the
 * rows "acme.*." of settings_table.c. Failures: problems with their place, as everywhere in the
 * settings. Whether a CA is there, and knows us, is no question of the settings.
 */
#include <string.h>

#include "base/limits.h"
#include "base/limits_acme.h"
#include "base/limits_tls.h"
#include "content/chain.h"

#include "app/settings_table.h"

#define PREFIX     "acme.*."
#define NAME_BYTES 60 /* a column of `rota cert list` */
#define SHOW_BYTES 80

typedef struct {
    SettingsReading *reading;
    AcmeDuty *duty;
    TomlPlace place; /* of the table's name */
} AcmeReading;

static bool is_name(const TomlText *name)
{
    return name->size >= 1 && name->size <= NAME_BYTES &&
           strspn(name->data, "abcdefghijklmnopqrstuvwxyz0123456789-_") == name->size &&
           g_ascii_isalnum(name->data[0]);
}

static void refuse(const AcmeReading *acme, TomlPlace place, const char *setting, const char *text)
{
    settings_add_problem(acme->reading, false, place, "acme.%s.%s: %s", acme->duty->name, setting,
                         text);
}

/* ---------------------------------------------------------------- one table */

static void read_entries(const AcmeReading *acme, const TomlValue *table, const char *above)
{
    for (unsigned i = 0; i < table->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(table->table.entries, i);
        g_autofree char *name =
            g_strdup_printf("%s%s%s", above, *above ? "." : "", entry->name.data);
        bool plain = strlen(entry->name.data) == entry->name.size &&
                     !strchr(entry->name.data, '.') && !settings_problems_full(acme->reading);
        const SettingRow *row = plain ? setting_find(PREFIX, name) : NULL;
        g_autofree char *problem = NULL;
        if (row) {
            if (!setting_convert(row, entry->value, acme->reading->folder,
                                 (char *)acme->duty + row->offset, &problem))
                refuse(acme, entry->value->place, name, problem);
        } else if (plain && !*above && strcmp(name, "eab") == 0 &&
                   entry->value->type == TOML_TABLE) {
            read_entries(acme, entry->value, name);
        } else {
            g_autofree char *of = g_strdup_printf("acme.%s", acme->duty->name);
            settings_refuse_unknown(acme->reading, entry->place, PREFIX, name, of);
        }
    }
}

/* ---------------------------------------------------------------- its rules */

static int compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Small letters, sorted, each once: as the CA has them. */
static void settle_domains(const AcmeReading *acme)
{
    AcmeDuty *duty = acme->duty;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (char **domain = duty->domains; *domain; domain++) {
        g_autofree char *small = g_ascii_strdown(*domain, -1);
        if (!chain_name_is_valid(small, true)) {
            g_autofree char *text = g_strdup_printf(
                "found \"%.*s\"; write a DNS name as in \"mail.example.org\" (of another alphabet "
                "its form with \"xn--\")",
                SHOW_BYTES, *domain);
            refuse(acme, acme->place, "domains", text);
        } else if (g_str_has_prefix(small, "*.") && duty->challenge != ACME_DNS_01) {
            refuse(acme, acme->place, "domains",
                   "found a wildcard, which CAs give for dns-01 alone; write challenge = "
                   "\"dns-01\"");
        } else if (!g_ptr_array_find_with_equal_func(names, small, g_str_equal, NULL)) {
            g_ptr_array_add(names, g_steal_pointer(&small));
        }
    }
    if (!duty->domains[0])
        refuse(acme, acme->place, "domains",
               "found none; write the names, as in domains = [\"mail.example.org\"]");
    if (names->len > CHAIN_NAMES_MAX)
        refuse(acme, acme->place, "domains", "found more than 100 names; CAs give no such thing");
    g_ptr_array_sort(names, compare_texts);
    g_ptr_array_add(names, NULL);
    g_strfreev(duty->domains);
    duty->domains = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static void settle_contact(const AcmeReading *acme)
{
    for (char **one = acme->duty->contact; *one; one++) {
        if (strchr(*one, ':'))
            continue;
        char *whole = g_strdup_printf("mailto:%s", *one);
        g_free(*one);
        *one = whole;
    }
}

static void settle_pairs(const AcmeReading *acme)
{
    const AcmeDuty *duty = acme->duty;
    if (!*duty->eab_kid != !*duty->eab_key)
        refuse(acme, acme->place, "eab", "found kid or hmac-key alone; write both, or neither");
    if (!*duty->tsig_key != !*duty->tsig_secret)
        refuse(acme, acme->place, "key", "found key or secret alone; write both, or neither");
    if (duty->challenge == ACME_DNS_01 && !*duty->host)
        refuse(acme, acme->place, "host",
               "found none, but the challenge is dns-01; write the zone's primary name server");
    if (!g_str_has_prefix(duty->directory, "https://"))
        refuse(acme, acme->place, "directory",
               "found no https:// URL; write the one that the CA calls its ACME directory");
}

static void settle_export(const AcmeReading *acme)
{
    AcmeDuty *duty = acme->duty;
    const char *folder = acme->reading->folder ? acme->reading->folder : ".";
    char **paths[] = {&duty->export_folder, &duty->ca_file};
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        if (!**paths[i] || g_path_is_absolute(*paths[i]))
            continue;
        g_autofree char *below = g_build_filename(folder, *paths[i], NULL);
        g_free(*paths[i]);
        *paths[i] = g_canonicalize_filename(below, NULL);
    }
    if (duty->deploy_hook[0] && !*duty->export_folder)
        refuse(acme, acme->place, "deploy-hook",
               "found one, but no export; write the folder that the files go to");
    for (char **node = duty->export_nodes; *node; node++) {
        guint64 number;
        if (!g_ascii_string_to_unsigned(*node, 10, 1, NODE_ID_MAX, &number, NULL)) {
            refuse(acme, acme->place, "export-nodes",
                   "found what is no node's number; write them as in [\"1\", \"3\"]");
            continue;
        }
        g_free(*node); /* "01" is node 1 too: they are compared as text */
        *node = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    }
}

void settings_read_acme(SettingsReading *reading, const TomlEntry *entry)
{
    AcmeSettings *settings = &reading->settings->acme;
    if (!is_name(&entry->name)) {
        settings_add_problem(reading, false, entry->place,
                             "found the certificate \"%.*s\"; write a name of at most %d small "
                             "letters, digits, \"-\" and \"_\"",
                             SHOW_BYTES, entry->name.data, NAME_BYTES);
        return;
    }
    if (settings->count == ACME_DUTIES_MAX) {
        settings_add_problem(reading, false, entry->place,
                             "found more than %d certificates; write fewer", ACME_DUTIES_MAX);
        return;
    }
    settings->duties = g_renew(AcmeDuty, settings->duties, settings->count + 1);
    AcmeDuty *duty = &settings->duties[settings->count++];
    memset(duty, 0, sizeof *duty);
    duty->name = g_strdup(entry->name.data);
    for (unsigned i = 0; i < setting_row_count; i++)
        if (g_str_has_prefix(setting_rows[i].name, PREFIX))
            setting_set_default(&setting_rows[i], (char *)duty + setting_rows[i].offset);
    AcmeReading acme = {reading, duty, entry->place};
    read_entries(&acme, entry->value, "");
    settle_domains(&acme);
    settle_contact(&acme);
    settle_pairs(&acme);
    settle_export(&acme);
}

void settings_settle_acme(SettingsReading *reading, TomlPlace place)
{
    Settings *settings = reading->settings;
    AcmeSettings *acme = &settings->acme;
    unsigned defaults = 0;
    for (unsigned i = 0; i < acme->count; i++)
        defaults += acme->duties[i].is_default;
    if (defaults > 1)
        settings_add_problem(reading, false, (TomlPlace){0},
                             "acme: found %u certificates with default = true; leave one",
                             defaults);
    if (acme->count > 0 && !*acme->secret_key)
        settings_add_problem(reading, false, (TomlPlace){0},
                             "storage.secret-key: found none, but [acme.%s] keeps private keys in "
                             "the store; write secret-key = \"%%{file:secret.key}%%\" below "
                             "[storage], of a file made by `openssl rand -base64 48`",
                             acme->duties[0].name);
    else if (*acme->secret_key && strlen(acme->secret_key) < SEAL_SECRET_BYTES_MIN)
        settings_add_problem(reading, false, place,
                             "storage.secret-key: found %zu bytes; write at least %d, as `openssl "
                             "rand -base64 48` makes them",
                             strlen(acme->secret_key), SEAL_SECRET_BYTES_MIN);
    seal_init(&settings->duty.seal, acme->secret_key, acme->secret_before);
    acme->wanted = g_new0(CertificateWanted, acme->count);
    for (unsigned i = 0; i < acme->count; i++)
        acme->wanted[i] = (CertificateWanted){acme->duties[i].name, acme->duties[i].domains};
    settings->duty.certificates = acme->duties;
    settings->duty.certificate_count = acme->count;
}

void settings_clear_acme(Settings *settings)
{
    AcmeSettings *acme = &settings->acme;
    for (unsigned i = 0; i < acme->count; i++) {
        g_free(acme->duties[i].name);
        for (unsigned row = 0; row < setting_row_count; row++)
            if (g_str_has_prefix(setting_rows[row].name, PREFIX))
                setting_clear(&setting_rows[row],
                              (char *)&acme->duties[i] + setting_rows[row].offset);
    }
    g_free(acme->duties);
    g_free(acme->wanted);
}

CertificateHouse settings_certificates(const Settings *settings)
{
    return (CertificateHouse){.wanted = settings->acme.wanted,
                              .count = settings->acme.count,
                              .seal = &settings->duty.seal,
                              .file = settings->tls.certificate,
                              .tls = settings->http.tls_listen[0] != NULL};
}
