/* audit_scene_test.h: a cluster as it lies in the store, for the tests of the audit: members that
 * have joined with a table and tell their health, accounts, tasks, loads; made by the program's own
 * verbs, and only their age by SQL.
 */
#ifndef ROTA_APP_AUDIT_SCENE_TEST_H
#define ROTA_APP_AUDIT_SCENE_TEST_H

#include "support.h"

#include "roster/audit.h"
#include "roster/health.h"

#include "app/settings.h"

#define SCENE_NODES 8
#define SCENE_MS    (2 * INT64_C(3600000)) /* from how long the loads are */

typedef struct {
    Db *db;
    unsigned nodes;
    Member *members[SCENE_NODES + 1];
    Settings *settings; /* of all nodes */
} Scene;

/* Nodes 1 to `nodes` run with the role table of this TOML, which is in force; each has four cores.
 */
void scene_init(Scene *scene, TestStore *store, unsigned nodes, const char *roles);
void scene_clear(Scene *scene);
void scene_tell(Scene *scene, unsigned node, const NodeHealth *health);
void scene_leave(Scene *scene, unsigned node);
/* Accounts that are there after: user1@example.org and so on, numbers from 1. */
void scene_accounts(const Scene *scene, unsigned count);
/* The node has kept so many threads busy with a shard, by `runs` runs. */
void scene_load(const Scene *scene, unsigned node, const char *role, unsigned shard, double threads,
                int64_t runs);
/* As scene_load, by a thousand runs, with a part of it for one key. */
typedef struct {
    unsigned node;
    const char *role;
    unsigned shard;
    double threads;
    const char *key;
    double part;
} SceneLoad;
void scene_load_key(const Scene *scene, const SceneLoad *load);
/* A task of the account that has been due for so long. */
void scene_task(const Scene *scene, const char *role, int64_t account, int64_t due_ms_ago);
void scene_quota(const Scene *scene, int64_t account, int64_t quota, int64_t used);
/* Runs of the shard that failed. */
void scene_fail(const Scene *scene, unsigned node, const char *role, unsigned shard, int64_t runs);
/* All loads so far are older by so much. */
void scene_age(const Scene *scene, int64_t ms);
/* The node's file has another table than the one in force. */
void scene_propose(const Scene *scene, unsigned node, const char *roles);
void scene_bury(const Scene *scene, const char *role, const char *key);
/* The audit of it; every table that it gives is read as a settings file is. */
Audit *scene_audit(const Scene *scene);
/* Where a finding of that name is in the audit, from 0; -1: it is not there. */
int scene_find(const Audit *audit, const char *name, const char *role, int64_t node);
/* All of it, for a message; the caller frees it. */
char *scene_text(const Audit *audit);

#endif
