/* acme_scene_test: see acme_scene_test.h. */
#include "acme_scene_test.h"

#include <string.h>

#include "content/chain.h"
#include "content/private_key.h"

#define ROLE "acme.renew"
#define DAY  INT64_C(86400000)

static char *no_texts[] = {NULL};
static char *domains[] = {"mail.example.org", NULL};
static AcmeDuty duty = {
    .name = "mail",
    .directory = "https://ca.example/directory",
    .ca_file = "",
    .contact = no_texts,
    .domains = domains,
    .renew_before_ms = 30 * DAY,
    .eab_kid = "",
    .eab_key = "",
    .issuer = "",
    .host = "",
    .tsig_key = "",
    .tsig_secret = "",
    .export_folder = "",
    .export_nodes = no_texts,
    .deploy_hook = no_texts,
};
static AcmeDoor door;
DutySettings acme_settings = {.certificates = &duty, .certificate_count = 1, .door = &door};

void acme_scene_init(AcmeScene *scene, TestStore *store)
{
    *scene = (AcmeScene){.store = store, .ca = ca_new()};
    seal_init(&acme_settings.seal, "0123456789abcdef0123456789abcdef", "");
    door = (AcmeDoor){ca_fetch, scene->ca};
    duty_lane_init_more(&scene->lane, store, ROLE, &acme_settings,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
}

void acme_scene_clear(AcmeScene *scene)
{
    duty_lane_clear(&scene->lane);
    ca_free(scene->ca);
}

void acme_enqueue(Db *db)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(certificate_enqueue(db, "mail", NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

void acme_read_row(Db *db, Certificate *ret)
{
    assert_true(db_begin(db, DB_READ, NULL));
    assert_true(certificate_read(db, "mail", ret, NULL));
    db_rollback(db);
}

int64_t acme_version(Db *db)
{
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(db, &row);
    return row.version;
}

/* What waits is due now: the test does not sit out back-offs. */
void acme_hurry(Db *db)
{
    purge_exec(db, "UPDATE task SET due_at = rota_now() WHERE owner = 0");
    purge_exec(db, "UPDATE certificate SET next_at = 0");
}

bool acme_has_task(Db *db)
{
    return model_count(db, "SELECT count(*) FROM task WHERE role = '" ROLE "'") > 0;
}

void acme_work(AcmeScene *scene, unsigned limit)
{
    Db *db = scene->lane.node_db;
    for (unsigned step = 0; acme_has_task(db); step++) {
        if (step > limit)
            fail_msg("the order does not end in %u steps", limit);
        acme_hurry(db);
        duty_lane_step(&scene->lane);
    }
}

/* The chain is served with its key: what was stored fits, and opens. */
void acme_assert_serves(Db *db)
{
    g_auto(Certificate) row = {.name = NULL};
    g_autoptr(GError) error = NULL;
    acme_read_row(db, &row);
    char *key = certificate_open_key(&row, &acme_settings.seal, &error);
    assert_no_error(error);
    g_autoptr(Chain) chain = chain_parse(row.chain, strlen(row.chain), key, &error);
    assert_no_error(error);
    private_key_text_free(key);
    assert_true(chain_covers(chain, "mail.example.org"));
    assert_string_equal(row.step, "");
    assert_string_equal(row.problem, "");
    assert_int_equal(row.failures, 0);
    assert_int_equal(g_bytes_get_size(row.order_key), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM expiring WHERE kind = 'acme-http'"), 0);
}

/* A scene that has its first certificate. */
Db *acme_scene_init_with_one(AcmeScene *scene, TestStore *store)
{
    acme_scene_init(scene, store);
    acme_enqueue(store->db);
    acme_work(scene, 30);
    return store->db;
}

void acme_ask_renewal(Db *db)
{
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    acme_enqueue(db);
}

void acme_pass_time(Db *db, int64_t ms)
{
    static const char *const columns[] = {"not_before", "not_after", "exchanged_at", "renew_at",
                                          "info_at",    "order_at",  "next_at",      "failed_at"};
    g_autoptr(GString) set = g_string_new("UPDATE certificate SET ");
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        g_string_append_printf(set,
                               "%s%s = CASE WHEN %s = 0 THEN 0 ELSE %s - %" G_GINT64_FORMAT " END",
                               i ? ", " : "", columns[i], columns[i], columns[i], ms);
    purge_exec(db, "%s", set->str);
    purge_exec(db, "UPDATE task SET due_at = due_at - %" G_GINT64_FORMAT, ms);
}
