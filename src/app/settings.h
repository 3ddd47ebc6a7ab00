/* settings.h: the settings as this program uses them: read once, checked whole, typed, immutable
 * after.
 *
 * One file for all nodes of a cluster. Everything has a default that works: no file, or an empty
 * one, is a whole one-node system on SQLite. Every setting is one line of the constant table in
 * settings_table.c: name, type, default, range, meaning; docs/settings.md and examples/rota.toml
 * are compared with it by a test. What is wrong is told all at once, each problem with file, line
 * and column, what was found and what to write. A relative path in a file counts from that file's
 * folder; without a file, from the current folder.
 *
 * Thread safety: a Settings may be read by any thread.
 */
#ifndef ROTA_APP_SETTINGS_H
#define ROTA_APP_SETTINGS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "db/db.h"
#include "duty/duty.h"
#include "front/certificate_read.h"
#include "roster/round.h"
#include "roster/table.h"

typedef struct {
    char *path, *url;
    DbConfig db; /* of these; its strings are borrowed from here */
    char *purge_schedule;
} StoreSettings;

typedef struct {
    int64_t concurrency; /* threads of the role on this node */
    int64_t batch;
    int64_t attempts;
    int64_t retry_min_ms, retry_max_ms;
} LaneSettings;

typedef struct {
    char **listen; /* "127.0.0.1:11024", "[::1]:11024", "unix:/path"; NULL-terminated; empty: no
                      LMTP */
    int64_t message_bytes_max, sessions_max, timeout_ms;
    char *host_name; /* of the greeting; "" in the file: the machine's */
} LmtpSettings;

typedef struct {
    char **listen;     /* as lmtp.listen */
    char **tls_listen; /* with TLS; both empty: no HTTP */
    int64_t connections_max, address_max, timeout_ms;
    char **proxied; /* as http_proxies_parse takes them */
} HttpSettings;

typedef struct {
    char *certificate, *key; /* files; "", "": none */
} TlsSettings;

typedef struct {
    char *schedule;                   /* acme.frequency */
    char **http_listen;               /* where http-01 is answered beside http.listen */
    char *secret_key, *secret_before; /* storage.secret-key, storage.secret-key-before */
    AcmeDuty *duties;                 /* also in `duty` */
    CertificateWanted *wanted;        /* of these */
    unsigned count;
} AcmeSettings;

typedef struct {
    char *schedule;            /* of metrics.calculate */
    bool prometheus;           /* /metrics is there */
    char *username, *password; /* who may read it; "", "": all */
    MetricsPush push;          /* also in `duty` */
} MetricsSettings;

typedef struct {
    bool allow_private;      /* push services without TLS, and at addresses that are not public */
    char *ca_file, *contact; /* "": the system's, none */
} PushSettings;

/* The operator's mail server, that takes what rota sends; as SmtpConfig. */
typedef struct {
    char *relay; /* "": nothing is sent */
    char *user, *secret, *ca_file, *hello;
    int tls; /* SmtpTls */
} SmtpSettings;

typedef struct {
    bool enabled;
    double score_spam; /* 0 to 1: at or above it mail goes to Junk */
} SpamSettings;

typedef struct {
    char *file;         /* NULL: no file */
    char *cluster_name; /* "": none */
    int64_t node_id, lease_ms, heartbeat_ms, takeover_ms;
    RoleTable *table;
    RoleSet roles;        /* the ten, then the operator's own: all that this process knows */
    CustomDuty *customs;  /* of the latter; also in `duty` */
    unsigned *role_lines; /* for each of `roles`: the line that configures it, 0 if none does */
    StoreSettings data;
    char *account_purge_schedule;
    DutySettings duty;
    LmtpSettings lmtp;
    HttpSettings http;
    TlsSettings tls;
    AcmeSettings acme;
    MetricsSettings metrics;
    PushSettings push;
    SmtpSettings smtp;
    SpamSettings spam;
    LaneSettings *lanes; /* for each of `roles` */
    LogLevel log_level;
    LogFormat log_format;
    char *time_zone; /* of the schedules */
} Settings;
void settings_free(Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)

typedef struct {
    bool warning;          /* else it makes the settings broken */
    unsigned line, column; /* 0: not of a place in the file */
    char *text;            /* "rota.toml:3:10: found …; write …" */
} SettingsProblem;
/* An empty list of SettingsProblem; freed with g_ptr_array_unref. */
GPtrArray *settings_problems_new(void);
/* One a line, without a newline at the end; the caller frees it. */
char *settings_problems_format(const GPtrArray *problems);

/* The file that a command uses: `option` (-c) if not NULL, else $ROTA_CONFIG, else rota.toml, else
 * /etc/rota/rota.toml, else NULL. The caller frees it. The first two are taken even if no file is
 * there, so that reading it says so. */
char *settings_find(const char *option);
/* NULL if there is a problem that is no warning; problems are added to `problems`. `path` names the
 * file in texts. */
Settings *settings_load(const char *path, const char *text, size_t size, GPtrArray *problems);
Settings *settings_read(const char *path, GPtrArray *problems);
Settings *settings_default(GPtrArray *problems);

/* The place of a role in `roles`, `role_lines` and `lanes`; `role` may be another set's. */
size_t settings_index(const Settings *settings, const Role *role);
/* What the settings say for one of their roles; borrowed. */
const LaneSettings *settings_lane(const Settings *settings, const Role *role);
/* Of each of their roles, in their order, how many threads this node has for it; caller frees. */
unsigned *settings_concurrency(const Settings *settings);
/* The schedule of a role's rounds; NULL if it has none. */
const char *settings_schedule(const Settings *settings, const Role *role);
/* What they say of certificates; it borrows from them. */
CertificateHouse settings_certificates(const Settings *settings);
/* The rounds that this build's roles have (those with a handler), as GArray of Round, which borrow
 * from the settings; the caller frees it. */
GArray *settings_rounds(const Settings *settings);

#endif
