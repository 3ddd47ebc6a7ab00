/* round: work that comes by the clock, as rows.
 *
 * A round's task has the key "round/UNIT/SHARD" and the payload "shard K of N unit U"; its bucket
 * lies in that shard. The payload keeps the shard that the round was made for, so that a round
 * which waits while the table changes still covers exactly its part of the buckets.
 *
 * A slot is claimed by moving last_slot forward in the round's row, which only one transaction can
 * do. A round that the store has never seen begins with the next slot; a shard that is new in the
 * table goes on from where the others are, so that a slot which was missed runs for all of the
 * role.
 *
 * Failures: those of the store; a schedule that does not parse (ERROR_REJECT; settings have checked
 * it). Known weak point: when the number of shards changes, a round still waiting under the same
 * key in another bucket is a second task with that key; both run, each for its own part.
 */
#include "roster/round.h"

#include <stdio.h>
#include <string.h>

#include "base/cron.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/must.h"
#include "roster/shard.h"
#include "roster/takeover.h"
#include "roster/task.h"

#define KEY_PREFIX "round/"
#define SPREAD_MS  60000 /* starts of one slot are spread over a minute */
#define HOUR_MS    3600000LL

/* clang-format off */
static const DbSql SQL_SLOTS = {"SELECT role, unit, shard, last_slot FROM round", NULL};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_FIRST = {
    "INSERT INTO round (role, unit, shard, shards, last_slot, last_started_at, last_done_at,"
    " last_result)"
    " VALUES ($1, $2, $3, $4, $5, 0, 0, '') ON CONFLICT (role, unit, shard) DO NOTHING", NULL,
};
static const DbSql SQL_SLOT = {
    "UPDATE round SET last_slot = $5, shards = $4, last_started_at = rota_now()"
    " WHERE role = $1 AND unit = $2 AND shard = $3 AND last_slot < $5", NULL,
};
static const DbSql SQL_DONE = {
    "UPDATE round SET last_done_at = rota_now(), last_result = $4"
    " WHERE role = $1 AND unit = $2 AND shard = $3", NULL,
};
static const DbSql SQL_STARTED = {
    "INSERT INTO round (role, unit, shard, shards, last_slot, last_started_at, last_done_at,"
    " last_result)"
    " VALUES ($1, $2, $3, $4, rota_now(), rota_now(), 0, '')"
    " ON CONFLICT (role, unit, shard) DO UPDATE"
    " SET last_started_at = rota_now(), shards = excluded.shards", NULL,
};
static const DbSql SQL_LOOK = {
    "SELECT rota_now(), last_started_at, last_done_at, last_result FROM round"
    " WHERE role = $1 AND unit = $2 AND shard = $3", NULL,
};
static const DbSql SQL_LOOK_TASK = {
    "SELECT t.created_at, t.due_at, t.attempts, t.last_error,"
    " (SELECT m.node FROM member m WHERE m.incarnation = t.owner AND t.owner <> 0)"
    " FROM task t WHERE t.bucket = $1 AND t.role = $2 AND t.key = $3", NULL,
};
static const DbSql SQL_LOOK_DEAD = {
    "SELECT buried_at, last_error FROM dead_letter"
    " WHERE bucket = $1 AND role = $2 AND key = $3", NULL,
};
/* clang-format on */

/* A bucket of the shard, fixed for the key. */
static unsigned bucket_in_shard(const char *key, unsigned shard, unsigned shards)
{
    unsigned bucket = bucket_of(key);
    bucket = bucket - bucket % shards + shard - 1;
    return bucket < BUCKETS ? bucket : bucket - shards;
}

static bool add_round_task(Db *db, const Round *round, unsigned shard, unsigned shards,
                           GError **error)
{
    g_autofree char *key = g_strdup_printf(KEY_PREFIX "%s/%u", round->unit, shard);
    g_autofree char *payload =
        g_strdup_printf("shard %u of %u unit %s", shard, shards, round->unit);
    if (strlen(key) > TASK_KEY_BYTES_MAX)
        return fail(error, ERROR_REJECT, "the name \"%s\" is too long for a round of %s",
                    round->unit, round->role->name);
    TaskNew task = {.role = round->role->name,
                    .bucket = bucket_in_shard(key, shard, shards),
                    .key = key,
                    .payload = payload};
    return task_add(db, &task, error);
}

