/* fts_indexing: keeps the search index up with the mail.
 *
 * How it fits: whatever makes or destroys an email adds a task with the account's id as its key.
 * The handler reads the account's change log from where the index is, parses the new messages and
 * makes their terms in a read snapshot, then writes rows and the new position in one transaction.
 * Equal tasks merge, so that a mailbox that grows fast is indexed in big steps and a single message
 * at once.
 *
 * A run takes INDEX_BATCH_MESSAGES or INDEX_BATCH_BYTES over all its accounts, whichever comes
 * first, and asks for another where there is more. The transaction is lazy: if the machine's crash
 * takes it back, position and task come back with it. It is cut after INDEX_SLICE_US when a
 * delivery waits for its end.
 *
 * A rebuild (search_rebuild, or a change log that was trimmed before it was read) goes through the
 * living emails by id, a range in each run: the range's rows are replaced, so that nothing that is
 * gone stays. The log is read on from the position where the rebuild began.
 *
 * Failures: the store's, handed up. Bytes that are gone or damaged cost that message its place in
 * the index, which the run's detail says, and no other message. A command may ask for a rebuild
 * while a run computes: the state is read again before it is written, and an account whose state
 * has changed is left for the next run. Weak points: a message is looked up by itself, two round
 * trips each on PostgreSQL.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/words.h"
#include "duty/account_run.h"
#include "duty/duty.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/change.h"
#include "model/email.h"
#include "model/search.h"

#define EMAIL_LAST INT64_C(0x7fffffff) /* ids are below 2^31 */

typedef struct {
    int64_t email;
    GString *terms; /* NULL: the row goes */
} Row;

/* What a run found out about one account. */
typedef struct {
    int64_t account;
    SearchState before, after;
    bool trimmed, more;
    int64_t clear_first, clear_last; /* rows that go before others come; none: first > last */
    GArray *rows;
} Work;

static void row_clear(gpointer data)
{
    Row *row = data;
    if (row->terms)
        g_string_free(row->terms, TRUE);
}

static void work_free(gpointer data)
{
    Work *work = data;
    g_array_unref(work->rows);
    g_free(work);
}

static bool budget_left(const AccountBudget *budget)
{
    return budget->messages < INDEX_BATCH_MESSAGES && budget->bytes < INDEX_BATCH_BYTES &&
           !run_should_stop(budget->run);
}

/* The bytes of a living email; *ret_bytes is NULL where they cannot be had and never will. */
static bool read_bytes(Db *db, int64_t account, int64_t id, bool *ret_living, GBytes **ret_bytes,
                       GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(Email) email = email_get(db, account, id, &why);
    *ret_living = email != NULL;
    *ret_bytes = email ? blob_get(db, &email->blob, &why) : NULL;
    if (*ret_bytes || error_kind(why) == ERROR_GONE || error_kind(why) == ERROR_REJECT)
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool add_email(AccountBudget *budget, Work *work, int64_t id, GError **error)
{
    Row row = {.email = id};
    bool living;
    g_autoptr(GBytes) bytes = NULL;
    if (!read_bytes(budget->run->db, work->account, id, &living, &bytes, error))
        return false;
    if (bytes) {
        size_t size;
        const void *data = g_bytes_get_data(bytes, &size);
        g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
        unsigned language;
        row.terms = words_of_message(message, &language);
        work->after.languages |= UINT64_C(1) << language;
        budget->bytes += size;
    } else if (living) {
        budget->unreadable++;
    }
    budget->messages++;
    g_array_append_val(work->rows, row);
    return true;
}

/* The changes after the index's position: for each email its last one counts. */
static bool follow_changes(AccountBudget *budget, Work *work, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GArray) changes =
        change_read(budget->run->db, work->account, work->before.position, INDEX_CHANGES_MAX, &why);
    if (!changes) {
        work->trimmed = error_kind(why) == ERROR_GONE;
        if (!work->trimmed)
            g_propagate_error(error, g_steal_pointer(&why));
        return work->trimmed;
    }
    g_autoptr(GHashTable) destroyed = g_hash_table_new(g_int64_hash, g_int64_equal);
    for (unsigned i = 0; i < changes->len; i++) {
        Change *change = &g_array_index(changes, Change, i);
        if (change->kind == CHANGE_EMAIL && change->action == CHANGE_DESTROYED)
            g_hash_table_add(destroyed, &change->object);
    }
    unsigned i = 0;
    for (; i < changes->len && budget_left(budget); i++) {
        const Change *change = &g_array_index(changes, Change, i);
        work->after.position = change->seq;
        if (change->kind != CHANGE_EMAIL || change->action == CHANGE_UPDATED)
            continue; /* words do not change with keywords and mailboxes */
        if (g_hash_table_contains(destroyed, &change->object)) {
            Row row = {.email = change->object};
            g_array_append_val(work->rows, row);
            budget->messages += change->action == CHANGE_DESTROYED;
        } else if (!add_email(budget, work, change->object, error)) {
            return false;
        }
    }
    work->more = i < changes->len || changes->len == INDEX_CHANGES_MAX;
    return true;
}

