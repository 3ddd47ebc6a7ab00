/* metrics_text.h: metrics as text: OpenMetrics 1.0, or the older format of Prometheus (0.0.4).
 *
 * Calling sequence: { family → sample* }* → end. The two differ in what a family of counters
 * is called, in UNIT and in the end; callers need not know. One thread.
 */
#ifndef ROTA_FRONT_METRICS_TEXT_H
#define ROTA_FRONT_METRICS_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM, METRICS_INFO } MetricsType;

typedef struct {
    GString *out; /* borrowed */
    bool open_metrics;
    MetricsType type;   /* of the family */
    const char *family; /* its name without _total and the like */
} MetricsText;

/* `name` ends with `unit`, or unit is "". Borrowed until the next family. */
void metrics_family(MetricsText *text, MetricsType type, const char *name, const char *unit,
                    const char *help);
/* A value of the family. Labels by name and value, ended by NULL; values are escaped. */
void metrics_sample(MetricsText *text, double value, ...) G_GNUC_NULL_TERMINATED;
/* A histogram: `counts` of `ends` + 1 buckets, not added up; ends in the unit, ascending. `sum` in
 * the unit. Labels as above. */
typedef struct {
    const double *ends;
    const int64_t *counts;
    unsigned count; /* of ends */
    double sum;
} MetricsHistogram;
void metrics_histogram(MetricsText *text, const MetricsHistogram *histogram,
                       ...) G_GNUC_NULL_TERMINATED;
void metrics_end(MetricsText *text);

#endif
