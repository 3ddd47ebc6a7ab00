/* http_work: the threads that answer what needs the store.
 *
 * How it fits: an event thread of http_server.c suspends the connection and puts the exchange here;
 * a worker runs its route with a handle of its own and resumes the connection, whose event thread
 * sends the answer.
 *
 * Failures: a store that cannot be opened is the answer 503, and the next request tries again
 * (db/connect_pause.h bounds how often). Known weak point: a statement that hangs holds its worker
 * for as long as the handle allows it.
 */
#include "base/error.h"
#include "base/limits_http.h"
#include "base/must.h"

#include "app/http_server_private.h"

struct HttpWork {
    DbConfig db;
    GMutex lock;
    GCond changed;
    GQueue waiting;   /* of HttpExchange; under lock, as all below */
    unsigned running; /* exchanges */
    unsigned threads; /* that live */
    bool ending;
};

static void run_exchange(HttpWork *work, HttpExchange *exchange, Db **db)
{
    g_autoptr(GError) error = NULL;
    if (!*db)
        *db = db_open(&work->db, &error);
    bool may_run = *db || http_call_store(exchange->call) != HTTP_STORE_NEEDED;
    if (!may_run)
        http_answer_error(&exchange->answer, error);
    else if (!exchange->admitting)
        http_call_run(exchange->call, *db);
    bool admitted = may_run && exchange->admitting && http_call_admit(exchange->call, *db);
    exchange->ran = !admitted;
    exchange->awaits = admitted;
    exchange->admitting = false;
    /* From here it is the event thread's again. */
    http_exchange_resume(exchange);
}

static gpointer worker_thread(gpointer data)
{
    HttpWork *work = data;
    Db *db = NULL;
    g_mutex_lock(&work->lock);
    for (;;) {
        while (!work->ending && g_queue_is_empty(&work->waiting))
            g_cond_wait(&work->changed, &work->lock);
        HttpExchange *exchange = g_queue_pop_head(&work->waiting);
        if (!exchange)
            break;
        work->running++;
        g_mutex_unlock(&work->lock);
        run_exchange(work, exchange, &db);
        g_mutex_lock(&work->lock);
        work->running--;
    }
    g_mutex_unlock(&work->lock);
    if (db)
        db_close(db);
    g_mutex_lock(&work->lock);
    work->threads--;
    g_cond_broadcast(&work->changed);
    g_mutex_unlock(&work->lock);
    return NULL;
}

HttpWork *http_work_start(const DbConfig *db, unsigned workers)
{
    HttpWork *work = g_new0(HttpWork, 1);
    work->db = *db;
    g_mutex_init(&work->lock);
    g_cond_init(&work->changed);
    g_queue_init(&work->waiting);
    work->threads = workers;
    for (unsigned i = 0; i < workers; i++)
        g_thread_unref(g_thread_new("http-work", worker_thread, work));
    return work;
}

bool http_work_put(HttpWork *work, HttpExchange *exchange)
{
    g_mutex_lock(&work->lock);
    bool room = !work->ending && g_queue_get_length(&work->waiting) < HTTP_QUEUE_MAX;
    if (room) {
        MHD_suspend_connection(exchange->connection);
        g_queue_push_tail(&work->waiting, exchange);
        g_cond_broadcast(&work->changed);
    }
    g_mutex_unlock(&work->lock);
    return room;
}

bool http_work_stop(HttpWork *work, int64_t until_us)
{
    g_mutex_lock(&work->lock);
    work->ending = true;
    g_cond_broadcast(&work->changed);
    while (work->threads > 0 && g_cond_wait_until(&work->changed, &work->lock, until_us))
        continue;
    bool ended = work->threads == 0;
    g_mutex_unlock(&work->lock);
    if (!ended)
        return false;
    g_mutex_clear(&work->lock);
    g_cond_clear(&work->changed);
    g_free(work);
    return true;
}
