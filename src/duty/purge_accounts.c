/* purge_accounts: expunges old mail of Trash and Junk, trims change logs, and removes accounts that
 * were deleted long ago, with all they own.
 *
 * How it fits: a round for each shard (account.purge.frequency) looks at the accounts of its
 * buckets, PURGE_ACCOUNTS by one statement, and works for those that have something to do. Messages
 * of Trash and Junk go like a person's own delete, so that JMAP, the index and the counts hear of
 * it; email.auto-expunge counts from when they were filed there. A deleted account is marked, then
 * its rows go page by page, the account's own last: a run that was cut off is found by the mark and
 * goes on.
 *
 * The change log is trimmed before mail is expunged, which adds to it: what a run removes does not
 * depend on what it has removed, and a dry run says the same.
 *
 * Failures: the store's, handed up; what was committed before is done. Weak point: one account
 * after the other, so that a large one makes the others of its shard wait for its end.
 */
#include "base/limits.h"
#include "duty/purge_pages.h"

static bool begin_removal(Purge *purge, int64_t account, int64_t deleted_before, bool *ret_begun,
                          GError **error)
{
    return run_begin(purge->run, true, error) &&
           purge_account_begin(purge->run->db, account, deleted_before, ret_begun, error) &&
           run_checkpoint(purge->run, error);
}

static bool remove_account(Purge *purge, PurgeScope *scope, int64_t deleted_before, GError **error)
{
    bool begun = true;
    scope->keep = 0;
    if (!purge->run->dry && !begin_removal(purge, scope->account, deleted_before, &begun, error))
        return false;
    for (unsigned i = 0; begun && purge_of_account[i] && !purge->stopped; i++)
        if (!purge_kind(purge, purge_of_account[i], scope, error))
            return false;
    return true;
}

/* After all that is old has gone: from when on there is something, so that the next rounds need not
 * look. */
static bool note_oldest(Purge *purge, const PurgeScope *scope, GError **error)
{
    Db *db = purge->run->db;
    int64_t oldest;
    if (!db_begin(db, DB_READ, error))
        return false;
    bool good = purge_mailbox_oldest(db, scope->account, scope->mailbox, &oldest, error);
    db_rollback(db);
    return good && run_begin(purge->run, true, error) &&
           purge_mailbox_note_oldest(db, scope->account, scope->mailbox, oldest, error) &&
           run_checkpoint(purge->run, error);
}

static bool expunge(Purge *purge, PurgeScope *scope, GError **error)
{
    Db *db = purge->run->db;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_autoptr(GArray) mailboxes =
        purge_mailboxes_due(db, scope->account, scope->filed_before, error);
    db_rollback(db);
    for (unsigned i = 0; mailboxes && i < mailboxes->len; i++) {
        scope->mailbox = g_array_index(mailboxes, int64_t, i);
        if (!purge_kind(purge, purge_expunged, scope, error))
            return false;
        if (purge->stopped)
            break;
        if (!purge->run->dry && !note_oldest(purge, scope, error))
            return false;
    }
    return mailboxes != NULL;
}

static bool purge_account(Purge *purge, const PurgeAccount *account, PurgeScope *scope,
                          int64_t deleted_before, GError **error)
{
    scope->account = account->id;
    if (account->leaves)
        return remove_account(purge, scope, deleted_before, error);
    scope->keep = purge->settings->changes_max_history;
    if (account->trim && !purge_kind(purge, purge_trimmed, scope, error))
        return false;
    return !account->expunge || purge->stopped || expunge(purge, scope, error);
}

static bool purge_all(Purge *purge, PurgeAccountsAsk *ask, PurgeScope *scope, GError **error)
{
    Db *db = purge->run->db;
    bool ended = false;
    while (!ended && !purge->stopped) {
        if (!db_begin(db, DB_READ, error))
            return false;
        g_autoptr(GArray) due = purge_accounts_due(db, ask, &ended, error);
        db_rollback(db);
        for (unsigned i = 0; due && i < due->len && !purge->stopped; i++)
            if (!purge_account(purge, &g_array_index(due, PurgeAccount, i), scope,
                               ask->deleted_before, error))
                return false;
        if (!due)
            return false;
        purge->stopped |= run_should_stop(purge->run);
    }
    return true;
}

static bool run_purge(Run *run, GError **error)
{
    g_auto(Purge) purge;
    purge_start(&purge, run);
    const DutySettings *settings = run->settings;
    PurgeScope scope = {.shard = run->shard, .shards = run->shards};
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = purge_now(run->db, &scope.now, error);
    db_rollback(run->db);
    PurgeAccountsAsk ask = {.shard = run->shard,
                            .shards = run->shards,
                            .deleted_before = scope.now - settings->account_retention_ms,
                            .keep = settings->changes_max_history,
                            .limit = PURGE_ACCOUNTS,
                            .bucket = -1};
    if (settings->auto_expunge_ms)
        ask.filed_before = scope.filed_before = scope.now - settings->auto_expunge_ms;
    if (!good || !purge_all(&purge, &ask, &scope, error))
        return false;
    purge_end(&purge);
    return true;
}

const Handler purge_accounts_handler = {.run = run_purge, .dry = true};
