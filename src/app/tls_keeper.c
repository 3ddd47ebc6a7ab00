/* tls_keeper: keeps the certificates that this node serves.
 *
 * How it fits: serve.c starts it before the doors; it hands sets to app/tls. Its thread looks at
 * the store's epoch of certificates every KEEPER_POLL_MS, with one small statement, and is woken
 * for a reload of the files and for a challenge's answer that a handshake waits for. A set is
 * exchanged as a whole. What neighbours get goes through app/tls_export.
 *
 * Failures: of the start are returned; later ones are logged, and what was served goes on, also
 * while the store is away. Known weak points: certificate and key are two files, and one that is
 * read between the two writes does not fit; the next reload mends it. A deploy-hook holds the
 * thread while it runs.
 */
#include "app/tls_keeper.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_tls.h"
#include "base/log.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "model/certificate.h"
#include "roster/task.h"

#include "app/tls_export.h"
#include "app/tls_ocsp.h"

struct TlsKeeper {
    const Settings *settings;
    const Clock *clock;
    Tls *tls;
    TlsRelay *relay;
    Chain *stand_in;
    Chain *of_files; /* NULL: none */
    GThread *thread;
    /* the thread's */
    Db *db;
    int64_t epoch;        /* that `of_store` is of; -1: none was read */
    GHashTable *of_store; /* acme.NAME to Kept */
    GHashTable *duties;   /* acme.NAME to AcmeDuty */
    GHashTable *deploys;  /* acme.NAME to Deploy */
    TlsOcsp *ocsp;
    bool told_stand_in, told_store;

    GMutex lock;
    GCond changed;
    bool reload, ending; /* under lock, as below */
    GHashTable *wanted;  /* domains whose answer a handshake waits for */
};

/* A row of the store, as it was when it was read. */
typedef struct {
    int64_t version, exchanged_at;
    Chain *chain; /* NULL: there is none yet, or it cannot be used */
} Kept;

/* What is to be written for neighbours; the thread's. */
typedef struct {
    char *chain, *key;
    int64_t due_us; /* INT64_MAX: it was done */
    unsigned tries;
} Deploy;

/* ---------------------------------------------------------------- reading */

static Chain *read_files(const Settings *settings, GError **error)
{
    g_autofree char *pem = NULL, *key = NULL;
    gsize size = 0;
    g_autoptr(GError) why = NULL;
    const char *of = settings->tls.certificate;
    if (!g_file_get_contents(of, &pem, &size, &why) ||
        !g_file_get_contents(settings->tls.key, &key, NULL, &why)) {
        fail(error, ERROR_REJECT, "could not read the certificate: %s", why->message);
        return NULL;
    }
    Chain *chain = chain_parse(pem, size, key, error);
    private_key_text_free(g_steal_pointer(&key));
    if (!chain)
        g_prefix_error(error, "tls.certificate \"%s\": ", of);
    return chain;
}

static char *format_day(int64_t ms)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(ms / 1000);
    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M UTC") : g_strdup("?");
}

static Chain *make_stand_in(const Settings *settings, const Clock *clock, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *host = *settings->lmtp.host_name ? settings->lmtp.host_name : g_get_host_name();
    if (chain_name_is_valid(host, false))
        g_ptr_array_add(names, (gpointer)(uintptr_t)host);
    g_ptr_array_add(names, (gpointer)(uintptr_t) "localhost");
    g_ptr_array_add(names, NULL);
    return chain_stand_in((const char *const *)names->pdata, clock_wall_ms(clock), error);
}

/* ---------------------------------------------------------------- the set */

static void add_entry(const TlsKeeper *keeper, GPtrArray *entries, Chain *chain)
{
    tls_entries_add(entries, chain_ref(chain), tls_ocsp_staple(keeper->ocsp, chain));
}

static void add_kept(const TlsKeeper *keeper, GPtrArray *entries, const AcmeDuty *duty)
{
    const Kept *kept = g_hash_table_lookup(keeper->of_store, duty->name);
    if (kept && kept->chain)
        add_entry(keeper, entries, kept->chain);
}

