/* audit_certificates_test: what `rota audit` says of certificates: a table of rows as acme.renew
 * leaves them, and the one finding that each is. On both stores. */
#include "audit_scene_test.h"

#include <openssl/pem.h>
#include <string.h>

#include "content/chain.h"
#include "content/private_key.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define DAY    INT64_C(86400000)
#define HOUR   INT64_C(3600000)
#define ACME                                                                                       \
    "[storage]\nsecret-key = \"" SECRET "\"\n"                                                     \
    "[acme.mail]\ndomains = [\"mail.example.org\", \"imap.example.org\"]\n"

typedef struct {
    const char *test, *name; /* NULL: nothing is found */
    AuditSeverity severity;
    /* Times by now; not_after 0: there is no row at all. */
    int64_t not_before, not_after, renew_at, order_at;
    int64_t failures;
    const char *names; /* of the certificate; NULL: none was got */
    const char *row;   /* its name; NULL: "mail" */
    bool other_secret, other_key;
} Case;

#define BOTH "mail.example.org imap.example.org"
static const Case cases[] = {
    {"good", NULL, 0, -60 * DAY, 31 * DAY, DAY, 0, 0, BOTH, NULL, false, false},
    {"two failures", NULL, 0, -60 * DAY, 29 * DAY, -HOUR / 2, 0, 2, BOTH, NULL, false, false},
    {"just due", NULL, 0, -60 * DAY, 30 * DAY, -HOUR / 2, 0, 0, BOTH, NULL, false, false},
    {"an order runs", NULL, 0, -60 * DAY, 29 * DAY, -DAY, -HOUR / 2, 0, BOTH, NULL, false, false},
    {"short", NULL, 0, -4 * DAY, 2 * DAY, HOUR, 0, 0, BOTH, NULL, false, false},
    {"never begun", "certificate-missing", AUDIT_WARNING, 0, 0, 0, 0, 0, NULL, NULL, false, false},
    {"not got", "certificate-missing", AUDIT_WARNING, 0, 1, 0, -HOUR, 1, NULL, NULL, false, false},
    {"a name", "certificate-missing", AUDIT_WARNING, -DAY, 89 * DAY, 59 * DAY, 0, 0,
     "mail.example.org", NULL, false, false},
    {"late", "certificate-overdue", AUDIT_WARNING, -60 * DAY, 29 * DAY, -DAY, 0, 0, BOTH, NULL,
     false, false},
    {"endless", "certificate-overdue", AUDIT_WARNING, -60 * DAY, 29 * DAY, -DAY, -2 * HOUR, 0, BOTH,
     NULL, false, false},
    {"near", "certificate-ends", AUDIT_WARNING, -76 * DAY, 14 * DAY, -16 * DAY, -HOUR / 2, 0, BOTH,
     NULL, false, false},
    {"short and near", "certificate-ends", AUDIT_WARNING, -126 * HOUR, 18 * HOUR, -30 * HOUR,
     -HOUR / 2, 0, BOTH, NULL, false, false},
    {"over", "certificate-ends", AUDIT_ERROR, -91 * DAY, -DAY, -31 * DAY, -HOUR / 2, 0, BOTH, NULL,
     false, false},
    {"refused", "certificate-failing", AUDIT_WARNING, -60 * DAY, 29 * DAY, -DAY, 0, 3, BOTH, NULL,
     false, false},
    {"never got", "certificate-failing", AUDIT_ERROR, 0, 1, 0, 0, 9, NULL, NULL, false, false},
    {"sealed by another", "certificate-unusable", AUDIT_ERROR, -60 * DAY, 31 * DAY, DAY, 0, 0, BOTH,
     NULL, true, false},
    {"another's key", "certificate-unusable", AUDIT_ERROR, -60 * DAY, 31 * DAY, DAY, 0, 0, BOTH,
     NULL, false, true},
};

/* ---------------------------------------------------------------- rows */

static char *pem_of(const Chain *chain)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    PEM_write_bio_X509(bio, chain->leaf);
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = g_strndup(bytes, (gsize)size);
    BIO_free(bio);
    return text;
}

static GBytes *sealed_key(const EVP_PKEY *key, const char *name, bool other_secret)
{
    Seal seal;
    g_autofree char *what = certificate_seal_name(name);
    seal_init(&seal, other_secret ? "another secret, of 32 bytes also" : SECRET, "");
    char *text = private_key_format(key, NULL);
    GBytes *sealed = seal_close(&seal, what, text, strlen(text), NULL);
    private_key_text_free(text);
    return sealed;
}

static void take_chain(Certificate *row, const Case *one)
{
    g_auto(GStrv) names = g_strsplit(one->names, " ", -1);
    g_autoptr(Chain) chain = chain_stand_in((const char *const *)names, row->now, NULL);
    g_autoptr(Chain) other = chain_stand_in((const char *const *)names, row->now, NULL);
    assert_non_null(chain);
    g_free(row->chain);
    row->chain = pem_of(chain);
    g_bytes_unref(row->sealed_key);
    row->sealed_key =
        sealed_key(one->other_key ? other->key : chain->key, row->name, one->other_secret);
    row->version = 1;
}

