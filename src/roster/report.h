/* report.h: what people and doors may know of the roster: status, coverage, tasks, why. Reads only;
 * one snapshot for each report.
 *
 * All structs are owned by the caller; pointers inside belong to the struct. All functions open and
 * end their own read transaction.
 */
#ifndef ROTA_ROSTER_REPORT_H
#define ROTA_ROSTER_REPORT_H

#include <glib.h>

#include "db/db.h"
#include "roster/member.h"
#include "roster/table.h"

typedef struct {
    const Role *role;
    unsigned shard, shards;
    char *nodes;    /* as written in the table */
    GArray *living; /* of int64: its living nodes */
    bool covered;   /* at least one living node, or the role is "none" */
    bool none;
    int64_t due, waiting, running, dead; /* tasks: due now, due later, claimed, dead letters */
    int64_t lag_ms;                      /* how long the oldest due task has waited */
    int64_t done_hour, failed_hour;      /* of the last 60 minutes */
    int64_t last_round_at;               /* 0: none */
    char *last_result;
} ShardReport;

typedef struct {
    int64_t at, epoch; /* store's clock; table in force */
    char *digest;
    GPtrArray *members; /* of MemberRow */
    GPtrArray *shards;  /* of ShardReport, in the order of the role set */
    unsigned uncovered;
    GPtrArray *differing; /* of char *: "node 3 proposes another purge.stores: 1,4 | 2" */
} StatusReport;
StatusReport *report_status(Db *db, const RoleSet *set, GError **error);
void status_report_free(StatusReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatusReport, status_report_free)

typedef struct {
    char *id; /* "fts-indexing:17": ROLE:KEY, what people type */
    char *role, *key, *payload, *error;
    unsigned bucket, shard, shards;
    bool dead;
    int64_t due_at, created_at, claimed_at, buried_at;
    int64_t owner_node; /* 0: nobody */
    int64_t attempts, deaths;
} TaskReport;
/* state: "due", "waiting", "running", "dead", NULL all; role NULL: all. At most `limit`, oldest due
 * first. Owned GPtrArray of TaskReport. */
GPtrArray *report_tasks(Db *db, const RoleSet *set, const char *role, const char *state,
                        unsigned limit, GError **error);
/* One by its id; ERROR_GONE. */
TaskReport *report_task(Db *db, const RoleSet *set, const char *id, GError **error);
void task_report_free(TaskReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TaskReport, task_report_free)
/* Why it is where it is, in sentences: shard, who may do it, who holds it since when, attempts,
 * last error, next try. Caller frees. */
char *report_why(Db *db, const RoleSet *set, const char *id, GError **error);

/* The two things a person can do to a dead letter (or a waiting task): each in its own transaction.
 * ERROR_GONE, ERROR_CONFLICT (it runs). */
bool task_retry(Db *db, const char *id, GError **error);
bool task_drop(Db *db, const char *id, GError **error);

#endif
