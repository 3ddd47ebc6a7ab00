/* duty.h: the table of the ten roles, and the settings their handlers read. Adding a role is one
 * line in duty.c and one file here.
 */
#ifndef ROTA_DUTY_DUTY_H
#define ROTA_DUTY_DUTY_H

#include <stdint.h>

#include "roster/role.h"

/* Immutable while a run lasts; app/ fills it from the settings. */
typedef struct {
    int64_t undelete_retention_ms; /* storage.undelete.retention, 1h */
    int64_t auto_expunge_ms;       /* email.auto-expunge, 30d; 0 never */
    int64_t changes_max_history;   /* changes.max-history, 10000 */
    int64_t account_retention_ms;  /* account.delete-retention, 30d */
    int64_t history_retention_ms;  /* storage.history-retention, 30d: task_history, load_sample */
    int64_t purge_pause_us;        /* storage.purge-pause, between batches */
    int64_t spam_min_samples;      /* spam-filter.bayes.min-learns, 200 of each */
} DutySettings;

/* The ten of the seed, in its order. */
extern const RoleSet duty_roles;

extern const Handler purge_stores_handler, purge_accounts_handler, fts_indexing_handler,
    bayes_training_handler;

#endif