static bool rebuild_range(AccountBudget *budget, Work *work, GError **error)
{
    g_autoptr(GPtrArray) emails = email_list(
        budget->run->db, work->account, 0, work->before.rebuild_after, INDEX_BATCH_MESSAGES, error);
    if (!emails)
        return false;
    unsigned i = 0;
    for (; i < emails->len && budget_left(budget); i++) {
        const Email *email = g_ptr_array_index(emails, i);
        if (!add_email(budget, work, email->id, error))
            return false;
        work->after.rebuild_after = email->id;
    }
    bool last = i == emails->len && emails->len < INDEX_BATCH_MESSAGES;
    work->clear_first = work->before.rebuild_after + 1;
    work->clear_last = last ? EMAIL_LAST : work->after.rebuild_after;
    if (last)
        work->after.rebuild_after = SEARCH_NO_REBUILD;
    work->more = true; /* the change log comes next */
    return true;
}

/* Everything that is read for one account, in one snapshot. */
static bool compute(AccountBudget *budget, Work *work, GError **error)
{
    Db *db = budget->run->db;
    if (!db_begin(db, DB_READ, error))
        return false;
    bool good = search_state_get(db, work->account, &work->before, error);
    work->after = work->before;
    if (good)
        good = work->before.rebuild_after != SEARCH_NO_REBUILD
                   ? rebuild_range(budget, work, error)
                   : follow_changes(budget, work, error);
    db_rollback(db);
    return good;
}

/* A change log that begins after the position: index anew, unless the account is gone. */
static bool restart(Db *db, Work *work, GError **error)
{
    g_autoptr(GError) why = NULL;
    work->more = search_rebuild(db, work->account, &why);
    if (work->more || error_kind(why) == ERROR_GONE)
        return true;
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool begin_slice(AccountBudget *budget, GError **error)
{
    if (!run_begin(budget->run, true, error))
        return false;
    budget->slice_us = clock_monotonic_us(budget->run->clock);
    return true;
}

static bool slice_is_over(const AccountBudget *budget)
{
    return clock_monotonic_us(budget->run->clock) - budget->slice_us >= INDEX_SLICE_US &&
           db_is_wanted(budget->run->db);
}

/* Is it still so as it was when this was computed? *ret_valid; if not, the work is for the next
 * run, or for none. */
static bool check_work(Db *db, Work *work, bool *ret_valid, GError **error)
{
    SearchState now;
    bool stays;
    *ret_valid = false;
    if (!account_keep(db, work->account, &stays, error))
        return false;
    if (!stays) { /* it goes away with all that is in the index */
        work->more = false;
        return true;
    }
    if (!search_state_get(db, work->account, &now, error))
        return false;
    *ret_valid =
        now.position == work->before.position && now.rebuild_after == work->before.rebuild_after;
    work->more |= !*ret_valid;
    return true;
}

/* Somebody for whom people wait wants to write: commits what there is, and goes on after them. A
 * row that is there before the position has moved does no harm: it is of a living message, and is
 * written again by who comes after a crash. */
static bool give_way(AccountBudget *budget, Work *work, bool *ret_valid, GError **error)
{
    if (!run_checkpoint(budget->run, error) || !begin_slice(budget, error))
        return false;
    return check_work(budget->run->db, work, ret_valid, error);
}

static bool write_rows(AccountBudget *budget, Work *work, bool *ret_valid, GError **error)
{
    Db *db = budget->run->db;
    /* Half a range of a rebuild would be missing from what is found. */
    bool whole = work->clear_first <= work->clear_last;
    for (unsigned i = 0; i < work->rows->len && *ret_valid; i++) {
        const Row *row = &g_array_index(work->rows, Row, i);
        bool good = row->terms ? search_add(db, work->account, row->email, row->terms->str, error)
                               : search_remove(db, work->account, row->email, error);
        if (!good || (!whole && slice_is_over(budget) && !give_way(budget, work, ret_valid, error)))
            return false;
    }
    return true;
}

static bool write_work(AccountBudget *budget, Work *work, GError **error)
{
    Db *db = budget->run->db;
    bool valid;
    if (!check_work(db, work, &valid, error))
        return false;
    if (!valid)
        return true;
    if (work->trimmed)
        return restart(db, work, error);
    if (work->clear_first <= work->clear_last &&
        !search_remove_range(db, work->account, work->clear_first, work->clear_last, error))
        return false;
    if (!write_rows(budget, work, &valid, error))
        return false;
    return !valid || search_state_set(db, work->account, &work->after, error);
}

static bool has_effect(const Work *work)
{
    return work->trimmed || work->rows->len || work->after.position != work->before.position ||
           work->after.rebuild_after != work->before.rebuild_after;
}

static bool run_index(Run *run, GError **error)
{
    AccountBudget budget = {.run = run};
    g_autoptr(GPtrArray) works = g_ptr_array_new_with_free_func(work_free);
    bool effect = false;
    for (unsigned i = 0; i < run->count; i++) {
        Work *work = g_new0(Work, 1);
        work->rows = g_array_new(FALSE, TRUE, sizeof(Row));
        g_array_set_clear_func(work->rows, row_clear);
        work->clear_first = 1;
        g_ptr_array_add(works, work);
        if (!account_run_parse(run, i, 1, &work->account, error))
            return false;
        unsigned before = budget.messages;
        if (!budget_left(&budget))
            work->more = true;
        else if (!compute(&budget, work, error))
            return false;
        run_note_work(run, i, budget.messages - before);
        effect |= has_effect(work);
    }
    if (effect && !begin_slice(&budget, error))
        return false;
    for (unsigned i = 0; i < run->count; i++) {
        Work *work = g_ptr_array_index(works, i);
        if (has_effect(work) && !write_work(&budget, work, error))
            return false;
        if (work->more)
            run_again(run, i, 0);
    }
    account_run_tell(&budget);
    return true;
}

const Handler fts_indexing_handler = {.run = run_index};
