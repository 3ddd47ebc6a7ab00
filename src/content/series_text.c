/* series_text: metrics as text, by the rules of OpenMetrics 1.0 and of Prometheus' older format.
 *
 * How it fits: /metrics answers with it, and a Pushgateway is sent it. Failures: none. Known weak
 * point: no timestamps and no exemplars; nobody needs them to scrape, and a Pushgateway refuses
 * them.
 */
#include "content/series_text.h"

#include <math.h>

static const char *type_name(SeriesType type, bool open_metrics)
{
    switch (type) {
    case SERIES_COUNTER:
        return "counter";
    case SERIES_GAUGE:
        return "gauge";
    case SERIES_HISTOGRAM:
        return "histogram";
    case SERIES_INFO:
        return open_metrics ? "info" : "gauge";
    }
    return "unknown";
}

/* HELP texts are ours: without a backslash or a line break. */
static void append_head(GString *out, const SeriesFamily *family, bool open_metrics)
{
    const char *suffix = open_metrics ? "" : series_suffix(family->type);
    g_string_append_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, suffix,
                           family->help, family->name, suffix,
                           type_name(family->type, open_metrics));
    if (open_metrics && *family->unit)
        g_string_append_printf(out, "# UNIT %s %s\n", family->name, family->unit);
}

static void append_escaped(GString *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            g_string_append(out, "\\n");
        else if (*value == '"' || *value == '\\')
            g_string_append_printf(out, "\\%c", *value);
        else
            g_string_append_c(out, *value);
    }
}

static void append_number(GString *out, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    if (isinf(value))
        g_string_append(out, value > 0 ? "+Inf" : "-Inf");
    else if (floor(value) == value && fabs(value) < 1e15)
        g_string_append_printf(out, "%.0f", value);
    else
        g_string_append(out, g_ascii_formatd(digits, sizeof digits, "%.15g", value));
}

void series_text_append_end(GString *out, double end)
{
    append_number(out, end);
    if (floor(end) == end && !isinf(end))
        g_string_append(out, ".0"); /* OpenMetrics wants a float's canonical form */
}

/* {name="value",…}, with `le` last where there is one; nothing for no labels. */
static void append_labels(GString *out, const SeriesLabel *labels, unsigned count, const double *le)
{
    const char *before = "{";
    for (unsigned i = 0; i < count; i++) {
        g_string_append(out, before);
        g_string_append(out, labels[i].name);
        g_string_append(out, "=\"");
        append_escaped(out, labels[i].value);
        g_string_append_c(out, '"');
        before = ",";
    }
    if (le) {
        g_string_append(out, before);
        g_string_append(out, "le=\"");
        series_text_append_end(out, *le);
        g_string_append_c(out, '"');
        before = ",";
    }
    if (*before == ',')
        g_string_append_c(out, '}');
}

typedef struct {
    GString *out;
    const SeriesFamily *family;
    const SeriesLabel *labels;
    unsigned count;
} Line;

static void append_line(const Line *line, const char *suffix, double value, const double *le)
{
    g_string_append(line->out, line->family->name);
    g_string_append(line->out, suffix);
    append_labels(line->out, line->labels, line->count, le);
    g_string_append_c(line->out, ' ');
    append_number(line->out, value);
    g_string_append_c(line->out, '\n');
}

static void append_histogram(const Line *line, const SeriesHistogram *histogram)
{
    double all = 0;
    for (unsigned i = 0; i <= histogram->count; i++) {
        double end = i < histogram->count ? histogram->ends[i] : INFINITY;
        all += (double)histogram->counts[i];
        append_line(line, "_bucket", all, &end);
    }
    append_line(line, "_sum", histogram->sum, NULL);
    append_line(line, "_count", all, NULL);
}

void series_text_format(GString *out, const SeriesSet *set, bool open_metrics)
{
    for (unsigned i = 0; i < set->families->len; i++) {
        const SeriesFamily *family = &g_array_index(set->families, SeriesFamily, i);
        append_head(out, family, open_metrics);
        for (unsigned j = family->first; j < family->first + family->count; j++) {
            const SeriesPoint *point = &g_array_index(set->points, SeriesPoint, j);
            Line line = {out, family, &g_array_index(set->labels, SeriesLabel, point->first),
                         point->count};
            if (point->histogram)
                append_histogram(&line, point->histogram);
            else
                append_line(&line, series_suffix(family->type), point->value, NULL);
        }
    }
    if (open_metrics)
        g_string_append(out, "# EOF\n");
}
