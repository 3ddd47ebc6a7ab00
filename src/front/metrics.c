/* metrics: what /metrics tells.
 *
 * How it fits: the house (app/serve_metrics.c) reads this node's numbers; the cluster's are
 * roster/report's. Failures: a store that does not answer is told by a metric, not by a status.
 * Known weak point: a scrape that asks a store which hangs takes as long as its handle allows; the
 * next ones do not wait for it.
 */
#include "front/metrics.h"

#include <string.h>

#include "base/limits_http.h"
#include "content/series_text.h"

#include "front/http_parse.h"
#include "front/metrics_cluster.h"

#define OPEN_METRICS "application/openmetrics-text"
#define PLAIN        "text/plain"

struct MetricsCluster {
    GMutex lock;
    MetricsState *state; /* the newest; NULL: none yet. Under lock, as all below */
    int64_t read_us;     /* when it was read */
    int64_t asked_us;    /* when the store was last asked */
    bool asking;         /* a scrape does, now */
    bool answered;       /* the last time */
};

MetricsCluster *metrics_cluster_new(void)
{
    MetricsCluster *cluster = g_new0(MetricsCluster, 1);
    g_mutex_init(&cluster->lock);
    return cluster;
}

void metrics_cluster_free(MetricsCluster *cluster)
{
    if (!cluster)
        return;
    metrics_state_free(cluster->state);
    g_mutex_clear(&cluster->lock);
    g_free(cluster);
}

/* Asks the store, if that is due and no other scrape does. */
static void renew_cluster(const struct MetricsHouse *house, Db *db)
{
    MetricsCluster *cluster = house->cluster;
    int64_t now_us = clock_monotonic_us(house->clock);
    g_mutex_lock(&cluster->lock);
    bool ask = !cluster->asking &&
               (cluster->asked_us == 0 || now_us - cluster->asked_us >= METRICS_CLUSTER_MS * 1000);
    if (ask) {
        cluster->asking = true;
        cluster->asked_us = now_us;
    }
    g_mutex_unlock(&cluster->lock);
    if (!ask)
        return;
    MetricsState *state = db ? metrics_state_read(db, house->roles, NULL) : NULL;
    g_mutex_lock(&cluster->lock);
    cluster->asking = false;
    cluster->answered = state != NULL;
    if (state) {
        metrics_state_free(cluster->state);
        cluster->state = state;
        cluster->read_us = now_us;
    }
    g_mutex_unlock(&cluster->lock);
}

static void add_cluster(SeriesSet *set, const struct MetricsHouse *house)
{
    MetricsCluster *cluster = house->cluster;
    g_mutex_lock(&cluster->lock);
    int64_t age_ms = (clock_monotonic_us(house->clock) - cluster->read_us) / 1000;
    series_family(set, SERIES_GAUGE, "rota_cluster_report_success", "",
                  "1 if the store answered when it was last asked for what follows.");
    series_value(set, cluster->answered, NULL);
    /* What is long out of date would say that all is well. */
    if (cluster->state && age_ms < METRICS_STALE_MS) {
        series_family(set, SERIES_GAUGE, "rota_cluster_report_age_seconds", "seconds",
                      "How long ago the store was asked.");
        series_value(set, (double)age_ms / 1000, NULL);
        metrics_state_add(set, cluster->state);
    }
    g_mutex_unlock(&cluster->lock);
}

/* ---------------------------------------------------------------- the route */

static bool may_scrape(const struct MetricsHouse *house, const HttpCall *call)
{
    const char *field = call->request->header("Authorization", call->request->data);
    g_autofree char *username = NULL, *password = NULL;
    if (!*house->username)
        return true;
    return field && http_basic_parse(field, &username, &password) &&
           http_same_secret(username, house->username) &&
           http_same_secret(password, house->password);
}

static void run_metrics(HttpCall *call)
{
    const struct MetricsHouse *house = call->house->metrics;
    if (!may_scrape(house, call)) {
        http_answer_problem(call->answer, 401,
                            "metrics are for metrics.prometheus.username and its password");
        http_answer_add_header(call->answer, "WWW-Authenticate",
                               "Basic realm=\"rota metrics\", charset=\"UTF-8\"");
        return;
    }
    const char *accept = call->request->header("Accept", call->request->data);
    bool open_metrics =
        http_accept_weight(accept, OPEN_METRICS) > http_accept_weight(accept, PLAIN);
    g_autoptr(SeriesSet) set = series_new();
    NodeMetrics node = {0};
    renew_cluster(house, call->db);
    house->read_node(&node, house->data);
    metrics_node_add(set, &node);
    g_ptr_array_unref(node.loads);
    add_cluster(set, house);
    series_text_format(call->answer->body, set, open_metrics);
    call->answer->type = open_metrics ? OPEN_METRICS "; version=1.0.0; charset=utf-8"
                                      : PLAIN "; version=0.0.4; charset=utf-8";
}

const HttpRoute http_route_metrics = {
    .method = "GET", .path = "/metrics", .store = HTTP_STORE_OR_NOT, .run = run_metrics};
