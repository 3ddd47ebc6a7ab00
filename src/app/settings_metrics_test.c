/* settings_metrics_test: [metrics]: what is refused with its place, and what arrives. */
#include <string.h>

#include "app/settings.h"
#include "support.h"

static Settings *load(const char *text, GPtrArray *problems)
{
    return settings_load("etc/rota.toml", text, strlen(text), problems);
}

static void is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"prometheus.username = \"a\"",
         "rota.toml:2:23: metrics.prometheus: found a username or a password alone"},
        {"remote-write.password = \"a\"",
         "metrics.remote-write: found a username or a password alone; write both, or neither"},
        {"pushgateway.username = \"a\"\npushgateway.password = \"b\"\npushgateway.token = \"c\"",
         "metrics.pushgateway: found a username and a token; write one of them"},
        {"remote-write.endpoint = \"127.0.0.1:9090\"", "found \"127.0.0.1:9090\"; write a URL"},
        {"remote-write.endpoint = \"ftp://a/\"", "found \"ftp://a/\"; write a URL"},
        {"remote-write.endpoint = \"http:///x\"", "found \"http:///x\"; write a URL"},
        {"remote-write.endpoint = \"http://ada:secret@a/\"", "found \"…@…\"; write a URL"},
        {"remote-write.endpoint = \"http://a/#b\"", "; write a URL as in"},
        {"open-telemetry.endpoint = 1", "metrics.open-telemetry.endpoint: found"},
        {"open-telemetry.interval = \"hourly\"", "metrics.open-telemetry.interval: "},
        {"open-telemetry.timeout = \"1h\"", "metrics.open-telemetry.timeout: found"},
        {"buffer.max-age = \"8d\"", "metrics.buffer.max-age: found"},
        {"remote-write.headers = [\"X\"]", "found \"X\"; write \"Name: value\""},
        {"remote-write.headers = [\"X: \"]", "write \"Name: value\""},
        {"remote-write.headers = [\"X: a\\r\\nY: b\"]", "write \"Name: value\""},
        {"remote-write.headers = [\"X y: a\"]", "write \"Name: value\""},
        {"remote-write.labels = [\"site\"]", "found \"site\"; write \"name=value\""},
        {"remote-write.labels = [\"1=a\"]", "write \"name=value\""},
        {"remote-write.labels = [\"a-b=c\"]", "write \"name=value\""},
        {"remote-write.labels = [\"a.b=c\"]", "found the name \"a.b\", which has a point"},
        {"remote-write.labels = [\"instance=c\"]", "found the name \"instance\", which is taken"},
        {"remote-write.labels = [\"__name__=c\"]", "which is taken; write another"},
        {"pushgateway.labels = [\"a=1\", \"a=2\"]", "found the name \"a\", which is taken"},
        {"open-telemetry.labels = [\"service.name=x\"]", "which is taken; write another"},
        {"open-telemetry.labels = [\"a=1\",\"b=1\",\"c=1\",\"d=1\",\"e=1\",\"f=1\",\"g=1\","
         "\"h=1\",\"i=1\",\"j=1\",\"k=1\",\"l=1\",\"m=1\",\"n=1\",\"o=1\",\"p=1\",\"q=1\"]",
         "found 17 of them; write at most 16"},
        {"remote-writ.endpoint = \"\"", "unknown setting"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("[metrics]\n%s\n[cluster]\nnode-id = 1\n", cases[i].text);
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(text, problems);
        g_autofree char *told = settings_problems_format(problems);
        if (settings || !strstr(told, cases[i].want))
            fail_msg("%s\ngot  %s\nwant %s", text, told, cases[i].want);
    }
}

static void values_arrive(void **state)
{
    (void)state;
    static const char text[] =
        "[cluster]\nnode-id = 1\n[metrics]\n"
        "open-telemetry.endpoint = \"https://otel.example.org/v1/metrics\"\n"
        "open-telemetry.labels = [\"deployment.environment=test\"]\n"
        "open-telemetry.ca-file = \"ca.pem\"\n"
        "remote-write.endpoint = \"http://[::1]:9090/api/v1/write?x=y\"\n"
        "remote-write.token = \"secret\"\nremote-write.headers = [\"X-Scope-OrgID: a b\"]\n"
        "pushgateway.timeout = \"3s\"\nbuffer.max-age = \"2h\"\n";
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = load(text, problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_string_equal(told, "");
    const MetricsPush *push = settings->duty.metrics_push;
    const MetricsTarget *otlp = &push->targets[METRICS_OPEN_TELEMETRY];
    assert_string_equal(otlp->endpoint, "https://otel.example.org/v1/metrics");
    assert_string_equal(otlp->labels[0], "deployment.environment=test");
    assert_string_equal(otlp->ca_file, "etc/ca.pem");
    assert_int_equal(otlp->timeout_ms, 10000);
    assert_string_equal(push->targets[METRICS_REMOTE_WRITE].token, "secret");
    assert_string_equal(push->targets[METRICS_REMOTE_WRITE].headers[0], "X-Scope-OrgID: a b");
    assert_string_equal(push->targets[METRICS_PUSHGATEWAY].endpoint, "");
    assert_int_equal(push->targets[METRICS_PUSHGATEWAY].timeout_ms, 3000);
    assert_int_equal(push->buffer_age_ms, 7200000);
    assert_string_equal(push->schedule, "every 1m");
}

static void a_password_in_plain_text_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool told;
    } rows[] = {
        {"http://127.0.0.1:9090/", false}, {"http://[::1]/", false},
        {"http://localhost/", false},      {"https://a.example.org/", false},
        {"http://192.0.2.1/", true},       {"http://a/", true},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("[cluster]\nnode-id = 1\n[metrics.remote-write]\n"
                                                "endpoint = \"%s\"\ntoken = \"secret\"\n",
                                                rows[i].url);
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(text, problems);
        g_autofree char *told = settings_problems_format(problems);
        assert_non_null(settings);
        assert_null(strstr(told, "secret"));
        if ((strstr(told, "without TLS") != NULL) != rows[i].told)
            fail_msg("%s: %s", rows[i].url, told);
    }
}

int main(void)
{
    g_unsetenv("ROTA_NODE_ID");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_refused),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(a_password_in_plain_text_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
