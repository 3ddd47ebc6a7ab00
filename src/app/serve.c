/* serve: one running node, put together.
 *
 * How it fits: cmd_serve starts and stops it; everything below is made here and handed to each
 * other here, and nowhere else: the node's thread   loops over node_step, alone with its handle, so
 * that no handler and no delivery can delay a heartbeat lanes               loop over worker_step
 * (lanes.c) the listener        on PostgreSQL: hears other nodes' wake-ups and hands them to the
 * lanes LMTP                sessions and the group commit (lmtp_server.c, postbox.c) A wake-up goes
 * from a commit by task_wake to lanes_wake, and on PostgreSQL to the herald (herald.c), which tells
 * other nodes; the node's own poll is the net under it.
 *
 * On SQLite one process at a time serves a file: wake-ups do not cross processes there, and a
 * second node on the same file would be a mistake of the operator. A lock on a file beside the
 * store says so; it goes with the process, however that ends.
 *
 * Failures: of the start are returned, and what was started ends again. Known weak point: the
 * listener looks for the stop twice a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/sysinfo.h>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "base/text.h"
#include "db/tell.h"
#include "duty/metrics_snapshot.h"
#include "duty/push_wire.h"
#include "front/metrics_cluster.h"
#include "model/tally.h"
#include "remote/smtp.h"
#include "roster/health.h"
#include "roster/load.h"
#include "roster/task.h"
#include "app/herald.h"
#include "app/lanes.h"
#include "app/lmtp_server.h"
#include "app/postbox.h"
#include "app/recorder.h"
#include "app/serve.h"
#include "app/serve_http.h"
#include "app/tls_keeper.h"

#define LMTP_GRACE_MS 5000 /* a message in hand when the stop comes */
#define HTTP_GRACE_MS 2000 /* a request in hand when the stop comes */
#define LANES_GRACE_MS                                                                             \
    2000 /* after the node has stopped: a handler between two looks at run_should_stop */
#define LISTEN_MS                                                                                  \
    500 /* one wait for wake-ups; also what a stop may have to wait for the listener */
#define LISTEN_PAUSE_MS 1000  /* after the connection was lost */
#define STUCK_MS        90000 /* three statements that each time out */
#define TOLD_LETTERS    500   /* of a reload's error, told to who asked for it */
#define TRIM_US         (60 * G_USEC_PER_SEC)

struct Serve {
    const Settings *settings;
    const Clock *clock;
    int lock_fd; /* SQLite: of the file that says who serves; -1: none */
    int changed_fd;
    Db *db; /* the node's */
    Node *node;
    GArray *rounds; /* of Round */
    DutySettings duty;
    SmtpConfig smtp; /* what `duty` points to */
    MetricsDoor metrics_door;
    ServeMetrics parts; /* this node's numbers */
    Recorder *recorder; /* NULL: metrics are pushed nowhere */
    Load *load;
    Lanes *lanes;
    SpamScorer *scorer;
    Postbox *postbox;
    LmtpServer *lmtp;
    GMutex http_lock;
    ServeHttp *http; /* set before there are threads; goes under http_lock */
    TlsKeeper *tls;  /* NULL: nothing speaks TLS */
    Herald *herald;  /* NULL: on SQLite */
    GThread *node_thread, *listen_thread;
    _Atomic int64_t stepped_us; /* when the node's thread last came round */
    unsigned reloads;           /* the node's thread's: how often the settings were read again */
    char *reload_error;         /* of the last time; NULL: it was well */

    GMutex lock;
    GCond changed;
    bool woken;  /* under lock: the node shall step now */
    bool ending; /* under lock */
};

/* ---------------------------------------------------------------- the node's thread */

static void wake_node(Serve *serve)
{
    g_mutex_lock(&serve->lock);
    serve->woken = true;
    g_cond_broadcast(&serve->changed);
    g_mutex_unlock(&serve->lock);
}

static void wait_until(Serve *serve, int64_t until_us)
{
    g_mutex_lock(&serve->lock);
    while (!serve->woken && !serve->ending && clock_monotonic_us(serve->clock) < until_us)
        g_cond_wait_until(&serve->changed, &serve->lock, until_us);
    serve->woken = false;
    g_mutex_unlock(&serve->lock);
}

