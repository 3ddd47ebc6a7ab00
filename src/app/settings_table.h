/* settings_table.h: the constant table of all settings, and what its lines mean. For settings*.c,
 * and for tests that compare it with the manual.
 *
 * Adding a setting is a field in Settings (app/settings.h), a line in settings_table.c, a line in
 * docs/settings.md and one in examples/rota.toml; the test of settings names what is missing.
 */
#ifndef ROTA_APP_SETTINGS_TABLE_H
#define ROTA_APP_SETTINGS_TABLE_H

#include "app/settings.h"
#include "base/toml.h"

#define SETTING_TEXTS_MAX 256

typedef enum {
    SETTING_INTEGER,     /* int64_t, from min to max */
    SETTING_REAL,        /* double, from min to max */
    SETTING_BOOLEAN,     /* bool */
    SETTING_DURATION,    /* int64_t, ms; min and max too */
    SETTING_DURATION_US, /* int64_t, µs; min and max in ms */
    SETTING_SIZE,        /* int64_t, bytes; min and max too */
    SETTING_TEXT,        /* char * */
    SETTING_TEXTS,       /* char **: an array of texts */
    SETTING_ADDRESSES,   /* char **: "127.0.0.1:11024", "unix:/path" */
    SETTING_PROXIES,     /* char **: "10.0.0.0/8", "unix" */
    SETTING_HEADERS,     /* char **: "Name: value" */
    SETTING_LABELS,      /* char **: "name=value" */
    SETTING_URL,         /* char *: http:// or https://, or "" */
    SETTING_CHOICE,      /* int: the place in `choices` */
    SETTING_SCHEDULE,    /* char *, checked by cron_parse */
    SETTING_ZONE,        /* char *, a time zone's name */
    SETTING_NODE,        /* int64_t: a node's number, or "hostname" */
    SETTING_ROLES,       /* shards and nodes: settings_roles.c */
    SETTING_COMMAND,     /* char **: an array of texts, or one: settings_custom.c */
    SETTING_ENVIRONMENT, /* char **: a table of texts: settings_custom.c */
} SettingType;

typedef struct {
    const char *name; /* "lmtp.listen"; a word "*" stands for a role's name */
    SettingType type;
    size_t offset; /* in Settings; for "lane.*" in LaneSettings, for custom roles in CustomDuty,
                      for "acme.*." in AcmeDuty */
    const char *fallback; /* the default as TOML; NULL: see `summary` */
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
    const char *summary;        /* one line for people */
} SettingRow;

extern const SettingRow setting_rows[];
extern const unsigned setting_row_count;
/* The row of the name after its prefix ("acme.*."); NULL: there is none. */
const SettingRow *setting_find(const char *prefix, const char *name);

/* Reads a value into its field, and frees what was there. False: *ret_problem says what was found
 * and what to write. `folder` is where relative paths count from. */
bool setting_convert(const SettingRow *row, const TomlValue *value, const char *folder, void *field,
                     char **ret_problem);
/* Gives a field its row's fallback. */
void setting_set_default(const SettingRow *row, void *field);
/* Frees a field. */
void setting_clear(const SettingRow *row, void *field);

/* The number at the end of a host's name before its first point ("mail-3.example.org": 3); false:
 * *ret_problem as above. */
bool setting_node_of_host(const char *host, int64_t *ret_node, char **ret_problem);

/* What the parts of the settings' reader share while a file is read. */
typedef struct {
    const char *file;   /* for texts; NULL: no file */
    const char *folder; /* of the file; NULL: the current one */
    GPtrArray *problems;
    bool broken;
    Settings *settings;
} SettingsReading;
/* Adds "FILE:LINE:COLUMN: text". */
void settings_add_problem(SettingsReading *reading, bool warning, TomlPlace place,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* True where no more problems are kept, so that none need be worded; there were some then. */
bool settings_problems_full(SettingsReading *reading);
/* There is no such name after the prefix; `of`: the table that it stands in. */
void settings_refuse_unknown(SettingsReading *reading, TomlPlace place, const char *prefix,
                             const char *name, const char *of);
/* Reads [cluster.roles] (NULL: not there) into settings->table and role_lines. */
void settings_read_roles(SettingsReading *reading, const TomlEntry *roles);

/* The operator's own roles, [cluster.roles.custom.NAME]. First their names are found, in the whole
 * file, so that settings->roles has them; then each is read, with the role table: its nodes are
 * given back (NULL: none, or it was refused); then its values are settled into role and lane. */
void settings_find_customs(SettingsReading *reading, const TomlValue *root);
const TomlValue *settings_read_custom(SettingsReading *reading, const TomlEntry *entry,
                                      const Role **ret_role);
void settings_settle_customs(Settings *settings);
void settings_clear_customs(Settings *settings);

/* Where a setting of the table was found, for a problem with it. */
TomlPlace settings_place_of(const SettingsReading *reading, const char *name);
/* The rules of [metrics], once all is read: settings_metrics.c. */
void settings_settle_metrics(SettingsReading *reading);

/* A certificate, [acme.NAME]: settings_acme.c. */
void settings_read_acme(SettingsReading *reading, const TomlEntry *entry);
/* The rules between them, once all are read; `place`: of storage.secret-key. */
void settings_settle_acme(SettingsReading *reading, TomlPlace place);
void settings_clear_acme(Settings *settings);

#endif
