/* report.h: what people and doors may know of the roster: status, coverage, tasks, why. Reads only:
 * each report is one read transaction of its own, hence one snapshot.
 *
 * Cheap at any size of the queue: what an index answers is asked of it, and counts stop at
 * REPORT_COUNT_MAX rows a shard; a count that stopped says so (`more`), and is shown as ">= N".
 *
 * All structs are owned by the caller; pointers inside belong to the struct, but for `role`, which
 * is the role set's. A handle, one thread (db.h). Errors are the store's (ERROR_RETRY,
 * ERROR_REJECT) unless said otherwise.
 */
#ifndef ROTA_ROSTER_REPORT_H
#define ROTA_ROSTER_REPORT_H

#include <glib.h>

#include "db/db.h"
#include "roster/member.h"
#include "roster/table.h"

typedef struct {
    int64_t count;
    bool more; /* counting stopped: there are at least so many */
} ReportCount;

typedef struct {
    const Role *role;
    unsigned shard, shards;
    char *nodes;    /* as the table in force has it: "1,4", "*", "none" */
    GArray *living; /* of int64: its nodes that work */
    bool covered;   /* at least one of them, or the role is "none" */
    GArray *takers; /* of int64: living nodes of other shards that have taken it over */
    bool none;
    ReportCount due, waiting,
        running;                    /* tasks: due and held by nobody, due later, held by a node */
    ReportCount dead;               /* dead letters */
    int64_t lag_ms;                 /* how long the oldest due task has waited */
    int64_t done_hour, failed_hour; /* runs of the last 60 minutes; as the nodes' heartbeats told */
    int64_t round_started_at, round_done_at; /* of the newest round; 0: none */
    char *round_result;                      /* of the newest that ended; "": none */
} ShardReport;

/* Tasks and dead letters of a role that the set does not know: taken out of the settings, or a
 * newer version's. Nobody runs them. */
typedef struct {
    char *role;
    ReportCount tasks;
    int64_t dead; /* of the letters that were counted */
} UnknownReport;

typedef struct {
    int64_t at, epoch;    /* the store's clock; of the table in force, 0: there is none yet */
    int64_t in_force_at;  /* since when that is */
    RoleTable *table;     /* in force, one reference; NULL with epoch 0 */
    char *digest;         /* of the table in force, "" if there is none */
    GPtrArray *members;   /* of MemberRow, by node */
    GPtrArray *shards;    /* of ShardReport, in the order of the role set; none with epoch 0 */
    unsigned uncovered;   /* how many of them are not covered */
    GPtrArray *differing; /* of char *: "node 3 proposes purge.stores = 1,4 | 2" */
    GPtrArray *unknown;   /* of UnknownReport, by role */
} StatusReport;
StatusReport *report_status(Db *db, const RoleSet *set, GError **error);
void status_report_free(StatusReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatusReport, status_report_free)

typedef enum {
    TASK_STATE_DUE,     /* may run now, and waits for its turn */
    TASK_STATE_WAITING, /* due later */
    TASK_STATE_RUNNING, /* a node holds it */
    TASK_STATE_DEAD,    /* a dead letter */
} TaskState;
const char *task_state_name(TaskState state); /* "due", "waiting", "running", "dead" */
/* False: there is no such state. */
bool task_state_parse(const char *name, int *ret_state);

typedef struct {
    char *id; /* "fts-indexing:17": ROLE:KEY, what people type */
    char *role, *key, *payload, *error;
    unsigned bucket, shard, shards; /* by the table in force */
    TaskState state;
    int64_t due_at, created_at, claimed_at, buried_at; /* 0: not known or never */
    int64_t node;                                      /* that holds it, or buried it; 0: nobody */
    int64_t attempts, deaths;
} TaskReport;
void task_report_free(TaskReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TaskReport, task_report_free)

typedef struct {
    const char *role; /* NULL: all */
    int state;        /* a TaskState; -1: all */
    unsigned limit;   /* 1 to REPORT_TASKS_MAX */
} TaskFilter;
/* At most `limit` of TaskReport: dead letters first, the newest first; then tasks, the oldest due
 * first. Asking for the running ones alone looks at every due task, for no index knows them. */
GPtrArray *report_tasks(Db *db, const RoleSet *set, const TaskFilter *filter, GError **error);

/* All that goes by this id, as TaskReport, one as a rule: a task, a dead letter, or both (it failed
 * and was asked for again). ERROR_GONE: nothing does; ERROR_REJECT: it is no id. */
GPtrArray *report_task(Db *db, const RoleSet *set, const char *id, GError **error);

/* How a run of the task ended: of each round, each failure and each burial. */
typedef struct {
    int64_t started_at, ended_at; /* the first by the node's clock, the second by the store's */
    int64_t node, attempts;       /* failed runs before it */
    unsigned shard;               /* as the table was then */
    char *outcome;                /* "done", "again", "failed", "buried" */
    char *detail;                 /* the error, or what a round did */
} TaskPast;
/* The newest first, at most REPORT_HISTORY_MAX: as many as a person reads. Empty where nothing is
 * known of the id, also where no such task ever was. ERROR_REJECT: it is no id. */
#define REPORT_HISTORY_MAX 20
GPtrArray *report_history(Db *db, const RoleSet *set, const char *id, GError **error);

/* Why it is where it is, as sentences (char *): its shard, who may do it, who holds it since when,
 * attempts, last error, next try. Errors as report_task. */
GPtrArray *report_why(Db *db, const RoleSet *set, const char *id, GError **error);

#endif
