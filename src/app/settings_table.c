/* settings_table: every setting there is: name, type, default, range, meaning.
 *
 * How it fits: the reader (settings.c), the manual (docs/settings.md) and the example
 * (examples/rota.toml) all follow this table; a test compares them. Tables whose names are the
 * operator's own ([acme.NAME], [cluster.roles.custom.NAME]) look their settings up by the prefix of
 * their rows. Failures: none; it is data.
 */
#include "app/settings_table.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/limits_imip.h"
#include "base/limits_metrics_push.h"
#include "base/nearest.h"
#include "content/private_key.h"
#include "remote/dns_update.h"

#define IN(field)      offsetof(Settings, field)
#define IN_LANE(field) offsetof(LaneSettings, field)
#define IN_OWN(field)  offsetof(CustomDuty, field)
#define IN_ACME(field) offsetof(AcmeDuty, field)
#define SECOND         1000ll
#define MINUTE         (60 * SECOND)
#define HOUR           (60 * MINUTE)
#define DAY            (24 * HOUR)

static const char *const store_types[] = {"sqlite", "postgresql", NULL}; /* as DbKind */
static const char *const log_levels[] = {"error", "warning", "info", "debug",
                                         NULL}; /* as LogLevel */
static const char *const log_formats[] = {"auto", "text", "journal", "json",
                                          NULL}; /* as LogFormat */

static const char *const smtp_tls_words[] = {"never", "try", "always", NULL}; /* as SmtpTls */
static const char *const challenges[] = {"http-01", "tls-alpn-01", "dns-01",
                                         NULL};                /* as AcmeChallenge */
static const char *const providers[] = {"rfc2136-tsig", NULL}; /* who changes a zone for dns-01 */
static const char *const protocols[] = {"udp", "tcp", NULL};
static const char *const each_words[] = {"shard", "account", NULL}; /* as CustomEach */

/* What each target of metrics.push has; `of` is what a label is called there. */
#define PUSH_ROWS(NAME, INDEX, ENDPOINT, LABELS)                                                   \
    {NAME ".endpoint", SETTING_URL, IN(metrics.push.targets[INDEX].endpoint), "\"\"", 0, 0, NULL,  \
     ENDPOINT},                                                                                    \
        {NAME ".username",                                                                         \
         SETTING_TEXT,                                                                             \
         IN(metrics.push.targets[INDEX].username),                                                 \
         "\"\"",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "who rota is for it (Basic); \"\": it does not say"},                                     \
        {NAME ".password",                                                                         \
         SETTING_TEXT,                                                                             \
         IN(metrics.push.targets[INDEX].password),                                                 \
         "\"\"",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "the password for it, as in \"%{file:push.password}%\""},                                 \
        {NAME ".token",                                                                            \
         SETTING_TEXT,                                                                             \
         IN(metrics.push.targets[INDEX].token),                                                    \
         "\"\"",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "a token instead (Bearer), as in \"%{file:push.token}%\""},                               \
        {NAME ".headers",                                                                          \
         SETTING_HEADERS,                                                                          \
         IN(metrics.push.targets[INDEX].headers),                                                  \
         "[]",                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "headers that it wants, as in [\"X-Scope-OrgID: rota\"]"},                                \
        {NAME ".ca-file",                                                                          \
         SETTING_TEXT,                                                                             \
         IN(metrics.push.targets[INDEX].ca_file),                                                  \
         "\"\"",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "authorities that it is trusted by (PEM); relative to the settings file's folder; \"\": " \
         "the "                                                                                    \
         "system's"},                                                                              \
        {NAME ".timeout",                                                                          \
         SETTING_DURATION,                                                                         \
         IN(metrics.push.targets[INDEX].timeout_ms),                                               \
         "\"10s\"",                                                                                \
         100,                                                                                      \
         15 * SECOND,                                                                              \
         NULL,                                                                                     \
         "how long it may take to answer"},                                                        \
    {                                                                                              \
        NAME ".labels", SETTING_LABELS, IN(metrics.push.targets[INDEX].labels), "[]", 0, 0, NULL,  \
            LABELS                                                                                 \
    }

