/* writer_lock: the turn to write to one SQLite file, in fair order among the threads of this
 * process.
 *
 * Two queues, of those for whom people wait and of background work. Whoever gives the turn back
 * hands it to the next in line, so nobody can barge in between, and each waiter sleeps on a
 * condition of its own. Background work goes when people have been quiet for WRITER_QUIET_MS, so
 * that it does not begin just before the next delivery of a stream comes, or when it has itself
 * waited WRITER_YIELD_MS: a purge under a flood of mail is slow, but it goes on. While people
 * write, it rests after each turn in proportion to how long that took, so that the share of them
 * who have to wait for it stays small whatever a turn costs.
 *
 * Locks are POSIX threads', not GLib's: those the thread sanitizer cannot see.
 *
 * Failures: a waiter's time may end. Known weak points: the turn says nothing about other
 * processes; who holds it is not interrupted, so people wait as long as background work's
 * transactions are.
 */
#include "db/writer_lock.h"

#include <glib.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/must.h"

typedef struct {
    pthread_cond_t go;
    bool has_turn;
    int64_t since; /* monotonic microseconds */
} Waiter;

struct WriterLock {
    dev_t device;
    ino_t inode;
    unsigned refs; /* under `registry` */

    pthread_mutex_t mutex; /* for what follows */
    bool taken;
    bool taken_by_people;
    GQueue people; /* of Waiter, on the stacks of their threads */
    GQueue background;
    int64_t people_at, background_at; /* when they last gave it back; monotonic microseconds */
    int64_t turn_at;                  /* when the turn was last taken */
    int64_t background_took;          /* the last turn of the background, microseconds */
    int64_t turns[WRITER_BUSY_TURNS]; /* when the last ones of people were given back, a ring */
    unsigned turn;                    /* the oldest of them */
    bool checkpointing;
    int checkpointed; /* pages of the log then */
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static GSList *locks; /* under `registry`; a process has one or two */

WriterLock *writer_lock_ref(dev_t device, ino_t inode)
{
    pthread_mutex_lock(&registry);
    WriterLock *found = NULL;
    for (GSList *at = locks; at && !found; at = at->next) {
        WriterLock *lock = at->data;
        if (lock->device == device && lock->inode == inode)
            found = lock;
    }
    if (!found) {
        found = g_new0(WriterLock, 1);
        found->device = device;
        found->inode = inode;
        found->people_at = clock_monotonic_us(clock_real()) - WRITER_QUIET_MS * INT64_C(1000);
        for (unsigned i = 0; i < WRITER_BUSY_TURNS; i++)
            found->turns[i] = found->people_at - WRITER_BUSY_MS * INT64_C(1000);
        pthread_mutex_init(&found->mutex, NULL);
        g_queue_init(&found->people);
        g_queue_init(&found->background);
        locks = g_slist_prepend(locks, found);
    }
    found->refs++;
    pthread_mutex_unlock(&registry);
    return found;
}

void writer_lock_unref(WriterLock *lock)
{
    pthread_mutex_lock(&registry);
    MUST(lock->refs > 0);
    if (--lock->refs == 0) {
        locks = g_slist_remove(locks, lock);
        pthread_mutex_destroy(&lock->mutex);
        g_free(lock);
    }
    pthread_mutex_unlock(&registry);
}

/* When a background waiter has waited long enough, whoever else wants to. Counted anew after each
 * turn of the background, or else several waiters would go one after the other. */
static int64_t patience_ends(const WriterLock *lock, const Waiter *waiter)
{
    return MAX(waiter->since, lock->background_at) + WRITER_YIELD_MS * INT64_C(1000);
}

/* While people write, the background rests in proportion to what it took: then, or when people have
 * ceased, it may go again. */
static int64_t rest_ends(const WriterLock *lock)
{
    int64_t rest = MIN(lock->background_took * WRITER_REST, WRITER_REST_MS * INT64_C(1000));
    int64_t busy_ends = lock->turns[lock->turn] + WRITER_BUSY_MS * INT64_C(1000);
    return MIN(lock->background_at + rest, busy_ends);
}

/* From when on it may go, if nobody else wants to. */
static int64_t background_from(const WriterLock *lock, const Waiter *waiter)
{
    int64_t from =
        MIN(lock->people_at + WRITER_QUIET_MS * INT64_C(1000), patience_ends(lock, waiter));
    return MAX(from, rest_ends(lock));
}

static bool background_may_go(const WriterLock *lock, const Waiter *waiter, int64_t now)
{
    return now >= rest_ends(lock) &&
           (now >= patience_ends(lock, waiter) ||
            (lock->people.length == 0 && now >= background_from(lock, waiter)));
}

static void set_taken(WriterLock *lock, bool background)
{
    lock->taken = true;
    lock->taken_by_people = !background;
    lock->turn_at = clock_monotonic_us(clock_real());
}

static void note_end(WriterLock *lock, int64_t now)
{
    lock->taken = false;
    if (lock->taken_by_people) {
        lock->people_at = now;
        lock->turns[lock->turn] = now;
        lock->turn = (lock->turn + 1) % WRITER_BUSY_TURNS;
    } else {
        lock->background_at = now;
        lock->background_took = now - lock->turn_at;
    }
}

static void wait_until(WriterLock *lock, Waiter *waiter, int64_t end_us)
{
    struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
    pthread_cond_timedwait(&waiter->go, &lock->mutex, &end);
}

/* Waits in the queue until the turn is handed over, or, for the first in the background, until it
 * may take it. */
static void wait_in_queue(WriterLock *lock, Waiter *waiter, bool background, int64_t end_us)
{
    while (!waiter->has_turn) {
        int64_t now = clock_monotonic_us(clock_real());
        bool first = background && !lock->taken && g_queue_peek_head(&lock->background) == waiter;
        if (first && background_may_go(lock, waiter, now)) {
            g_queue_remove(&lock->background, waiter);
            waiter->has_turn = true;
            set_taken(lock, true);
        } else if (now >= end_us) {
            return;
        } else {
            wait_until(lock, waiter, first ? MIN(end_us, background_from(lock, waiter)) : end_us);
        }
    }
}

bool writer_lock_take(WriterLock *lock, bool background, int64_t timeout_ms)
{
    pthread_mutex_lock(&lock->mutex);
    if (!lock->taken && !background) {
        set_taken(lock, background);
        pthread_mutex_unlock(&lock->mutex);
        return true;
    }
    Waiter waiter = {.since = clock_monotonic_us(clock_real())};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter.go, &monotonic);
    pthread_condattr_destroy(&monotonic);
    GQueue *queue = background ? &lock->background : &lock->people;
    g_queue_push_tail(queue, &waiter);
    wait_in_queue(lock, &waiter, background, waiter.since + timeout_ms * 1000);
    if (!waiter.has_turn) {
        g_queue_remove(queue, &waiter);
        Waiter *next = lock->taken ? NULL : g_queue_peek_head(&lock->background);
        if (next) /* it may have been waiting behind us */
            pthread_cond_signal(&next->go);
    }
    pthread_mutex_unlock(&lock->mutex);
    pthread_cond_destroy(&waiter.go);
    return waiter.has_turn;
}

