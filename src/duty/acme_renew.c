/* acme_renew: TLS certificates, got from a CA and kept in force.
 *
 * How it fits: a round for each shard looks at the shard's certificates and enqueues a task for
 * each that has something to do; the task's key is the certificate's name, so the queue's fence
 * keeps one order for a certificate in the whole cluster. The steps of an order are in
 * acme_account.c, acme_authorise.c and acme_finalise.c; this is the loop around them: when an order
 * is due, when it is given up, what a failure costs.
 *
 * When it is due: there is none, its names or its CA's renewal information (RFC 9773) say so, a
 * part of its life is over (renew-before, or a third of a short life), or a person wishes it.
 *
 * Failures: the CA's are written into the certificate's row, whole, and are tried again after what
 * the CA asks for (Retry-After) or an exponential back-off of our own, which a restart, a round or
 * a takeover does not shorten. An order that was refused, or that the CA has forgotten, is dropped
 * for a new one. The old certificate is served all the time. What is wrong on our side (no
 * storage.secret-key, a damaged row) is the task's failure as any other.
 *
 * Known weak point: a run holds a lane while a CA thinks, for ACME_PATIENCE_MS at most.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_acme.h"
#include "content/acme_problem.h"
#include "content/chain.h"

#include "duty/acme_order.h"

static void renewal_clear(Renewal *renewal)
{
    certificate_clear(&renewal->row);
    acme_account_clear(&renewal->account);
    acme_free(renewal->acme);
    fetch_free(renewal->fetch);
    json_decref(renewal->detail);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Renewal, renewal_clear)

/* ---------------------------------------------------------------- what the steps share */

static bool write_row(Renewal *renewal, GError **error)
{
    char *text = json_dumps(renewal->detail, JSON_COMPACT | JSON_SORT_KEYS);
    g_free(renewal->row.order_detail);
    renewal->row.order_detail = g_strdup(text ? text : "");
    free(text);
    return run_begin(renewal->run, false, error) &&
           certificate_write(renewal->run->db, &renewal->row, false, error);
}

bool renewal_commit(Renewal *renewal, GError **error)
{
    return write_row(renewal, error) && run_checkpoint(renewal->run, error);
}

Next renewal_refused(Renewal *renewal)
{
    renewal->by_ca = true;
    return NEXT_FAILED;
}

Next renewal_ends_badly(Renewal *renewal, const char *problem, GError **error)
{
    g_autofree char *line = problem ? acme_problem_line(problem) : NULL;
    g_free(renewal->row.problem);
    renewal->row.problem = g_strdup(problem ? problem : "");
    renewal->by_ca = renewal->forget = true;
    fail(error, ERROR_REJECT, "the order came to nothing: %s",
         line ? line : "the CA does not say why");
    return NEXT_FAILED;
}

Next renewal_poll(Renewal *renewal)
{
    int64_t asked = acme_retry_ms(renewal->acme);
    int64_t own = (int64_t)ACME_POLL_MIN_MS << MIN(renewal->polls, 20u);
    renewal->polls++;
    json_object_set_new(renewal->detail, "polls", json_integer(renewal->polls));
    renewal->wait_ms = asked > 0 ? MAX(asked, ACME_POLL_MIN_MS) : MIN(own, ACME_POLL_MAX_MS);
    return NEXT_WAIT;
}

void renewal_set_step(Renewal *renewal, const char *step)
{
    g_free(renewal->row.step);
    renewal->row.step = g_strdup(step);
    renewal->polls = 0;
    json_object_del(renewal->detail, "polls");
}

/* ---------------------------------------------------------------- is it due? */

/* Are other names wanted than those that it was asked for? A CA may have put more into it. */
static bool names_differ(const AcmeDuty *duty, const Certificate *row, const Chain *chain)
{
    json_t *detail = json_loads(row->order_detail, 0, NULL);
    g_autofree char *names = g_strjoinv(" ", duty->domains);
    const char *asked = json_string_value(json_object_get(detail, DETAIL_FOR));
    int differ = asked ? strcmp(asked, names) != 0 : -1;
    json_decref(detail);
    if (differ >= 0)
        return differ > 0;
    for (char **domain = duty->domains; *domain; domain++)
        if (!g_strv_contains((const gchar *const *)chain->names, *domain))
            return true;
    return g_strv_length(chain->names) != g_strv_length(duty->domains);
}

static Chain *chain_of(const Certificate *row)
{
    return *row->chain ? chain_parse(row->chain, strlen(row->chain), NULL, NULL) : NULL;
}