static bool is_ending(Serve *serve)
{
    g_mutex_lock(&serve->lock);
    bool ending = serve->ending;
    g_mutex_unlock(&serve->lock);
    return ending;
}

/* A merge in the search index holds some megabytes of changed pages until its commit. They are
 * freed then, but lie below younger things in the heap, so that the process would keep the most it
 * ever had. */
static void trim_memory(const Serve *serve, int64_t *next_us)
{
    int64_t now = clock_monotonic_us(serve->clock);
    if (now < *next_us)
        return;
    *next_us = now + TRIM_US;
    malloc_trim(0);
}

static void end_streams(Serve *serve)
{
    g_mutex_lock(&serve->http_lock);
    if (serve->http)
        serve_http_drain(serve->http);
    g_mutex_unlock(&serve->http_lock);
}

static gpointer node_thread(gpointer data)
{
    Serve *serve = data;
    NodeState told = NODE_STARTING;
    int64_t trim_us = 0;
    while (!is_ending(serve)) {
        int64_t until = node_step(serve->node);
        atomic_store(&serve->stepped_us, clock_monotonic_us(serve->clock));
        trim_memory(serve, &trim_us);
        NodeState state = node_state(serve->node);
        if (state != told) {
            uint64_t one = 1;
            if (state == NODE_DRAINING)
                end_streams(serve);
            MUST(write(serve->changed_fd, &one, sizeof(one)) == sizeof(one));
            told = state;
        }
        if (state == NODE_STOPPED || state == NODE_REFUSED)
            break;
        wait_until(serve, until);
    }
    return NULL;
}

/* The heartbeat that is being made takes them along. */
static void tell_tallies(Serve *serve)
{
    for (Tally tally = 0; tally < TALLY_COUNT; tally++)
        load_count(serve->load, tally_series(tally), tally_take(tally));
}

/* What the node tells the cluster about itself and its machine. */
static char *health(void *data)
{
    Serve *serve = data;
    double load[3] = {0};
    struct sysinfo info = {0};
    NodeHealth told = {.cores = get_nprocs(),
                       .lease_ms = serve->settings->lease_ms,
                       .held = node_held(serve->node),
                       .statements = (int64_t)db_statements_of_process(),
                       .reloads = serve->reloads,
                       .reload_error = serve->reload_error};
    tell_tallies(serve);
    getloadavg(load, 3);
    sysinfo(&info);
    told.load = load[0];
    told.memory_bytes = (int64_t)info.totalram * info.mem_unit;
    told.memory_free_bytes = (int64_t)info.freeram * info.mem_unit;
    told.clock_ahead_ms = node_clock_ahead_ms(serve->node);
    node_beats(serve->node, &told.beat_gap_ms, &told.beats_failed);
    serve->parts.beat_gap_ms = told.beat_gap_ms;
    serve->parts.beats_failed = told.beats_failed;
    return health_format(&told);
}

/* The first of the new settings' own roles that this node has no lanes for; NULL: none. */
static const char *find_new_custom(const Settings *running, const Settings *read)
{
    for (unsigned i = 0; i < read->duty.custom_count; i++)
        if (!role_find(&running->roles, read->customs[i].role))
            return read->customs[i].role;
    return NULL;
}

static RoleTable *reload(void *data, GError **error)
{
    Serve *serve = data;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = serve->settings->file
                                       ? settings_read(serve->settings->file, problems)
                                       : settings_default(problems);
    serve->reloads++;
    tls_keeper_reload(serve->tls);
    g_clear_pointer(&serve->reload_error, g_free);
    const char *new_custom = settings ? find_new_custom(serve->settings, settings) : NULL;
    if (settings && !new_custom)
        return table_ref(settings->table);
    g_autofree char *text =
        new_custom ? g_strdup_printf("%s is new: a custom role begins with a restart of the nodes "
                                     "that shall do it; nothing has changed here",
                                     new_custom)
                   : settings_problems_format(problems);
    fail(error, ERROR_REJECT, "%s", text);
    /* It travels with each heartbeat: its beginning is enough, the log has all of it. */
    serve->reload_error = text_cut(text, TOLD_LETTERS);
    return NULL;
}

/* ---------------------------------------------------------------- wake-ups */