void writer_lock_give(WriterLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    MUST(lock->taken);
    int64_t now = clock_monotonic_us(clock_real());
    note_end(lock, now);
    Waiter *patient = g_queue_peek_head(&lock->background);
    bool background = patient && background_may_go(lock, patient, now);
    Waiter *next =
        background ? g_queue_pop_head(&lock->background) : g_queue_pop_head(&lock->people);
    if (next) {
        set_taken(lock, background);
        next->has_turn = true;
        pthread_cond_signal(&next->go);
    } else if (patient) { /* not yet: it looks at the clock again */
        pthread_cond_signal(&patient->go);
    }
    pthread_mutex_unlock(&lock->mutex);
}

bool writer_lock_is_wanted(WriterLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    bool wanted = lock->people.length > 0;
    pthread_mutex_unlock(&lock->mutex);
    return wanted;
}

unsigned writer_lock_waiting(WriterLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    unsigned waiting = lock->people.length + lock->background.length;
    pthread_mutex_unlock(&lock->mutex);
    return waiting;
}

bool writer_lock_begin_checkpoint(WriterLock *lock, int pages, int step)
{
    pthread_mutex_lock(&lock->mutex);
    if (pages < lock->checkpointed)
        lock->checkpointed = 0; /* the log has started anew */
    bool go = !lock->checkpointing && pages - lock->checkpointed >= step;
    if (go) {
        lock->checkpointing = true;
        lock->checkpointed = pages;
    }
    pthread_mutex_unlock(&lock->mutex);
    return go;
}

void writer_lock_end_checkpoint(WriterLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    MUST(lock->checkpointing);
    lock->checkpointing = false;
    pthread_mutex_unlock(&lock->mutex);
}
