/* migrate: the splitter by a table, the steps on both stores. */
#include "support.h"

#include "base/error.h"
#include "db/driver.h"
#include "db/migrate.h"

static void text_is_filtered_and_split(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        DbKind kind;
        const char *want; /* joined by | */
    } rows[] = {
        {"nothing", "", DB_SQLITE, ""},
        {"two", "A;\nB;", DB_SQLITE, "A|B"},
        {"last without semicolon", "A;B", DB_SQLITE, "A|B"},
        {"comment with quote and semicolon", "-- it's; so\nA;", DB_SQLITE, "-- it's; so\nA"},
        {"only comments", "-- a;\n/* b; */\n", DB_SQLITE, ""},
        {"quoted", "A 'x;''y' \"z;\";B", DB_SQLITE, "A 'x;''y' \"z;\"|B"},
        {"dollar body", "A $$ x; y $$;B $t$ $$; $t$;", DB_POSTGRESQL, "A $$ x; y $$|B $t$ $$; $t$"},
        {"a parameter is no body", "A $1;B", DB_SQLITE, "A $1|B"},
        {"ours", "A (\n--sqlite ) X;\n--postgresql ) Y;\nB", DB_SQLITE, "A (\n) X|B"},
        {"theirs", "A (\n--sqlite ) X;\n--postgresql ) Y;\nB", DB_POSTGRESQL, "A (\n\n) Y|B"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) split = migrate_split(rows[i].text, rows[i].kind);
        g_autofree char *got = g_strjoinv("|", split);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", rows[i].name, got, rows[i].want);
    }
}

static void store_is_at_the_newest_version(void **state)
{
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    unsigned version = 0, applied = 9;
    assert_true(migrate_version(store->db, &version, &error));
    assert_int_equal(version, migrate_newest());
    assert_true(migrate_upgrade(store->db, &applied, &error));
    assert_int_equal(applied, 0);
}

static void change(TestStore *store, const DbSql *sql)
{
    GError *error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, &error));
    assert_true(db_exec(store->db, sql, DB_NO_ARGS, &error) >= 0);
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
}

static void refused(TestStore *store, const char *want)
{
    g_autoptr(GError) error = NULL;
    unsigned version = 77, applied = 77;
    assert_false(migrate_version(store->db, &version, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    if (!strstr(error->message, want))
        fail_msg("got \"%s\", want \"%s\"", error->message, want);
    assert_int_equal(version, 77);
    assert_false(migrate_upgrade(store->db, &applied, NULL));
    assert_int_equal(applied, 77);
}

static void newer_store_is_refused(void **state)
{
    static const DbSql sql = {.sql = "INSERT INTO migration SELECT version + 1, 'later', digest, 0"
                                     " FROM migration ORDER BY version DESC LIMIT 1"};
    change(*state, &sql);
    refused(*state, "newer than this program");
}

static void edited_migration_is_refused(void **state)
{
    static const DbSql sql = {.sql = "UPDATE migration SET digest = 'x' WHERE version = 1"};
    change(*state, &sql);
    refused(*state, "another text of migration 0001-first");
}

static void foreign_store_is_refused(void **state)
{
    static const DbSql sql = {.sql = "DROP TABLE migration"};
    change(*state, &sql);
    refused(*state, "not a rota store");
}

/* ---- several at once */

typedef struct {
    DbConfig config;
    unsigned applied;
    char *trouble;
} Upgrader;

static void *upgrade(void *data)
{
    Upgrader *upgrader = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = db_open(&upgrader->config, &error);
    if (!db || !migrate_upgrade(db, &upgrader->applied, &error))
        upgrader->trouble = g_strdup(error->message);
    return NULL;
}

static void several_at_once_take_each_step_once(void **state)
{
    const TestStore *store = *state;
    Upgrader upgraders[4] = {{.config = store->config}};
    GThread *threads[G_N_ELEMENTS(upgraders)];
    g_autofree char *path = NULL;
    if (store->config.kind == DB_SQLITE) {
        path = g_strconcat(store->config.path, "-new", NULL);
        upgraders[0].config.path = path;
    } else { /* an empty schema again */
        g_autofree char *drop = g_strdup_printf("DROP SCHEMA %s CASCADE", store->config.schema);
        g_autofree char *make = g_strdup_printf("CREATE SCHEMA %s", store->config.schema);
        assert_true(db_begin(store->db, DB_WRITE, NULL));
        assert_true(db_run_text(store->db, drop, NULL) && db_run_text(store->db, make, NULL));
        assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    }
    unsigned applied = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(upgraders); i++) {
        upgraders[i] = (Upgrader){.config = upgraders[0].config};
        threads[i] = g_thread_new("upgrade", upgrade, &upgraders[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(upgraders); i++) {
        g_thread_join(threads[i]);
        if (upgraders[i].trouble)
            fail_msg("%s", upgraders[i].trouble);
        applied += upgraders[i].applied;
    }
    assert_int_equal(applied, migrate_newest());
    assert_true(migrate_version(store->db, &applied, NULL));
    assert_int_equal(applied, migrate_newest());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_filtered_and_split),
        cmocka_unit_test(store_is_at_the_newest_version),
        cmocka_unit_test(newer_store_is_refused),
        cmocka_unit_test(edited_migration_is_refused),
        cmocka_unit_test(foreign_store_is_refused),
        cmocka_unit_test(several_at_once_take_each_step_once),
    };
    return test_on_both_stores("migrate", tests, G_N_ELEMENTS(tests));
}
