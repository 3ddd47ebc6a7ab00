/* metrics_snapshot: series of one moment, written down for the targets of metrics.push.
 *
 * How it fits: each node writes its own (app/recorder.c), a run of metrics.push the cluster's. They
 * are encoded here, once: what is sent twice is the same bytes. Failures: the store's. Known weak
 * point: a change of labels in the settings is seen in what is written after it only.
 */
#include "duty/metrics_snapshot.h"

#include <string.h>

#include "content/otlp.h"
#include "content/remote_write.h"
#include "content/series_text.h"
#include "model/metric_outbox.h"

const char *const metrics_target_names[METRICS_TARGETS] = {"open-telemetry", "remote-write",
                                                           "pushgateway"};

bool metrics_push_is_wanted(const MetricsPush *push)
{
    for (int i = 0; i < METRICS_TARGETS; i++)
        if (*push->targets[i].endpoint)
            return true;
    return false;
}

GArray *metrics_labels_read(char *const *texts, GStringChunk *names)
{
    GArray *labels = g_array_new(FALSE, FALSE, sizeof(SeriesLabel));
    for (; texts && *texts; texts++) {
        const char *end = strchr(*texts, '=');
        if (!end)
            continue; /* the settings' reader has refused it */
        SeriesLabel label = {g_string_chunk_insert_len(names, *texts, end - *texts), end + 1};
        g_array_append_val(labels, label);
    }
    return labels;
}

static void encode(GString *out, int kind, const SeriesSet *set, const SeriesSource *source)
{
    switch (kind) {
    case METRICS_OPEN_TELEMETRY:
        otlp_encode(out, set, source);
        break;
    case METRICS_REMOTE_WRITE:
        remote_write_encode(out, set, source);
        break;
    default: /* a Pushgateway: whose they are is in the URL */
        series_text_format(out, set, false);
        break;
    }
}

bool metrics_snapshot_add(Db *db, const MetricsPush *push, const SeriesSet *set,
                          const SeriesSource *source, int64_t node, GError **error)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    for (int i = 0; i < METRICS_TARGETS; i++) {
        const MetricsTarget *target = &push->targets[i];
        if (!*target->endpoint)
            continue;
        GStringChunk *names = g_string_chunk_new(256);
        g_autoptr(GArray) labels = metrics_labels_read(target->labels, names);
        SeriesSource whole = *source;
        whole.labels = (const SeriesLabel *)(const void *)labels->data;
        whole.label_count = labels->len;
        g_string_truncate(bytes, 0);
        encode(bytes, i, set, &whole);
        g_string_chunk_free(names);
        MetricKey key = {metrics_target_names[i], source->at, node};
        if (!metric_outbox_add(db, &key, bytes->str, bytes->len, error) ||
            (i == METRICS_PUSHGATEWAY && !metric_outbox_supersede(db, &key, error)) ||
            (node == 0 && !metric_outbox_note(db, key.target, key.at, error)))
            return false;
    }
    return true;
}
