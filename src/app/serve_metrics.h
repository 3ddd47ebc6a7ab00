/* serve_metrics.h: this node's numbers for /metrics, gathered where they are counted.
 *
 * What is shared is atomic or behind its module's lock; read by any thread.
 */
#ifndef ROTA_APP_SERVE_METRICS_H
#define ROTA_APP_SERVE_METRICS_H

#include "app/http_server.h"
#include "app/lmtp_server.h"
#include "app/postbox.h"
#include "app/settings.h"
#include "front/metrics.h"
#include "roster/node.h"

/* All borrowed. */
typedef struct {
    const Settings *settings;
    const Clock *clock;
    Load *load;
    Postbox *postbox; /* NULL, NULL: no LMTP */
    LmtpServer *lmtp;
    TlsRelay *relay;            /* NULL: no TLS */
    HttpServer *_Atomic server; /* NULL: no HTTP */
    Node *_Atomic node;         /* NULL: it does not run yet */
    int64_t started_at;         /* wall, ms */
    _Atomic int64_t beat_gap_ms, beats_failed;
} ServeMetrics;

/* `data` is a ServeMetrics; see MetricsHouse.read_node. */
void serve_metrics_read(NodeMetrics *ret, void *data);

#endif