static void hand_in(TlsKeeper *keeper)
{
    GPtrArray *entries = tls_entries_new();
    const AcmeSettings *acme = &keeper->settings->acme;
    const AcmeDuty *first = NULL;
    for (unsigned i = 0; i < acme->count && !first; i++)
        first = acme->duties[i].is_default ? &acme->duties[i] : NULL;
    if (keeper->of_files && !first)
        add_entry(keeper, entries, keeper->of_files);
    if (first)
        add_kept(keeper, entries, first);
    for (unsigned i = 0; i < acme->count; i++)
        if (&acme->duties[i] != first)
            add_kept(keeper, entries, &acme->duties[i]);
    if (keeper->of_files && first)
        add_entry(keeper, entries, keeper->of_files);
    if (entries->len == 0) {
        if (!keeper->told_stand_in)
            log_event(LOG_LEVEL_WARNING, "tls.stand-in",
                      "there is no certificate yet: clients get one that this node has signed "
                      "itself, which no client trusts; see tls.certificate and [acme]");
        keeper->told_stand_in = true;
        tls_entries_add(entries, chain_ref(keeper->stand_in), NULL);
    }
    tls_set(keeper->tls, entries);
}

static bool take_files(TlsKeeper *keeper, GError **error)
{
    if (!*keeper->settings->tls.certificate)
        return true;
    Chain *chain = read_files(keeper->settings, error);
    if (!chain)
        return false;
    chain_unref(keeper->of_files);
    keeper->of_files = chain;
    g_autofree char *until = format_day(chain->not_after);
    bool over = chain->not_after <= clock_wall_ms(keeper->clock);
    log_event(over ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "tls.certificate",
              "serves the certificate \"%s\", which %s good until %s",
              keeper->settings->tls.certificate, over ? "was" : "is", until);
    return true;
}

/* ---------------------------------------------------------------- for neighbours */

static void deploy_free(void *data)
{
    Deploy *deploy = data;
    g_free(deploy->chain);
    private_key_text_free(deploy->key);
    g_free(deploy);
}

static void plan_deploy(TlsKeeper *keeper, const AcmeDuty *duty, const char *chain, const char *key)
{
    const Deploy *there = g_hash_table_lookup(keeper->deploys, duty->name);
    if (!tls_export_is_wanted(duty, keeper->settings->node_id) ||
        (there && strcmp(there->chain, chain) == 0))
        return;
    Deploy *deploy = g_new0(Deploy, 1);
    deploy->chain = g_strdup(chain);
    deploy->key = g_strdup(key);
    g_hash_table_insert(keeper->deploys, g_strdup(duty->name), deploy);
}

static void deploy_one(const TlsKeeper *keeper, const AcmeDuty *duty, Deploy *deploy)
{
    g_autoptr(GError) error = NULL;
    bool deployed = false;
    if (tls_export(duty, deploy->chain, deploy->key, &deployed, &error)) {
        deploy->due_us = INT64_MAX;
        if (deployed)
            log_event(LOG_LEVEL_INFO, "tls.exported", "the certificate \"%s\" is in \"%s\"%s",
                      duty->name, duty->export_folder,
                      duty->deploy_hook[0] ? ", and its deploy-hook was run" : "");
        return;
    }
    int64_t wait_ms = MIN((int64_t)KEEPER_RETRY_MS << MIN(deploy->tries, 10u), KEEPER_RETRY_MAX_MS);
    deploy->tries++;
    deploy->due_us = clock_monotonic_us(keeper->clock) + wait_ms * 1000;
    log_event(LOG_LEVEL_ERROR, "tls.export-failed", "%s; tried again in %" G_GINT64_FORMAT " s",
              error->message, wait_ms / 1000);
}

static void deploy_due(TlsKeeper *keeper)
{
    const AcmeSettings *acme = &keeper->settings->acme;
    for (unsigned i = 0; i < acme->count; i++) {
        Deploy *deploy = g_hash_table_lookup(keeper->deploys, acme->duties[i].name);
        if (deploy && deploy->due_us <= clock_monotonic_us(keeper->clock))
            deploy_one(keeper, &acme->duties[i], deploy);
    }
}

/* ---------------------------------------------------------------- the store */