static void wake_from_node(const char *role, void *data)
{
    const Serve *serve = data;
    lanes_wake(serve->lanes, role);
}

/* After a commit of ours. */
static void wake_after_commit(const char *role, void *data)
{
    const Serve *serve = data;
    lanes_wake(serve->lanes, role);
    if (serve->herald)
        herald_tell(serve->herald, role);
}

static void publish(const char *topic, void *data)
{
    Serve *serve = data;
    g_mutex_lock(&serve->http_lock);
    if (serve->http)
        serve_http_publish(serve->http, topic);
    g_mutex_unlock(&serve->http_lock);
}

/* A commit of ours has changed something that open streams, here or elsewhere, are about. */
static void hear_commit(const char *topic, void *data)
{
    const Serve *serve = data;
    publish(topic, data);
    if (serve->herald)
        herald_tell_topic(serve->herald, topic);
}

static gpointer listen_thread(gpointer data)
{
    Serve *serve = data;
    g_autoptr(Db) db = NULL;
    while (!is_ending(serve)) {
        g_autoptr(GError) error = NULL;
        g_autofree char *word = NULL;
        if (!db)
            db = db_open(&serve->settings->data.db, &error);
        if (db && db_listen(db, LISTEN_MS, &word, &error)) {
            if (word && !herald_read_topics(word, publish, serve))
                lanes_wake(serve->lanes, task_role_of_word(word));
            continue;
        }
        log_event(LOG_LEVEL_DEBUG, "serve.listen", "wake-ups from other nodes do not come: %s",
                  error ? error->message : "");
        g_mutex_lock(&serve->lock);
        if (!serve->ending)
            g_cond_wait_until(&serve->changed, &serve->lock,
                              clock_monotonic_us(serve->clock) + LISTEN_PAUSE_MS * 1000);
        g_mutex_unlock(&serve->lock);
    }
    return NULL;
}

/* ---------------------------------------------------------------- start */