/* last_slot by "role/unit/shard", and the smallest of a round's shards by "role/unit". */
static GHashTable *read_slots(Db *db, GError **error)
{
    g_autoptr(GHashTable) slots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(DbRows) rows = db_query(db, &SQL_SLOTS, DB_NO_ARGS, error);
    if (!rows)
        return NULL;
    int more;
    while ((more = db_rows_next(rows, error)) > 0) {
        int64_t slot = db_rows_int(rows, 3);
        char *round = g_strdup_printf("%s/%s", db_rows_text(rows, 0), db_rows_text(rows, 1));
        char *shard = g_strdup_printf("%s/%" G_GINT64_FORMAT, round, db_rows_int(rows, 2));
        const int64_t *least = g_hash_table_lookup(slots, round);
        int64_t low = least ? MIN(*least, slot) : slot;
        g_hash_table_insert(slots, shard, g_memdup2(&slot, sizeof slot));
        g_hash_table_insert(slots, round, g_memdup2(&low, sizeof low));
    }
    return more < 0 ? NULL : g_steal_pointer(&slots);
}

/* What one call works with. */
typedef struct {
    Db *db;
    GHashTable *slots;
    int64_t now;
    const Round *round;
    CronSchedule *schedule;
    GTimeZone *zone;
    unsigned shard, shards;
} Slot;

/* How long after its slot this shard's round starts: the same for ever. */
static int64_t spread_ms(const Slot *slot)
{
    g_autofree char *name =
        g_strdup_printf("%s/%s/%u", slot->round->role->name, slot->round->unit, slot->shard);
    int64_t interval = cron_interval_ms(slot->schedule);
    int64_t width = interval > 0 && interval < SPREAD_MS ? interval : SPREAD_MS;
    return (int64_t)(hash64(name, strlen(name)) % (uint64_t)width);
}

/* The newest slot in (after, until]; 0 if there is none. Looks back by growing windows, so that a
 * year of missed minutes costs no more than an hour of them. */
static int64_t newest_slot(const Slot *slot, int64_t after, int64_t until)
{
    static const int64_t windows[] = {HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS, INT64_MAX};
    int64_t interval = cron_interval_ms(slot->schedule);
    if (interval > 0) {
        int64_t newest = until / interval * interval;
        return newest > after ? newest : 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(windows); i++) {
        int64_t from = windows[i] < until - after ? until - windows[i] : after;
        int64_t newest = 0;
        for (int64_t at = cron_next(slot->schedule, from, slot->zone); at <= until;
             at = cron_next(slot->schedule, at, slot->zone))
            newest = at;
        if (newest > 0 || from == after)
            return newest;
    }
    return 0;
}

/* One shard of one round: step->next_at becomes its next start if that is earlier. */
static bool step_shard(const Slot *slot, RoundStep *step, GError **error)
{
    const char *role = slot->round->role->name, *unit = slot->round->unit;
    g_autofree char *round = g_strdup_printf("%s/%s", role, unit);
    g_autofree char *name = g_strdup_printf("%s/%u", round, slot->shard);
    const int64_t *known = g_hash_table_lookup(slot->slots, name);
    int64_t last;
    DbValue args[] = {db_text(role), db_text(unit), db_int(slot->shard), db_int(slot->shards),
                      db_int(0)};
    if (known) {
        last = *known;
    } else {
        const int64_t *others = g_hash_table_lookup(slot->slots, round);
        last = others ? *others : slot->now;
        args[4] = db_int(last);
        if (db_exec(slot->db, &SQL_FIRST, args, 5, error) < 0)
            return false;
    }
    int64_t spread = spread_ms(slot);
    int64_t due = newest_slot(slot, last, slot->now - spread);
    if (due > last) {
        args[4] = db_int(due);
        int64_t moved = db_exec(slot->db, &SQL_SLOT, args, 5, error);
        if (moved < 0)
            return false;
        if (moved > 0 && !add_round_task(slot->db, slot->round, slot->shard, slot->shards, error))
            return false;
        step->enqueued += moved > 0;
        last = due;
    }
    int64_t next = cron_next(slot->schedule, last, slot->zone);
    if (next != INT64_MAX)
        step->next_at = MIN(step->next_at, next + spread);
    return true;
}

static bool step_round(Slot *slot, const RoundAsk *ask, RoundStep *step, GError **error)
{
    const char *role = slot->round->role->name;
    g_autoptr(CronSchedule) schedule = cron_parse(slot->round->schedule, error);
    if (!schedule) {
        g_prefix_error(error, "the schedule of %s: ", role);
        return false;
    }
    const char *zone_name = slot->round->time_zone;
    g_autoptr(GTimeZone) zone = zone_name ? g_time_zone_new_identifier(zone_name) : NULL;
    g_autoptr(GArray) shards = table_shards_of_node(ask->table, role, ask->node);
    for (unsigned i = 0; ask->taken && i < ask->taken->len; i++) {
        const Takeover *takeover = g_ptr_array_index(ask->taken, i);
        if (strcmp(takeover->role, role) == 0)
            g_array_append_val(shards, takeover->shard);
    }
    slot->schedule = schedule;
    slot->zone = zone;
    slot->shards = table_shards(ask->table, role);
    for (unsigned i = 0; i < shards->len; i++) {
        slot->shard = g_array_index(shards, unsigned, i);
        if (!step_shard(slot, step, error))
            return false;
    }
    return true;
}

