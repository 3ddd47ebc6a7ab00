/* writer_lock.h: the turn to write to one SQLite file, in fair order among the threads of this
 * process.
 *
 * SQLite lets one writer in at a time, and makes the others poll: a poller loses time, and may
 * starve. So the handles of one process queue here before they ask SQLite; only other processes are
 * waited for by polling. First come, first served, but for handles marked as background: they let
 * the others go first, and begin only when those have been quiet for WRITER_QUIET_MS; but one of
 * them goes each WRITER_YIELD_MS in any case.
 *
 * One lock per file, found by device and inode, counted by reference. Thread safety: all functions,
 * any thread; a turn may be given back by another thread than took it.
 */
#ifndef ROTA_DB_WRITER_LOCK_H
#define ROTA_DB_WRITER_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct WriterLock WriterLock;

/* The lock of a file; it is to be unref'd. */
WriterLock *writer_lock_ref(dev_t device, ino_t inode);
void writer_lock_unref(WriterLock *lock);
/* Waits for the turn, at most timeout_ms; false: the time is over. */
bool writer_lock_take(WriterLock *lock, bool background, int64_t timeout_ms);
void writer_lock_give(WriterLock *lock);

/* True while somebody for whom people wait is in line. */
bool writer_lock_is_wanted(WriterLock *lock);
/* How many wait now, of both kinds; for tests, which so need not wait for time. */
unsigned writer_lock_waiting(WriterLock *lock);

/* True for the one handle that shall move the log into the file now: the log has `step` pages more
 * than when it was last done, and nobody is at it. It says when it is done. */
bool writer_lock_begin_checkpoint(WriterLock *lock, int pages, int step);
void writer_lock_end_checkpoint(WriterLock *lock);

#endif
