/* status_words: the sentences of a status report.
 *
 * How it fits: app/status_view.c prints them, report_json.c sends them, and the page shows them, so
 * that all tell one story. Failures: none. Known weak point: of many uncovered shards the first few
 * are named; the table has all.
 */
#include "front/status_words.h"

#include <inttypes.h>

#define UNCOVERED_NAMED 5 /* in one line; the table has all */

char *status_words_uncovered(const StatusReport *report)
{
    GString *text = g_string_new(NULL);
    unsigned named = 0;
    for (unsigned i = 0; i < report->shards->len && named < UNCOVERED_NAMED; i++) {
        const ShardReport *shard = g_ptr_array_index(report->shards, i);
        if (!shard->covered)
            g_string_append_printf(text, "%s%s shard %u of %u", named++ ? ", " : "",
                                   shard->role->name, shard->shard, shard->shards);
    }
    if (report->uncovered > named)
        g_string_append_printf(text, " and %u more", report->uncovered - named);
    return g_string_free(text, FALSE);
}

/* What becomes of the work of uncovered shards. The caller frees it. */
static char *format_fate(const StatusReport *report)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < report->shards->len; i++) {
        const ShardReport *shard = g_ptr_array_index(report->shards, i);
        taken += !shard->covered && shard->takers->len > 0;
    }
    if (taken == 0)
        return g_strdup("their work waits");
    if (taken == report->uncovered)
        return g_strdup("nodes of other shards do their work");
    return g_strdup_printf("their work waits, but for %u that nodes of other shards do", taken);
}

char *status_words_alarm(const StatusReport *report)
{
    if (report->uncovered == 0)
        return g_strdup("");
    g_autofree char *uncovered = status_words_uncovered(report);
    g_autofree char *fate = format_fate(report);
    return g_strdup_printf("UNCOVERED: %u of %u shards have no living node, %s: %s",
                           report->uncovered, report->shards->len, fate, uncovered);
}

static char *format_nodes(const GArray *nodes)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < nodes->len; i++)
        g_string_append_printf(text, "%s%" PRId64, i ? "," : "", g_array_index(nodes, int64_t, i));
    return g_string_free(text, FALSE);
}

char *status_words_works(const ShardReport *shard)
{
    if (!shard->covered && shard->takers->len > 0) {
        g_autofree char *takers = format_nodes(shard->takers);
        return g_strdup_printf("%s (taken over)", takers);
    }
    if (!shard->covered)
        return g_strdup("NOBODY");
    if (!shard->role->handler)
        return g_strdup("not in this version");
    if (shard->none)
        return g_strdup("none");
    return format_nodes(shard->living);
}

char *status_words_unknown(const UnknownReport *unknown)
{
    return g_strdup_printf("%s: %s%" PRId64 " tasks and %" PRId64
                           " dead letters of a role that these settings do not know: they wait "
                           "until it comes back, or `rota tasks drop`",
                           unknown->role, unknown->tasks.more ? ">= " : "", unknown->tasks.count,
                           unknown->dead);
}
