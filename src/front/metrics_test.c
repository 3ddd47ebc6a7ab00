/* metrics_test: what /metrics says, on both stores. */
#include <string.h>

#include "front/metrics.h"
#include "support.h"

static void read_node(NodeMetrics *ret, void *data)
{
    Load *load = data;
    *ret = (NodeMetrics){
        .version = "1", .state = "up", .node = 4, .lmtp = true, .http = true, .stored = 5};
    ret->loads = load_totals(load);
}

static const char *one_header(const char *name, void *data)
{
    const char *field = data;
    size_t size = strlen(name);
    return field && g_str_has_prefix(field, name) && field[size] == ':' ? field + size + 1 : NULL;
}

static const HttpRoute *const routes[] = {&http_route_metrics, NULL};
static const RoleSet no_roles = {NULL, 0};

typedef struct {
    struct MetricsHouse metrics;
    HttpHouse house;
    ClockManual clock;
} Fixture;

static void make(Fixture *fixture, Load *load)
{
    *fixture = (Fixture){0};
    clock_manual_init(&fixture->clock, 1000);
    clock_manual_advance(&fixture->clock, 1000000);
    fixture->metrics = (struct MetricsHouse){
        "", "", read_node, load, &no_roles, &fixture->clock.clock, metrics_cluster_new()};
    fixture->house = (HttpHouse){.routes = routes, .metrics = &fixture->metrics};
}

/* What a scrape gives; `header`: "Accept:…". Caller frees. */
static char *scrape(Fixture *fixture, Db *db, const char *header, unsigned status)
{
    HttpRequest request = {.method = "GET",
                           .target = "/metrics",
                           .header = one_header,
                           .data = (char *)(uintptr_t)header,
                           .peer = ""};
    g_auto(HttpAnswer) answer;
    http_answer_init(&answer);
    g_autoptr(HttpCall) call = http_call_new(&fixture->house, &request, &answer);
    http_call_run(call, db);
    assert_int_equal(answer.status, status);
    return g_strdup_printf("%s\n%s", answer.type, answer.body->str);
}

static bool has(const char *text, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);
    return strstr(text, whole) != NULL;
}

static void tells_of_node_and_cluster(void **state)
{
    TestStore *store = *state;
    g_autoptr(Load) load = load_new();
    load_add(load, "mail", 2, &(LoadCounts){.done = 3, .busy_us = 20000});
    load_add(load, "mail", 2, &(LoadCounts){.failed = 1, .retried = 1, .busy_us = 1});
    load_add(load, "mail", 2, &(LoadCounts){.dead = 1});
    Fixture fixture;
    make(&fixture, load);
    g_autofree char *text = scrape(&fixture, store->db, NULL, 200);
    assert_true(g_str_has_prefix(text, "text/plain; version=0.0.4"));
    assert_true(has(text, "rota_node_info{node=\"4\",version=\"1\"} 1"));
    assert_true(has(text, "rota_deliveries_total{result=\"stored\"} 5"));
    assert_true(has(text, "rota_tasks_total{role=\"mail\",shard=\"2\",result=\"done\"} 3"));
    assert_true(has(text, "rota_tasks_total{role=\"mail\",shard=\"2\",result=\"retried\"} 1"));
    assert_true(has(text, "rota_tasks_total{role=\"mail\",shard=\"2\",result=\"dead\"} 1"));
    assert_true(
        has(text, "rota_run_duration_seconds_bucket{role=\"mail\",shard=\"2\",le=\"0.001\"} 1"));
    assert_true(
        has(text, "rota_run_duration_seconds_bucket{role=\"mail\",shard=\"2\",le=\"0.1\"} 2"));
    assert_true(has(text, "rota_cluster_report_success 1"));
    assert_true(has(text, "rota_cluster_nodes{state=\"up\"} 0"));
    g_autofree char *open = scrape(
        &fixture, store->db, "Accept:application/openmetrics-text;version=1.0.0,*/*;q=0.1", 200);
    assert_true(g_str_has_prefix(open, "application/openmetrics-text; version=1.0.0"));
    assert_true(g_str_has_suffix(open, "\n# EOF\n"));
    metrics_cluster_free(fixture.metrics.cluster);
}

static void asks_the_store_seldom(void **state)
{
    TestStore *store = *state;
    g_autoptr(Load) load = load_new();
    Fixture fixture;
    make(&fixture, load);
    g_free(scrape(&fixture, store->db, NULL, 200));
    uint64_t before = db_statements_of_process();
    for (int i = 0; i < 10; i++)
        g_free(scrape(&fixture, store->db, NULL, 200));
    assert_int_equal(db_statements_of_process(), before);
    clock_manual_advance(&fixture.clock, 5000000);
    /* The store is gone: what was known is told with its age, and then no more. */
    g_autofree char *second = scrape(&fixture, NULL, NULL, 200);
    assert_true(has(second, "rota_cluster_report_success 0"));
    assert_true(has(second, "rota_cluster_report_age_seconds 5"));
    clock_manual_advance(&fixture.clock, 55000000);
    g_autofree char *third = scrape(&fixture, NULL, NULL, 200);
    assert_true(has(third, "rota_cluster_report_success 0"));
    assert_null(strstr(third, "rota_cluster_nodes"));
    metrics_cluster_free(fixture.metrics.cluster);
}

static void asks_for_a_password(void **state)
{
    TestStore *store = *state;
    g_autoptr(Load) load = load_new();
    Fixture fixture;
    make(&fixture, load);
    fixture.metrics.username = "a";
    fixture.metrics.password = "b";
    g_free(scrape(&fixture, store->db, NULL, 401));
    g_free(scrape(&fixture, store->db, "Authorization:Basic YTpj", 401));
    g_free(scrape(&fixture, store->db, "Authorization:Basic YjpI", 401));
    g_free(scrape(&fixture, store->db, "Authorization:Basic YTpi", 200));
    metrics_cluster_free(fixture.metrics.cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_node_and_cluster),
        cmocka_unit_test(asks_the_store_seldom),
        cmocka_unit_test(asks_for_a_password),
    };
    return test_on_both_stores("metrics", tests, G_N_ELEMENTS(tests));
}
