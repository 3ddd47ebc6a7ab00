/* sim_work: the roles of the simulated cluster, their handlers and the ledger these write.
 *
 * The ledger lies in the same store, in two tables of its own: sim_ask counts what was asked for,
 * sim_log gets a row for each effect, in the transaction of the effect. The oracle reads sim_log by
 * its growing id, so that it sees each effect once, when it is committed. Handlers stall, fail, and
 * kill their process (a poison key), as the seed has it.
 *
 * A handler that fails writes its effect first: that it is not there afterwards is part of the
 * proof.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "roster/task.h"

#include "sim_oracle.h"

#define PART_INTENT 9
#define PART_BAD    (-1)

/* clang-format off */
static const DbSql SQL_MAKE[] = {
    {"CREATE TABLE sim_ask (key TEXT PRIMARY KEY, asked BIGINT NOT NULL)", NULL},
    {"CREATE TABLE sim_log (id INTEGER PRIMARY KEY, key TEXT NOT NULL, ask BIGINT NOT NULL,"
     " part BIGINT NOT NULL, process BIGINT NOT NULL, incarnation BIGINT NOT NULL)", NULL},
    {"CREATE INDEX sim_log_key ON sim_log (key, ask, part)", NULL},
};
static const DbSql SQL_ASK = {
    "INSERT INTO sim_ask (key, asked) VALUES ($1, 1)"
    " ON CONFLICT (key) DO UPDATE SET asked = asked + 1 RETURNING asked", NULL,
};
static const DbSql SQL_LOG = {
    "INSERT INTO sim_log (key, ask, part, process, incarnation) VALUES ($1, $2, $3, $4, $5)", NULL,
};
static const DbSql SQL_COUNT = {
    "SELECT count(*) FROM sim_log WHERE key = $1 AND ask = $2 AND part = $3", NULL,
};
/* clang-format on */

void work_make_tables(Db *store)
{
    g_autoptr(GError) error = NULL;
    MUST(db_begin(store, DB_WRITE, &error));
    for (unsigned i = 0; i < G_N_ELEMENTS(SQL_MAKE); i++)
        MUST(db_exec(store, &SQL_MAKE[i], DB_NO_ARGS, &error) >= 0);
    MUST(db_commit(store, &error) == DB_DONE);
}

/* ---- keys */

static SimKey *add_key(World *world, SimKind kind, const char *name, unsigned bucket)
{
    SimKey *key = g_new0(SimKey, 1);
    key->kind = kind;
    key->bucket = bucket;
    key->wanted = 1;
    g_strlcpy(key->name, name, sizeof key->name);
    key->effects = g_array_new(FALSE, TRUE, sizeof(unsigned));
    key->parts = g_array_new(FALSE, TRUE, sizeof(unsigned));
    g_ptr_array_add(world->keys, key);
    g_hash_table_insert(world->key_names, key->name, key);
    return key;
}

void work_make_keys(World *world)
{
    static const char letters[] = "wlp";
    unsigned count = (unsigned)sim_between(world, 40, 300), poison = 0;
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        SimKind kind = sim_chance(world, 6000)   ? KIND_WORK
                       : sim_chance(world, 5000) ? KIND_LONG
                                                 : KIND_PUSH;
        snprintf(name, sizeof name, "%c%u", letters[kind], i);
        SimKey *key = add_key(world, kind, name, (unsigned)rand_below(&world->rand, BUCKETS));
        if (kind == KIND_WORK && poison < 3 && sim_chance(world, 100))
            key->poison = ++poison > 0;
        else if (sim_chance(world, world->weather.fail))
            key->fails =
                sim_chance(world, 1500) ? UINT_MAX : (unsigned)sim_between(world, 1, SIM_ATTEMPTS);
        else if (kind == KIND_WORK && sim_chance(world, 1000))
            key->wanted = 2;
    }
}

void work_free_keys(World *world)
{
    for (unsigned i = 0; i < world->keys->len; i++) {
        SimKey *key = g_ptr_array_index(world->keys, i);
        g_array_unref(key->effects);
        g_array_unref(key->parts);
        g_free(key);
    }
    g_ptr_array_unref(world->keys);
    g_hash_table_unref(world->key_names);
}

SimKey *work_get_key(World *world, const char *name)
{
    SimKey *key = g_hash_table_lookup(world->key_names, name);
    MUST(key);
    return key;
}