/* NULL: there is none, or it cannot be used; the latter was logged. */
static Chain *open_row(TlsKeeper *keeper, const AcmeDuty *duty, const Certificate *row)
{
    g_autoptr(GError) error = NULL;
    if (row->version == 0)
        return NULL;
    char *key = certificate_open_key(row, &keeper->settings->duty.seal, &error);
    Chain *chain = key ? chain_parse(row->chain, strlen(row->chain), key, &error) : NULL;
    if (chain)
        plan_deploy(keeper, duty, row->chain, key);
    private_key_text_free(key);
    if (!chain)
        log_event(LOG_LEVEL_ERROR, "tls.unusable", "the certificate \"%s\" cannot be served: %s",
                  row->name, error->message);
    return chain;
}

static void tell_exchanged(const char *name, const Chain *chain)
{
    g_autofree char *until = format_day(chain->not_after);
    log_event(LOG_LEVEL_INFO, "tls.exchanged", "serves the certificate \"%s\" of %s, good until %s",
              name, chain->issuer, until);
}

static void kept_free(void *data)
{
    Kept *kept = data;
    chain_unref(kept->chain);
    g_free(kept);
}

/* What there is now of one that is new, or another than before. */
static Kept *keep_row(TlsKeeper *keeper, const AcmeDuty *duty, const Certificate *row)
{
    Kept *kept = g_new0(Kept, 1);
    kept->version = row->version;
    kept->exchanged_at = row->exchanged_at;
    kept->chain = open_row(keeper, duty, row);
    if (kept->chain)
        tell_exchanged(row->name, kept->chain);
    return kept;
}

/* Which of the settings' certificates are not those that are kept: of AcmeDuty. */
static GPtrArray *find_changed(TlsKeeper *keeper, const GArray *marks)
{
    GPtrArray *changed = g_ptr_array_new();
    g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < marks->len; i++) {
        const CertificateMark *mark = &g_array_index(marks, CertificateMark, i);
        const Kept *kept = g_hash_table_lookup(keeper->of_store, mark->name);
        AcmeDuty *duty = g_hash_table_lookup(keeper->duties, mark->name);
        if (!duty)
            continue;
        g_hash_table_add(there, mark->name);
        if (!kept || kept->version != mark->version || kept->exchanged_at != mark->exchanged_at)
            g_ptr_array_add(changed, duty);
    }
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, keeper->of_store);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(there, name))
            g_hash_table_iter_remove(&iter); /* its row was removed */
    return changed;
}

/* In an open transaction. In a night of a thousand exchanges each poll reads those of its two
 * seconds, and no others. */
static bool take_rows(TlsKeeper *keeper, GError **error)
{
    g_autoptr(GArray) marks = certificate_marks(keeper->db, error);
    if (!marks)
        return false;
    g_autoptr(GPtrArray) changed = find_changed(keeper, marks);
    for (unsigned i = 0; i < changed->len; i++) {
        const AcmeDuty *duty = g_ptr_array_index(changed, i);
        g_auto(Certificate) row = {.name = NULL};
        if (!certificate_read(keeper->db, duty->name, &row, error))
            return false;
        g_hash_table_replace(keeper->of_store, duty->name, keep_row(keeper, duty, &row));
    }
    hand_in(keeper);
    return true;
}

