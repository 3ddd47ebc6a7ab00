/* support.h: what every C test shares: cmocka, where the data is, a store of its own.
 */
#ifndef ROTA_TESTS_SUPPORT_H
#define ROTA_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include <cmocka.h>
#undef fail /* ours is in base/error.h; a test says fail_msg */
#undef fail_msg
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        print_error("ERROR: " __VA_ARGS__);                                                        \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)
#include <glib.h>

#include "db/db.h"

/* The path of a file of tests/data; caller frees. */
char *test_data(const char *name);
/* The folder of an unpacked archive of $ROTA_DATA ("mail", "mime", "toml"), or NULL where there is
 * none: then the test says so and passes on the project's own data; where $CI is set a missing one
 * is a failure. Caller frees. */
char *test_archive(const char *name);

/* Runs a group of tests once on SQLite and, where $ROTA_TEST_PG (a libpq string; ./test sets it) is
 * there, once on PostgreSQL; each test gets a fresh, migrated, empty store as *state: a TestStore.
 * Tests must have no setup of their own. Returns the number of failures, for main. */
typedef struct {
    Db *db;
    DbConfig config; /* to open more handles of the same store */
} TestStore;
int test_on_both_stores(const char *group, const struct CMUnitTest *tests, size_t count);

/* A new handle on a store, for tests with several; MUST not fail. */
Db *test_store_open(const TestStore *store);

#define assert_no_error(error)                                                                     \
    do {                                                                                           \
        if (error)                                                                                 \
            fail_msg("unexpected error: %s", (error)->message);                                    \
    } while (0)

#endif
