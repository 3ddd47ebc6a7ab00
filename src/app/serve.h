/* serve.h: one running node, put together: the store, the node's thread, its lanes, the wake-ups
 * from other nodes, the LMTP door.
 *
 * Calling sequence: start → (reload)* → stop. What happens to the node in between is told by an
 * eventfd, so that the thread that waits for signals can wait for both.
 *
 * Thread safety: all functions from one thread.
 */
#ifndef ROTA_APP_SERVE_H
#define ROTA_APP_SERVE_H

#include <glib.h>
#include <stdbool.h>

#include "app/settings.h"
#include "base/clock.h"
#include "roster/node.h"

typedef struct Serve Serve;

/* Takes `db`, a handle on a store with this program's schema. Settings are borrowed until stop.
 * ERROR_CONFLICT: another process serves this file, or an address is taken; ERROR_REJECT,
 * ERROR_RETRY as they come. */
Serve *serve_start(const Settings *settings, const Clock *clock, Db *take_db, GError **error);
/* Readable when the node's state has changed; read it (8 bytes) before asking. Borrowed. */
int serve_changed_fd(const Serve *serve);
NodeState serve_state(const Serve *serve);
/* False if the node's thread has not come round for so long that something is stuck. */
bool serve_is_alive(const Serve *serve);
/* "lmtp at 127.0.0.1:11024, unix:/run/rota/lmtp": what it listens on, for people; caller frees. */
char *serve_format_doors(const Serve *serve);
/* Reads the settings' file again and proposes its role table. */
void serve_reload(Serve *serve);
/* Claims no more, lets messages and tasks in hand end for a while, gives the lease back, ends all
 * threads, frees it. False: something did not end in time and is left to the end of the process. */
bool serve_stop(Serve *serve);

#endif
