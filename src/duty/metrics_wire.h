/* metrics_wire.h: how snapshots get to a target of metrics.push, and what its answer means.
 *
 * A wire is one target's for one run: it keeps its connection. One thread.
 */
#ifndef ROTA_DUTY_METRICS_WIRE_H
#define ROTA_DUTY_METRICS_WIRE_H

#include "base/clock.h"
#include "duty/duty.h"

typedef struct MetricsWire MetricsWire;
typedef struct {
    int kind; /* MetricsTargetKind */
    const MetricsTarget *target;
    const char *cluster; /* its name; "" none */
    const Clock *clock;
    bool (*may_send)(void *data); /* asked last of all, see FetchAsk */
    void *data;
} MetricsWireConfig;
/* All is borrowed. ERROR_REJECT: the CA file cannot be read. */
MetricsWire *metrics_wire_new(const MetricsWireConfig *config, GError **error);
void metrics_wire_free(MetricsWire *wire);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MetricsWire, metrics_wire_free)

/* How many snapshots one request carries, at most. */
unsigned metrics_wire_limit(int kind);

typedef enum {
    METRICS_TAKEN,   /* `problem`: though not all of it */
    METRICS_REFUSED, /* it does not want them, and will not later */
    METRICS_LATER,   /* the target is not there, or busy; it may have taken them */
    METRICS_STOPPED, /* may_send said no */
} MetricsVerdict;
typedef struct {
    MetricsVerdict verdict;
    char *problem;    /* for people; NULL: none */
    int64_t retry_ms; /* it asks to be left alone for so long; 0: it does not */
} MetricsAnswer;
void metrics_answer_clear(MetricsAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MetricsAnswer, metrics_answer_clear)
/* `snapshots` of MetricSnapshot, at least one, each node once. */
void metrics_wire_send(MetricsWire *wire, const GPtrArray *snapshots, MetricsAnswer *ret);

/* What an answer of a status and a body means: for metrics_wire_send, and to be tested. */
void metrics_answer_read(int kind, int status, const char *body, size_t size, MetricsAnswer *ret);
/* Where a Pushgateway keeps what is of a node (0: the cluster); the caller frees it. */
char *metrics_pushgateway_url(const MetricsTarget *target, const char *cluster, int64_t node);

#endif
