/* purge_kinds: what purge.stores removes, kind by kind.
 *
 * How it fits: data for the walk of purge.c.
 *
 * The race between a delivery that links a blob and the purge that removes it. On PostgreSQL a
 * page's blobs are locked first, in the order of their digests as deliveries lock them, then their
 * rows in the list, as who takes a link away locks them. The look at the links is a statement of
 * its own after that, with a snapshot of its own: who came first has committed and is seen, a
 * delivery that comes later waits, finds no row and inserts it anew, a link that goes later lists
 * it anew. That needs no clock; the grace (touched_at) is for people who undelete. On SQLite
 * writers follow one another. A listed blob leaves the list only when it is linked or gone: what is
 * neither stays listed, and is looked at again.
 *
 * Failures: the store's. Known weak points: each shard reads the digests of all listed blobs, also
 * of those that lost their link within the grace; a leftover row of the index whose account counts
 * right because another of its messages could not be read is found only by a rebuild.
 */
#include "base/limits.h"
#include "base/limits_push.h"
#include "model/purge_private.h"

/* clang-format off */
#define SHARD_OF(column, shard, shards) \
    column " % CAST(" shards " AS BIGINT) = CAST(" shard " AS BIGINT) - 1"

/* By the index of expires_at, oldest first: the cost follows what has expired. */
static const PurgeKind expired_key = {
    .name = "expired keys", .key = "iitt", .path = "1/2/3", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT expires_at, account, kind, key, length(key) + length(value), 1 FROM expiring"
             " WHERE expires_at > 0 AND expires_at <= $5 AND expires_at >= $1"
             " AND (expires_at, account, kind, key) > ($1, $2, $3, $4)"
             " AND " SHARD_OF("account", "$6", "$7")
             " ORDER BY expires_at, account, kind, key LIMIT $8",
             NULL},
    .list_args = "0123nsSl",
    .remove = {"DELETE FROM expiring WHERE account = $1 AND kind = $2 AND key = $3"
               " AND expires_at > 0 AND expires_at <= $4", NULL},
    .remove_args = "123n",
};

/* An email has it, or it is an upload, expired or not: that is removed by itself. */
#define LINKED(digest) \
    "(EXISTS (SELECT 1 FROM email e WHERE e.blob = " digest ")" \
    " OR EXISTS (SELECT 1 FROM upload u WHERE u.blob = " digest "))"
#define LOOSE_STATE \
    " CASE WHEN l.since >= $2 THEN 0 WHEN b.digest IS NULL THEN 3" \
    " WHEN " LINKED("l.digest") " THEN 2" \
    " WHEN b.touched_at < $2 THEN 1 ELSE 0 END"
static const PurgeKind loose_blob = {
    .name = "blobs", .key = "d", .path = "0", .limit = PURGE_PAGE_BLOBS, .by_digest = true,
    .list = {"SELECT l.digest, coalesce(b.size, 0)," LOOSE_STATE " FROM blob_loose l"
             " LEFT JOIN blob b ON b.digest = l.digest WHERE l.digest > $1"
             " ORDER BY l.digest LIMIT $3",
             NULL},
    .list_args = "0ol",
    .lock = {"", "SELECT 1 FROM blob WHERE digest = $1 FOR UPDATE"},
    .lock_too = {"", "SELECT 1 FROM blob_loose WHERE digest = $1 FOR UPDATE"},
    .lock_args = "0",
    .remove = {"DELETE FROM blob WHERE digest = $1 AND touched_at < $2"
               " AND NOT " LINKED("blob.digest"), NULL},
    .remove_args = "0o",
    .after = {"DELETE FROM blob_loose WHERE digest = $1 AND since < $2"
              " AND (NOT EXISTS (SELECT 1 FROM blob b WHERE b.digest = blob_loose.digest)"
              " OR " LINKED("blob_loose.digest") ")", NULL},
    .after_args = "0o",
};

#define LOOSEN(digest) \
    "INSERT INTO blob_loose (digest, since) SELECT " digest ", rota_now()" \
    " WHERE NOT EXISTS (SELECT 1 FROM upload WHERE blob = $1 AND account = $2)" \
    " ON CONFLICT (digest) DO UPDATE SET since = excluded.since"