SimKey *work_round_key(World *world, const char *name, unsigned bucket)
{
    char text[40];
    snprintf(text, sizeof text, "%s@%u", name, bucket);
    SimKey *key = g_hash_table_lookup(world->key_names, text);
    return key ? key : add_key(world, KIND_SWEEP, text, bucket);
}

static const char *role_of(SimKind kind)
{
    return sim_roles.roles[kind].name;
}

bool work_ask(Db *db, const SimKey *key, int64_t due_at, GError **error)
{
    int64_t asked;
    char payload[24];
    if (db_query_int(db, &SQL_ASK, DB_ARGS(db_text(key->name)), &asked, error) <= 0)
        return false;
    snprintf(payload, sizeof payload, "%" G_GINT64_FORMAT, asked);
    TaskNew task = {.role = role_of(key->kind),
                    .bucket = key->bucket,
                    .key = key->name,
                    .payload = payload,
                    .due_at = due_at};
    return task_add(db, &task, error);
}

/* ---- handlers */

static Lane *lane_of(const Run *run)
{
    return (Lane *)(uintptr_t)run->settings;
}

static int64_t ask_of(const RunTask *task)
{
    return g_ascii_strtoll(task->payload, NULL, 10);
}

static bool write_log(Run *run, const char *key, int64_t ask, int part, GError **error)
{
    Process *process = lane_of(run)->process;
    return db_exec(run->db, &SQL_LOG,
                   DB_ARGS(db_text(key), db_int(ask), db_int(part), db_int(process->serial),
                           db_int(node_member(process->node)->incarnation)),
                   error) >= 0;
}

static bool is_dead(const Run *run, GError **error)
{
    if (!lane_of(run)->process->dead)
        return false;
    return !fail(error, ERROR_STOPPED, "the process was killed");
}

/* A moment in which the rest of the world goes on; no transaction is open. */
static bool linger(Run *run, GError **error)
{
    Process *process = lane_of(run)->process;
    World *world = process->world;
    if (!world->calm && sim_chance(world, 4 * world->weather.stall)) {
        bool long_one = sim_chance(world, 2000);
        sim_stall(process, sim_between(world, 0, long_one ? 12 * SEC : SEC),
                  sim_chance(world, 3000));
    }
    return !is_dead(run, error);
}

static bool is_failing(Run *run, unsigned index)
{
    World *world = lane_of(run)->process->world;
    SimKey *key = work_get_key(world, run->tasks[index].key);
    return run->tasks[index].attempts < key->fails;
}

/* Poison kills the process that touches it. */
static bool is_poisoned(Run *run, GError **error)
{
    Process *process = lane_of(run)->process;
    for (unsigned i = 0; i < run->count; i++) {
        SimKey *key = work_get_key(process->world, run->tasks[i].key);
        if (!key->poison)
            continue;
        key->killed++;
        if (key->killed > TASK_DEATHS_MAX)
            sim_broken(process->world, 0, "poison %s has killed %u processes", key->name,
                       key->killed);
        process_kill(process);
        break;
    }
    return is_dead(run, error);
}

/* The effect of one task, and whether it wants to run again. */
static bool write_effect(Run *run, unsigned index, GError **error)
{
    const RunTask *task = &run->tasks[index];
    World *world = lane_of(run)->process->world;
    SimKey *key = work_get_key(world, task->key);
    int64_t ask = ask_of(task), runs;
    bool bad = is_failing(run, index);
    if (!write_log(run, task->key, ask, bad ? PART_BAD : 0, error))
        return false;
    if (bad)
        return fail(error, ERROR_REJECT, "%s fails", task->key);
    if (key->wanted == 1)
        return true;
    if (db_query_int(run->db, &SQL_COUNT, DB_ARGS(db_text(task->key), db_int(ask), db_int(0)),
                     &runs, error) <= 0)
        return false;
    if (runs < key->wanted)
        run_again(run, index, sim_chance(world, 5000) ? 0 : world_store_ms(world) + 200);
    return true;
}

/* A task of push, caused by this run's effect. */
static bool cause_push(Run *run, GError **error)
{
    World *world = lane_of(run)->process->world;
    SimKey *key = g_ptr_array_index(world->keys, rand_below(&world->rand, world->keys->len));
    return key->kind != KIND_PUSH || work_ask(run->db, key, 0, error);
}