static bool is_due(const Renewal *renewal, const Chain *chain)
{
    const Certificate *row = &renewal->row;
    return *row->step || *row->wish || !chain || row->now >= row->renew_at ||
           names_differ(renewal->duty, row, chain);
}

/* A moment of the CA's window, the same one each time it is asked. */
static int64_t moment_of(const AcmeRenewal *window, const char *id)
{
    uint64_t part = hash64(id, strlen(id)) >> 33; /* 31 bits */
    return window->start + (int64_t)((double)part / (double)(UINT64_C(1) << 31) *
                                     (double)(window->end - window->start));
}

/* Asks for renewal information where it is time. The CA's failures here are no failures: the age
 * decides then. */
static bool ask_info(Renewal *renewal, const Chain *chain, GError **error)
{
    Certificate *row = &renewal->row;
    g_autofree char *id = chain_renewal_id(chain);
    if (!id || row->now < row->info_at)
        return true;
    g_autoptr(GError) why = NULL;
    g_auto(AcmeRenewal) window = {.start = 0};
    int64_t again = ACME_INFO_MS, life = row->not_after - row->not_before;
    bool told = renewal_open(renewal, &why) && acme_renewal(renewal->acme, id, &window, &why);
    int64_t asked = renewal->acme ? acme_retry_ms(renewal->acme) : 0;
    if (told) {
        /* A CA that wants each certificate back at once gets a few orders a day, not one for each
         * round. */
        int64_t first = row->exchanged_at + MIN(ACME_INFO_RENEWAL_MS, life / 10);
        row->renew_at = MIN(MAX(moment_of(&window, id), first), row->not_after - life / 20);
        if (asked > 0)
            again = CLAMP(asked, ACME_INFO_MIN_MS, ACME_INFO_MAX_MS);
    } else if (renewal->acme) {
        again = MAX(again, MIN(asked, ACME_INFO_MAX_MS));
    } else if (!renewal->by_ca) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    renewal->by_ca = false;
    row->info_at = row->now + again;
    return renewal_commit(renewal, error);
}

/* ---------------------------------------------------------------- one order */

static void forget_order(Renewal *renewal)
{
    Certificate *row = &renewal->row;
    renewal_set_step(renewal, "");
    g_free(row->order_url);
    row->order_url = g_strdup("");
    g_bytes_unref(row->order_key);
    row->order_key = g_bytes_new(NULL, 0);
    json_t *kept = json_incref(json_object_get(renewal->detail, DETAIL_FOR));
    json_object_clear(renewal->detail);
    if (kept)
        json_object_set_new(renewal->detail, DETAIL_FOR, kept);
}

static bool is_too_old(const Certificate *row)
{
    return *row->step && row->now > row->order_at + ACME_ORDER_MS;
}

/* The settings have other names than the order, or it has taken too long. */
static bool is_stale(const Renewal *renewal)
{
    const Certificate *row = &renewal->row;
    g_autofree char *names = g_strjoinv(" ", renewal->duty->domains);
    const char *of = json_string_value(json_object_get(renewal->detail, "names"));
    const char *at = json_string_value(json_object_get(renewal->detail, "directory"));
    return *row->step && (g_strcmp0(of, names) != 0 ||
                          g_strcmp0(at, renewal->duty->directory) != 0 || is_too_old(row));
}

/* So that a person sees it: nothing was refused, and nothing came. */
static void tell_too_old(Certificate *row)
{
    g_autofree char *why =
        g_strdup_printf("the order did not come to its end in %d hours, at the step \"%s\"; a new "
                        "one is made",
                        (int)(ACME_ORDER_MS / 3600000), row->step);
    g_free(row->problem);
    row->problem = acme_problem_format(0, why, strlen(why));
    row->failures++;
    row->failed_at = row->now;
}

static bool begin_order(Renewal *renewal, GError **error)
{
    Certificate *row = &renewal->row;
    if (is_stale(renewal)) {
        if (is_too_old(row))
            tell_too_old(row);
        if (!acme_withdraw(renewal, error))
            return false;
        forget_order(renewal);
    }
    if (*row->step)
        return true;
    g_autofree char *names = g_strjoinv(" ", renewal->duty->domains);
    json_object_set_new(renewal->detail, "names", json_string(names));
    json_object_set_new(renewal->detail, "directory", json_string(renewal->duty->directory));
    renewal_set_step(renewal, "account");
    row->order_at = row->now;
    return renewal_commit(renewal, error);
}

