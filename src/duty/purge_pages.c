/* purge_pages: one way through all that purges remove.
 *
 * How it fits: purge_stores and purge_accounts say which kinds of rows and in what order;
 * model/purge knows them. A page is read with no lock, and removed in a transaction that others may
 * wait for, so it is small and lazy: if the machine's crash takes it back, the rows are there to be
 * found again. Between pages the run pauses (storage.purge-pause) and looks whether it is to end;
 * then it asks to run again, and the next run finds what is left, without a note of where this one
 * was.
 *
 * Failures: the store's and the fence's, handed up: what was committed stays done. An unknown
 * outcome of a commit is such a failure; the next run reads what is there.
 */
#include "duty/purge_pages.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    const char *kind;
    PurgeCount count;
} PurgeTotal;

void purge_start(Purge *purge, Run *run)
{
    *purge = (Purge){.run = run,
                     .settings = run->settings,
                     .share = run->dry ? PURGE_SHARE_MAX : PURGE_SHARE_FIRST,
                     .totals = g_array_new(FALSE, FALSE, sizeof(PurgeTotal))};
}

void purge_clear(Purge *purge)
{
    g_clear_pointer(&purge->totals, g_array_unref);
}

static void add_total(Purge *purge, const char *kind, PurgeCount count)
{
    unsigned i = 0;
    while (i < purge->totals->len &&
           strcmp(g_array_index(purge->totals, PurgeTotal, i).kind, kind) != 0)
        i++;
    if (i == purge->totals->len) {
        PurgeTotal total = {.kind = kind};
        g_array_append_val(purge->totals, total);
    }
    PurgeTotal *total = &g_array_index(purge->totals, PurgeTotal, i);
    total->count.count += count.count;
    total->count.bytes += count.bytes;
    purge->run->bytes += count.bytes;
}

void purge_breathe(Purge *purge)
{
    run_pause(purge->run, purge->settings->purge_pause_us);
    purge->stopped |= run_should_stop(purge->run);
}

static bool read_page(PurgeWalk *walk, Db *db, unsigned share, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return false;
    bool good = purge_walk_next(walk, db, share, error);
    db_rollback(db);
    return good;
}

/* Others waited for as long as the page took: the next is smaller if that was long, larger if it
 * was short. What counts is the time on the wall: a thread of low priority on a busy machine takes
 * long for little. */
static void adapt(Purge *purge, int64_t took_us)
{
    if (took_us > PURGE_PAGE_US)
        purge->share = MAX(purge->share / 2, 1);
    else if (took_us < PURGE_PAGE_US / 2)
        purge->share = MIN(purge->share * 2, PURGE_SHARE_MAX);
}

static bool remove_page(Purge *purge, PurgeWalk *walk, const PurgeKind *kind, GError **error)
{
    PurgeCount count = {0, 0};
    const Clock *clock = purge->run->clock;
    if (!run_begin(purge->run, true, error))
        return false;
    int64_t begin = clock_monotonic_us(clock);
    if (!purge_walk_remove(walk, purge->run->db, &count, error) ||
        !run_checkpoint(purge->run, error))
        return false;
    adapt(purge, clock_monotonic_us(clock) - begin);
    if (count.count)
        add_total(purge, purge_kind_name(kind), count);
    return true;
}

static void tell(const Purge *purge, const PurgeWalk *walk, const PurgeKind *kind)
{
    const RunWatch *watch = purge->run->dry;
    unsigned count;
    const PurgeItem *items = purge_walk_items(walk, &count);
    for (unsigned i = 0; i < count; i++)
        watch->item(purge_kind_name(kind), items[i].name, items[i].bytes, watch->data);
}

static void add_kept(PurgeCount *sum, const PurgeCount *count)
{
    sum->count += count->count;
    sum->bytes += count->bytes;
}

static void note_kept(Purge *purge, const PurgeKept *kept)
{
    add_kept(&purge->kept.grace, &kept->grace);
    add_kept(&purge->kept.linked, &kept->linked);
    add_kept(&purge->kept.meanwhile, &kept->meanwhile);
}

bool purge_kind(Purge *purge, const PurgeKind *kind, const PurgeScope *scope, GError **error)
{
    g_autoptr(PurgeWalk) walk = purge_walk_new(kind, scope);
    while (!purge->stopped && !purge_walk_ended(walk)) {
        if (!read_page(walk, purge->run->db, purge->share, error))
            return false;
        if (purge->run->dry) {
            tell(purge, walk, kind);
        } else if (purge_walk_is_busy(walk)) {
            if (!remove_page(purge, walk, kind, error))
                return false;
            purge_breathe(purge);
        }
        purge->stopped |= run_should_stop(purge->run);
    }
    note_kept(purge, purge_walk_kept(walk));
    return true;
}

static void say_kept(GString *detail, const PurgeCount *count, const char *why)
{
    if (count->count)
        g_string_append_printf(detail,
                               "; kept %" G_GINT64_FORMAT " (%" G_GINT64_FORMAT " bytes) %s",
                               count->count, count->bytes, why);
}

void purge_end(Purge *purge)
{
    GString *detail = purge->run->detail;
    g_string_append(detail, purge->totals->len ? "removed " : "nothing to remove");
    for (unsigned i = 0; i < purge->totals->len; i++) {
        const PurgeTotal *total = &g_array_index(purge->totals, PurgeTotal, i);
        g_string_append_printf(detail, "%s%" G_GINT64_FORMAT " %s", i ? ", " : "",
                               total->count.count, total->kind);
        if (total->count.bytes)
            g_string_append_printf(detail, " (%" G_GINT64_FORMAT " bytes)", total->count.bytes);
    }
    say_kept(detail, &purge->kept.grace, "whose grace has not passed");
    say_kept(detail, &purge->kept.linked, "that are linked again");
    say_kept(detail, &purge->kept.meanwhile, "that changed meanwhile");
    if (purge->pages)
        g_string_append_printf(detail, "; gave back %" G_GINT64_FORMAT " pages", purge->pages);
    if (purge->stopped) {
        g_string_append(detail, "; there is more, it goes on");
        run_again(purge->run, 0, 0);
    }
}