/* In the order of digests, as all who list blobs. There are not many: they live for hours. */
static const PurgeKind over_upload = {
    .name = "uploads", .key = "di", .path = "1/0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT blob, account, size, 1 FROM upload WHERE (blob, account) > ($1, $2)"
             " AND expires_at <= $3 AND " SHARD_OF("account", "$4", "$5")
             " ORDER BY blob, account LIMIT $6", NULL},
    .list_args = "01nsSl",
    .remove = {"DELETE FROM upload WHERE blob = $1 AND account = $2 AND expires_at <= $3", NULL},
    .remove_args = "01n",
    .after = {LOOSEN("$1"), LOOSEN("CAST($1 AS BYTEA)")},
    .after_args = "01",
};

static const PurgeKind old_history = {
    .name = "task history", .key = "i", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT id, length(detail), 1 FROM task_history WHERE id > $1 AND id < $2"
             " AND " SHARD_OF("id", "$3", "$4") " ORDER BY id LIMIT $5", NULL},
    .list_args = "0hsSl",
    .remove = {"DELETE FROM task_history WHERE id = $1", NULL}, .remove_args = "0",
};

static const PurgeKind old_load = {
    .name = "load samples", .key = "iiti", .path = "0/1/2/3", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT minute, node, role, shard, 0, 1 FROM load_sample"
             " WHERE (minute, node, role, shard) > ($1, $2, $3, $4) AND minute < $5"
             " AND " SHARD_OF("minute", "$6", "$7") " ORDER BY minute, node, role, shard LIMIT $8",
             NULL},
    .list_args = "0123msSl",
    .remove = {"DELETE FROM load_sample WHERE minute = $1 AND node = $2 AND role = $3"
               " AND shard = $4", NULL},
    .remove_args = "0123",
};

/* A minute is kept for a day, an hour for 90 days, a day for 5 years. */
static const PurgeKind old_metrics = {
    .name = "metric samples", .key = "iitti", .path = "0/1/2/3/4", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT step, at, series, label, shard, 0, 1 FROM metric_sample"
             " WHERE (step, at, series, label, shard) > ($1, $2, $3, $4, $5)"
             " AND at < CAST($6 AS BIGINT) - CASE step WHEN 60000 THEN 86400000"
             " WHEN 3600000 THEN 7776000000 ELSE 157766400000 END"
             " AND " SHARD_OF("(at / 60000)", "$7", "$8")
             " ORDER BY step, at, series, label, shard LIMIT $9", NULL},
    .list_args = "01234nsSl",
    .remove = {"DELETE FROM metric_sample WHERE step = $1 AND at = $2 AND series = $3"
               " AND label = $4 AND shard = $5", NULL},
    .remove_args = "01234",
};

/* What no target of metrics.push has taken, where it is no target any more: as old as no buffer is
 * (METRICS_BUFFER_AGE_MAX_MS). */
static const PurgeKind unsent_metrics = {
    .name = "metric snapshots", .key = "tii", .path = "0/1/2", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT target, at, node, size, 1 FROM metric_outbox"
             " WHERE (target, at, node) > ($1, $2, $3) AND at < CAST($4 AS BIGINT) - 604800000"
             " AND " SHARD_OF("node", "$5", "$6") " ORDER BY target, at, node LIMIT $7", NULL},
    .list_args = "012nsSl",
    .remove = {"DELETE FROM metric_outbox WHERE target = $1 AND at = $2 AND node = $3", NULL},
    .remove_args = "012",
};

/* How far the index of an account is that is gone. */
static const PurgeKind lost_index_state = {
    .name = "index states", .key = "i", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT s.account, 0, 1 FROM search_state s WHERE s.account > $1"
             " AND " SHARD_OF("s.account", "$2", "$3")
             " AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = s.account)"
             " ORDER BY s.account LIMIT $4", NULL},
    .list_args = "0sSl",
    .remove = {"DELETE FROM search_state WHERE account = $1"
               " AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = search_state.account)", NULL},
    .remove_args = "0",
};

/* What a message looks like to the filter, but nobody judges it any more. A verdict that comes at
 * this very moment waits for bayes-training, as one does that comes first. */
