/* series: metrics as a list.
 *
 * How it fits: front/metrics.c and its neighbours say what there is; the page for Prometheus and
 * what metrics.push sends are made of the same set. Failures: none, a name without its unit is our
 * bug. Known weak point: a set is built anew for each scrape, some 100 bytes a point.
 */
#include "content/series.h"

#include <stdarg.h>
#include <string.h>

#include "base/must.h"

SeriesSet *series_new(void)
{
    SeriesSet *set = g_new0(SeriesSet, 1);
    set->families = g_array_new(FALSE, FALSE, sizeof(SeriesFamily));
    set->points = g_array_new(FALSE, FALSE, sizeof(SeriesPoint));
    set->labels = g_array_new(FALSE, FALSE, sizeof(SeriesLabel));
    set->owned = g_ptr_array_new_with_free_func(g_free);
    set->texts = g_string_chunk_new(4096);
    return set;
}

void series_free(SeriesSet *set)
{
    if (!set)
        return;
    g_array_unref(set->families);
    g_array_unref(set->points);
    g_array_unref(set->labels);
    g_ptr_array_unref(set->owned);
    g_string_chunk_free(set->texts);
    g_free(set);
}

const char *series_suffix(SeriesType type)
{
    switch (type) {
    case SERIES_COUNTER:
        return "_total";
    case SERIES_INFO:
        return "_info";
    case SERIES_GAUGE:
    case SERIES_HISTOGRAM:
        break;
    }
    return "";
}

void series_family(SeriesSet *set, SeriesType type, const char *name, const char *unit,
                   const char *help)
{
    MUST(!*unit || g_str_has_suffix(name, unit));
    SeriesFamily family = {type, name, unit, help, set->points->len, 0};
    g_array_append_val(set->families, family);
}

static void add_point(SeriesSet *set, double value, const SeriesHistogram *histogram,
                      va_list labels)
{
    MUST(set->families->len > 0);
    SeriesFamily *family = &g_array_index(set->families, SeriesFamily, set->families->len - 1);
    MUST((family->type == SERIES_HISTOGRAM) == (histogram != NULL));
    SeriesPoint point = {value, histogram, set->labels->len, 0};
    const char *name;
    while ((name = va_arg(labels, const char *)) != NULL) {
        SeriesLabel label = {name,
                             g_string_chunk_insert_const(set->texts, va_arg(labels, const char *))};
        g_array_append_val(set->labels, label);
        point.count++;
    }
    g_array_append_val(set->points, point);
    family->count++;
}

void series_value(SeriesSet *set, double value, ...)
{
    va_list labels;
    va_start(labels, value);
    add_point(set, value, NULL, labels);
    va_end(labels);
}

void series_histogram(SeriesSet *set, const SeriesHistogram *histogram, ...)
{
    va_list labels;
    SeriesHistogram *copy = g_memdup2(histogram, sizeof *histogram);
    copy->ends = g_memdup2(histogram->ends, histogram->count * sizeof *histogram->ends);
    copy->counts = g_memdup2(histogram->counts, (histogram->count + 1) * sizeof *histogram->counts);
    g_ptr_array_add(set->owned, copy);
    g_ptr_array_add(set->owned, (double *)(uintptr_t)copy->ends);
    g_ptr_array_add(set->owned, (int64_t *)(uintptr_t)copy->counts);
    va_start(labels, histogram);
    add_point(set, 0, copy, labels);
    va_end(labels);
}