bool round_step(Db *db, const RoundAsk *ask, RoundStep *ret, GError **error)
{
    RoundStep step = {.next_at = INT64_MAX};
    Slot slot = {.db = db};
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &slot.now, error) < 0)
        return false;
    g_autoptr(GHashTable) slots = read_slots(db, error);
    if (!slots)
        return false;
    slot.slots = slots;
    for (unsigned i = 0; i < ask->count; i++) {
        slot.round = &ask->rounds[i];
        if (!step_round(&slot, ask, &step, error))
            return false;
    }
    *ret = step;
    return true;
}

bool round_now(Db *db, const RoleTable *table, const Round *round, unsigned shard, GError **error)
{
    unsigned shards = table_shards(table, round->role->name);
    if (shard > shards)
        return fail(error, ERROR_REJECT, "%s has %u shards: there is no shard %u",
                    round->role->name, shards, shard);
    for (unsigned i = 1; i <= shards; i++) {
        if (shard != 0 && i != shard)
            continue;
        if (db_exec(db, &SQL_STARTED,
                    DB_ARGS(db_text(round->role->name), db_text(round->unit), db_int(i),
                            db_int(shards)),
                    error) < 0 ||
            !add_round_task(db, round, i, shards, error))
            return false;
    }
    return true;
}

bool round_parse(const char *key, const char *payload, unsigned *ret_shard, unsigned *ret_shards)
{
    unsigned shard, shards;
    int end = 0;
    if (!g_str_has_prefix(key, KEY_PREFIX) ||
        sscanf(payload, "shard %u of %u unit %n", &shard, &shards, &end) != 2 || end == 0)
        return false;
    if (shard < 1 || shard > shards || shards > SHARDS_MAX)
        return false;
    *ret_shard = shard;
    *ret_shards = shards;
    return true;
}

bool round_note_end(Db *db, const char *role, const char *key, const char *result, GError **error)
{
    MUST(g_str_has_prefix(key, KEY_PREFIX));
    const char *unit = key + strlen(KEY_PREFIX);
    const char *slash = strrchr(unit, '/');
    MUST(slash);
    g_autofree char *name = g_strndup(unit, (size_t)(slash - unit));
    int64_t shard = g_ascii_strtoll(slash + 1, NULL, 10);
    return db_exec(db, &SQL_DONE,
                   DB_ARGS(db_text(role), db_text(name), db_int(shard), db_text(result)),
                   error) >= 0;
}

void round_look_clear(RoundLook *look)
{
    g_clear_pointer(&look->result, g_free);
    g_clear_pointer(&look->error, g_free);
    g_clear_pointer(&look->burial, g_free);
}

static bool look_at_round(Db *db, const Round *round, unsigned shard, RoundLook *look,
                          GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_LOOK,
                 DB_ARGS(db_text(round->role->name), db_text(round->unit), db_int(shard)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step > 0) {
        look->now = db_rows_int(rows, 0);
        look->started_at = db_rows_int(rows, 1);
        look->done_at = db_rows_int(rows, 2);
    }
    look->result = g_strdup(step > 0 ? db_rows_text(rows, 3) : "");
    return step >= 0;
}

static bool look_at_task(Db *db, const DbValue *args, RoundLook *look, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_LOOK_TASK, args, 3, error);
    int step = rows ? db_rows_next(rows, error) : -1;
    look->there = step > 0;
    if (look->there) {
        look->created_at = db_rows_int(rows, 0);
        look->due_at = db_rows_int(rows, 1);
        look->attempts = db_rows_int(rows, 2);
        look->node = db_rows_int(rows, 4);
    }
    look->error = g_strdup(look->there ? db_rows_text(rows, 3) : "");
    return step >= 0;
}

static bool look_at_dead(Db *db, const DbValue *args, RoundLook *look, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &SQL_LOOK_DEAD, args, 3, error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step > 0)
        look->buried_at = db_rows_int(rows, 0);
    look->burial = g_strdup(step > 0 ? db_rows_text(rows, 1) : "");
    return step >= 0;
}

bool round_look(Db *db, const Round *round, unsigned shard, unsigned shards, RoundLook *ret,
                GError **error)
{
    g_autofree char *key = g_strdup_printf(KEY_PREFIX "%s/%u", round->unit, shard);
    DbValue args[] = {db_int(bucket_in_shard(key, shard, shards)), db_text(round->role->name),
                      db_text(key)};
    g_auto(RoundLook) look = {0};
    if (!look_at_round(db, round, shard, &look, error) || !look_at_task(db, args, &look, error) ||
        !look_at_dead(db, args, &look, error))
        return false;
    *ret = look;
    look = (RoundLook){0};
    return true;
}
