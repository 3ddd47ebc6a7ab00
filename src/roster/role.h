/* role.h: what a role is. The ten are one constant table in duty/duty.c; with the operator's own
 * behind them they are handed to the roster at start; tests hand in their own.
 *
 * Pure data; any thread.
 */
#ifndef ROTA_ROSTER_ROLE_H
#define ROTA_ROSTER_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roster/handler.h"

typedef enum { ROLE_BY_ACCOUNT, ROLE_BY_STORE, ROLE_BY_CERTIFICATE, ROLE_BY_CLUSTER } RoleUnit;

typedef struct {
    const char *name;       /* "purge.stores": commands, logs, rows, metrics */
    const char *setting;    /* below cluster.roles: "purge.stores", "fts-indexing.fts-indexing" */
    const char *other_name; /* another accepted name, or NULL */
    const char *summary;    /* one line for people */
    RoleUnit unit;
    const char *schedule; /* default cron or "every 1m" of its rounds; NULL: only queued */
    const char
        *schedule_setting; /* its full setting, "store.*.purge.frequency"; NULL with no rounds */
    bool heavy;            /* lower CPU and I/O priority; yields the store */
    bool people_wait;      /* the audit keeps it apart from heavy ones */
    bool must_shard;       /* one item with several nodes is refused */
    bool fragile;          /* one node alone hurts here: the audit says so */
    unsigned concurrency;  /* default number of threads on a node */
    unsigned batch;        /* default number of tasks in one claim, at most TASK_BATCH_MAX */
    unsigned attempts;     /* failed runs before burial */
    int64_t retry_min_ms, retry_max_ms; /* back-off: exponential between these, with jitter */
    int64_t run_ms;                     /* a run's deadline */
    const Handler *handler; /* NULL: this build does not do it; its tasks wait, its lane is not
                               started, status says so */
} Role;

typedef struct {
    const Role *roles;
    size_t count;
} RoleSet;

/* By name or other_name; NULL if there is none. */
const Role *role_find(const RoleSet *set, const char *name);
/* A role of the operator's own, "custom.NAME"? Those are done only by nodes that a table names for
 * them: one that it does not know has no nodes, where one of the ten has them all. */
bool role_is_custom(const char *name);

#endif
