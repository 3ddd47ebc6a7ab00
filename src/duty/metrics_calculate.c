/* metrics_calculate: adds up what is kept as history, and now and then counts the mail itself.
 *
 * How it fits: a round for each shard (metrics.interval). What is added up is computed in a
 * snapshot (model/metric.c) and written under the fence, samples, roll-ups and the shard's mark in
 * one transaction; a sample has its minute, series and shard as its key, so a run that is run again
 * after a death writes nothing twice. Then, if metrics.recount has passed since the last one, a
 * recount goes on page by page, each its own transaction, as long as the run may last; the mark
 * says where the next run goes on.
 *
 * Failures: the store's, handed up; what was committed before is done. Weak point: a recount of
 * very many messages spreads over many minutes, in which new mail goes on to be counted by rows.
 */
#include "base/limits_metrics.h"
#include "duty/duty.h"
#include "model/metric.h"

static void add_role(const Run *run, GArray *roles, const char *role)
{
    MetricRole one = {role, run_shards_of(run, role)};
    g_array_append_val(roles, one);
}

static bool calculate(Run *run, MetricMark *ret_mark, bool *ret_recount, GError **error)
{
    const DutySettings *settings = run->settings;
    g_autoptr(GArray) roles = g_array_new(FALSE, FALSE, sizeof(MetricRole));
    for (size_t i = 0; i < duty_roles.count; i++)
        add_role(run, roles, duty_roles.roles[i].name);
    for (unsigned i = 0; i < settings->custom_count; i++)
        add_role(run, roles, settings->customs[i].role);
    if (!db_begin(run->db, DB_READ, error))
        return false;
    g_autoptr(MetricBatch) batch = metric_calculate(run->db, run->shard, run->shards, roles, error);
    db_rollback(run->db);
    if (!batch || !run_begin(run, true, error) || !metric_write(run->db, batch, error) ||
        !run_checkpoint(run, error))
        return false;
    *ret_mark = *metric_batch_mark(batch);
    *ret_recount = metric_batch_now(batch) - ret_mark->recount_at >= settings->metrics_recount_ms;
    return true;
}

static bool recount_page(Run *run, MetricRecount *recount, bool *ret_ended, unsigned *corrected,
                         GError **error)
{
    unsigned wrong = 0;
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = metric_recount_page(run->db, recount, error);
    db_rollback(run->db);
    *ret_ended = recount->looked < recount->limit;
    if (!good || !run_begin(run, true, error))
        return false;
    for (unsigned i = 0; i < recount->suspects->len; i++) {
        bool was_wrong;
        if (!metric_recount_mend(run->db, g_array_index(recount->suspects, int64_t, i), &was_wrong,
                                 error))
            return false;
        wrong += was_wrong;
    }
    *corrected += wrong;
    return metric_recount_note(run->db, recount, wrong, *ret_ended, error) &&
           run_checkpoint(run, error);
}

static bool recount_accounts(Run *run, int64_t after, GError **error)
{
    g_autoptr(GArray) suspects = g_array_new(FALSE, FALSE, sizeof(int64_t));
    MetricRecount recount = {.shard = run->shard,
                             .shards = run->shards,
                             .after = after,
                             .limit = METRIC_RECOUNT_ACCOUNTS,
                             .suspects = suspects};
    unsigned corrected = 0;
    bool ended = false;
    while (!ended && !run_should_stop(run))
        if (!recount_page(run, &recount, &ended, &corrected, error))
            return false;
    if (corrected > 0)
        g_string_append_printf(run->detail, "mended the counts of %u accounts", corrected);
    return true;
}

static bool run_calculate(Run *run, GError **error)
{
    MetricMark mark;
    bool recount;
    return calculate(run, &mark, &recount, error) &&
           (!recount || recount_accounts(run, mark.recount_after, error));
}

const Handler metrics_calculate_handler = {.run = run_calculate};