static bool lock_store(Serve *serve, GError **error)
{
    const DbConfig *config = &serve->settings->data.db;
    if (config->kind != DB_SQLITE)
        return true;
    g_autofree char *path = g_strdup_printf("%s.serve", config->path);
    serve->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (serve->lock_fd < 0)
        return fail(error, ERROR_REJECT, "could not open \"%s\": %s", path, g_strerror(errno));
    char pid[24] = "";
    if (flock(serve->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t got = pread(serve->lock_fd, pid, sizeof(pid) - 1, 0);
        return fail(
            error, ERROR_CONFLICT,
            "store \"%s\" is already served by process %.*s; several nodes need a PostgreSQL store",
            config->path, (int)MAX(got, 0), pid);
    }
    int length = g_snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (ftruncate(serve->lock_fd, 0) < 0 ||
        pwrite(serve->lock_fd, pid, (size_t)length, 0) != length)
        return fail(error, ERROR_RETRY, "could not write \"%s\": %s", path, g_strerror(errno));
    return true;
}

/* What the cluster has in common, for metrics.push. */
static bool read_cluster(SeriesSet *set, Db *db, void *data, GError **error)
{
    const Serve *serve = data;
    g_autoptr(MetricsState) state = metrics_state_read(db, &serve->settings->roles, error);
    if (state)
        metrics_state_add(set, state);
    return state != NULL;
}

static bool start_node(Serve *serve, GError **error)
{
    const Settings *settings = serve->settings;
    g_autoptr(GArray) rounds = settings_rounds(settings);
    serve->node = node_new(&(NodeConfig){
        .db = serve->db,
        .clock = serve->clock,
        .set = &settings->roles,
        .node_id = settings->node_id,
        .lease_ms = settings->lease_ms,
        .cluster = settings->cluster_name,
        .heartbeat_ms = settings->heartbeat_ms,
        .takeover_ms = settings->takeover_ms,
        .host = g_get_host_name(),
        .version = ROTA_VERSION,
        .pid = getpid(),
        .table = settings->table,
        .rounds = (const Round *)(const void *)rounds->data,
        .round_count = rounds->len,
        .load = serve->load,
        .health = health,
        .reload = reload,
        .wake = wake_from_node,
        .data = serve,
    });
    serve->rounds = g_steal_pointer(&rounds);
    serve->duty = settings->duty;
    serve->duty.push =
        push_wire_new(&(PushWireConfig){.allow_private = settings->push.allow_private,
                                        .ca_file = settings->push.ca_file,
                                        .contact = settings->push.contact,
                                        .seal = &settings->duty.seal});
    const SmtpSettings *smtp = &settings->smtp;
    serve->smtp = (SmtpConfig){.relay = smtp->relay,
                               .user = smtp->user,
                               .secret = smtp->secret,
                               .ca_file = smtp->ca_file,
                               .hello = smtp->hello,
                               .tls = smtp->tls};
    serve->duty.smtp = &serve->smtp;
    serve->duty.time_zone = settings->time_zone;
    serve->metrics_door = (MetricsDoor){.read_cluster = read_cluster,
                                        .data = serve,
                                        .cluster = settings->cluster_name,
                                        .version = ROTA_VERSION};
    serve->duty.metrics_door = &serve->metrics_door;
    serve->lanes = lanes_start(
        &(LanesConfig){settings, serve->clock, serve->node, serve->load, &serve->duty}, error);
    if (!serve->lanes)
        return false;
    /* No lane works before the node's thread runs, so none has looked for the hook yet. */
    bool others = settings->data.db.kind == DB_POSTGRESQL;
    serve->herald = others ? herald_start(&settings->data.db, serve->clock) : NULL;
    task_set_wake_hook(wake_after_commit, serve, others);
    db_set_hearer(hear_commit, serve);
    serve->stepped_us = clock_monotonic_us(serve->clock);
    serve->parts.node = serve->node;
    serve->node_thread = g_thread_new("node", node_thread, serve);
    if (settings->data.db.kind == DB_POSTGRESQL)
        serve->listen_thread = g_thread_new("listen", listen_thread, serve);
    if (metrics_push_is_wanted(settings->duty.metrics_push))
        serve->recorder = recorder_start(
            &(RecorderConfig){settings, serve->clock, serve_metrics_read, &serve->parts});
    return true;
}

static bool start_lmtp(Serve *serve, GError **error)
{
    const LmtpSettings *settings = &serve->settings->lmtp;
    if (!settings->listen || !settings->listen[0])
        return true;
    const char *host = *settings->host_name ? settings->host_name : g_get_host_name();
    const SpamSettings *spam = &serve->settings->spam;
    if (spam->enabled)
        serve->scorer = spam_scorer_new(&(SpamScorerConfig){
            .db = serve->settings->data.db,
            .clock = serve->clock,
            .junk_from = spam->score_spam,
            .min_samples = serve->settings->duty.spam_min_samples,
        });
    serve->postbox = postbox_new(&(PostboxConfig){
        .db = serve->settings->data.db,
        .clock = serve->clock,
        .host_name = host,
        .message_bytes_max = (size_t)settings->message_bytes_max,
        .scorer = serve->scorer,
        .starttls = serve->tls != NULL,
    });
    serve->lmtp = lmtp_server_start(
        &(LmtpServerConfig){
            .listen = (const char *const *)settings->listen,
            .sessions_max = (unsigned)settings->sessions_max,
            .timeout_ms = settings->timeout_ms,
            .house = postbox_house(serve->postbox),
            .relay = tls_keeper_relay(serve->tls),
            .clock = serve->clock,
        },
        error);
    return serve->lmtp != NULL;
}

static bool is_alive(void *data)
{
    return serve_is_alive(data);
}

static bool start_http(Serve *serve, GError **error)
{
    const HttpSettings *http = &serve->settings->http;
    serve->parts.postbox = serve->postbox;
    serve->parts.lmtp = serve->lmtp;
    serve->parts.relay = tls_keeper_relay(serve->tls);
    if (!http->listen[0] && !http->tls_listen[0] && !serve->settings->acme.http_listen[0])
        return true;
    serve->http = serve_http_start(&(ServeHttpConfig){.settings = serve->settings,
                                                      .clock = serve->clock,
                                                      .parts = &serve->parts,
                                                      .relay = tls_keeper_relay(serve->tls),
                                                      .is_alive = is_alive,
                                                      .data = serve},
                                   error);
    return serve->http != NULL;
}

static bool start_tls(Serve *serve, GError **error)
{
    if (!tls_keeper_is_wanted(serve->settings))
        return true;
    serve->tls = tls_keeper_start(serve->settings, serve->clock, error);
    return serve->tls != NULL;
}

Serve *serve_start(const Settings *settings, const Clock *clock, Db *take_db, GError **error)
{
    Serve *serve = g_new0(Serve, 1);
    serve->settings = settings;
    serve->clock = clock;
    serve->db = take_db;
    serve->lock_fd = -1;
    g_mutex_init(&serve->lock);
    g_mutex_init(&serve->http_lock);
    g_cond_init(&serve->changed);
    serve->load = load_new();
    serve->parts.settings = settings;
    serve->parts.clock = clock;
    serve->parts.load = serve->load;
    serve->parts.started_at = clock_wall_ms(clock);
    serve->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MUST(serve->changed_fd >= 0);
    if (lock_store(serve, error) && start_tls(serve, error) && start_lmtp(serve, error) &&
        start_http(serve, error) && start_node(serve, error))
        return serve;
    serve_stop(serve);
    return NULL;
}

/* ---------------------------------------------------------------- life */

int serve_changed_fd(const Serve *serve)
{
    return serve->changed_fd;
}

NodeState serve_state(const Serve *serve)
{
    return node_state(serve->node);
}

bool serve_is_alive(const Serve *serve)
{
    return clock_monotonic_us(serve->clock) - atomic_load(&serve->stepped_us) < STUCK_MS * 1000;
}

char *serve_format_doors(const Serve *serve)
{
    if (!serve->lmtp && !serve->http)
        return g_strdup("no door: lmtp.listen and http.listen are empty");
    g_autofree char *lmtp =
        serve->lmtp ? g_strjoinv(", ", (char **)(uintptr_t)lmtp_server_addresses(serve->lmtp))
                    : NULL;
    g_autofree char *http = serve->http ? serve_http_format(serve->http) : g_strdup("no http");
    return g_strdup_printf("%s%s; %s", lmtp ? "lmtp at " : "no lmtp", lmtp ? lmtp : "", http);
}

void serve_reload(Serve *serve)
{
    node_ask_reload(serve->node);
    wake_node(serve);
}

/* ---------------------------------------------------------------- stop */

/* The node hands over while sessions still end: its work is not theirs. */
static bool stop_threads(Serve *serve)
{
    bool ended = true;
    db_set_hearer(NULL, NULL);
    if (serve->node_thread) {
        node_ask_stop(serve->node);
        lanes_wake(serve->lanes, NULL);
        wake_node(serve);
    }
    recorder_stop(serve->recorder);
    /* First: it tells of what stops below. */
    g_mutex_lock(&serve->http_lock);
    ServeHttp *http = g_steal_pointer(&serve->http);
    g_mutex_unlock(&serve->http_lock);
    if (http)
        ended = serve_http_stop(http, HTTP_GRACE_MS);
    if (serve->lmtp && !lmtp_server_stop(serve->lmtp, LMTP_GRACE_MS))
        ended = false;
    if (serve->node_thread)
        g_thread_join(serve->node_thread);
    g_mutex_lock(&serve->lock);
    serve->ending = true;
    g_cond_broadcast(&serve->changed);
    g_mutex_unlock(&serve->lock);
    if (serve->listen_thread)
        g_thread_join(serve->listen_thread);
    if (serve->lanes && !lanes_stop(serve->lanes, LANES_GRACE_MS))
        ended = false;
    return ended;
}

bool serve_stop(Serve *serve)
{
    if (!stop_threads(serve))
        return false;
    tls_keeper_stop(serve->tls);
    task_set_wake_hook(NULL, NULL, false);
    herald_stop(serve->herald);
    push_wire_free(serve->duty.push);
    postbox_free(serve->postbox);
    spam_scorer_free(serve->scorer);
    node_free(serve->node);
    load_free(serve->load);
    if (serve->rounds)
        g_array_unref(serve->rounds);
    db_close(serve->db);
    if (serve->lock_fd >= 0)
        close(serve->lock_fd);
    close(serve->changed_fd);
    g_mutex_clear(&serve->lock);
    g_mutex_clear(&serve->http_lock);
    g_cond_clear(&serve->changed);
    g_free(serve->reload_error);
    g_free(serve);
    return true;
}
