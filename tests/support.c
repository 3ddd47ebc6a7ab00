/* support: shared parts of the C tests. */
#include "support.h"

#include <glib/gstdio.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "base/error.h"
#include "base/must.h"
#include "db/migrate.h"

char *test_data(const char *name)
{
    const char *root = g_getenv("ROTA_SOURCE");
    return g_build_filename(root ? root : ROTA_SOURCE_DEFAULT, "tests", "data", name, NULL);
}

char *test_archive(const char *name)
{
    const char *unpacked = g_getenv("ROTA_DATA_UNPACKED");
    g_autofree char *path = unpacked ? g_build_filename(unpacked, name, NULL) : NULL;
    if (path && g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_steal_pointer(&path);
    MUST(!g_getenv("CI"));
    print_message("# archive \"%s\" is not here: its suite did not run\n", name);
    return NULL;
}

/* ---- stores */

static const char *const kind_names[] = {[DB_SQLITE] = "sqlite", [DB_POSTGRESQL] = "postgresql"};

static void store_new_sqlite(TestStore *store)
{
    g_autofree char *folder = g_dir_make_tmp("rota-test-XXXXXX", NULL);
    MUST(folder);
    store->config.path = g_build_filename(folder, "store.db", NULL);
}

static void store_remove_sqlite(TestStore *store)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *path = g_strconcat(store->config.path, ends[i], NULL);
        g_unlink(path);
    }
    g_autofree char *folder = g_path_get_dirname(store->config.path);
    g_rmdir(folder);
    g_free((void *)(uintptr_t)store->config.path);
}

/* Makes or drops a schema on $ROTA_TEST_PG, outside the door, since the door works within a schema.
 */
static void run_on_server(const char *verb, const char *schema)
{
    PGconn *conn = PQconnectdb(g_getenv("ROTA_TEST_PG"));
    g_autofree char *sql =
        g_strdup_printf("SET client_min_messages = warning; %s SCHEMA %s%s", verb, schema,
                        strcmp(verb, "DROP") == 0 ? " CASCADE" : "");
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static void store_new_postgresql(TestStore *store)
{
    static unsigned made;
    store->config.url = g_getenv("ROTA_TEST_PG");
    store->config.schema = g_strdup_printf("rota_test_%d_%u", (int)getpid(), ++made);
    run_on_server("CREATE", store->config.schema);
}

static void store_remove_postgresql(TestStore *store)
{
    run_on_server("DROP", store->config.schema);
    g_free((void *)(uintptr_t)store->config.schema);
}

Db *test_store_open(const TestStore *store)
{
    GError *error = NULL;
    Db *db = db_open(&store->config, &error);
    if (!db)
        fail_msg("%s", error->message);
    return db;
}

/* *state comes in as a DbKind, see test_on_both_stores. */
static int store_setup(void **state)
{
    TestStore *store = g_new0(TestStore, 1);
    store->config.kind = (DbKind)GPOINTER_TO_INT(*state);
    if (store->config.kind == DB_SQLITE)
        store_new_sqlite(store);
    else
        store_new_postgresql(store);
    store->db = test_store_open(store);
    unsigned applied;
    GError *error = NULL;
    if (!migrate_upgrade(store->db, &applied, &error))
        fail_msg("%s", error->message);
    *state = store;
    return 0;
}

static int store_teardown(void **state)
{
    TestStore *store = *state;
    db_close(store->db);
    if (store->config.kind == DB_SQLITE)
        store_remove_sqlite(store);
    else
        store_remove_postgresql(store);
    g_free(store);
    return 0;
}

int test_on_both_stores(const char *group, const struct CMUnitTest *tests, size_t count)
{
    unsigned kinds = g_getenv("ROTA_TEST_PG") ? 2 : 1;
    if (kinds == 1)
        print_message("# $ROTA_TEST_PG is not set: %s did not run on PostgreSQL\n", group);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) all = g_array_new(FALSE, TRUE, sizeof(struct CMUnitTest));
    for (unsigned kind = 0; kind < kinds; kind++) {
        for (size_t i = 0; i < count; i++) {
            struct CMUnitTest test = tests[i];
            MUST(!test.setup_func && !test.teardown_func && !test.initial_state);
            test.name = g_strdup_printf("%s: %s", kind_names[kind], test.name);
            test.setup_func = store_setup;
            test.teardown_func = store_teardown;
            test.initial_state = GINT_TO_POINTER(kind);
            g_ptr_array_add(names, (void *)(uintptr_t)test.name);
            g_array_append_val(all, test);
        }
    }
    return _cmocka_run_group_tests(group, (const struct CMUnitTest *)all->data, all->len, NULL,
                                   NULL);
}