static const PurgeKind unjudged_features = {
    .name = "spam features", .key = "d", .path = "0", .limit = PURGE_PAGE_ROWS, .by_digest = true,
    .list = {"SELECT f.digest, length(f.features), 1 FROM spam_features f WHERE f.digest > $1"
             " AND NOT EXISTS (SELECT 1 FROM spam_verdict v WHERE v.digest = f.digest)"
             " ORDER BY f.digest LIMIT $2", NULL},
    .list_args = "0l",
    .remove = {"DELETE FROM spam_features WHERE digest = $1"
               " AND NOT EXISTS (SELECT 1 FROM spam_verdict v"
               " WHERE v.digest = spam_features.digest)",
               NULL},
    .remove_args = "0",
};

/* Their time is over, or nobody said their code back. The account's row is locked first, as by
 * those who make and remove them, so that its count is right. */
#define PUSH_IS_OVER \
    "(expires_at <= CAST($3 AS BIGINT)" \
    " OR (stage < 2 AND created_at <= CAST($3 AS BIGINT) - " G_STRINGIFY(PUSH_VERIFY_MS) "))"
static const PurgeKind over_subscription = {
    .name = "push subscriptions", .key = "ii", .path = "0/1", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT account, id, length(url), 1 FROM push_subscription"
             " WHERE (account, id) > ($1, $2) AND " PUSH_IS_OVER
             " AND " SHARD_OF("account", "$4", "$5") " ORDER BY account, id LIMIT $6", NULL},
    .list_args = "01nsSl",
    .lock = {"", "SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE"},
    .lock_args = "0",
    .remove = {"DELETE FROM push_subscription WHERE account = $1 AND id = $2 AND " PUSH_IS_OVER,
               NULL},
    .remove_args = "01n",
    .after = {"UPDATE account SET subscribers = (SELECT count(*) FROM push_subscription s"
              " WHERE s.account = $1) WHERE id = $1", NULL},
    .after_args = "0",
};

/* A push service that has not failed for a day: what was counted is old. */
static const PurgeKind idle_origin = {
    .name = "push services", .key = "t", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT origin, 0, 1 FROM push_origin WHERE origin > $1"
             " AND open_until < CAST($2 AS BIGINT) - 86400000"
             " AND " SHARD_OF("length(origin)", "$3", "$4") " ORDER BY origin LIMIT $5", NULL},
    .list_args = "0nsSl",
    .remove = {"DELETE FROM push_origin WHERE origin = $1"
               " AND open_until < CAST($2 AS BIGINT) - 86400000", NULL},
    .remove_args = "0n",
};

/* The log of invitations: what was decided, and letters that wait for nobody any more. */
static const PurgeKind old_invitation = {
    .name = "invitations", .key = "iii", .path = "1/2", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT at, account, email, length(uid), 1 FROM imip_in WHERE outcome <> ''"
             " AND (at, account, email) > ($1, $2, $3) AND at < CAST($4 AS BIGINT) * 60000"
             " AND " SHARD_OF("account", "$5", "$6") " ORDER BY at, account, email LIMIT $7", NULL},
    .list_args = "012msSl",
    .remove = {"DELETE FROM imip_in WHERE account = $1 AND email = $2 AND outcome <> ''", NULL},
    .remove_args = "12",
};
static const PurgeKind old_letter = {
    .name = "invitations sent", .key = "iii", .path = "1/2", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT l.at, l.account, l.id, length(l.calendar), 1 FROM imip_letter l"
             " WHERE (l.at, l.account, l.id) > ($1, $2, $3) AND l.at < CAST($4 AS BIGINT) * 60000"
             " AND NOT EXISTS (SELECT 1 FROM imip_out o WHERE o.account = l.account"
             " AND o.letter = l.id AND o.state < 2)"
             " AND " SHARD_OF("l.account", "$5", "$6") " ORDER BY l.at, l.account, l.id LIMIT $7",
             NULL},
    .list_args = "012msSl",
    .remove = {"DELETE FROM imip_letter WHERE account = $1 AND id = $2", NULL},
    .remove_args = "12",
    .after = {"DELETE FROM imip_out WHERE account = $1 AND letter = $2", NULL},
    .after_args = "12",
};

