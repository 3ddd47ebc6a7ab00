/* audit.h: does the role table still suit the cluster? The advice of the text that the system is
 * built from, as a program: what the nodes, the queue, the loads of the last days and the accounts
 * show, judged by named thresholds.
 *
 * Pure: reports and figures go in, findings come out, the weightiest first. docs/audit.md explains
 * each finding, its threshold and its reason; a test compares the names. Any thread.
 */
#ifndef ROTA_ROSTER_AUDIT_H
#define ROTA_ROSTER_AUDIT_H

#include "roster/load_report.h"
#include "roster/report.h"

typedef enum {
    AUDIT_UNCOVERED_SHARD,
    AUDIT_LAGGING_ROLE,
    AUDIT_DEAD_LETTERS,
    AUDIT_FAILING_ROLE,
    AUDIT_SINGLE_NODE_SHARD,
    AUDIT_HEAVY_BESIDE_WAITING,
    AUDIT_SLOW_NODE,
    AUDIT_OVERLOADED_NODE,
    AUDIT_UNEQUAL_SHARDS,
    AUDIT_HOT_ACCOUNT,
    AUDIT_FULL_SHARD,
    AUDIT_REDUNDANT_UNSHARDED,
    AUDIT_QUOTA_NEARLY_FULL,
    AUDIT_TABLE_DIFFERS,
    AUDIT_IDLE_NODE,
    AUDIT_NEEDLESS_SHARDS,
    AUDIT_ONE_NODE,
    AUDIT_CERTIFICATE_UNUSABLE,
    AUDIT_CERTIFICATE_ENDS,
    AUDIT_CERTIFICATE_MISSING,
    AUDIT_CERTIFICATE_FAILING,
    AUDIT_CERTIFICATE_OVERDUE,
    AUDIT_CERTIFICATE_UNWANTED,
    AUDIT_STAND_IN,
    AUDIT_KINDS,
} AuditKind;
const char *audit_kind_name(AuditKind kind); /* "uncovered-shard" */

typedef enum { AUDIT_NOTE, AUDIT_WARNING, AUDIT_ERROR } AuditSeverity;
const char *audit_severity_name(AuditSeverity severity); /* "note", "warning", "error" */

/* Loads from a shorter time are not judged. */
#define AUDIT_MEASURED_MS 300000
/* An account that uses so much of its quota, or more. */
#define AUDIT_QUOTA_PERCENT 90
#define AUDIT_QUOTAS_NAMED  5 /* at most */
typedef struct {
    char *address; /* owned by whoever made it */
    int64_t used_bytes, quota_bytes;
} AuditQuota;

/* A certificate that the store or a file has, or that the settings want. */
#define AUDIT_CERTIFICATES_NAMED 5 /* at most, in one finding */
typedef struct {
    char *name;     /* owned by whoever made it, as the other texts */
    bool wanted;    /* the settings have it */
    bool has;       /* there is one; else what follows is 0 but for the last three */
    char *unusable; /* why its key and chain cannot be served; NULL: they can */
    char *missing;  /* a name that the settings want and it lacks; NULL: none */
    int64_t not_before, not_after;
    int64_t renew_at; /* 0: it is a file, which others renew */
    int64_t order_at; /* since when an order runs; 0: none does */
    int64_t failures; /* since the last order that did not fail */
    char *problem;    /* what the CA said, in one line; "": nothing */
} AuditCertificate;

typedef struct {
    const RoleSet *set;
    const unsigned *concurrency; /* of each role of the set: threads that a node has for it */
    const StatusReport *status;  /* with a table in force */
    const LoadReport *load;
    const int64_t *accounts;    /* of each bucket: BUCKETS of them */
    const GArray *quotas;       /* of AuditQuota, the fullest first: as many as are to be named */
    int64_t quota_count;        /* of all that are so full */
    GHashTable *names;          /* of accounts, by key (LoadTop.key): addresses; may lack any */
    const GArray *certificates; /* of AuditCertificate; NULL: nothing is known of them */
    bool serves_tls;            /* clients are given one */
} AuditAsk;

/* Within a severity, what weighs most comes first: how many times over its threshold it is. */
typedef struct {
    AuditKind kind;
    AuditSeverity severity;
    double weight;
    const Role *role; /* the one it is about; NULL: of no one role */
    unsigned shard;   /* 0: of no one shard */
    int64_t node;     /* 0: of no one node */
    char *account;    /* key of the hot one; NULL: of none */
    double value, limit;
    const char *unit;    /* of both: "s", "threads", "%", "times", "nodes", … */
    char *what, *advice; /* a sentence or two each */
    char *toml;          /* a role table to paste; NULL: none would help */
} Finding;

typedef struct {
    GPtrArray *findings; /* of Finding */
    unsigned errors;     /* how many of them are */
    int64_t measured_ms; /* from how long a time the loads are; 0: no measurement */
    unsigned nodes;      /* that run */
} Audit;
Audit *audit_new(const AuditAsk *ask);
void audit_free(Audit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Audit, audit_free)

#endif
