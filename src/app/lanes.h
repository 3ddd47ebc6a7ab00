/* lanes.h: the threads that do a node's background work: for each role with a handler its own
 * lanes, as many as its settings say.
 *
 * A lane loops over worker_step and sleeps until the time that it asked for, or until somebody
 * wakes its role. It opens its handle on the store only once this node has a shard of its role, so
 * that a role that others do costs a sleeping thread and no connection. Lanes of heavy roles run at
 * lower CPU and I/O priority and yield the store (DbConfig.background).
 *
 * Calling sequence: new → { wake }* → stop. Thread safety: wake from any thread, between new and
 * stop.
 */
#ifndef ROTA_APP_LANES_H
#define ROTA_APP_LANES_H

#include <glib.h>
#include <stdbool.h>

#include "app/settings.h"
#include "base/clock.h"
#include "roster/load.h"
#include "roster/node.h"

typedef struct Lanes Lanes;

typedef struct {
    const Settings *settings;
    const Clock *clock;
    Node *node;
    Load *load;
    const DutySettings *duty; /* the settings' own, with what this process made for them */
} LanesConfig;

/* Starts the threads. All is borrowed until stop. ERROR_RETRY: the system has no room for a thread.
 */
Lanes *lanes_start(const LanesConfig *config, GError **error);
/* Lets the lanes of a role (NULL: all) look for work now. */
void lanes_wake(Lanes *lanes, const char *role);
/* Ends the threads, each when its step ends, and frees it. False: one did not end within grace_ms;
 * it is left to the end of the process. */
bool lanes_stop(Lanes *lanes, int64_t grace_ms);

#endif
