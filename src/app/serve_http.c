/* serve_http: a node's HTTP door, put together.
 *
 * How it fits: serve.c starts and stops it; here the routes of front/ meet the node that they speak
 * of, and the settings that bound them.
 *
 * Failures: those of http_server_start. Known weak point: a store that has just gone away is told
 * by /readyz when the lease is not trusted any more, a lease time later at most; whoever must know
 * sooner asks something that needs the store.
 */
#include "app/serve_http.h"

#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "front/acme_answer.h"
#include "front/api.h"
#include "front/api_events.h"
#include "front/dav.h"
#include "front/http_auth.h"
#include "front/http_forwarded.h"
#include "front/jmap.h"
#include "front/page.h"

#include "app/http_events.h"

#define ROUTES_MAX 128

struct ServeHttp {
    ServeHttpConfig config;
    const HttpRoute *routes[ROUTES_MAX]; /* ended by NULL */
    struct MetricsHouse metrics;
    struct DavSettings dav;
    unsigned *concurrency;
    GArray *rounds; /* of Round */
    HttpProxies *proxies;
    CertificateHouse certificates;
    HttpHouse house, answers;
    JmapHouse jmap;
    HttpServer *server;
    HttpServer *challenges; /* of acme.http-listen; NULL: none */
};

static char *ill(void *data)
{
    const ServeHttp *door = data;
    return !door->config.parts->node || door->config.is_alive(door->config.data)
               ? NULL
               : g_strdup("the node's thread has not come round for too long: something is stuck");
}

static char *unready(void *data)
{
    const ServeHttp *door = data;
    const Node *node = door->config.parts->node;
    switch (node ? node_state(node) : NODE_STARTING) {
    case NODE_UP:
        if (node_may_work(node))
            return NULL;
        return g_strdup("the lease was not renewed in time: the store does not answer");
    case NODE_STARTING:
        return g_strdup("the node has no lease yet");
    case NODE_DRAINING:
        return g_strdup("the node hands over");
    case NODE_DRAINED:
        return g_strdup("the node is drained");
    case NODE_STOPPED:
        return g_strdup("the node has given its lease back");
    case NODE_REFUSED:
        return g_strdup("another process has this node's id");
    }
    return NULL;
}

/* As a file of this node's, which may leave its number to us. */
static Settings *load_body(const ServeHttp *door, const char *text, size_t size,
                           GPtrArray *problems)
{
    g_autoptr(GPtrArray) ignored = settings_problems_new();
    g_autofree char *numbered = g_strdup_printf("cluster.node-id = %" G_GINT64_FORMAT "\n%.*s",
                                                door->config.settings->node_id, (int)size, text);
    Settings *settings = settings_load("body", numbered, strlen(numbered), ignored);
    return settings ? settings : settings_load("body", text, size, problems);
}

/* A role of the text's own that this node does not know has no place in a plan of it. */
static RoleTable *read_table(const char *text, size_t size, void *data, GError **error)
{
    const ServeHttp *door = data;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = load_body(door, text, size, problems);
    if (!settings) {
        g_autofree char *told = settings_problems_format(problems);
        fail(error, ERROR_REJECT, "%.4000s", told);
        return NULL;
    }
    for (unsigned i = 0; i < settings->duty.custom_count; i++)
        if (!role_find(&door->config.settings->roles, settings->customs[i].role)) {
            fail(error, ERROR_REJECT, "%s is new: a custom role begins with a restart of the nodes",
                 settings->customs[i].role);
            return NULL;
        }
    return table_ref(settings->table);
}

/* Returns how many there are then. */
static unsigned add_routes(ServeHttp *door, unsigned count, const HttpRoute *const *routes)
{
    for (; *routes; routes++) {
        MUST(count + 1 < ROUTES_MAX);
        door->routes[count++] = *routes;
    }
    return count;
}