/* The ledger of reminders, and pushes of alarms that are of no use to anybody any more. */
static const PurgeKind old_reminder = {
    .name = "calendar alerts", .key = "iiit", .path = "1/2/3", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT noted_at, account, object, ring, length(ring), 1 FROM calendar_alert"
             " WHERE state > 1 AND (noted_at, account, object, ring) > ($1, $2, $3, $4)"
             " AND noted_at < CAST($5 AS BIGINT) * 60000 AND " SHARD_OF("account", "$6", "$7")
             " ORDER BY noted_at, account, object, ring LIMIT $8", NULL},
    .list_args = "0123msSl",
    .remove = {"DELETE FROM calendar_alert WHERE account = $1 AND object = $2 AND ring = $3"
               " AND state > 1", NULL},
    .remove_args = "123",
};
static const PurgeKind old_alert_push = {
    .name = "alerts to push", .key = "iiit", .path = "0/1/2/3", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT account, subscription, object, ring, length(text), 1 FROM push_alert"
             " WHERE (account, subscription, object, ring) > ($1, $2, $3, $4) AND expires_at < $5"
             " AND " SHARD_OF("account", "$6", "$7")
             " ORDER BY account, subscription, object, ring LIMIT $8", NULL},
    .list_args = "0123nsSl",
    .remove = {"DELETE FROM push_alert WHERE account = $1 AND subscription = $2 AND object = $3"
               " AND ring = $4", NULL},
    .remove_args = "0123",
};

const PurgeKind *const purge_of_store[] = {
    &expired_key, &over_upload, &loose_blob, &old_history, &old_load, &old_metrics,
    &unsent_metrics,
    &unjudged_features, &lost_index_state,
    &over_subscription, &idle_origin, &old_invitation, &old_letter,
    &old_reminder, &old_alert_push, NULL,
};

static const PurgeKind index_leftover = {
    .name = "index rows", .key = "i", .path = "a/0", .limit = PURGE_PAGE_INDEX,
    .list = {"SELECT s.rowid - ($2 << 32), 0, 1 FROM search_index s"
             " WHERE s.rowid > ($2 << 32) + max($1, 0) AND s.rowid <= ($2 << 32) + 4294967295"
             " AND NOT EXISTS (SELECT 1 FROM email e WHERE e.account = $2"
             " AND e.id = s.rowid - ($2 << 32))"
             " ORDER BY s.rowid LIMIT $3",
             "SELECT s.email, 0, 1 FROM search_index s WHERE s.account = $2 AND s.email > $1"
             " AND NOT EXISTS (SELECT 1 FROM email e WHERE e.account = s.account"
             " AND e.id = s.email)"
             " ORDER BY s.email LIMIT $3"},
    .list_args = "0al",
    .remove = {"DELETE FROM search_index WHERE rowid = ($2 << 32) + $1",
               "DELETE FROM search_index WHERE account = $2 AND email = $1"},
    .remove_args = "0a",
};
const PurgeKind *const purge_index_leftovers = &index_leftover;

#define SUSPECTS(rows) \
    "SELECT s.account, CASE WHEN a.id IS NULL THEN 1" \
    " WHEN s.rebuild_after <> -1 OR s.position < a.change_seq THEN 0" \
    " WHEN " rows " > a.used_messages THEN 1 ELSE 0 END" \
    " FROM search_state s LEFT JOIN account a ON a.id = s.account" \
    " WHERE s.account > $1 AND " SHARD_OF("s.account", "$2", "$3") " ORDER BY s.account LIMIT $4"
static const DbSql suspects = {
    SUSPECTS("(SELECT count(*) FROM search_index x"
             " WHERE x.search_index MATCH '\"' || s.account || '/*\"'"
             " AND x.rowid >= s.account << 32)"),
    SUSPECTS("(SELECT count(*) FROM search_index x WHERE x.account = s.account)"),
};
/* clang-format on */

GArray *purge_index_suspects(Db *db, const PurgeScope *scope, unsigned limit, int64_t *ret_after,
                             GError **error)
{
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(int64_t));
    g_autoptr(DbRows) rows = db_query(
        db, &suspects,
        DB_ARGS(db_int(*ret_after), db_int(scope->shard), db_int(scope->shards), db_int(limit)),
        error);
    int step = -1;
    int64_t account = *ret_after;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        account = db_rows_int(rows, 0);
        if (db_rows_int(rows, 1))
            g_array_append_val(found, account);
    }
    if (step < 0)
        return NULL;
    *ret_after = account;
    return g_steal_pointer(&found);
}
