/* metrics_wire: how snapshots get to a target of metrics.push.
 *
 * How it fits: duty/metrics_push.c hands in what is due and writes down what came of it. What may
 * be tried again follows the specifications: OTLP 1 (429, 502, 503, 504; a partial success is not
 * sent again), remote write 1.0 (all 5xx and 429; no other 4xx). An answer that is none of theirs
 * (a redirect, one that is too long) is the way's fault, not the metrics': those are kept.
 *
 * After a time-out it is not known whether they were taken. They are sent again, with the same
 * times: Prometheus and others drop a sample that they have.
 *
 * Failures: none of its own; the target's are its answers. Known weak point: a request is tried
 * once in a run, and the next run is an interval later.
 */
#include "duty/metrics_wire.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_metrics_push.h"
#include "base/text.h"
#include "content/base64url.h"
#include "content/otlp.h"
#include "content/remote_write.h"
#include "duty/metrics_snapshot.h"
#include "model/metric_outbox.h"
#include "remote/fetch.h"
#include "remote/retry_after.h"

struct MetricsWire {
    MetricsWireConfig config;
    Fetch *fetch;
    GPtrArray *headers; /* of char *, NULL-ended */
};

/* ---------------------------------------------------------------- the way there */

static char *authorization(const MetricsTarget *target)
{
    if (*target->token)
        return g_strdup_printf("Authorization: Bearer %s", target->token);
    if (!*target->username)
        return NULL;
    g_autofree char *pair = g_strdup_printf("%s:%s", target->username, target->password);
    g_autofree char *coded = g_base64_encode((const guchar *)pair, strlen(pair));
    return g_strdup_printf("Authorization: Basic %s", coded);
}

static GPtrArray *make_headers(int kind, const MetricsTarget *target)
{
    static const char *const own[METRICS_TARGETS][4] = {
        [METRICS_OPEN_TELEMETRY] = {"Content-Type: application/x-protobuf", NULL},
        [METRICS_REMOTE_WRITE] = {"Content-Type: application/x-protobuf",
                                  "Content-Encoding: snappy",
                                  "X-Prometheus-Remote-Write-Version: 0.1.0", NULL},
        [METRICS_PUSHGATEWAY] = {"Content-Type: text/plain; version=0.0.4; charset=utf-8", NULL},
    };
    GPtrArray *headers = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; own[kind][i]; i++)
        g_ptr_array_add(headers, g_strdup(own[kind][i]));
    char *who = authorization(target);
    if (who)
        g_ptr_array_add(headers, who);
    for (char **header = target->headers; header && *header; header++)
        g_ptr_array_add(headers, g_strdup(*header));
    g_ptr_array_add(headers, NULL);
    return headers;
}

MetricsWire *metrics_wire_new(const MetricsWireConfig *config, GError **error)
{
    const MetricsTarget *target = config->target;
    FetchConfig fetch = {.allow_http = true,
                         .ca_file = *target->ca_file ? target->ca_file : NULL,
                         .connect_ms = target->timeout_ms,
                         .whole_ms = target->timeout_ms,
                         .answer_bytes = METRICS_ANSWER_BYTES_MAX};
    Fetch *door = fetch_new(&fetch, error);
    if (!door)
        return NULL;
    MetricsWire *wire = g_new0(MetricsWire, 1);
    wire->config = *config;
    wire->fetch = door;
    wire->headers = make_headers(config->kind, target);
    return wire;
}

void metrics_wire_free(MetricsWire *wire)
{
    if (!wire)
        return;
    fetch_free(wire->fetch);
    g_ptr_array_unref(wire->headers);
    g_free(wire);
}

unsigned metrics_wire_limit(int kind)
{
    return kind == METRICS_PUSHGATEWAY ? 1 : METRICS_PUSH_SNAPSHOTS;
}

/* /NAME/VALUE of a grouping key; what a path cannot hold goes as base64. */
static void add_group(GString *url, const char *name, const char *value)
{
    if (*value && !strchr(value, '/')) {
        g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
        g_string_append_printf(url, "/%s/%s", name, escaped);
        return;
    }
    g_autofree char *coded = base64url_format(value, strlen(value));
    g_string_append_printf(url, "/%s@base64/%s", name, *coded ? coded : "=");
}

char *metrics_pushgateway_url(const MetricsTarget *target, const char *cluster, int64_t node)
{
    GString *url = g_string_new(target->endpoint);
    GStringChunk *names = g_string_chunk_new(256);
    g_autoptr(GArray) labels = metrics_labels_read(target->labels, names);
    g_autofree char *instance =
        node ? g_strdup_printf("%" G_GINT64_FORMAT, node) : g_strdup("cluster");
    while (g_str_has_suffix(url->str, "/"))
        g_string_truncate(url, url->len - 1);
    g_string_append(url, "/metrics/job/rota");
    add_group(url, "instance", instance);
    if (*cluster)
        add_group(url, "cluster", cluster);
    for (unsigned i = 0; i < labels->len; i++) {
        const SeriesLabel *label = &g_array_index(labels, SeriesLabel, i);
        add_group(url, label->name, label->value);
    }
    g_string_chunk_free(names);
    return g_string_free(url, FALSE);
}

