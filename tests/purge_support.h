/* purge_support.h: what the tests of both purges share: rounds, dry runs as sets of items, the rows
 * of a store as such a set by statements of the tests' own, and the whole content of a store.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_PURGE_SUPPORT_H
#define ROTA_TESTS_PURGE_SUPPORT_H

#include "duty_support.h"
#include "model_support.h"
#include "store_text.h"

#include <string.h>

#include "db/fault.h"
#include "roster/dry_run.h"
#include "roster/round.h"

/* Runs a statement that is made of a text. */
static inline void purge_exec(Db *db, const char *format, ...) G_GNUC_PRINTF(2, 3);
static inline void purge_exec(Db *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const DbSql *sql = store_statement(g_strdup_vprintf(format, args));
    va_end(args);
    GError *error = NULL;
    bool own = !db_in_transaction(db);
    if ((own && !db_begin(db, DB_WRITE, &error)) || db_exec(db, sql, DB_NO_ARGS, &error) < 0 ||
        (own && db_commit(db, &error) != DB_DONE))
        fail_msg("%s: %s", sql->sql, error->message);
}

/* Adds the first column of each row, after `kind` and a tab. */
static inline void purge_add_rows(Db *db, const char *kind, const char *text, GHashTable *set)
{
    const DbSql *sql = store_statement(g_strdup(text));
    GError *error = NULL;
    bool own = !db_in_transaction(db);
    if (own && !db_begin(db, DB_READ, &error))
        fail_msg("%s", error->message);
    DbRows *rows = db_query(db, sql, DB_NO_ARGS, &error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, &error)) > 0)
        g_hash_table_add(set, g_strdup_printf("%s\t%s", kind, db_rows_text(rows, 0)));
    if (step < 0)
        fail_msg("%s: %s", text, error->message);
    db_rows_free(rows);
    if (own)
        db_rollback(db);
}

static inline GHashTable *purge_set_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* What is in one and not in the other. */
static inline GHashTable *purge_set_minus(GHashTable *set, GHashTable *other)
{
    GHashTable *rest = purge_set_new();
    GHashTableIter iter;
    gpointer item;
    g_hash_table_iter_init(&iter, set);
    while (g_hash_table_iter_next(&iter, &item, NULL))
        if (!g_hash_table_contains(other, item))
            g_hash_table_add(rest, g_strdup(item));
    return rest;
}

static inline void purge_set_assert_same(const char *what, GHashTable *got, GHashTable *want)
{
    GHashTable *more = purge_set_minus(got, want), *less = purge_set_minus(want, got);
    GHashTableIter iter;
    gpointer item;
    g_hash_table_iter_init(&iter, more);
    while (g_hash_table_iter_next(&iter, &item, NULL))
        print_error("%s: too much: %s\n", what, (char *)item);
    g_hash_table_iter_init(&iter, less);
    while (g_hash_table_iter_next(&iter, &item, NULL))
        print_error("%s: missing: %s\n", what, (char *)item);
    if (g_hash_table_size(more) || g_hash_table_size(less))
        fail_msg("%s: the sets differ", what);
    g_hash_table_unref(more);
    g_hash_table_unref(less);
}

static inline void purge_hear(const char *kind, const char *name, int64_t bytes, void *data)
{
    char *item = g_strdup_printf("%s\t%s", kind, name);
    assert_true(bytes >= 0);
    if (g_hash_table_contains(data, item))
        fail_msg("%s is told twice", item);
    g_hash_table_insert(data, item, item);
}

/* What a dry run of a shard says, added to the set; nothing may be told twice. */
static inline void purge_dry(Db *db, const char *role, const DutySettings *settings, unsigned shard,
                             unsigned shards, GHashTable *set)
{
    GError *error = NULL;
    RunWatch watch = {purge_hear, set};
    DryRun dry = {.db = db,
                  .clock = clock_real(),
                  .role = role_find(&duty_roles, role),
                  .shard = shard,
                  .shards = shards,
                  .settings = settings,
                  .watch = &watch};
    if (!dry_run(&dry, &error))
        fail_msg("dry run of %s: %s", role, error->message);
    assert_false(db_in_transaction(db));
}

/* Asks for a round of all shards of the table; `shards` as in DutyLaneMore. */
static inline void purge_ask_round(Db *db, const char *role_name, const char *const *shards)
{
    const Role *role = role_find(&duty_roles, role_name);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    for (unsigned i = 0; shards && shards[i]; i++)
        assert_true(table_builder_add_shard(builder, role, shards[i], NULL));
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    Round round = {.role = role, .unit = ""};
    GError *error = NULL;
    if (!db_begin(db, DB_WRITE, &error) || !round_now(db, table, &round, 0, &error) ||
        db_commit(db, &error) != DB_DONE)
        fail_msg("round of %s: %s", role_name, error->message);
}

/* A round, run to its end on a lane. Returns the steps it took. */
static inline unsigned purge_round(DutyLane *lane, const char *role)
{
    purge_ask_round(lane->node_db, role, NULL);
    return duty_lane_work(lane, role, 1000);
}

/* The plan of a fault at call number n, or, where an outcome is to be unknown, at commit number n.
 */
typedef struct {
    FaultAt at;
    uint64_t commits;
} PurgeFault;

static inline Fault purge_fault_plan(FaultPoint point, uint64_t call, void *data)
{
    PurgeFault *fault = data;
    if (fault->at.fault == FAULT_RETRY)
        return fault_plan_at(point, call, &fault->at);
    return point == FAULT_POINT_COMMIT ? fault_plan_at(point, ++fault->commits, &fault->at)
                                       : FAULT_NONE;
}

#endif
