/* wish.h: what a person asks of a node: to drain, to read its settings again.
 *
 * A transaction of its own; a handle, one thread. What becomes of it, the node tells by its state
 * and with its heartbeat (health.h).
 */
#ifndef ROTA_ROSTER_WISH_H
#define ROTA_ROSTER_WISH_H

#include <stdbool.h>

#include "db/db.h"

/* Sets a wish ("drain", "reload") for a node, 0 for all. ERROR_GONE: there is none to hear it.
 * ERROR_UNKNOWN: ask again, it is the same wish. */
bool wish_set(Db *db, int64_t node, const char *wish, GError **error);

#endif