static bool run_work(Run *run, GError **error)
{
    World *world = lane_of(run)->process->world;
    if (is_poisoned(run, error) || !linger(run, error) ||
        !run_begin(run, sim_chance(world, 3000), error))
        return false;
    for (unsigned i = 0; i < run->count; i++)
        if (!write_effect(run, i, error) || !cause_push(run, error))
            return false;
    return true;
}

static bool run_long_task(Run *run, unsigned index, GError **error)
{
    const RunTask *task = &run->tasks[index];
    int64_t ask = ask_of(task);
    for (int part = 1; part <= LONG_PARTS; part++) {
        int64_t there;
        if (!linger(run, error) || !db_begin(run->db, DB_READ, error))
            return false;
        if (db_query_int(run->db, &SQL_COUNT,
                         DB_ARGS(db_text(task->key), db_int(ask), db_int(part)), &there,
                         error) <= 0) {
            db_rollback(run->db);
            return false;
        }
        db_rollback(run->db);
        if (there > 0)
            continue;
        if (run_should_stop(run))
            return fail(error, ERROR_STOPPED, "asked to stop");
        if (!run_begin(run, false, error) || !write_log(run, task->key, ask, part, error) ||
            !run_checkpoint(run, error))
            return false;
        run_pause(run, 20 * MSEC);
        if (is_dead(run, error))
            return false;
    }
    return true;
}

static bool run_long(Run *run, GError **error)
{
    for (unsigned i = 0; i < run->count; i++)
        if (!run_long_task(run, i, error))
            return false;
    if (!linger(run, error) || !run_begin(run, false, error))
        return false;
    for (unsigned i = 0; i < run->count; i++)
        if (!write_effect(run, i, error))
            return false;
    return true;
}

static bool run_push(Run *run, GError **error)
{
    const RunTask *task = &run->tasks[0];
    Process *process = lane_of(run)->process;
    SimKey *key = work_get_key(process->world, task->key);
    MUST(run->count == 1);
    if (!linger(run, error) || !run_begin(run, false, error) ||
        !write_log(run, task->key, ask_of(task), PART_INTENT, error) || !run_checkpoint(run, error))
        return false;
    if (!linger(run, error))
        return false;
    if (run_should_stop(run))
        return fail(error, ERROR_STOPPED, "asked to stop before the act");
    oracle_note_act(lane_of(run), key, ask_of(task));
    return linger(run, error) && run_begin(run, false, error) && write_effect(run, 0, error);
}

static bool run_sweep(Run *run, GError **error)
{
    World *world = lane_of(run)->process->world;
    MUST(run->count == 1);
    if (!linger(run, error) || !run_begin(run, true, error) ||
        !write_log(run, run->tasks[0].key, run->shard, 0, error))
        return false;
    g_string_append(run->detail, "swept");
    return world->calm || !sim_chance(world, world->weather.fail / 4)
               ? true
               : fail(error, ERROR_REJECT, "the sweep fails");
}

/* ---- roles */

static const Handler handlers[KIND_COUNT] = {
    {.run = run_work}, {.run = run_long}, {.run = run_push}, {.run = run_sweep}};

#define ROLE(kind, word, size, unit_of)                                                            \
    {                                                                                              \
        .name = word, .setting = word "." word, .unit = unit_of, .concurrency = 1,                 \
        .batch = (size), .attempts = SIM_ATTEMPTS, .retry_min_ms = 200, .retry_max_ms = 1000,      \
        .run_ms = 20000, .handler = &handlers[kind]                                                \
    }

static const Role roles[KIND_COUNT] = {
    ROLE(KIND_WORK, "work", 10, ROLE_BY_ACCOUNT),
    ROLE(KIND_LONG, "long", 3, ROLE_BY_ACCOUNT),
    ROLE(KIND_PUSH, "push", 1, ROLE_BY_ACCOUNT),
    ROLE(KIND_SWEEP, "sweep", 5, ROLE_BY_STORE),
};
const RoleSet sim_roles = {roles, KIND_COUNT};
const Round sim_rounds[1] = {{.role = &roles[KIND_SWEEP], .unit = "", .schedule = "every 10s"}};

const Role *work_lane_role(unsigned lane)
{
    static const SimKind kinds[SIM_LANES] = {KIND_WORK, KIND_WORK, KIND_LONG, KIND_PUSH,
                                             KIND_SWEEP};
    return &roles[kinds[lane]];
}

SimKind work_kind(const char *role)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (strcmp(roles[i].name, role) == 0)
            return (SimKind)i;
    MUST(false);
    return KIND_COUNT;
}