/* A person's wish that the certificate be taken back: then a new one comes. */
static bool revoke_old(Renewal *renewal, const Chain *chain, GError **error)
{
    if (strcmp(renewal->row.wish, "revoke") != 0 || !chain ||
        json_is_true(json_object_get(renewal->detail, "revoked")))
        return true;
    unsigned char *der = NULL;
    int size = i2d_X509(chain->leaf, &der);
    g_autoptr(GBytes) bytes = g_bytes_new(der, (gsize)MAX(size, 0));
    OPENSSL_free(der);
    if (!renewal_open(renewal, error))
        return false;
    renewal->by_ca = true;
    if (!acme_revoke(renewal->acme, bytes, error))
        return false;
    renewal->by_ca = false;
    json_object_set_new(renewal->detail, "revoked", json_true());
    return renewal_commit(renewal, error);
}

static Next take_step(Renewal *renewal, GError **error)
{
    static const struct {
        const char *name;
        Next (*step)(Renewal *renewal, GError **error);
    } steps[] = {
        {"account", acme_step_account},     {"order", acme_step_order},
        {"authorise", acme_step_authorise}, {"finalise", acme_step_finalise},
        {"collect", acme_step_collect},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
        if (strcmp(steps[i].name, renewal->row.step) == 0)
            return steps[i].step(renewal, error);
    forget_order(renewal);
    return NEXT_GO;
}

/* ---------------------------------------------------------------- failures */

static int64_t back_off(const Renewal *renewal, bool dropped)
{
    /* Orders that come to nothing are what CAs count: those begin two doublings later. */
    int64_t doublings = renewal->row.failures - 1 + (dropped ? 2 : 0);
    int64_t most = ACME_RETRY_MIN_MS << MIN(doublings, 10);
    most = MIN(most, ACME_RETRY_MAX_MS);
    int64_t wait = most - (int64_t)rand_below(renewal->run->rand, (uint64_t)most / 4);
    int64_t asked = renewal->acme ? acme_retry_ms(renewal->acme) : 0;
    return MAX(wait, asked);
}

/* What the operator is shown: the CA's document, or our words in the same form. */
static void keep_problem(Renewal *renewal, const GError *why)
{
    const char *said = renewal->acme ? acme_problem(renewal->acme) : NULL;
    if (renewal->forget && *renewal->row.problem)
        return; /* the order's own */
    g_free(renewal->row.problem);
    renewal->row.problem =
        said ? g_strdup(said) : acme_problem_format(0, why->message, strlen(why->message));
}

/* Writes down why, and when it is tried again. False: also where that was written. */
static bool note_failure(Renewal *renewal, GError *take_why, GError **error)
{
    g_autoptr(GError) why = take_why;
    Certificate *row = &renewal->row;
    ErrorKind kind = error_kind(why);
    if (db_in_transaction(renewal->run->db))
        db_rollback(renewal->run->db);
    keep_problem(renewal, why);
    if (kind == ERROR_CONFLICT) { /* the account is not known there any more */
        g_free(renewal->account.url);
        renewal->account.url = g_strdup("");
        if (!run_begin(renewal->run, false, error) ||
            !acme_account_write(renewal->run->db, renewal->duty->directory, renewal->duty->eab_kid,
                                &renewal->account, error) ||
            !run_checkpoint(renewal->run, error))
            return false;
    }
    bool dropped =
        renewal->forget || kind == ERROR_REJECT || kind == ERROR_GONE || kind == ERROR_CONFLICT;
    if (dropped) {
        if (!acme_withdraw(renewal, error))
            return false;
        forget_order(renewal);
    }
    row->failures++;
    row->failed_at = row->now;
    row->next_at = row->now + back_off(renewal, dropped);
    if (!renewal_commit(renewal, error))
        return false;
    run_be_patient(renewal->run);
    return fail(error, ERROR_RETRY, "%s", why->message);
}

/* ---------------------------------------------------------------- a run */

static bool read_row(Renewal *renewal, const char *name, GError **error)
{
    Run *run = renewal->run;
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = certificate_read(run->db, name, &renewal->row, error);
    db_rollback(run->db);
    if (!good)
        return false;
    renewal->detail = json_loads(renewal->row.order_detail, 0, NULL);
    if (!json_is_object(renewal->detail)) {
        json_decref(renewal->detail);
        renewal->detail = json_object();
    }
    renewal->polls = (unsigned)CLAMP(json_integer_value(json_object_get(renewal->detail, "polls")),
                                     0, ACME_POLLS_MAX);
    return true;
}

static Next go_on(Renewal *renewal, GError **error)
{
    g_autoptr(Chain) chain = chain_of(&renewal->row);
    if (!begin_order(renewal, error) || !revoke_old(renewal, chain, error))
        return NEXT_FAILED;
    for (;;) {
        if (run_should_stop(renewal->run)) {
            fail(error, ERROR_STOPPED, "the node stops");
            return NEXT_FAILED;
        }
        renewal->by_ca = renewal->forget = false;
        Next next = take_step(renewal, error);
        if (next == NEXT_WAIT && renewal->waited_ms + renewal->wait_ms <= ACME_PATIENCE_MS) {
            renewal->waited_ms += renewal->wait_ms;
            run_pause(renewal->run, renewal->wait_ms * 1000);
            next = NEXT_GO;
        }
        if (next != NEXT_GO)
            return next;
    }
}

static void tell_exchange(const Renewal *renewal)
{
    g_autoptr(GDateTime) until = g_date_time_new_from_unix_utc(renewal->row.not_after / 1000);
    g_autofree char *day = until ? g_date_time_format(until, "%Y-%m-%d") : g_strdup("?");
    g_string_append_printf(renewal->run->detail,
                           "%s: a new certificate, good until %s (%u requests)", renewal->row.name,
                           day, renewal->acme ? acme_requests(renewal->acme) : 0);
}

static bool run_order(Renewal *renewal, GError **error)
{
    Run *run = renewal->run;
    g_autoptr(GError) why = NULL;
    switch (go_on(renewal, &why)) {
    case NEXT_EXCHANGED:
        tell_exchange(renewal);
        return true;
    case NEXT_WAIT:
        /* Also how often it was looked at: an order that does not end is not asked for each few
         * seconds for a day. */
        if (!renewal_commit(renewal, error))
            return false;
        run_again(run, 0, renewal->row.now + renewal->waited_ms + renewal->wait_ms);
        return true;
    case NEXT_GO:
    case NEXT_FAILED:
        break;
    }
    if (renewal->by_ca && error_kind(why) != ERROR_STOPPED)
        return note_failure(renewal, g_steal_pointer(&why), error);
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool run_certificate(Run *run, const AcmeDuty *duty, GError **error)
{
    const DutySettings *settings = run->settings;
    g_auto(Renewal) renewal = {.run = run, .duty = duty, .seal = &settings->seal};
    if (!read_row(&renewal, duty->name, error))
        return false;
    Certificate *row = &renewal.row;
    if (row->next_at > row->now) {
        run_again(run, 0, row->next_at);
        return true;
    }
    g_autoptr(Chain) chain = chain_of(row);
    if (!is_due(&renewal, chain) && !ask_info(&renewal, chain, error))
        return false;
    if (!is_due(&renewal, chain)) {
        g_string_append_printf(run->detail, "%s: not due", row->name);
        return true;
    }
    return run_order(&renewal, error);
}

/* ---------------------------------------------------------------- the round */

static bool has_work(const AcmeDuty *duty, const Certificate *row)
{
    Renewal renewal = {.duty = duty, .row = *row};
    g_autoptr(Chain) chain = chain_of(row);
    return row->next_at <= row->now && (is_due(&renewal, chain) || row->info_at <= row->now);
}

static bool run_round(Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    g_autoptr(GPtrArray) due = g_ptr_array_new();
    if (!db_begin(run->db, DB_READ, error))
        return false;
    {
        g_auto(DbScope) scope = db_scope(run->db);
        for (unsigned i = 0; i < settings->certificate_count; i++) {
            const AcmeDuty *duty = &settings->certificates[i];
            g_auto(Certificate) row = {.name = NULL};
            if (!run_owns_bucket(run, certificate_bucket(duty->name)))
                continue;
            if (!certificate_read(run->db, duty->name, &row, error))
                return false;
            if (has_work(duty, &row))
                g_ptr_array_add(due, duty->name);
        }
    }
    g_string_append_printf(run->detail, "%u certificates have something to do", due->len);
    for (unsigned i = 0; i < due->len; i++) {
        bool begins = i % ACME_ROUND_BATCH == 0;
        /* A batch is what it is by itself: those that are enqueued twice merge. */
        if ((begins && i > 0 && !run_checkpoint(run, error)) ||
            (begins && !run_begin(run, false, error)) ||
            !certificate_enqueue(run->db, g_ptr_array_index(due, i), error))
            return false;
    }
    return true;
}

static bool run_renew(Run *run, GError **error)
{
    const DutySettings *settings = run->settings;
    const char *key = run->tasks[0].key;
    if (g_str_has_prefix(key, "round/"))
        return run_round(run, error);
    for (unsigned i = 0; i < settings->certificate_count; i++)
        if (strcmp(settings->certificates[i].name, key) == 0)
            return run_certificate(run, &settings->certificates[i], error);
    g_string_append(run->detail, "the settings have no such certificate any more");
    return true;
}

const Handler acme_renew_handler = {.run = run_renew};
