/* tls_keeper: keeps the certificates that this node serves.
 *
 * How it fits: serve.c starts it before the doors; it hands sets to app/tls. Its thread waits to be
 * told of a reload, reads, and exchanges the set as a whole, so that a file that is half written
 * costs nothing.
 *
 * Failures: of the start are returned; later ones are logged, and what was served goes on. Known
 * weak point: certificate and key are two files, and one that is read between the two writes does
 * not fit; the next reload mends it.
 */
#include "app/tls_keeper.h"

#include "base/error.h"
#include "base/log.h"
#include "content/chain.h"
#include "content/private_key.h"

struct TlsKeeper {
    const Settings *settings;
    const Clock *clock;
    Tls *tls;
    TlsRelay *relay;
    Chain *stand_in;
    Chain *of_files; /* NULL: none */
    GThread *thread;

    GMutex lock;
    GCond changed;
    bool reload, ending; /* under lock */
};

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

static void hand_in(TlsKeeper *keeper)
{
    GPtrArray *entries = tls_entries_new();
    if (keeper->of_files)
        tls_entries_add(entries, chain_ref(keeper->of_files), NULL);
    if (entries->len == 0) {
        log_event(
            LOG_LEVEL_WARNING, "tls.stand-in",
            "there is no certificate: clients get one that this node has signed itself, which "
            "no client trusts; see tls.certificate");
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

static gpointer keeper_thread(gpointer data)
{
    TlsKeeper *keeper = data;
    g_mutex_lock(&keeper->lock);
    while (!keeper->ending) {
        if (!keeper->reload) {
            g_cond_wait(&keeper->changed, &keeper->lock);
            continue;
        }
        keeper->reload = false;
        g_mutex_unlock(&keeper->lock);
        g_autoptr(GError) error = NULL;
        if (take_files(keeper, &error))
            hand_in(keeper);
        else
            log_event(LOG_LEVEL_ERROR, "tls.reload-failed",
                      "%s; what was served before goes on being served", error->message);
        g_mutex_lock(&keeper->lock);
    }
    g_mutex_unlock(&keeper->lock);
    return NULL;
}

/* ---------------------------------------------------------------- life */

bool tls_keeper_is_wanted(const Settings *settings)
{
    return (settings->http.tls_listen && settings->http.tls_listen[0]) ||
           *settings->tls.certificate;
}

static void keeper_free(TlsKeeper *keeper)
{
    tls_relay_stop(keeper->relay);
    tls_free(keeper->tls);
    chain_unref(keeper->stand_in);
    chain_unref(keeper->of_files);
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
    g_mutex_init(&keeper->lock);
    g_cond_init(&keeper->changed);
    keeper->tls = tls_new(NULL, NULL, error);
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
