/* connect_pause: the pauses between attempts to connect, shared by a process' handles.
 *
 * How it fits: the PostgreSQL driver asks before it connects. One small record for each connection
 * string, of which a process has one or two, kept to its end. Failures: none of its own. Known weak
 * point: a handle that is refused here has waited for nothing; its caller's own pace decides when
 * it asks again.
 */
#include "db/connect_pause.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/rand.h"

typedef struct {
    unsigned failures; /* in a row */
    unsigned trying;   /* attempts under way */
    int64_t not_before_us;
    char *reason;
} Server;

static struct {
    GMutex lock;
    GHashTable *servers; /* url -> Server */
    Rand rand;
} shared;

/* Under the lock. */
static Server *get_server(const char *url)
{
    if (!shared.servers) {
        shared.servers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        rand_init_system(&shared.rand);
    }
    Server *server = g_hash_table_lookup(shared.servers, url);
    if (!server) {
        server = g_new0(Server, 1);
        g_hash_table_insert(shared.servers, g_strdup(url), server);
    }
    return server;
}

bool connect_pause_enter(const char *url, int64_t now_us, GError **error)
{
    g_mutex_lock(&shared.lock);
    Server *server = get_server(url);
    bool may = server->failures == 0 || (server->trying == 0 && now_us >= server->not_before_us);
    if (may)
        server->trying++;
    else
        fail(error, ERROR_RETRY, "%s", server->reason);
    g_mutex_unlock(&shared.lock);
    return may;
}

static int64_t pause_us(unsigned failures)
{
    int64_t wait = CONNECT_PAUSE_MIN_MS * INT64_C(1000);
    for (unsigned i = 1; i < failures && wait < CONNECT_PAUSE_MAX_MS * INT64_C(1000); i++)
        wait *= 2;
    wait = MIN(wait, CONNECT_PAUSE_MAX_MS * INT64_C(1000));
    return wait / 2 + (int64_t)rand_below(&shared.rand, (uint64_t)(wait / 2));
}

void connect_pause_leave(const char *url, int64_t now_us, const GError *reason)
{
    g_mutex_lock(&shared.lock);
    Server *server = get_server(url);
    MUST(server->trying > 0);
    server->trying--;
    g_clear_pointer(&server->reason, g_free);
    if (reason)
        server->reason = g_strdup(reason->message);
    else
        server->failures = 0;
    /* Attempts that began together are one failure. */
    if (reason && (server->failures == 0 || now_us >= server->not_before_us))
        server->not_before_us = now_us + pause_us(++server->failures);
    g_mutex_unlock(&shared.lock);
}
