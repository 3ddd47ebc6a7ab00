/* series_text.h: metrics as text: OpenMetrics 1.0, or the older format of Prometheus (0.0.4).
 *
 * The two differ in what a family of counters is called, in UNIT and in the end. Pure; any thread.
 */
#ifndef ROTA_CONTENT_SERIES_TEXT_H
#define ROTA_CONTENT_SERIES_TEXT_H

#include "content/series.h"

/* Appends all of the set, with the end that OpenMetrics wants. */
void series_text_format(GString *out, const SeriesSet *set, bool open_metrics);
/* A number as a histogram's `le` has it: with a point, or +Inf. */
void series_text_append_end(GString *out, double end);

#endif