const SettingRow setting_rows[] = {
    {"cluster.node-id", SETTING_NODE, IN(node_id), NULL, 1, NODE_ID_MAX, NULL,
     "this node's number, unique in the cluster; \"hostname\" takes the number at the end of the "
     "host's name; $ROTA_NODE_ID goes before both"},
    {"cluster.name", SETTING_TEXT, IN(cluster_name), "\"\"", 0, 0, NULL,
     "the cluster's name; a store that belongs to a cluster of another name is refused; \"\": not "
     "asked"},
    {"cluster.lease", SETTING_DURATION, IN(lease_ms), "\"6s\"", SECOND, 10 * MINUTE, NULL,
     "how long a node that is heard of no more keeps its work"},
    {"cluster.heartbeat", SETTING_DURATION, IN(heartbeat_ms), "\"2s\"", 100, 5 * MINUTE, NULL,
     "how often a node renews its lease; at most a third of the lease"},
    {"cluster.takeover", SETTING_DURATION, IN(takeover_ms), "0", 0, 7 * DAY, NULL,
     "how long a shard has no node of its own until those of the role's others do its work; 0: "
     "never"},
    {"cluster.roles.*", SETTING_ROLES, 0, NULL, 0, 0, NULL,
     "the shards of a role and their nodes; not there: every node, as one shard"},
    {"cluster.roles.custom.*.nodes", SETTING_ROLES, 0, NULL, 0, 0, NULL,
     "the shards of a role of your own and their nodes; not there: every node, as one shard"},
    {"cluster.roles.custom.*.command", SETTING_COMMAND, IN_OWN(command), NULL, 0, 0, NULL,
     "the program and its arguments, an array of texts; with shell = true one text"},
    {"cluster.roles.custom.*.shell", SETTING_BOOLEAN, IN_OWN(shell), "false", 0, 0, NULL,
     "whether /bin/sh reads the command"},
    {"cluster.roles.custom.*.schedule", SETTING_SCHEDULE, IN_OWN(schedule), NULL, 0, 0, NULL,
     "when it is run; this, or every"},
    {"cluster.roles.custom.*.every", SETTING_DURATION, IN_OWN(every_ms), NULL, SECOND, 366 * DAY,
     NULL, "how often it is run; this, or a schedule"},
    {"cluster.roles.custom.*.for-each", SETTING_CHOICE, IN_OWN(each), "\"shard\"", 0, 0, each_words,
     "whether it is run once for each shard, or for each account"},
    {"cluster.roles.custom.*.timeout", SETTING_DURATION, IN_OWN(timeout_ms), "\"1h\"", SECOND,
     7 * DAY, NULL, "how long the command may run before it is ended"},
    {"cluster.roles.custom.*.attempts", SETTING_INTEGER, IN_OWN(attempts), "5", 1, 1000, NULL,
     "failed runs after which it is a dead letter"},
    {"cluster.roles.custom.*.retry.min", SETTING_DURATION, IN_OWN(retry_min_ms), "\"1m\"", 10,
     30 * DAY, NULL, "wait after the first failed run"},
    {"cluster.roles.custom.*.retry.max", SETTING_DURATION, IN_OWN(retry_max_ms), "\"1h\"", 10,
     30 * DAY, NULL, "the longest wait after a failed run"},
    {"cluster.roles.custom.*.concurrency", SETTING_INTEGER, IN_OWN(concurrency), "1", 1,
     CUSTOM_LANES_MAX, NULL, "commands that run at one time on a node"},
    {"cluster.roles.custom.*.directory", SETTING_TEXT, IN_OWN(directory), "\"/\"", 0, 0, NULL,
     "where the command is started; relative to the settings file's folder"},
    {"cluster.roles.custom.*.environment", SETTING_ENVIRONMENT, IN_OWN(environment), NULL, 0, 0,
     NULL, "variables for the command, beside PATH, HOME and the like and ROTA_…"},
    {"acme.frequency", SETTING_SCHEDULE, IN(acme.schedule), "\"every 10m\"", 0, 0, NULL,
     "when acme.renew looks whether certificates are due"},
    {"acme.http-listen", SETTING_ADDRESSES, IN(acme.http_listen), "[]", 0, 0, NULL,
     "where http-01 challenges are answered, and nothing else, as in [\"[::]:80\"]; they are where "
     "http.listen is too"},
    {"acme.*.directory", SETTING_TEXT, IN_ACME(directory),
     "\"https://acme-v02.api.letsencrypt.org/directory\"", 0, 0, NULL, "the CA's URL"},
    {"acme.*.ca-file", SETTING_TEXT, IN_ACME(ca_file), "\"\"", 0, 0, NULL,
     "a file (PEM) that is trusted for the CA's own server instead of the system's; relative to "
     "the "
     "settings file's folder"},
    {"acme.*.challenge", SETTING_CHOICE, IN_ACME(challenge), "\"http-01\"", 0, 0, challenges,
     "how the names are proved: http-01, tls-alpn-01 or dns-01; a wildcard wants dns-01"},
    {"acme.*.contact", SETTING_TEXTS, IN_ACME(contact), "[]", 0, 0, NULL,
     "addresses that the CA may write to, as in [\"ada@example.org\"]"},
    {"acme.*.domains", SETTING_TEXTS, IN_ACME(domains), "[]", 0, 0, NULL,
     "the names of the certificate, as in [\"mail.example.org\", \"*.example.org\"]; at least one"},
    {"acme.*.renew-before", SETTING_DURATION, IN_ACME(renew_before_ms), "\"30d\"", HOUR, 365 * DAY,
     NULL,
     "how long before its end a certificate is renewed, where the CA does not say when; at most a "
     "third of its life"},
    {"acme.*.account-key", SETTING_CHOICE, IN_ACME(account_key), "\"p256\"", 0, 0, key_kind_names,
     "kind of the account's key: p256, p384, rsa2048 or rsa4096; another one is rolled over to"},
    {"acme.*.key-type", SETTING_CHOICE, IN_ACME(key_type), "\"p256\"", 0, 0, key_kind_names,
     "kind of the certificate's key: p256, p384, rsa2048 or rsa4096"},
    {"acme.*.reuse-key", SETTING_BOOLEAN, IN_ACME(reuse_key), "false", 0, 0, NULL,
     "whether a renewed certificate keeps its key, for who pins it (TLSA)"},
    {"acme.*.issuer", SETTING_TEXT, IN_ACME(issuer), "\"\"", 0, 0, NULL,
     "of the chains that the CA offers, the one with a certificate of this name; \"\": its own "
     "choice"},
    {"acme.*.eab.kid", SETTING_TEXT, IN_ACME(eab_kid), "\"\"", 0, 0, NULL,
     "external account binding: the key's name, as the CA gave it"},
    {"acme.*.eab.hmac-key", SETTING_TEXT, IN_ACME(eab_key), "\"\"", 0, 0, NULL,
     "and the key (base64url), as in \"%{file:eab.key}%\""},
    {"acme.*.provider", SETTING_CHOICE, IN_ACME(provider), "\"rfc2136-tsig\"", 0, 0, providers,
     "dns-01: how the zone is changed: by DNS UPDATE, signed with TSIG"},
    {"acme.*.host", SETTING_TEXT, IN_ACME(host), "\"\"", 0, 0, NULL,
     "dns-01: the zone's primary name server, a name or an address"},
    {"acme.*.port", SETTING_INTEGER, IN_ACME(port), "53", 1, 65535, NULL, "dns-01: its port"},
    {"acme.*.protocol", SETTING_CHOICE, IN_ACME(protocol), "\"udp\"", 0, 0, protocols,
     "dns-01: udp or tcp"},
    {"acme.*.key", SETTING_TEXT, IN_ACME(tsig_key), "\"\"", 0, 0, NULL,
     "dns-01: the name of the TSIG key"},
    {"acme.*.secret", SETTING_TEXT, IN_ACME(tsig_secret), "\"\"", 0, 0, NULL,
     "dns-01: the key itself (base64), as in \"%{file:tsig.key}%\""},
    {"acme.*.tsig-algorithm", SETTING_CHOICE, IN_ACME(tsig_algorithm), "\"hmac-sha256\"", 0, 0,
     dns_update_algorithms, "dns-01: hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha1 or hmac-md5"},
    {"acme.*.default", SETTING_BOOLEAN, IN_ACME(is_default), "false", 0, 0, NULL,
     "whether clients that name no server, or an unknown one, get this certificate; one has it, or "
     "the first does"},
    {"acme.*.export", SETTING_TEXT, IN_ACME(export_folder), "\"\"", 0, 0, NULL,
     "a folder that fullchain.pem and privkey.pem are written to, for programs beside rota; "
     "relative to the settings file's folder; \"\": none"},
    {"acme.*.export-nodes", SETTING_TEXTS, IN_ACME(export_nodes), "[]", 0, 0, NULL,
     "the nodes that write and run the hook, as in [\"1\", \"3\"]; []: all"},
    {"acme.*.deploy-hook", SETTING_TEXTS, IN_ACME(deploy_hook), "[]", 0, 0, NULL,
     "a command and its arguments, run after the files were written, as in [\"postfix\", "
     "\"reload\"]"},
    {"storage.secret-key", SETTING_TEXT, IN(acme.secret_key), "\"\"", 0, 0, NULL,
     "what private keys in the store are encrypted with, at least 32 bytes, as in "
     "\"%{file:secret.key}%\"; acme.renew wants it"},
    {"storage.secret-key-before", SETTING_TEXT, IN(acme.secret_before), "\"\"", 0, 0, NULL,
     "the one before, while keys are still encrypted with that"},
    {"store.data.type", SETTING_CHOICE, IN(data.db.kind), "\"sqlite\"", 0, 0, store_types,
     "sqlite is for one node, postgresql for any number"},
    {"store.data.path", SETTING_TEXT, IN(data.path), "\"var/rota.db\"", 0, 0, NULL,
     "the file of sqlite; relative to the settings file's folder"},
    {"store.data.url", SETTING_TEXT, IN(data.url), "\"\"", 0, 0, NULL,
     "a libpq connection string for postgresql, of several hosts too"},
    {"store.data.purge.frequency", SETTING_SCHEDULE, IN(data.purge_schedule), "\"0 3 * * *\"", 0, 0,
     NULL, "when purge.stores runs"},
    {"storage.undelete.retention", SETTING_DURATION, IN(duty.undelete_retention_ms), "\"1h\"", 0,
     3650 * DAY, NULL, "how long content that nothing links to any more is kept"},
    {"storage.history-retention", SETTING_DURATION, IN(duty.history_retention_ms), "\"30d\"", HOUR,
     3650 * DAY, NULL, "how long the history of tasks and load is kept"},
    {"storage.purge-pause", SETTING_DURATION_US, IN(duty.purge_pause_us), "\"10ms\"", 0,
     10 * SECOND, NULL, "pause of a purge between its batches, so that others come through"},
    {"account.purge.frequency", SETTING_SCHEDULE, IN(account_purge_schedule), "\"0 0 * * *\"", 0, 0,
     NULL, "when purge.accounts runs"},
    {"account.delete-retention", SETTING_DURATION, IN(duty.account_retention_ms), "\"30d\"", 0,
     3650 * DAY, NULL, "how long a deleted account can be undeleted"},
    {"email.auto-expunge", SETTING_DURATION, IN(duty.auto_expunge_ms), "\"30d\"", 0, 3650 * DAY,
     NULL, "age at which mail in Trash and Junk is removed; 0: never"},
    {"changes.max-history", SETTING_INTEGER, IN(duty.changes_max_history), "10000", 1, 1000000000,
     NULL, "changes of an account that are kept for clients to catch up"},
    {"lmtp.listen", SETTING_ADDRESSES, IN(lmtp.listen), "[\"127.0.0.1:11024\"]", 0, 0, NULL,
     "where mail comes in: \"ADDRESS:PORT\" or \"unix:/PATH\"; []: nowhere"},
    {"lmtp.max-message-size", SETTING_SIZE, IN(lmtp.message_bytes_max), "\"50mb\"", 1000,
     4 * (int64_t)MESSAGE_BYTES_MAX, NULL, "the largest message that is taken"},
    {"lmtp.max-sessions", SETTING_INTEGER, IN(lmtp.sessions_max), "100", 1, 10000, NULL,
     "sessions at one time; more are told to come later"},
    {"lmtp.timeout", SETTING_DURATION, IN(lmtp.timeout_ms), "\"5m\"", SECOND, HOUR, NULL,
     "how long a client may take for one step"},
    {"lmtp.hostname", SETTING_TEXT, IN(lmtp.host_name), "\"\"", 0, 0, NULL,
     "the name in the greeting; \"\": the host's"},
    {"http.listen", SETTING_ADDRESSES, IN(http.listen), "[\"127.0.0.1:11080\"]", 0, 0, NULL,
     "where HTTP is served: \"ADDRESS:PORT\" or \"unix:/PATH\"; []: nowhere"},
    {"http.max-connections", SETTING_INTEGER, IN(http.connections_max), "500", 1, 100000, NULL,
     "connections at one time; more are turned away with 503"},
    {"http.max-connections-per-address", SETTING_INTEGER, IN(http.address_max), "100", 1, 100000,
     NULL, "of these, of one address; a unix socket's clients have none"},
    {"http.timeout", SETTING_DURATION, IN(http.timeout_ms), "\"30s\"", SECOND, HOUR, NULL,
     "how long a client may take to send a head, to send a body, to take an answer, or to ask "
     "again"},
    {"http.proxied", SETTING_PROXIES, IN(http.proxied), "[]", 0, 0, NULL,
     "proxies whose X-Forwarded-For or Forwarded is believed, as in [\"127.0.0.0/8\", \"unix\"]"},
    {"http.tls.listen", SETTING_ADDRESSES, IN(http.tls_listen), "[]", 0, 0, NULL,
     "where HTTPS is served: \"ADDRESS:PORT\" or \"unix:/PATH\"; []: nowhere"},
    {"tls.certificate", SETTING_TEXT, IN(tls.certificate), "\"\"", 0, 0, NULL,
     "a file with a certificate and its chain (PEM), for HTTPS and LMTP; relative to the settings "
     "file's folder"},
    {"tls.private-key", SETTING_TEXT, IN(tls.key), "\"\"", 0, 0, NULL,
     "the file of its private key (PEM); relative to the settings file's folder"},
    {"jmap.push.throttle", SETTING_DURATION, IN(duty.push_throttle_ms), "\"1s\"", 0, HOUR, NULL,
     "changes of an account within so long are one push"},
    {"jmap.push.attempts.max", SETTING_INTEGER, IN(duty.push_attempts), "3", 1, 1000, NULL,
     "failed pushes to a device after which it is left alone for retry.interval"},
    {"jmap.push.attempts.interval", SETTING_DURATION, IN(duty.push_attempts_interval_ms), "\"1m\"",
     100, DAY, NULL, "wait after a failed push"},
    {"jmap.push.retry.interval", SETTING_DURATION, IN(duty.push_retry_interval_ms), "\"1h\"", 100,
     30 * DAY, NULL, "wait after the last of the attempts, before the next"},
    {"jmap.push.contact", SETTING_TEXT, IN(push.contact), "\"\"", 0, 0, NULL,
     "whom a push service may write to, as in \"mailto:postmaster@example.org\"; \"\": nobody"},
    {"jmap.push.ca-file", SETTING_TEXT, IN(push.ca_file), "\"\"", 0, 0, NULL,
     "authorities that push services are trusted by (PEM); relative to the settings file's folder; "
     "\"\": the system's"},
    {"jmap.push.allow-private", SETTING_BOOLEAN, IN(push.allow_private), "false", 0, 0, NULL,
     "whether push services may be without TLS, or at private addresses: for tests and closed "
     "nets"},
    {"calendar.max-size", SETTING_SIZE, IN(duty.calendar_max_size), "\"512kb\"", 1000,
     CALENDAR_PART_BYTES_MAX, NULL, "the largest event, to-do or journal that is stored"},
    {"calendar.max-attendees-per-instance", SETTING_INTEGER, IN(duty.calendar_max_attendees),
     "1000", 1, 100000, NULL, "attendees of one event, or of one instance of it"},
    {"calendar.max-recurrence-expansions", SETTING_INTEGER, IN(duty.calendar_max_expansions),
     "3000", 1, 1000000, NULL, "instances of a series that are made to answer one question"},
    {"calendar.alarms.minimum-interval", SETTING_DURATION, IN(duty.alarm_interval_ms), "\"1m\"", 0,
     DAY, NULL,
     "the shortest time between two reminders of one event that go the same way; what rings in "
     "between is left out; 0: none is"},
    {"calendar.scheduling.enable", SETTING_BOOLEAN, IN(duty.scheduling), "true", 0, 0, NULL,
     "whether invitations that come by mail change calendars, and changes of events are sent to "
     "those invited"},
    {"calendar.scheduling.inbound.auto-add", SETTING_BOOLEAN, IN(duty.scheduling_auto_add), "true",
     0, 0, NULL,
     "whether an invitation is added to the calendar, to be answered; false: only what is there is "
     "kept up to date"},
    {"calendar.scheduling.inbound.max-size", SETTING_SIZE, IN(duty.scheduling_max_size),
     "\"512kb\"", 1000, CALENDAR_PART_BYTES_MAX, NULL, "the largest invitation that is looked at"},
    {"calendar.scheduling.outbound.max-recipients", SETTING_INTEGER,
     IN(duty.scheduling_max_recipients), "100", 1, 100000, NULL,
     "recipients of one invitation; one with more is sent to nobody"},
    {"smtp.relay", SETTING_TEXT, IN(smtp.relay), "\"\"", 0, 0, NULL,
     "the mail server that takes what rota sends: \"smtp://HOST:PORT\" or \"smtps://HOST:PORT\"; "
     "\"\": nothing is sent"},
    {"smtp.user", SETTING_TEXT, IN(smtp.user), "\"\"", 0, 0, NULL,
     "who rota is for the relay; \"\": it does not say"},
    {"smtp.secret", SETTING_TEXT, IN(smtp.secret), "\"\"", 0, 0, NULL,
     "the password for it, as in \"%{file:smtp.password}%\""},
    {"smtp.tls", SETTING_CHOICE, IN(smtp.tls), "\"try\"", 0, 0, smtp_tls_words,
     "STARTTLS with a relay at smtp://: \"never\", \"try\", \"always\""},
    {"smtp.ca-file", SETTING_TEXT, IN(smtp.ca_file), "\"\"", 0, 0, NULL,
     "authorities that the relay is trusted by (PEM); relative to the settings file's folder; "
     "\"\": the system's"},
    {"smtp.hello", SETTING_TEXT, IN(smtp.hello), "\"\"", 0, 0, NULL,
     "the name that rota says to the relay (EHLO); \"\": the host's"},
    {"metrics.interval", SETTING_SCHEDULE, IN(metrics.schedule), "\"every 1m\"", 0, 0, NULL,
     "when metrics.calculate adds up what is kept as history"},
    {"metrics.recount", SETTING_DURATION, IN(duty.metrics_recount_ms), "\"1d\"", MINUTE, 3650 * DAY,
     NULL, "how often it counts each account's messages anew, and mends a count that is wrong"},
    {"metrics.prometheus.enable", SETTING_BOOLEAN, IN(metrics.prometheus), "true", 0, 0, NULL,
     "whether /metrics is served where HTTP is"},
    {"metrics.prometheus.username", SETTING_TEXT, IN(metrics.username), "\"\"", 0, 0, NULL,
     "who may read /metrics; \"\": whoever reaches it"},
    {"metrics.prometheus.password", SETTING_TEXT, IN(metrics.password), "\"\"", 0, 0, NULL,
     "the password for it, as in \"%{file:metrics.password}%\""},
    {"metrics.buffer.max-age", SETTING_DURATION, IN(metrics.push.buffer_age_ms), "\"1h\"", SECOND,
     METRICS_BUFFER_AGE_MAX_MS, NULL,
     "how long metrics wait for a target that does not take them; then the oldest are dropped"},
    {"metrics.buffer.max-size", SETTING_SIZE, IN(metrics.push.buffer_bytes), "\"64mb\"", 1000,
     10000000000ll, NULL,
     "how much of them waits for one target, as it is in the store, for each shard of the role"},
    {"metrics.open-telemetry.interval", SETTING_SCHEDULE, IN(metrics.push.schedule), "\"every 1m\"",
     0, 0, NULL, "when nodes take down their metrics, and metrics.push sends them, to all targets"},
    PUSH_ROWS("metrics.open-telemetry", METRICS_OPEN_TELEMETRY,
              "where OTLP is sent over HTTP, as in \"http://127.0.0.1:4318/v1/metrics\"; \"\": "
              "nowhere",
              "more attributes of the resource, as in [\"deployment.environment=test\"]"),
    PUSH_ROWS("metrics.remote-write", METRICS_REMOTE_WRITE,
              "where Prometheus' remote write is sent, as in "
              "\"http://127.0.0.1:9090/api/v1/write\"; \"\": nowhere",
              "more labels of each series, as in [\"site=north\"]"),
    PUSH_ROWS("metrics.pushgateway", METRICS_PUSHGATEWAY,
              "a Prometheus Pushgateway, as in \"http://127.0.0.1:9091\"; \"\": none",
              "more labels of each group, as in [\"site=north\"]"),
    {"spam-filter.enabled", SETTING_BOOLEAN, IN(spam.enabled), "true", 0, 0, NULL,
     "whether mail is scored at delivery"},
    {"spam-filter.score.spam", SETTING_REAL, IN(spam.score_spam), "0.9", 0, 1, NULL,
     "score from 0 to 1 at which mail goes to Junk"},
    {"spam-filter.bayes.min-learns", SETTING_INTEGER, IN(duty.spam_min_samples), "200", 1, 1000000,
     NULL, "messages of spam and of ham that must be learnt before scores count"},
    {"lane.*.concurrency", SETTING_INTEGER, IN_LANE(concurrency), NULL, 1, 64, NULL,
     "threads of a role on a node; default: the role's own"},
    {"lane.*.batch", SETTING_INTEGER, IN_LANE(batch), NULL, 1, TASK_BATCH_MAX, NULL,
     "tasks that a thread claims at a time; default: the role's own"},
    {"lane.*.attempts", SETTING_INTEGER, IN_LANE(attempts), NULL, 1, 1000, NULL,
     "failed runs after which a task is a dead letter; default: the role's own"},
    {"lane.*.retry.min", SETTING_DURATION, IN_LANE(retry_min_ms), NULL, 10, 30 * DAY, NULL,
     "wait after the first failed run; default: the role's own"},
    {"lane.*.retry.max", SETTING_DURATION, IN_LANE(retry_max_ms), NULL, 10, 30 * DAY, NULL,
     "the longest wait after a failed run; default: the role's own"},
    {"log.level", SETTING_CHOICE, IN(log_level), "\"info\"", 0, 0, log_levels,
     "error, warning, info or debug"},
    {"log.format", SETTING_CHOICE, IN(log_format), "\"auto\"", 0, 0, log_formats,
     "auto, text, journal or json"},
    {"server.time-zone", SETTING_ZONE, IN(time_zone), "\"UTC\"", 0, 0, NULL,
     "of the schedules, as in \"Europe/Berlin\""},
};
const unsigned setting_row_count = G_N_ELEMENTS(setting_rows);

const SettingRow *setting_find(const char *prefix, const char *name)
{
    for (unsigned i = 0; i < setting_row_count; i++)
        if (g_str_has_prefix(setting_rows[i].name, prefix) &&
            strcmp(setting_rows[i].name + strlen(prefix), name) == 0)
            return &setting_rows[i];
    return NULL;
}

void settings_refuse_unknown(SettingsReading *reading, TomlPlace place, const char *prefix,
                             const char *name, const char *of)
{
    const char *names[G_N_ELEMENTS(setting_rows) + 1] = {NULL};
    unsigned count = 0;
    for (unsigned i = 0; i < setting_row_count; i++)
        if (g_str_has_prefix(setting_rows[i].name, prefix))
            names[count++] = setting_rows[i].name + strlen(prefix);
    const char *nearest = nearest_find(name, names, count);
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)names);
    if (nearest)
        settings_add_problem(reading, false, place,
                             "found the unknown setting \"%.80s\" of %s; did you mean \"%s\"?",
                             name, of, nearest);
    else
        settings_add_problem(reading, false, place,
                             "found the unknown setting \"%.80s\" of %s; write one of %s", name, of,
                             all);
}
