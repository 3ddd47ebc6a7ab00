/* remote_write.h: metrics as Prometheus' remote write 1.0 has them (WriteRequest of
 * prometheus.proto).
 *
 * Each series has the labels job="rota", instance, cluster where it has a name, and the operator's;
 * sorted by name as the specification wants. Histograms are the classic ones: _bucket, _sum,
 * _count. Two encoded requests put after each other are one.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_REMOTE_WRITE_H
#define ROTA_CONTENT_REMOTE_WRITE_H

#include "content/series.h"

/* Appends a WriteRequest that is not compressed, without what the families are. */
void remote_write_encode(GString *out, const SeriesSet *set, const SeriesSource *source);
/* What a request's body is: the snappy block of it. */
GBytes *remote_write_compress(const void *bytes, size_t size);

#endif
