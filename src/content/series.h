/* series.h: metrics as a list: what is measured, said once for all formats that carry it.
 *
 * A set has families (a name, what it is, its unit), a family has points, a point has labels and a
 * value or a histogram. Names are Prometheus', with the unit at their end and without _total, _info
 * and the like: each format adds what it wants. Times are not in it: a set is of one moment.
 *
 * Calling sequence: series_new → { series_family → series_value* | series_histogram* }* → read by
 * series_text.h, otlp.h, remote_write.h → series_free. Names, units, help and label names are
 * borrowed (they are ours, and static); label values are copied. One thread.
 */
#ifndef ROTA_CONTENT_SERIES_H
#define ROTA_CONTENT_SERIES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum { SERIES_COUNTER, SERIES_GAUGE, SERIES_HISTOGRAM, SERIES_INFO } SeriesType;

typedef struct {
    const char *name, *value;
} SeriesLabel;

/* `counts` of `ends` + 1 buckets, not added up; ends in the unit, ascending; `sum` in the unit. */
typedef struct {
    const double *ends;
    const int64_t *counts;
    unsigned count; /* of ends */
    double sum;
} SeriesHistogram;

typedef struct {
    SeriesType type;
    const char *name;      /* without _total and the like; ends with `unit` */
    const char *unit;      /* "seconds", "bytes"; "" none */
    const char *help;      /* without a backslash or a line break */
    unsigned first, count; /* of the set's points */
} SeriesFamily;

typedef struct {
    double value;
    const SeriesHistogram *histogram; /* of a family of histograms; else NULL */
    unsigned first, count;            /* of the set's labels */
} SeriesPoint;

typedef struct {
    GArray *families; /* of SeriesFamily */
    GArray *points;   /* of SeriesPoint, by family */
    GArray *labels;   /* of SeriesLabel, by point */
    GPtrArray *owned; /* what points point to */
    GStringChunk *texts;
} SeriesSet;

SeriesSet *series_new(void);
void series_free(SeriesSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SeriesSet, series_free)

/* `name` ends with `unit`, or unit is "". */
void series_family(SeriesSet *set, SeriesType type, const char *name, const char *unit,
                   const char *help);
/* A point of the last family. Labels by name and value, ended by NULL. */
void series_value(SeriesSet *set, double value, ...) G_GNUC_NULL_TERMINATED;
/* The histogram is copied. Labels as above. */
void series_histogram(SeriesSet *set, const SeriesHistogram *histogram, ...) G_GNUC_NULL_TERMINATED;

/* What a sample's name has more than its family's, in Prometheus' formats: "_total", "_info", "".
 */
const char *series_suffix(SeriesType type);

/* Whose the set is, and of when: what the formats that are pushed say beside it. All borrowed. */
typedef struct {
    const char *cluster;  /* its name; "" none */
    const char *instance; /* a node's id in decimal; "cluster" for what is the cluster's */
    const char *host;     /* "" none */
    const char *version;
    int64_t started_at;        /* wall, ms: since then counters count */
    int64_t at;                /* wall, ms */
    const SeriesLabel *labels; /* more, of the operator's */
    unsigned label_count;
} SeriesSource;

#endif
