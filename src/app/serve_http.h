/* serve_http.h: a node's HTTP door, put together: what its routes ask of the node.
 *
 * Calling sequence: start → stop. It starts before the node, so that a port that is taken keeps the
 * node from joining; before parts->node is set there is nothing to be ready. One thread.
 */
#ifndef ROTA_APP_SERVE_HTTP_H
#define ROTA_APP_SERVE_HTTP_H

#include <glib.h>
#include <stdbool.h>

#include "app/serve_metrics.h"
#include "app/settings.h"
#include "app/tls_relay.h"
#include "base/clock.h"
#include "roster/node.h"

typedef struct ServeHttp ServeHttp;

typedef struct {
    const Settings *settings;
    const Clock *clock;
    ServeMetrics *parts;          /* this node's numbers; the door adds itself */
    TlsRelay *relay;              /* NULL: no TLS */
    bool (*is_alive)(void *data); /* the node's thread comes round; from any thread */
    void *data;
} ServeHttpConfig;

/* http.listen and http.tls.listen must not both be empty. All is borrowed until stop. Errors as
 * http_server_start. */
ServeHttp *serve_http_start(const ServeHttpConfig *config, GError **error);
/* Something may be new for open streams with this topic. Any thread. */
void serve_http_publish(ServeHttp *door, const char *topic);
/* Open streams end, and clients go elsewhere: the node hands over. Any thread. */
void serve_http_drain(ServeHttp *door);
/* Where it listens, for people; caller frees. */
char *serve_http_format(const ServeHttp *door);
/* As http_server_stop. */
bool serve_http_stop(ServeHttp *door, int64_t grace_ms);

#endif