static void make_house(ServeHttp *door)
{
    const ServeHttpConfig *config = &door->config;
    const MetricsSettings *metrics = &config->settings->metrics;
    unsigned count = 0;
    door->routes[count++] = &http_route_healthz;
    door->routes[count++] = &http_route_readyz;
    door->routes[count++] = &http_route_acme_answer;
    if (metrics->prometheus)
        door->routes[count++] = &http_route_metrics;
    count = add_routes(door, count, api_routes);
    door->routes[count++] = &http_route_api_events;
    count = add_routes(door, count, dav_routes);
    count = add_routes(door, count, jmap_routes);
    add_routes(door, count, page_routes);
    door->metrics = (struct MetricsHouse){
        .username = metrics->username,
        .password = metrics->password,
        .read_node = serve_metrics_read,
        .data = config->parts,
        .roles = &config->settings->roles,
        .clock = config->clock,
        .cluster = metrics_cluster_new(),
    };
    door->rounds = settings_rounds(config->settings);
    door->proxies =
        http_proxies_parse((const char *const *)(uintptr_t)config->settings->http.proxied, NULL);
    MUST(door->proxies); /* the settings' reader has looked at it */
    const DutySettings *duty = &config->settings->duty;
    door->dav = (struct DavSettings){
        .limits = {.bytes_max = duty->calendar_max_size,
                   .attendees_max = (unsigned)duty->calendar_max_attendees},
        .expansions = (unsigned)duty->calendar_max_expansions,
        .zone = config->settings->time_zone,
        .scheduling = duty->scheduling,
    };
    door->jmap = (JmapHouse){.push_private = config->settings->push.allow_private,
                             .seal = &config->settings->duty.seal};
    door->certificates = settings_certificates(config->settings);
    door->house = (HttpHouse){
        .routes = door->routes,
        .ill = ill,
        .unready = unready,
        .data = door,
        .metrics = &door->metrics,
        .roles = &config->settings->roles,
        .clock = config->clock,
        .logins = http_logins_new(config->clock),
        .proxies = door->proxies,
        .rounds = (const Round *)(const void *)door->rounds->data,
        .round_count = door->rounds->len,
        .concurrency = door->concurrency = settings_concurrency(config->settings),
        .read_table = read_table,
        .jmap = &door->jmap,
        .events = api_events_new(&config->settings->roles, config->clock),
        .dav = &door->dav,
        .certificates = &door->certificates,
    };
}

static void door_free(ServeHttp *door)
{
    metrics_cluster_free(door->metrics.cluster);
    http_logins_free(door->house.logins);
    g_free(door->concurrency);
    g_array_unref(door->rounds);
    http_proxies_free(door->proxies);
    api_events_free(door->house.events);
    g_free(door);
}

/* Port 80 for the whole world: nothing but answers to challenges is there. */
static bool start_challenges(ServeHttp *door, GError **error)
{
    static const HttpRoute *const routes[] = {&http_route_acme_answer, NULL};
    const Settings *settings = door->config.settings;
    if (!settings->acme.http_listen[0])
        return true;
    door->answers = door->house;
    door->answers.routes = routes;
    door->challenges = http_server_start(
        &(HttpServerConfig){.listen = (const char *const *)settings->acme.http_listen,
                            .connections_max = (unsigned)settings->http.connections_max,
                            .address_max = (unsigned)settings->http.address_max,
                            .timeout_ms = settings->http.timeout_ms,
                            .house = &door->answers,
                            .db = &settings->data.db,
                            .clock = door->config.clock},
        error);
    if (!door->challenges)
        g_prefix_error(error, "acme.http-listen: ");
    return door->challenges != NULL;
}

ServeHttp *serve_http_start(const ServeHttpConfig *config, GError **error)
{
    const HttpSettings *settings = &config->settings->http;
    ServeHttp *door = g_new0(ServeHttp, 1);
    door->config = *config;
    make_house(door);
    door->server = http_server_start(
        &(HttpServerConfig){
            .listen = (const char *const *)settings->listen,
            .connections_max = (unsigned)settings->connections_max,
            .address_max = (unsigned)settings->address_max,
            .timeout_ms = settings->timeout_ms,
            .tls_listen = (const char *const *)settings->tls_listen,
            .relay = config->relay,
            .house = &door->house,
            .db = &config->settings->data.db,
            .clock = config->clock,
        },
        error);
    if (!door->server)
        g_prefix_error(error, "http.listen: ");
    if (door->server && start_challenges(door, error)) {
        door->config.parts->server = door->server;
        return door;
    }
    if (!door->server || http_server_stop(door->server, 0))
        door_free(door);
    return NULL;
}

static void add_addresses(GString *text, const char *word, const char *const *addresses)
{
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)addresses);
    if (*all)
        g_string_append_printf(text, "%s%s at %s", text->len > 0 ? ", " : "", word, all);
}

void serve_http_publish(ServeHttp *door, const char *topic)
{
    http_events_publish(http_server_events(door->server), topic);
}

void serve_http_drain(ServeHttp *door)
{
    http_events_end_all(http_server_events(door->server), false);
}

char *serve_http_format(const ServeHttp *door)
{
    GString *text = g_string_new(NULL);
    add_addresses(text, "http", http_server_addresses(door->server));
    add_addresses(text, "https", http_server_tls_addresses(door->server));
    if (door->challenges)
        add_addresses(text, "challenges", http_server_addresses(door->challenges));
    return g_string_free(text, FALSE);
}

bool serve_http_stop(ServeHttp *door, int64_t grace_ms)
{
    /* One grace for both: the second has what the first has left. */
    int64_t until_us = clock_monotonic_us(door->config.clock) + grace_ms * 1000;
    bool ended = http_server_stop(door->server, grace_ms);
    int64_t left_ms = MAX(until_us - clock_monotonic_us(door->config.clock), 0) / 1000;
    if (door->challenges && !http_server_stop(door->challenges, left_ms))
        ended = false;
    if (ended)
        door_free(door);
    return ended;
}
