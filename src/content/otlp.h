/* otlp.h: metrics as OpenTelemetry has them (OTLP 1, opentelemetry.proto.metrics.v1), and what a
 * receiver answers.
 *
 * Names have points for underscores and no unit at their end, where it has its own field, as
 * OpenTelemetry's conventions want; a receiver that turns them into Prometheus' names comes back to
 * ours. Counters and histograms are cumulative, since the source's start. The resource says whose
 * they are: service.name, service.namespace (the cluster's name), service.instance.id (the node's
 * id), service.version, host.name, and the operator's. Two encoded requests put after each other
 * are one.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_OTLP_H
#define ROTA_CONTENT_OTLP_H

#include "content/series.h"

/* Appends an ExportMetricsServiceRequest. */
void otlp_encode(GString *out, const SeriesSet *set, const SeriesSource *source);

typedef struct {
    int64_t rejected; /* data points that the receiver does not want; 0: none */
    char *message;    /* why, or a warning; NULL none. As the receiver wrote it */
} OtlpAnswer;
/* Reads an ExportMetricsServiceResponse. False: it is none; nothing is to be freed then. */
bool otlp_read_answer(const void *bytes, size_t size, OtlpAnswer *ret);
/* The message of a google.rpc.Status, as a refusal has it; NULL: none. The caller frees it. */
char *otlp_read_status(const void *bytes, size_t size);

#endif
