/* writer_lock: the turn to write to one SQLite file, in fair order among the threads of this
 * process.
 *
 * Two queues, of those for whom people wait and of background work. Whoever gives the turn back
 * hands it to the next in line, so nobody can barge in between, and each waiter sleeps on a
 * condition of its own. Background work goes when nobody else waits, or when it has waited
 * WRITER_YIELD_MS: a purge under a flood of mail is slow, but it goes on.
 *
 * Locks are POSIX threads', not GLib's: those the thread sanitizer cannot see.
 *
 * Failures: a waiter's time may end. Known weak point: the turn says nothing about other processes.
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
    GQueue people; /* of Waiter, on the stacks of their threads */
    GQueue background;
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

bool writer_lock_take(WriterLock *lock, bool background, int64_t timeout_ms)
{
    pthread_mutex_lock(&lock->mutex);
    if (!lock->taken) {
        lock->taken = true;
        pthread_mutex_unlock(&lock->mutex);
        return true;
    }
    Waiter waiter = {.since = clock_monotonic_us(clock_real())};
    int64_t end_us = waiter.since + timeout_ms * 1000;
    struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter.go, &monotonic);
    pthread_condattr_destroy(&monotonic);
    GQueue *queue = background ? &lock->background : &lock->people;
    g_queue_push_tail(queue, &waiter);
    while (!waiter.has_turn) {
        if (pthread_cond_timedwait(&waiter.go, &lock->mutex, &end) != 0)
            break;
    }
    if (!waiter.has_turn)
        g_queue_remove(queue, &waiter);
    pthread_mutex_unlock(&lock->mutex);
    pthread_cond_destroy(&waiter.go);
    return waiter.has_turn;
}

void writer_lock_give(WriterLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    MUST(lock->taken);
    Waiter *patient = g_queue_peek_head(&lock->background);
    bool waited_enough = patient && clock_monotonic_us(clock_real()) - patient->since >=
                                        WRITER_YIELD_MS * INT64_C(1000);
    Waiter *next = waited_enough ? NULL : g_queue_pop_head(&lock->people);
    if (!next)
        next = g_queue_pop_head(&lock->background);
    if (next) {
        next->has_turn = true;
        pthread_cond_signal(&next->go);
    } else {
        lock->taken = false;
    }
    pthread_mutex_unlock(&lock->mutex);
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
