/* remote_write: metrics as Prometheus' remote write 1.0 has them.
 *
 * How it fits: duty/metrics_wire.c sends it. The field numbers are those of
 * prometheus.WriteRequest: timeseries 1 { labels 1 { name 1, value 2 }, samples 2 { value 1,
 * timestamp 2 } }.
 *
 * Failures: none. Known weak point: metadata (HELP, TYPE) is not sent: Prometheus, as a receiver,
 * does not keep it.
 */
#include "content/remote_write.h"

#include <math.h>
#include <snappy-c.h>
#include <string.h>

#include "base/must.h"
#include "content/protobuf.h"
#include "content/series_text.h"

enum { REQUEST_SERIES = 1 };
enum { SERIES_LABELS = 1, SERIES_SAMPLES = 2 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIMESTAMP = 2 };

typedef struct {
    GString *out;
    int64_t at;
    const SeriesFamily *family;
    GArray *labels; /* of SeriesLabel: the name's comes first, then those of the point, sorted */
    GString *name, *le;
} Encoder;

static int compare_labels(gconstpointer a, gconstpointer b)
{
    const SeriesLabel *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static void put_series(Encoder *encoder, const char *suffix, double value)
{
    GString *out = encoder->out;
    g_string_assign(encoder->name, encoder->family->name);
    g_string_append(encoder->name, suffix);
    size_t series = protobuf_begin(out, REQUEST_SERIES);
    for (unsigned i = 0; i < encoder->labels->len; i++) {
        const SeriesLabel *label = &g_array_index(encoder->labels, SeriesLabel, i);
        size_t begin = protobuf_begin(out, SERIES_LABELS);
        protobuf_put_text(out, LABEL_NAME, label->name);
        protobuf_put_text(out, LABEL_VALUE, label->value ? label->value : encoder->name->str);
        protobuf_end(out, begin);
    }
    size_t sample = protobuf_begin(out, SERIES_SAMPLES);
    protobuf_put_double(out, SAMPLE_VALUE, value);
    protobuf_put_int(out, SAMPLE_TIMESTAMP, (uint64_t)encoder->at);
    protobuf_end(out, sample);
    protobuf_end(out, series);
}

static void add_label(GArray *labels, const char *name, const char *value)
{
    SeriesLabel label = {name, value};
    /* An empty value is no label. */
    if (!value || *value)
        g_array_append_val(labels, label);
}

/* The labels of a point, sorted; the value of __name__ and of `le` are put in later. */
static void set_labels(Encoder *encoder, const SeriesSet *set, const SeriesPoint *point,
                       const SeriesSource *source)
{
    GArray *labels = encoder->labels;
    g_array_set_size(labels, 0);
    add_label(labels, "__name__", NULL);
    add_label(labels, "job", "rota");
    add_label(labels, "instance", source->instance);
    add_label(labels, "cluster", source->cluster);
    for (unsigned i = 0; i < source->label_count; i++)
        add_label(labels, source->labels[i].name, source->labels[i].value);
    for (unsigned i = 0; i < point->count; i++) {
        const SeriesLabel *label = &g_array_index(set->labels, SeriesLabel, point->first + i);
        add_label(labels, label->name, label->value);
    }
    g_array_sort(labels, compare_labels);
}

static void put_histogram(Encoder *encoder, const SeriesHistogram *histogram)
{
    double all = 0;
    unsigned le = 0;
    for (unsigned i = 0; i <= histogram->count; i++)
        all += (double)histogram->counts[i];
    put_series(encoder, "_sum", histogram->sum);
    put_series(encoder, "_count", all);
    add_label(encoder->labels, "le", "-");
    g_array_sort(encoder->labels, compare_labels);
    while (strcmp(g_array_index(encoder->labels, SeriesLabel, le).name, "le") != 0)
        le++;
    all = 0;
    for (unsigned i = 0; i <= histogram->count; i++) {
        all += (double)histogram->counts[i];
        g_string_truncate(encoder->le, 0);
        series_text_append_end(encoder->le, i < histogram->count ? histogram->ends[i] : INFINITY);
        g_array_index(encoder->labels, SeriesLabel, le).value = encoder->le->str;
        put_series(encoder, "_bucket", all);
    }
}

void remote_write_encode(GString *out, const SeriesSet *set, const SeriesSource *source)
{
    Encoder encoder = {.out = out,
                       .at = source->at,
                       .labels = g_array_new(FALSE, FALSE, sizeof(SeriesLabel)),
                       .name = g_string_new(NULL),
                       .le = g_string_new(NULL)};
    for (unsigned i = 0; i < set->families->len; i++) {
        encoder.family = &g_array_index(set->families, SeriesFamily, i);
        for (unsigned j = 0; j < encoder.family->count; j++) {
            const SeriesPoint *point =
                &g_array_index(set->points, SeriesPoint, encoder.family->first + j);
            set_labels(&encoder, set, point, source);
            if (point->histogram)
                put_histogram(&encoder, point->histogram);
            else
                put_series(&encoder, series_suffix(encoder.family->type), point->value);
        }
    }
    g_array_unref(encoder.labels);
    g_string_free(encoder.name, TRUE);
    g_string_free(encoder.le, TRUE);
}

GBytes *remote_write_compress(const void *bytes, size_t size)
{
    size_t room = snappy_max_compressed_length(size);
    char *block = g_malloc(room);
    MUST(snappy_compress(bytes, size, block, &room) == SNAPPY_OK);
    return g_bytes_new_take(block, room);
}
