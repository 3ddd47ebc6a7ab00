/* duty: the ten roles as one constant table, in the order of the text that the system is built
 * from; and the one place where the set of a process' roles is made.
 *
 * How it fits: app/ hands it to the roster; settings, reports, lanes and rounds are made from it.
 * Adding a role is a line here and a file beside it; the operator's own (custom.c) come behind the
 * ten, by the settings. A role without a handler is known, configured
 * and reported, but this build does not do it. Failures: none; it is data. Known weak point: the
 * defaults of concurrency and back-off are judgement, not yet measured under load.
 */
#include "duty/duty.h"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static const Role roles[] = {
    {
        .name = "purge.stores",
        .setting = "purge.stores",
        .summary = "removes expired keys, blobs nothing links to, and old history from the store",
        .unit = ROLE_BY_STORE,
        .schedule = "0 3 * * *",
        .schedule_setting = "store.data.purge.frequency",
        .heavy = true,
        .fragile = true,
        .concurrency = 1,
        .batch = 1,
        .attempts = 10,
        .retry_min_ms = MINUTE,
        .retry_max_ms = HOUR,
        .run_ms = 10 * MINUTE,
        .handler = &purge_stores_handler,
    },
    {
        .name = "purge.accounts",
        .setting = "purge.accounts",
        .summary = "removes deleted accounts, old mail of Trash and Junk, and old change logs",
        .unit = ROLE_BY_ACCOUNT,
        .schedule = "0 0 * * *",
        .schedule_setting = "account.purge.frequency",
        .heavy = true,
        .fragile = true,
        .concurrency = 1,
        .batch = 1,
        .attempts = 10,
        .retry_min_ms = MINUTE,
        .retry_max_ms = HOUR,
        .run_ms = 10 * MINUTE,
        .handler = &purge_accounts_handler,
    },
    {
        .name = "acme.renew",
        .setting = "acme.renew",
        .summary = "renews TLS certificates",
        .unit = ROLE_BY_CERTIFICATE,
        .schedule = "every 10m",
        .schedule_setting = "acme.frequency",
        .concurrency = 1,
        .batch = 1,
        .attempts = 20,
        .retry_min_ms = MINUTE,
        .retry_max_ms = 6 * HOUR,
        .run_ms = 10 * MINUTE,
        .handler = &acme_renew_handler,
    },
    {
        .name = "metrics.calculate",
        .setting = "metrics.calculate",
        .summary = "counts and adds up metrics and statistics",
        .unit = ROLE_BY_ACCOUNT,
        .schedule = "every 1m",
        .schedule_setting = "metrics.interval",
        .concurrency = 1,
        .batch = 1,
        .attempts = 3,
        .retry_min_ms = 10 * SECOND,
        .retry_max_ms = MINUTE,
        .run_ms = MINUTE,
        .handler = &metrics_calculate_handler,
    },
    {
        .name = "metrics.push",
        .setting = "metrics.push",
        .summary = "sends metrics to other systems",
        .unit = ROLE_BY_CLUSTER,
        .schedule = "every 1m",
        .schedule_setting = "metrics.open-telemetry.interval",
        .concurrency = 1,
        .batch = 1,
        .attempts = 3,
        .retry_min_ms = SECOND,
        .retry_max_ms = MINUTE,
        .run_ms = MINUTE,
        .handler = &metrics_push_handler,
    },
    {
        .name = "push-notifications",
        .setting = "push-notifications.push-notifications",
        .summary = "sends push notifications to people's devices",
        .unit = ROLE_BY_ACCOUNT,
        .people_wait = true,
        .must_shard = true,
        .concurrency = 2,
        .batch = 100,
        .attempts = 3,
        .retry_min_ms = MINUTE,
        .retry_max_ms = 10 * MINUTE,
        .run_ms = MINUTE,
        .handler = &push_notifications_handler,
    },
    {
        .name = "fts-indexing",
        .setting = "fts-indexing.fts-indexing",
        .summary = "keeps the search index",
        .unit = ROLE_BY_ACCOUNT,
        .heavy = true,
        .concurrency = 2,
        .batch = 16,
        .attempts = 10,
        .retry_min_ms = 5 * SECOND,
        .retry_max_ms = 10 * MINUTE,
        .run_ms = 5 * MINUTE,
        .handler = &fts_indexing_handler,
    },
    {
        .name = "bayes-training",
        .setting = "bayes-training.bayes-training",
        .other_name = "spam-training",
        .summary = "trains the spam model with what people file as spam or not",
        .unit = ROLE_BY_ACCOUNT,
        .heavy = true,
        .concurrency = 1,
        .batch = 16,
        .attempts = 10,
        .retry_min_ms = 5 * SECOND,
        .retry_max_ms = 10 * MINUTE,
        .run_ms = 5 * MINUTE,
        .handler = &bayes_training_handler,
    },
    {
        .name = "imip-processing",
        .setting = "imip-processing.imip-processing",
        .summary = "handles invitations that come and go by mail",
        .unit = ROLE_BY_ACCOUNT,
        .people_wait = true,
        .fragile = true,
        .concurrency = 1,
        .batch = 16,
        .attempts = 10,
        .retry_min_ms = 30 * SECOND,
        .retry_max_ms = HOUR,
        .run_ms = MINUTE,
        .handler = &imip_processing_handler,
    },
    {
        .name = "calendar-alerts",
        .setting = "calendar-alerts.calendar-alerts",
        .summary = "sends reminders of events",
        .unit = ROLE_BY_ACCOUNT,
        .people_wait = true,
        .fragile = true,
        .concurrency = 2,
        .batch = 16, /* mails of unknown fate, when a node dies */
        .attempts = 10,
        .retry_min_ms = 10 * SECOND,
        .retry_max_ms = 10 * MINUTE,
        .run_ms = MINUTE,
        .handler = &calendar_alerts_handler,
    },
};

const RoleSet duty_roles = {roles, G_N_ELEMENTS(roles)};

/* What a run may take beyond the time-out of its command: to end it, and to write that. */
#define CUSTOM_END_MS (15 * SECOND)

static Role custom_role(const CustomDuty *custom)
{
    return (Role){
        .name = custom->role,
        .setting = custom->role,
        .summary = custom->summary,
        .unit = custom->each == CUSTOM_EACH_ACCOUNT ? ROLE_BY_ACCOUNT : ROLE_BY_CLUSTER,
        .schedule = custom->schedule,
        .heavy = true,
        .concurrency = (unsigned)custom->concurrency,
        .batch = 1, /* a command is one task's: several would be run twice when one fails */
        .attempts = (unsigned)custom->attempts,
        .retry_min_ms = custom->retry_min_ms,
        .retry_max_ms = custom->retry_max_ms,
        .run_ms = custom->timeout_ms + CUSTOM_END_MS,
        .handler = &custom_handler,
    };
}

Role *duty_roles_with(const CustomDuty *customs, unsigned count)
{
    Role *all = g_new(Role, duty_roles.count + count);
    for (size_t i = 0; i < duty_roles.count; i++)
        all[i] = roles[i];
    for (unsigned i = 0; i < count; i++)
        all[duty_roles.count + i] = custom_role(&customs[i]);
    return all;
}