static void plant(const Scene *scene, const Case *one)
{
    g_auto(Certificate) row = {.name = NULL};
    if (one->not_after == 0)
        return;
    assert_true(db_begin(scene->db, DB_WRITE, NULL));
    assert_true(certificate_read(scene->db, one->row ? one->row : "mail", &row, NULL));
    if (one->names)
        take_chain(&row, one);
    row.not_before = row.now + one->not_before;
    row.not_after = one->names ? row.now + one->not_after : 0;
    row.renew_at = one->names ? row.now + one->renew_at : 0;
    row.order_at = one->order_at ? row.now + one->order_at : 0;
    row.failures = one->failures;
    if (one->order_at) {
        g_free(row.step);
        row.step = g_strdup("authorise");
    }
    if (one->failures) {
        g_free(row.problem);
        row.problem = g_strdup("{\"type\":\"urn:ietf:params:acme:error:rateLimited\","
                               "\"detail\":\"too many\",\"status\":429}");
    }
    assert_true(certificate_write(scene->db, &row, false, NULL));
    assert_int_equal(db_commit(scene->db, NULL), DB_DONE);
}

/* ---------------------------------------------------------------- the table */

/* How many findings are about certificates. */
static unsigned count_of(const Audit *audit)
{
    unsigned count = 0;
    for (unsigned i = 0; i < audit->findings->len; i++)
        count += ((const Finding *)g_ptr_array_index(audit->findings, i))->kind >=
                 AUDIT_CERTIFICATE_UNUSABLE;
    return count;
}

static void judge(const Scene *scene, const Case *one)
{
    g_autoptr(Audit) audit = scene_audit(scene);
    g_autofree char *text = scene_text(audit);
    int at = one->name ? scene_find(audit, one->name, NULL, 0) : -1;
    if (count_of(audit) != (one->name ? 1 : 0) || (one->name && at < 0))
        fail_msg("%s: wanted %s, got\n%s", one->test, one->name ? one->name : "nothing", text);
    if (!one->name)
        return;
    const Finding *finding = g_ptr_array_index(audit->findings, (guint)at);
    if (finding->severity != one->severity)
        fail_msg("%s: wanted %s, got\n%s", one->test, audit_severity_name(one->severity), text);
    if (one->failures >= 3 && !strstr(finding->what, "rateLimited: too many"))
        fail_msg("%s: what the CA said is not in\n%s", one->test, text);
}

static void test_rows(void **state)
{
    static const DbSql forget = {"DELETE FROM certificate", NULL};
    Scene scene;
    scene_init(&scene, *state, 2, ACME);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_true(db_begin(scene.db, DB_WRITE, NULL));
        assert_true(db_exec(scene.db, &forget, DB_NO_ARGS, NULL) >= 0);
        assert_int_equal(db_commit(scene.db, NULL), DB_DONE);
        plant(&scene, &cases[i]);
        judge(&scene, &cases[i]);
    }
    scene_clear(&scene);
}

static void test_unwanted(void **state)
{
    Scene scene;
    Case old = cases[0];
    old.row = "old";
    scene_init(&scene, *state, 2, ACME);
    plant(&scene, &cases[0]);
    plant(&scene, &old);
    judge(&scene, &(Case){.test = "unwanted", .name = "certificate-unwanted"});
    scene_clear(&scene);
}

/* A thousand are one finding of a few names. */
static void test_many(void **state)
{
    g_autoptr(GString) toml = g_string_new("[storage]\nsecret-key = \"" SECRET "\"\n");
    for (unsigned i = 0; i < 1000; i++)
        g_string_append_printf(toml, "[acme.c%u]\ndomains = [\"host%u.example.org\"]\n", i, i);
    Scene scene;
    scene_init(&scene, *state, 2, toml->str);
    g_autoptr(Audit) audit = scene_audit(&scene);
    g_autofree char *text = scene_text(audit);
    assert_int_equal(count_of(audit), 1);
    const Finding *finding = g_ptr_array_index(audit->findings, 0);
    if (!strstr(finding->what, "1000 certificates") || !strstr(finding->what, " and 995 more"))
        fail_msg("%s", text);
    scene_clear(&scene);
}

/* A file's, and none at all. */
static void test_files(void **state)
{
    static const char *const names[] = {"localhost", NULL};
    Scene scene;
    scene_init(&scene, *state, 2, "[http]\ntls.listen = [\"127.0.0.1:443\"]\n");
    judge(&scene,
          &(Case){.test = "none", .name = "stand-in-certificate", .severity = AUDIT_WARNING});
    g_autofree char *folder = g_dir_make_tmp("rota-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "a.pem", NULL);
    g_free(scene.settings->tls.certificate);
    scene.settings->tls.certificate = g_strdup(path);
    judge(&scene, &(Case){.test = "a file that cannot be read"});
    static const struct {
        int64_t made_ago;
        const char *name;
        AuditSeverity severity;
    } ages[] = {{0, NULL, 0}, {INT64_C(36500) * DAY, "certificate-ends", AUDIT_ERROR}};
    for (size_t i = 0; i < G_N_ELEMENTS(ages); i++) {
        int64_t now = clock_wall_ms(clock_real());
        g_autoptr(Chain) chain = chain_stand_in(names, now - ages[i].made_ago, NULL);
        g_autofree char *pem = pem_of(chain);
        assert_true(g_file_set_contents(path, pem, -1, NULL));
        judge(&scene,
              &(Case){.test = "a file", .name = ages[i].name, .severity = ages[i].severity});
    }
    unlink(path);
    rmdir(folder);
    scene_clear(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unwanted),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_files),
    };
    return test_on_both_stores("audit_certificates", tests, G_N_ELEMENTS(tests));
}