/* ---------------------------------------------------------------- answers */

void metrics_answer_clear(MetricsAnswer *answer)
{
    g_clear_pointer(&answer->problem, g_free);
}

/* What another server said, in one line. */
static char *line_of(const char *text, size_t size)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)size);
    g_autofree char *cut = text_cut(valid, METRICS_PROBLEM_LETTERS);
    GString *line = g_string_new(NULL);
    for (const char *at = cut; *at; at = g_utf8_find_next_char(at, NULL)) {
        gunichar letter = g_utf8_get_char(at);
        g_string_append_unichar(line, g_unichar_isprint(letter) ? letter : ' ');
    }
    return g_strstrip(g_string_free(line, FALSE));
}

static MetricsVerdict verdict_of(int kind, int status)
{
    if (status >= 200 && status < 300)
        return METRICS_TAKEN;
    if (status == 429 || status == 502 || status == 503 || status == 504)
        return METRICS_LATER;
    if (status >= 500)
        return kind == METRICS_OPEN_TELEMETRY ? METRICS_REFUSED : METRICS_LATER;
    return status >= 400 ? METRICS_REFUSED : METRICS_LATER;
}

/* A 200 of OTLP may say that a part was rejected. What is no such message was not asked for. */
static void read_partial(const char *body, size_t size, MetricsAnswer *ret)
{
    OtlpAnswer answer;
    if (!otlp_read_answer(body, size, &answer))
        return;
    g_autofree char *said = answer.message ? line_of(answer.message, strlen(answer.message)) : NULL;
    g_free(answer.message);
    if (answer.rejected > 0)
        ret->problem = g_strdup_printf("it rejected %" G_GINT64_FORMAT " data points%s%s",
                                       answer.rejected, said ? ": " : "", said ? said : "");
    else if (said)
        ret->problem = g_strdup_printf("it warns: %s", said);
}

void metrics_answer_read(int kind, int status, const char *body, size_t size, MetricsAnswer *ret)
{
    *ret = (MetricsAnswer){.verdict = verdict_of(kind, status)};
    if (ret->verdict == METRICS_TAKEN) {
        if (kind == METRICS_OPEN_TELEMETRY)
            read_partial(body, size, ret);
        return;
    }
    g_autofree char *message = kind == METRICS_OPEN_TELEMETRY ? otlp_read_status(body, size) : NULL;
    g_autofree char *line = message ? line_of(message, strlen(message)) : line_of(body, size);
    ret->problem = g_strdup_printf("it answered %d%s%s", status, *line ? ": " : "", line);
}

/* ---------------------------------------------------------------- a request */

static GBytes *body_of(int kind, const GPtrArray *snapshots)
{
    GString *whole = g_string_new(NULL);
    for (unsigned i = 0; i < snapshots->len; i++) {
        const MetricSnapshot *snapshot = g_ptr_array_index(snapshots, i);
        size_t size;
        const char *bytes = g_bytes_get_data(snapshot->body, &size);
        g_string_append_len(whole, bytes, (gssize)size);
    }
    g_autoptr(GBytes) plain = g_string_free_to_bytes(whole);
    size_t size;
    const void *bytes = g_bytes_get_data(plain, &size);
    return kind == METRICS_REMOTE_WRITE ? remote_write_compress(bytes, size)
                                        : g_steal_pointer(&plain);
}

void metrics_wire_send(MetricsWire *wire, const GPtrArray *snapshots, MetricsAnswer *ret)
{
    const MetricsWireConfig *config = &wire->config;
    const MetricSnapshot *first = g_ptr_array_index(snapshots, 0);
    bool gateway = config->kind == METRICS_PUSHGATEWAY;
    g_autoptr(GBytes) body = body_of(config->kind, snapshots);
    g_autofree char *url =
        gateway ? metrics_pushgateway_url(config->target, config->cluster, first->node)
                : g_strdup(config->target->endpoint);
    g_autoptr(GError) error = NULL;
    size_t size;
    const void *bytes = g_bytes_get_data(body, &size);
    FetchAsk ask = {.method = gateway ? "PUT" : "POST",
                    .url = url,
                    .headers = (const char *const *)(const void *)wire->headers->pdata,
                    .body = bytes ? bytes : "",
                    .body_size = size,
                    .may_send = config->may_send,
                    .data = config->data};
    g_autoptr(FetchAnswer) answer = fetch_run(wire->fetch, &ask, &error);
    if (!answer) {
        *ret = (MetricsAnswer){.verdict = error_kind(error) == ERROR_STOPPED ? METRICS_STOPPED
                                                                             : METRICS_LATER,
                               .problem = text_cut(error->message, METRICS_PROBLEM_LETTERS)};
        return;
    }
    metrics_answer_read(config->kind, answer->status, answer->body, answer->body_size, ret);
    if (ret->verdict == METRICS_LATER)
        ret->retry_ms = retry_after_ms(fetch_answer_header(answer, "Retry-After", 0),
                                       clock_wall_ms(config->clock));
}
