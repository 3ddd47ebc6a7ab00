/* purge_stores: takes out of the store what has served its time: expired keys, blobs that nothing
 * links to after the grace (storage.undelete.retention), history of tasks and load past
 * storage.history-retention, rows of the index whose message is gone; then gives pages back to the
 * file system.
 *
 * How it fits: a round for each shard (store.data.purge.frequency); which rows are a shard's is
 * decided by their key, so that the shards divide the work and never meet. Its cost follows what
 * has expired, but for the index: there the rows of each account are counted and compared with its
 * messages, since nothing tells of a leftover.
 *
 * Failures: the store's, handed up; what was committed before is done. Weak points: what was given
 * back to the file system is not known to a dry run.
 */
#include "base/limits.h"
#include "duty/purge_pages.h"

/* The rows of the index whose message or account is gone. First of all, since the state of an
 * account's index is what leads to them, and it goes with the rest. */
static bool purge_index(Purge *purge, PurgeScope *scope, GError **error)
{
    Db *db = purge->run->db;
    int64_t after = INT64_MIN, before;
    do {
        before = after;
        if (!db_begin(db, DB_READ, error))
            return false;
        g_autoptr(GArray) suspects = purge_index_suspects(db, scope, PURGE_SUSPECTS, &after, error);
        db_rollback(db);
        for (unsigned i = 0; suspects && i < suspects->len; i++) {
            scope->account = g_array_index(suspects, int64_t, i);
            if (!purge_kind(purge, purge_index_leftovers, scope, error))
                return false;
        }
        if (!suspects)
            return false;
        purge->stopped |= run_should_stop(purge->run);
    } while (after != before && !purge->stopped);
    return true;
}

static bool give_back(Purge *purge, GError **error)
{
    int64_t pages = 1;
    while (pages > 0 && !purge->stopped) {
        if (!run_begin(purge->run, true, error) ||
            !db_give_back_pages(purge->run->db, PURGE_GIVE_BACK_PAGES, &pages, error) ||
            !run_checkpoint(purge->run, error))
            return false;
        purge->pages += pages;
        if (pages > 0)
            purge_breathe(purge);
    }
    return true;
}

static bool scope_init(PurgeScope *scope, Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    *scope = (PurgeScope){.shard = run->shard, .shards = run->shards};
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = purge_now(run->db, &scope->now, error);
    db_rollback(run->db);
    scope->loose_before = scope->now - settings->undelete_retention_ms;
    scope->history_before = scope->now - settings->history_retention_ms;
    return good;
}

static bool run_purge(Run *run, GError **error)
{
    g_auto(Purge) purge;
    PurgeScope scope;
    purge_start(&purge, run);
    if (!scope_init(&scope, run, error) || !purge_index(&purge, &scope, error))
        return false;
    for (unsigned i = 0; purge_of_store[i]; i++)
        if (!purge_kind(&purge, purge_of_store[i], &scope, error))
            return false;
    if (!run->dry && !give_back(&purge, error))
        return false;
    purge_end(&purge);
    return true;
}

const Handler purge_stores_handler = {.run = run_purge, .dry = true};
