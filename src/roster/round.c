/* round: work that comes by the clock, as rows.
 *
 * A round's task has the key "round/UNIT/SHARD" and the payload "shard K of N unit U"; its bucket
 * lies in that shard. The payload keeps the shard that the round was made for, so that a round
 * which waits while the table changes still covers exactly its part of the buckets.
 *
 * Failures: those of the store. Known weak point: when the number of shards changes, a round still
 * waiting under the same key in another bucket is a second task with that key; both run, each for
 * its own part.
 */
#include "roster/round.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "roster/shard.h"
#include "roster/task.h"

#define KEY_PREFIX "round/"

/* clang-format off */
static const DbSql SQL_DONE = {
    "UPDATE round SET last_done_at = rota_now(), last_result = $4"
    " WHERE role = $1 AND unit = $2 AND shard = $3", NULL,
};
static const DbSql SQL_STARTED = {
    "INSERT INTO round (role, unit, shard, shards, last_slot, last_started_at, last_done_at, last_result)"
    " VALUES ($1, $2, $3, $4, rota_now(), rota_now(), 0, '')"
    " ON CONFLICT (role, unit, shard) DO UPDATE SET last_started_at = rota_now(), shards = excluded.shards", NULL,
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
