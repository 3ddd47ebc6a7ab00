/* duty.h: the table of the ten roles, and the settings their handlers read. Adding a role is one
 * line in duty.c and one file here.
 */
#ifndef ROTA_DUTY_DUTY_H
#define ROTA_DUTY_DUTY_H

#include <stdint.h>

#include "content/seal.h"
#include "content/series.h"
#include "roster/role.h"

/* A role of the operator's own ([cluster.roles.custom.NAME]). Owned by the settings. */
typedef enum { CUSTOM_EACH_SHARD, CUSTOM_EACH_ACCOUNT } CustomEach; /* as the words of for-each */
typedef struct {
    char *role;       /* "custom.backup" */
    char *summary;    /* one line for people */
    char **command;   /* NULL-ended; never empty */
    bool shell;       /* it was written as one text, and is /bin/sh's to read */
    int each;         /* CustomEach */
    char *schedule;   /* as base/cron.h has it */
    int64_t every_ms; /* as it was written; 0: not */
    int64_t timeout_ms;
    int64_t attempts, concurrency, retry_min_ms, retry_max_ms;
    char *directory;    /* that it is started in; absolute */
    char **environment; /* "NAME=value", NULL-ended: all that it gets beside ROTA_… */
} CustomDuty;

/* A certificate that acme.renew gets ([acme.NAME]). Owned by the settings. */
typedef enum { ACME_HTTP_01, ACME_TLS_ALPN_01, ACME_DNS_01 } AcmeChallenge; /* as its words */
typedef struct {
    char *name;
    char *directory; /* the CA's URL */
    char *ca_file;   /* trusted for it instead of the system's; "": the system's */
    int challenge;   /* AcmeChallenge */
    char **contact;  /* "mailto:ada@example.org" */
    char **domains;  /* small letters, sorted; at least one */
    int64_t renew_before_ms;
    char *eab_kid, *eab_key; /* "", "": no external account binding; the key as base64url */
    int account_key;         /* KeyKind */
    int key_type;            /* KeyKind */
    bool reuse_key;
    char *issuer; /* of the chain that is wanted; "": the CA's own choice */
    /* dns-01: where DNS UPDATE goes */
    int provider; /* one, so far */
    char *host;
    int64_t port;
    int protocol; /* 0: UDP, 1: TCP */
    char *tsig_key, *tsig_secret;
    int tsig_algorithm; /* as dns_update_algorithms */
    bool is_default;    /* served where a client names no server, or one that no certificate has */
    /* for programs beside rota */
    char *export_folder; /* "": none */
    char **export_nodes; /* numbers; none: all */
    char **deploy_hook;  /* a command and its arguments; none: no hook */
} AcmeDuty;

/* Where metrics.push sends ([metrics.open-telemetry], …). Owned by the settings. */
typedef enum {
    METRICS_OPEN_TELEMETRY,
    METRICS_REMOTE_WRITE,
    METRICS_PUSHGATEWAY,
    METRICS_TARGETS
} MetricsTargetKind;
typedef struct {
    char *endpoint;                    /* a URL; "": nothing is sent there */
    char *username, *password, *token; /* Basic, or Bearer; "": neither */
    char **headers;                    /* "Name: value", NULL-ended */
    char *ca_file;                     /* "": the system's */
    char **labels;                     /* "name=value", NULL-ended */
    int64_t timeout_ms;
} MetricsTarget;
typedef struct {
    MetricsTarget targets[METRICS_TARGETS];
    char *schedule;        /* of the role, and of the nodes' own snapshots */
    int64_t buffer_age_ms; /* of what a target has not taken */
    int64_t buffer_bytes;  /* of it, for each target and shard, compressed */
} MetricsPush;
/* The cluster's own series, which roster/ and front/ know: app/ hands them in. */
typedef struct {
    /* Adds them, asking the store in transactions of its own. */
    bool (*read_cluster)(SeriesSet *set, Db *db, void *data, GError **error);
    void *data;
    const char *cluster; /* its name; "" none */
    const char *version;
} MetricsDoor;

/* Immutable while a run lasts; app/ fills it from the settings. */
typedef struct {
    int64_t undelete_retention_ms; /* storage.undelete.retention, 1h */
    int64_t auto_expunge_ms;       /* email.auto-expunge, 30d; 0 never */
    int64_t changes_max_history;   /* changes.max-history, 10000 */
    int64_t account_retention_ms;  /* account.delete-retention, 30d */
    int64_t history_retention_ms;  /* storage.history-retention, 30d: task_history, load_sample */
    int64_t purge_pause_us;        /* storage.purge-pause, between batches */
    int64_t spam_min_samples;      /* spam-filter.bayes.min-learns, 200 of each */
    int64_t push_throttle_ms;      /* jmap.push.throttle, 1s: of one subscription */
    int64_t push_attempts;         /* jmap.push.attempts.max, 3 */
    int64_t push_attempts_interval_ms; /* jmap.push.attempts.interval, 1m */
    int64_t push_retry_interval_ms;    /* jmap.push.retry.interval, 1h: after that many */
    int64_t calendar_max_size;         /* calendar.max-size, 512k */
    int64_t calendar_max_attendees;    /* calendar.max-attendees-per-instance, 1000 */
    int64_t calendar_max_expansions;   /* calendar.max-recurrence-expansions, 3000 */
    int64_t alarm_interval_ms;         /* calendar.alarms.minimum-interval, 1m */
    bool scheduling;                   /* calendar.scheduling.enable */
    bool scheduling_auto_add;          /* calendar.scheduling.inbound.auto-add */
    int64_t scheduling_max_size;       /* calendar.scheduling.inbound.max-size, 512k */
    int64_t scheduling_max_recipients; /* calendar.scheduling.outbound.max-recipients, 100 */
    int64_t metrics_recount_ms;        /* metrics.recount, 1d */
    const CustomDuty *customs;         /* last: what stands before is numbers alone */
    unsigned custom_count;
    struct PushWire *push; /* push_wire.h; NULL where the settings are only read */
    const AcmeDuty *certificates;
    unsigned certificate_count;
    Seal seal;                       /* of storage.secret-key */
    const struct AcmeDoor *door;     /* how a CA is asked; NULL: by remote/fetch.h */
    const struct SmtpConfig *smtp;   /* remote/smtp.h; NULL: nothing is sent */
    const char *time_zone;           /* server.time-zone: where a calendar has none */
    const MetricsPush *metrics_push; /* NULL: nothing is sent */
    const MetricsDoor *metrics_door; /* NULL: the cluster's series are not sent */
} DutySettings;

/* The ten of the seed, in its order. A process works with these and its settings' own
 * (Settings.roles, made by duty_roles_with). */
extern const RoleSet duty_roles;
/* The ten, then a role for each custom duty, in their order: an array that the caller frees. It
 * borrows the duties' texts. */
Role *duty_roles_with(const CustomDuty *customs, unsigned count);

extern const Handler purge_stores_handler, purge_accounts_handler, fts_indexing_handler,
    bayes_training_handler, push_notifications_handler, imip_processing_handler, custom_handler,
    acme_renew_handler, calendar_alerts_handler, metrics_calculate_handler, metrics_push_handler;

#endif
