/* otlp: metrics as OpenTelemetry has them.
 *
 * How it fits: duty/metrics_wire.c sends what is encoded here and reads the answer. Field numbers
 * are those of the published protocol, named below; nothing else of it is used.
 *
 * Failures: of reading, what is no message of Protocol Buffers. Known weak point: values are
 * doubles, so counts beyond 2^53 lose their last digits.
 */
#include "content/otlp.h"

#include <string.h>

#include "content/protobuf.h"

/* ExportMetricsServiceRequest, ResourceMetrics, ScopeMetrics */
enum { REQUEST_RESOURCES = 1 };
enum { RESOURCE_RESOURCE = 1, RESOURCE_SCOPES = 2, RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_SCOPE = 1, SCOPE_METRICS = 2, SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum { PAIR_KEY = 1, PAIR_VALUE = 2, VALUE_TEXT = 1 };
/* Metric, and what it has one of */
enum { METRIC_NAME = 1, METRIC_HELP = 2, METRIC_UNIT = 3 };
enum { METRIC_GAUGE = 5, METRIC_SUM = 7, METRIC_HISTOGRAM = 9 };
enum { DATA_POINTS = 1, DATA_TEMPORALITY = 2, DATA_MONOTONIC = 3, CUMULATIVE = 2 };
/* NumberDataPoint, HistogramDataPoint */
enum { POINT_START = 2, POINT_TIME = 3, NUMBER_DOUBLE = 4, NUMBER_ATTRIBUTES = 7 };
enum { HISTOGRAM_COUNT = 4, HISTOGRAM_SUM = 5, HISTOGRAM_COUNTS = 6, HISTOGRAM_ENDS = 7 };
enum { HISTOGRAM_ATTRIBUTES = 9 };
/* ExportMetricsServiceResponse, google.rpc.Status */
enum { ANSWER_PARTIAL = 1, PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2, STATUS_MESSAGE = 2 };

#define NS_OF_MS UINT64_C(1000000)

static void put_attribute(GString *out, unsigned field, const char *key, const char *value)
{
    size_t pair = protobuf_begin(out, field);
    protobuf_put_text(out, PAIR_KEY, key);
    size_t any = protobuf_begin(out, PAIR_VALUE);
    protobuf_put_text(out, VALUE_TEXT, value);
    protobuf_end(out, any);
    protobuf_end(out, pair);
}

static void put_resource(GString *out, const SeriesSource *source)
{
    const SeriesLabel attributes[] = {{"service.name", "rota"},
                                      {"service.namespace", source->cluster},
                                      {"service.instance.id", source->instance},
                                      {"service.version", source->version},
                                      {"host.name", source->host}};
    size_t resource = protobuf_begin(out, RESOURCE_RESOURCE);
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++)
        if (*attributes[i].value)
            put_attribute(out, RESOURCE_ATTRIBUTES, attributes[i].name, attributes[i].value);
    for (unsigned i = 0; i < source->label_count; i++)
        put_attribute(out, RESOURCE_ATTRIBUTES, source->labels[i].name, source->labels[i].value);
    protobuf_end(out, resource);
}

/* "rota_run_duration_seconds" is "rota.run.duration" with the unit "s" (UCUM). */
static void put_name(GString *out, const SeriesFamily *family)
{
    g_autoptr(GString) name = g_string_new(family->name);
    size_t unit = strlen(family->unit);
    if (unit > 0 && unit + 1 < name->len)
        g_string_truncate(name, name->len - unit - 1);
    g_string_replace(name, "_", ".", 0);
    if (family->type == SERIES_INFO)
        g_string_append(name, ".info");
    protobuf_put_text(out, METRIC_NAME, name->str);
    protobuf_put_text(out, METRIC_HELP, family->help);
    if (g_str_equal(family->unit, "seconds"))
        protobuf_put_text(out, METRIC_UNIT, "s");
    else if (g_str_equal(family->unit, "bytes"))
        protobuf_put_text(out, METRIC_UNIT, "By");
    else if (unit > 0)
        protobuf_put_text(out, METRIC_UNIT, family->unit);
}

static void put_times(GString *out, const SeriesSource *source, bool cumulative)
{
    /* A clock that was set back must not put the start behind the end. */
    if (cumulative)
        protobuf_put_fixed64(out, POINT_START,
                             (uint64_t)MIN(source->started_at, source->at) * NS_OF_MS);
    protobuf_put_fixed64(out, POINT_TIME, (uint64_t)source->at * NS_OF_MS);
}

static void put_histogram(GString *out, const SeriesHistogram *histogram)
{
    uint64_t all = 0;
    for (unsigned i = 0; i <= histogram->count; i++)
        all += (uint64_t)histogram->counts[i];
    protobuf_put_fixed64(out, HISTOGRAM_COUNT, all);
    protobuf_put_double(out, HISTOGRAM_SUM, histogram->sum);
    size_t counts = protobuf_begin(out, HISTOGRAM_COUNTS);
    for (unsigned i = 0; i <= histogram->count; i++)
        protobuf_append_fixed64(out, (uint64_t)histogram->counts[i]);
    protobuf_end(out, counts);
    size_t ends = protobuf_begin(out, HISTOGRAM_ENDS);
    for (unsigned i = 0; i < histogram->count; i++)
        protobuf_append_double(out, histogram->ends[i]);
    protobuf_end(out, ends);
}