static bool enqueue_all(TlsKeeper *keeper, const GPtrArray *names, GError **error)
{
    if (!db_begin(keeper->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(keeper->db);
    for (unsigned i = 0; i < names->len; i++)
        if (!certificate_enqueue(keeper->db, g_ptr_array_index(names, i), error))
            return false;
    /* Not known whether it was done: it is done again, and merges. */
    return db_commit(keeper->db, error) == DB_DONE;
}

/* Those of the settings that were never got: their first order is due now, not at the next round.
 * What was got is asked in one statement, outside of the transactions that write. */
static bool enqueue_missing(TlsKeeper *keeper, GError **error)
{
    const AcmeSettings *acme = &keeper->settings->acme;
    g_autoptr(GHashTable) got = g_hash_table_new(g_str_hash, g_str_equal);
    if (!db_begin(keeper->db, DB_READ, error))
        return false;
    g_autoptr(GArray) marks = certificate_marks(keeper->db, error);
    db_rollback(keeper->db);
    for (unsigned i = 0; marks && i < marks->len; i++) {
        const CertificateMark *mark = &g_array_index(marks, CertificateMark, i);
        if (mark->version > 0)
            g_hash_table_add(got, mark->name);
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (unsigned i = 0; marks && i < acme->count; i++) {
        if (!g_hash_table_contains(got, acme->duties[i].name))
            g_ptr_array_add(names, acme->duties[i].name);
        if (names->len < KEEPER_BATCH && i + 1 < acme->count)
            continue;
        if (names->len > 0 && !enqueue_all(keeper, names, error))
            return false;
        g_ptr_array_set_size(names, 0);
    }
    if (!marks)
        return false;
    task_wake("acme.renew");
    return true;
}

static bool look(TlsKeeper *keeper, GError **error)
{
    int64_t epoch = 0;
    if (!keeper->db && !(keeper->db = db_open(&keeper->settings->data.db, error)))
        return false;
    if (keeper->epoch < 0 && !enqueue_missing(keeper, error))
        return false;
    if (!db_begin(keeper->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(keeper->db);
    if (!certificate_epoch(keeper->db, &epoch, error))
        return false;
    if (epoch == keeper->epoch)
        return true;
    if (!take_rows(keeper, error))
        return false;
    keeper->epoch = epoch;
    return true;
}

static void look_at_store(TlsKeeper *keeper)
{
    g_autoptr(GError) error = NULL;
    bool good = look(keeper, &error);
    if (!good && !keeper->told_store)
        log_event(LOG_LEVEL_WARNING, "tls.store",
                  "new certificates are not seen now: %s; those that are here are served",
                  error->message);
    keeper->told_store = !good;
}

/* ---------------------------------------------------------------- staples */

static void look_at_responders(TlsKeeper *keeper)
{
    g_autoptr(GPtrArray) chains = g_ptr_array_new();
    if (keeper->of_files)
        g_ptr_array_add(chains, keeper->of_files);
    GHashTableIter iter;
    gpointer kept;
    g_hash_table_iter_init(&iter, keeper->of_store);
    while (g_hash_table_iter_next(&iter, NULL, &kept))
        if (((const Kept *)kept)->chain)
            g_ptr_array_add(chains, ((const Kept *)kept)->chain);
    if (tls_ocsp_look(keeper->ocsp, chains))
        hand_in(keeper);
}

/* ---------------------------------------------------------------- challenges */

/* From a handshake: is it worth waiting for? Only for names that are ours to prove. */
static bool on_wanted(const char *domain, void *data)
{
    TlsKeeper *keeper = data;
    const AcmeSettings *acme = &keeper->settings->acme;
    bool ours = false;
    for (unsigned i = 0; i < acme->count && !ours; i++)
        ours = acme->duties[i].challenge == ACME_TLS_ALPN_01 &&
               g_strv_contains((const gchar *const *)acme->duties[i].domains, domain);
    if (!ours)
        return false;
    g_mutex_lock(&keeper->lock);
    g_hash_table_add(keeper->wanted, g_strdup(domain));
    g_cond_broadcast(&keeper->changed);
    g_mutex_unlock(&keeper->lock);
    return true;
}

/* The answers to what is asked for, from the store, and no others: a name is asked for again when
 * the next challenge comes. */
static void answer_wanted(TlsKeeper *keeper, GHashTable *wanted)
{
    g_autoptr(GError) error = NULL;
    GHashTable *answers =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)chain_unref);
    GHashTableIter iter;
    gpointer domain;
    g_hash_table_iter_init(&iter, wanted);
    bool open = keeper->db && db_begin(keeper->db, DB_READ, &error);
    while (open && g_hash_table_iter_next(&iter, &domain, NULL)) {
        g_autofree char *authorisation = NULL;
        Chain *answer = NULL;
        if (!certificate_answer_find(keeper->db, ANSWER_TLS_ALPN, domain, &authorisation, &error))
            break;
        if (authorisation)
            answer = chain_answer(domain, authorisation, clock_wall_ms(keeper->clock), &error);
        if (answer)
            g_hash_table_insert(answers, g_strdup(domain), answer);
    }
    if (open)
        db_rollback(keeper->db);
    tls_set_answers(keeper->tls, answers);
}

/* ---------------------------------------------------------------- the thread */

static void reload_files(TlsKeeper *keeper)
{
    g_autoptr(GError) error = NULL;
    if (take_files(keeper, &error))
        hand_in(keeper);
    else
        log_event(LOG_LEVEL_ERROR, "tls.reload-failed",
                  "%s; what was served before goes on being served", error->message);
}

/* With the lock held, until there is something to do or the poll is due. */
static void wait_for_work(TlsKeeper *keeper)
{
    int64_t until_us = clock_monotonic_us(keeper->clock) + KEEPER_POLL_MS * 1000;
    while (!keeper->ending && !keeper->reload && g_hash_table_size(keeper->wanted) == 0) {
        if (keeper->settings->acme.count == 0 && !keeper->of_files)
            g_cond_wait(&keeper->changed, &keeper->lock);
        else if (!g_cond_wait_until(&keeper->changed, &keeper->lock, until_us))
            break;
    }
}

static gpointer keeper_thread(gpointer data)
{
    TlsKeeper *keeper = data;
    bool acme = keeper->settings->acme.count > 0;
    for (;;) {
        if (acme)
            look_at_store(keeper);
        deploy_due(keeper);
        look_at_responders(keeper);
        g_mutex_lock(&keeper->lock);
        wait_for_work(keeper);
        bool ending = keeper->ending, reload = keeper->reload;
        keeper->reload = false;
        g_autoptr(GHashTable) wanted = keeper->wanted;
        keeper->wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_mutex_unlock(&keeper->lock);
        if (ending)
            return NULL;
        if (reload)
            reload_files(keeper);
        /* An answer is kept for one wait at most: the next challenge of the name has another. */
        if (g_hash_table_size(wanted) > 0)
            answer_wanted(keeper, wanted);
        else if (acme)
            tls_set_answers(keeper->tls, NULL);
    }
}

/* ---------------------------------------------------------------- life */

bool tls_keeper_is_wanted(const Settings *settings)
{
    return settings->http.tls_listen[0] || *settings->tls.certificate || settings->acme.count > 0;
}

static void keeper_free(TlsKeeper *keeper)
{
    tls_relay_stop(keeper->relay);
    tls_free(keeper->tls);
    chain_unref(keeper->stand_in);
    chain_unref(keeper->of_files);
    g_hash_table_unref(keeper->of_store);
    g_hash_table_unref(keeper->duties);
    g_hash_table_unref(keeper->deploys);
    tls_ocsp_free(keeper->ocsp);
    g_hash_table_unref(keeper->wanted);
    db_close(keeper->db);
    g_mutex_clear(&keeper->lock);
    g_cond_clear(&keeper->changed);
    g_free(keeper);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsKeeper, keeper_free)

TlsKeeper *tls_keeper_start(const Settings *settings, const Clock *clock, GError **error)
{
    g_autoptr(TlsKeeper) keeper = g_new0(TlsKeeper, 1);
    keeper->settings = settings;
    keeper->clock = clock;
    keeper->epoch = -1;
    keeper->ocsp = tls_ocsp_new(clock);
    keeper->of_store = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, kept_free);
    keeper->duties = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < settings->acme.count; i++)
        g_hash_table_insert(keeper->duties, settings->acme.duties[i].name,
                            &settings->acme.duties[i]);
    keeper->deploys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, deploy_free);
    keeper->wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&keeper->lock);
    g_cond_init(&keeper->changed);
    keeper->tls = tls_new(on_wanted, keeper, error);
    if (!keeper->tls || !(keeper->stand_in = make_stand_in(settings, clock, error)) ||
        !take_files(keeper, error))
        return NULL;
    hand_in(keeper);
    unsigned most = (unsigned)(settings->http.connections_max + settings->lmtp.sessions_max);
    keeper->relay = tls_relay_start(keeper->tls, clock, most);
    keeper->thread = g_thread_new("tls-keeper", keeper_thread, keeper);
    return g_steal_pointer(&keeper);
}

TlsRelay *tls_keeper_relay(TlsKeeper *keeper)
{
    return keeper ? keeper->relay : NULL;
}

void tls_keeper_reload(TlsKeeper *keeper)
{
    if (!keeper)
        return;
    g_mutex_lock(&keeper->lock);
    keeper->reload = true;
    g_cond_broadcast(&keeper->changed);
    g_mutex_unlock(&keeper->lock);
}

void tls_keeper_stop(TlsKeeper *keeper)
{
    if (!keeper)
        return;
    g_mutex_lock(&keeper->lock);
    keeper->ending = true;
    g_cond_broadcast(&keeper->changed);
    g_mutex_unlock(&keeper->lock);
    g_thread_join(keeper->thread);
    keeper_free(keeper);
}
