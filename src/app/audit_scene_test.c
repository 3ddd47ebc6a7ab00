/* audit_scene_test: see audit_scene_test.h. */
#include "audit_scene_test.h"

#include <string.h>

#include "front/audit_read.h"
#include "app/settings.h"
#include "base/error.h"
#include "base/limits.h"
#include "model/account.h"
#include "roster/adoption.h"
#include "roster/task.h"

static void begin(const Scene *scene)
{
    g_autoptr(GError) error = NULL;
    db_begin(scene->db, DB_WRITE, &error);
    assert_no_error(error);
}

static void commit(const Scene *scene)
{
    g_autoptr(GError) error = NULL;
    if (db_commit(scene->db, &error) != DB_DONE)
        fail_msg("commit: %s", error->message);
}

static void exec(const Scene *scene, const DbSql *sql, const DbValue *args, unsigned count)
{
    g_autoptr(GError) error = NULL;
    begin(scene);
    db_exec(scene->db, sql, args, count, &error);
    assert_no_error(error);
    commit(scene);
}

/* `warnings`: whether `rota check` may have some. */
static Settings *settings_of(const char *roles, bool warnings)
{
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autofree char *text = g_strdup_printf("[cluster]\nnode-id = 1\n%s", roles);
    Settings *settings = settings_load("rota.toml", text, strlen(text), problems);
    g_autofree char *said = settings_problems_format(problems);
    if (!settings || (*said && !warnings))
        fail_msg("%s\n%s", text, said);
    return settings;
}

void scene_tell(Scene *scene, unsigned node, const NodeHealth *health)
{
    g_autoptr(GError) error = NULL;
    MemberPulse pulse;
    g_autofree char *text = health_format(health);
    begin(scene);
    member_renew(scene->members[node], scene->db, text, true, &pulse, &error);
    assert_no_error(error);
    commit(scene);
}

static void join(Scene *scene, unsigned node)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *host = g_strdup_printf("mail-%u", node);
    scene->members[node] = member_new(node, 3600000, host, 100 + node, "1");
    begin(scene);
    member_join(scene->members[node], scene->db, scene->settings->table, &error);
    assert_no_error(error);
    commit(scene);
    member_confirm(scene->members[node], 1);
    scene_tell(scene, node,
               &(NodeHealth){.cores = 4, .load = 1, .lease_ms = LEASE_MS, .beat_gap_ms = 2000});
}

void scene_init(Scene *scene, TestStore *store, unsigned nodes, const char *roles)
{
    g_autoptr(GError) error = NULL;
    bool adopted = false;
    Settings *settings = settings_of(roles, true);
    *scene = (Scene){.db = store->db, .nodes = nodes, .settings = settings};
    for (unsigned node = 1; node <= nodes; node++)
        join(scene, node);
    begin(scene);
    adoption_step(scene->db, &adopted, &error);
    assert_no_error(error);
    commit(scene);
    assert_true(adopted);
}

void scene_clear(Scene *scene)
{
    for (unsigned node = 1; node <= scene->nodes; node++)
        member_free(scene->members[node]);
    settings_free(scene->settings);
}

void scene_leave(Scene *scene, unsigned node)
{
    g_autoptr(GError) error = NULL;
    begin(scene);
    member_leave(scene->members[node], scene->db, &error);
    assert_no_error(error);
    commit(scene);
}

void scene_accounts(const Scene *scene, unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *address = g_strdup_printf("user%u@example.org", i);
        int64_t id;
        account_add(scene->db, address, "", 0, &id, &error);
        assert_no_error(error);
        assert_int_equal(id, i);
    }
}

/* Counted as a lane counts, told as a heartbeat tells, and then made so old. */
static void flush(const Scene *scene, Load *load, unsigned node)
{
    static const DbSql age = {"UPDATE load_sample SET minute = minute - $1"
                              " WHERE minute > rota_now() / 60000 - 60",
                              NULL};
    g_autoptr(GError) error = NULL;
    begin(scene);
    load_flush(load, scene->db, node, &error);
    assert_no_error(error);
    commit(scene);
    load_flushed(load, true);
    exec(scene, &age, DB_ARGS(db_int(SCENE_MS / 60000)));
}