static void put_point(GString *out, const SeriesSet *set, const SeriesPoint *point,
                      const SeriesSource *source, bool cumulative)
{
    size_t begin = protobuf_begin(out, DATA_POINTS);
    put_times(out, source, cumulative);
    if (point->histogram)
        put_histogram(out, point->histogram);
    else
        protobuf_put_double(out, NUMBER_DOUBLE, point->value);
    for (unsigned i = 0; i < point->count; i++) {
        const SeriesLabel *label = &g_array_index(set->labels, SeriesLabel, point->first + i);
        put_attribute(out, point->histogram ? HISTOGRAM_ATTRIBUTES : NUMBER_ATTRIBUTES, label->name,
                      label->value);
    }
    protobuf_end(out, begin);
}

static unsigned data_of(SeriesType type)
{
    switch (type) {
    case SERIES_COUNTER:
        return METRIC_SUM;
    case SERIES_HISTOGRAM:
        return METRIC_HISTOGRAM;
    case SERIES_GAUGE:
    case SERIES_INFO:
        break;
    }
    return METRIC_GAUGE;
}

static void put_family(GString *out, const SeriesSet *set, const SeriesFamily *family,
                       const SeriesSource *source)
{
    size_t metric = protobuf_begin(out, SCOPE_METRICS);
    put_name(out, family);
    unsigned kind = data_of(family->type);
    size_t data = protobuf_begin(out, kind);
    for (unsigned i = 0; i < family->count; i++)
        put_point(out, set, &g_array_index(set->points, SeriesPoint, family->first + i), source,
                  kind != METRIC_GAUGE);
    if (kind != METRIC_GAUGE)
        protobuf_put_int(out, DATA_TEMPORALITY, CUMULATIVE);
    if (kind == METRIC_SUM)
        protobuf_put_int(out, DATA_MONOTONIC, 1);
    protobuf_end(out, data);
    protobuf_end(out, metric);
}

void otlp_encode(GString *out, const SeriesSet *set, const SeriesSource *source)
{
    size_t resource = protobuf_begin(out, REQUEST_RESOURCES);
    put_resource(out, source);
    size_t scope = protobuf_begin(out, RESOURCE_SCOPES);
    size_t named = protobuf_begin(out, SCOPE_SCOPE);
    protobuf_put_text(out, SCOPE_NAME, "rota");
    protobuf_put_text(out, SCOPE_VERSION, source->version);
    protobuf_end(out, named);
    for (unsigned i = 0; i < set->families->len; i++) {
        const SeriesFamily *family = &g_array_index(set->families, SeriesFamily, i);
        if (family->count > 0)
            put_family(out, set, family, source);
    }
    protobuf_end(out, scope);
    protobuf_end(out, resource);
}

/* ---------------------------------------------------------------- answers */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* The last field of that number is the one that counts, as the format wants. */
static void take_text(const ProtobufField *field, char **text)
{
    g_free(*text);
    *text = g_utf8_make_valid((const char *)field->data, (gssize)field->size);
}

static bool read_partial(const ProtobufField *of, OtlpAnswer *answer)
{
    ProtobufReader reader = {of->data, of->size};
    ProtobufField field;
    int more;
    while ((more = protobuf_next(&reader, &field)) > 0) {
        if (field.number == PARTIAL_REJECTED && field.type == WIRE_VARINT)
            answer->rejected = (int64_t)MIN(field.value, (uint64_t)INT64_MAX);
        else if (field.number == PARTIAL_MESSAGE && field.type == WIRE_BYTES)
            take_text(&field, &answer->message);
    }
    return more == 0;
}

bool otlp_read_answer(const void *bytes, size_t size, OtlpAnswer *ret)
{
    ProtobufReader reader = {bytes, size};
    ProtobufField field;
    OtlpAnswer answer = {0, NULL};
    int more;
    while ((more = protobuf_next(&reader, &field)) > 0)
        if (field.number == ANSWER_PARTIAL && field.type == WIRE_BYTES &&
            !read_partial(&field, &answer)) {
            more = -1;
            break;
        }
    if (more < 0) {
        g_free(answer.message);
        return false;
    }
    if (answer.message && !*answer.message)
        g_clear_pointer(&answer.message, g_free);
    *ret = answer;
    return true;
}

char *otlp_read_status(const void *bytes, size_t size)
{
    ProtobufReader reader = {bytes, size};
    ProtobufField field;
    char *message = NULL;
    int more;
    while ((more = protobuf_next(&reader, &field)) > 0)
        if (field.number == STATUS_MESSAGE && field.type == WIRE_BYTES)
            take_text(&field, &message);
    if (more < 0)
        g_clear_pointer(&message, g_free);
    return message;
}
