/* audit_private.h: what the audit_*.c share: the thresholds, what is worked out once for all
 * findings, and how a finding is made.
 */
#ifndef ROTA_ROSTER_AUDIT_PRIVATE_H
#define ROTA_ROSTER_AUDIT_PRIVATE_H

#include "roster/audit.h"
#include "roster/health.h"

/* The thresholds; docs/audit.md tells the reasons. Loads are threads that were busy on average. */
#define LAG_WAITING_MS    60000    /* of roles people wait for */
#define LAG_OTHER_MS      300000   /* of the others, as `rota status` colours it */
#define LAG_ERROR         10       /* times these: an error */
#define HEAVY_THREADS     0.5      /* of heavy roles, on a node that has another kind too */
#define HEAVY_CORES       0.25     /* or this part of its cores, if that is less */
#define SLOW_TIMES        3.0      /* as long for a run as the others */
#define SLOW_RUNS         50       /* of it, and of the others: fewer say nothing */
#define SLOW_BUSY_US      5000000  /* it has worked for so long */
#define SLOW_APART        2.0      /* times as long again, where it shares no shard with others */
#define GAP_OF_LEASE      0.75     /* between two heartbeats */
#define OVERLOAD_TIMES    2.0      /* load average for each core */
#define UNEQUAL_TIMES     2.0      /* the greatest shard to the least; the busiest to the others */
#define UNEQUAL_THREADS   0.2      /* the busiest has at least */
#define HOT_SHARE         0.5      /* of its shard's load */
#define HOT_THREADS       0.05     /* the shard has at least */
#define HOT_ACCOUNTS      10       /* the shard has at least */
#define HOT_NOTE_US       1000000  /* of work at least, for a note */
#define FULL_SHARE        0.7      /* of the threads that its nodes have for it */
#define UNSHARDED_THREADS 0.5      /* of a heavy role in one shard of several nodes */
#define UNSHARDED_NODES   3        /* of it, while little is measured */
#define FAILED_RUNS       20       /* at least, and */
#define FAILED_SHARE      0.1      /* of all */
#define NEEDLESS_SHARDS   8        /* and more, of a role with hardly any work, */
#define NEEDLESS_THREADS  0.01     /* less than this, */
#define TRUSTED_MS        86400000 /* a load that is small for so long will stay so */
#define ORDERS_FAILED     3        /* one after the other: no passing trouble of a CA */
#define ORDER_LATE_MS     3600000  /* six rounds; an order takes minutes */
#define FILE_ENDS_MS      (15 * INT64_C(86400000)) /* of a file, or a sixth of a short life */

/* A node that runs. */
typedef struct {
    const MemberRow *member;
    NodeHealth health;
    int64_t busy_us, heavy_us; /* of all roles, of heavy ones */
    unsigned shards;           /* that it serves, over all roles */
    bool waited_for;           /* it serves a role that people wait for */
} AuditNode;

/* A shard of the table in force: report and measurement. */
typedef struct {
    const ShardReport *report;
    int64_t busy_us, runs, failed, accounts;
    const LoadTop *top; /* the key with most of its load; NULL: none stands out */
} AuditShard;

typedef struct {
    const AuditAsk *ask;
    Audit *audit;
    GArray *nodes;         /* of AuditNode, by node */
    GArray *shards;        /* of AuditShard, in the order of the report */
    GPtrArray *row_shards; /* the AuditShard of each row of the load; NULL: of none now */
    double ms;             /* of the measurement; 0: too short to be judged */
} AuditView;

/* Threads that were busy on average. */
double audit_threads(const AuditView *view, int64_t busy_us);
/* The first shard of a role, and how many it has: they lie one after the other. NULL: it has none.
 */
const AuditShard *audit_shards_of(const AuditView *view, const Role *role, unsigned *ret_count);

/* One account makes most of its load. */
bool audit_is_hot(const AuditShard *shard);

/* A finding, which the caller fills further. `what` and `advice` are taken. */
Finding *audit_add(const AuditView *view, AuditKind kind, AuditSeverity severity, char *take_what,
                   char *take_advice);
/* The figure that was judged, and the weight that follows from it. */
void audit_set_figure(Finding *finding, double value, double limit, const char *unit);

/* audit_table.c: role tables to paste. Each is new, or NULL where there is no better one. */
/* The role as it is, with each of its shards having at least `least` running nodes. */
char *audit_table_more_nodes(const AuditView *view, const Role *role, unsigned least);
/* One more running node for one shard. */
char *audit_table_add_node(const AuditView *view, const Role *role, unsigned shard);
/* One more shard, or rather role, for a node that has none. */
char *audit_table_for_node(const AuditView *view, int64_t node, const Role **ret_role);
/* The role's running nodes dealt out anew, so that the shards have equal cores. */
char *audit_table_even(const AuditView *view, const Role *role);
/* The role without the nodes that serve a role people wait for. */
char *audit_table_apart(const AuditView *view, const Role *role);
/* The role's one shard cut into several of the same nodes. */
char *audit_table_cut(const AuditView *view, const Role *role);

/* One function for each group of findings. */
void audit_coverage(const AuditView *view);     /* audit_coverage.c */
void audit_balance(const AuditView *view);      /* audit_balance.c */
void audit_work(const AuditView *view);         /* audit_work.c */
void audit_certificates(const AuditView *view); /* audit_certificates.c; where they are known */

#endif