void scene_load_key(const Scene *scene, const SceneLoad *ask)
{
    g_autoptr(Load) load = load_new();
    int64_t busy_us = (int64_t)(ask->threads * (double)SCENE_MS * 1000);
    LoadKey keys[] = {{ask->key, (int64_t)((double)busy_us * ask->part)}, {"7", 1}, {"8", 2}};
    load_add(load, ask->role, ask->shard, &(LoadCounts){.done = 1000, .busy_us = busy_us});
    load_add_keys(load, ask->role, ask->shard, keys, G_N_ELEMENTS(keys));
    flush(scene, load, ask->node);
}

void scene_load(const Scene *scene, unsigned node, const char *role, unsigned shard, double threads,
                int64_t runs)
{
    g_autoptr(Load) load = load_new();
    int64_t busy_us = (int64_t)(threads * (double)SCENE_MS * 1000);
    load_add(load, role, shard, &(LoadCounts){.done = runs, .busy_us = busy_us});
    flush(scene, load, node);
}

void scene_fail(const Scene *scene, unsigned node, const char *role, unsigned shard, int64_t runs)
{
    g_autoptr(Load) load = load_new();
    load_add(load, role, shard, &(LoadCounts){.failed = runs, .retried = runs, .busy_us = 1000});
    flush(scene, load, node);
}

void scene_age(const Scene *scene, int64_t ms)
{
    static const DbSql sql = {"UPDATE load_sample SET minute = minute - $1", NULL};
    exec(scene, &sql, DB_ARGS(db_int(ms / 60000)));
}

void scene_propose(const Scene *scene, unsigned node, const char *roles)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Settings) settings = settings_of(roles, true);
    begin(scene);
    member_propose(scene->members[node], scene->db, settings->table, &error);
    assert_no_error(error);
    commit(scene);
}

void scene_task(const Scene *scene, const char *role, int64_t account, int64_t due_ms_ago)
{
    static const DbSql waited = {"UPDATE task SET due_at = rota_now() - $3"
                                 " WHERE role = $1 AND key = $2",
                                 NULL};
    g_autoptr(GError) error = NULL;
    char key[ACCOUNT_KEY_BYTES];
    unsigned bucket = account_bucket(account, key);
    begin(scene);
    task_add(scene->db, &(TaskNew){.role = role, .bucket = bucket, .key = key}, &error);
    assert_no_error(error);
    commit(scene);
    exec(scene, &waited, DB_ARGS(db_text(role), db_text(key), db_int(due_ms_ago)));
}

void scene_quota(const Scene *scene, int64_t account, int64_t quota, int64_t used)
{
    static const DbSql sql = {"UPDATE account SET quota_bytes = $2, used_bytes = $3 WHERE id = $1",
                              NULL};
    exec(scene, &sql, DB_ARGS(db_int(account), db_int(quota), db_int(used)));
}

void scene_bury(const Scene *scene, const char *role, const char *key)
{
    static const DbSql sql = {
        "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at,"
        " buried_at, last_error, node)"
        " VALUES (3, $1, $2, '', 3, 0, rota_now(), rota_now(), 'no such thing', 2)",
        NULL};
    exec(scene, &sql, DB_ARGS(db_text(role), db_text(key)));
}

Audit *scene_audit(const Scene *scene)
{
    g_autoptr(GError) error = NULL;
    g_autofree unsigned *concurrency = settings_concurrency(scene->settings);
    CertificateHouse house = settings_certificates(scene->settings);
    Audit *audit = audit_read(scene->db, &scene->settings->roles, concurrency, &house, &error);
    assert_no_error(error);
    assert_false(db_in_transaction(scene->db));
    for (unsigned i = 0; i < audit->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(audit->findings, i);
        if (finding->toml)
            settings_free(settings_of(finding->toml, false));
    }
    return audit;
}

int scene_find(const Audit *audit, const char *name, const char *role, int64_t node)
{
    for (unsigned i = 0; i < audit->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(audit->findings, i);
        if (strcmp(audit_kind_name(finding->kind), name) == 0 &&
            (!role || (finding->role && strcmp(finding->role->name, role) == 0)) &&
            (!node || finding->node == node))
            return (int)i;
    }
    return -1;
}

char *scene_text(const Audit *audit)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < audit->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(audit->findings, i);
        g_string_append_printf(text, "%s %s (%.1f): %s\n%s", audit_severity_name(finding->severity),
                               audit_kind_name(finding->kind), finding->weight, finding->what,
                               finding->toml ? finding->toml : "");
    }
    return g_string_free(text, FALSE);
}
