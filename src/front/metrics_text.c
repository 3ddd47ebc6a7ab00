/* metrics_text: metrics as text, by the rules of OpenMetrics 1.0 and of Prometheus' older format.
 *
 * How it fits: front/metrics.c says what there is. Failures: none. Known weak point: no timestamps
 * and no exemplars; nobody needs them to scrape.
 */
#include "front/metrics_text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/must.h"

static const char *type_name(const MetricsText *text)
{
    switch (text->type) {
    case METRICS_COUNTER:
        return "counter";
    case METRICS_GAUGE:
        return "gauge";
    case METRICS_HISTOGRAM:
        return "histogram";
    case METRICS_INFO:
        return text->open_metrics ? "info" : "gauge";
    }
    return "unknown";
}

/* What a sample's name adds to the family's. */
static const char *suffix_of(MetricsType type)
{
    switch (type) {
    case METRICS_COUNTER:
        return "_total";
    case METRICS_INFO:
        return "_info";
    case METRICS_GAUGE:
    case METRICS_HISTOGRAM:
        break;
    }
    return "";
}

/* HELP texts are ours: without a backslash or a line break. */
void metrics_family(MetricsText *text, MetricsType type, const char *name, const char *unit,
                    const char *help)
{
    text->type = type;
    text->family = name;
    MUST(!*unit || g_str_has_suffix(name, unit));
    const char *suffix = text->open_metrics ? "" : suffix_of(type);
    g_string_append_printf(text->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name,
                           suffix, type_name(text));
    if (text->open_metrics && *unit)
        g_string_append_printf(text->out, "# UNIT %s %s\n", name, unit);
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

/* {name="value",…}, with `le` last where there is one; nothing for no labels. */
static void append_labels(GString *out, va_list labels, const double *le)
{
    const char *name, *before = "{";
    while ((name = va_arg(labels, const char *)) != NULL) {
        g_string_append_printf(out, "%s%s=\"", before, name);
        append_escaped(out, va_arg(labels, const char *));
        g_string_append_c(out, '"');
        before = ",";
    }
    if (le) {
        g_string_append_printf(out, "%sle=\"", before);
        append_number(out, *le);
        if (floor(*le) == *le && !isinf(*le))
            g_string_append(out, ".0"); /* OpenMetrics wants a float's canonical form */
        g_string_append_c(out, '"');
        before = ",";
    }
    if (*before == ',')
        g_string_append_c(out, '}');
}

static void append_line(const MetricsText *text, const char *suffix, double value, va_list labels,
                        const double *le)
{
    va_list copy;
    va_copy(copy, labels);
    g_string_append_printf(text->out, "%s%s", text->family, suffix);
    append_labels(text->out, copy, le);
    va_end(copy);
    g_string_append_c(text->out, ' ');
    append_number(text->out, value);
    g_string_append_c(text->out, '\n');
}

void metrics_sample(MetricsText *text, double value, ...)
{
    va_list labels;
    va_start(labels, value);
    append_line(text, suffix_of(text->type), value, labels, NULL);
    va_end(labels);
}

void metrics_histogram(MetricsText *text, const MetricsHistogram *histogram, ...)
{
    va_list labels;
    double all = 0;
    va_start(labels, histogram);
    for (unsigned i = 0; i <= histogram->count; i++) {
        double end = i < histogram->count ? histogram->ends[i] : INFINITY;
        all += (double)histogram->counts[i];
        append_line(text, "_bucket", all, labels, &end);
    }
    append_line(text, "_sum", histogram->sum, labels, NULL);
    append_line(text, "_count", all, labels, NULL);
    va_end(labels);
}

void metrics_end(MetricsText *text)
{
    if (text->open_metrics)
        g_string_append(text->out, "# EOF\n");
}
