/* herald: a thread that sends wake-ups to other nodes.
 *
 * How it fits: task_wake's hook (serve.c) tells it, after a commit; other nodes' listeners hear.
 * Shared is the set of words, under the lock; the handle is the thread's own, opened when there is
 * first something to say.
 *
 * Failures: a store that is away: what was to be said is dropped, for whoever should hear it is
 * away from the store too, and polls when it comes back. Known weak point: the first word goes out
 * a thread's switch after the commit.
 */
#include "app/herald.h"

#include "base/error.h"
#include "base/log.h"
#include "roster/task.h"

#define GAP_MS    20   /* between notices: what a wake-up may be late when many come */
#define DOWN_MS   1000 /* after a failure */
#define EVERYBODY ""   /* the word for all roles */

struct Herald {
    const DbConfig *config;
    const Clock *clock;
    GThread *thread;
    GMutex lock;
    GCond changed;
    GPtrArray *words; /* of char *, each once; under lock */
    bool ending;      /* under lock */
};

/* Waits until there is something to say, and takes it; NULL: it shall end. */
static GPtrArray *take_words(Herald *herald)
{
    g_mutex_lock(&herald->lock);
    while (!herald->ending && herald->words->len == 0)
        g_cond_wait(&herald->changed, &herald->lock);
    GPtrArray *words = NULL;
    if (herald->words->len > 0) {
        words = herald->words;
        herald->words = g_ptr_array_new_with_free_func(g_free);
    }
    g_mutex_unlock(&herald->lock);
    return words;
}

static void pause_herald(Herald *herald, int64_t ms)
{
    int64_t until = clock_monotonic_us(herald->clock) + ms * 1000;
    g_mutex_lock(&herald->lock);
    while (!herald->ending && g_cond_wait_until(&herald->changed, &herald->lock, until))
        continue;
    g_mutex_unlock(&herald->lock);
}

/* Lazy, since nothing is to be kept. An unknown outcome is as good as done. */
static bool send_words(Db *db, const GPtrArray *words, GError **error)
{
    if (!db_begin(db, DB_WRITE_LAZY, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    for (unsigned i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        if (!task_notify(db, *word ? word : NULL, error))
            return false;
    }
    return db_commit(db, error) != DB_NOT_DONE;
}

static gpointer run(gpointer data)
{
    Herald *herald = data;
    g_autoptr(Db) db = NULL;
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) words = take_words(herald);
        if (!words)
            return NULL;
        if (!db)
            db = db_open(herald->config, &error);
        bool sent = db && send_words(db, words, &error);
        if (!sent)
            log_event(LOG_LEVEL_DEBUG, "serve.herald", "other nodes are not woken: %s",
                      error ? error->message : "");
        pause_herald(herald, sent ? GAP_MS : DOWN_MS);
    }
}

Herald *herald_start(const DbConfig *db, const Clock *clock)
{
    Herald *herald = g_new0(Herald, 1);
    herald->config = db;
    herald->clock = clock;
    herald->words = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&herald->lock);
    g_cond_init(&herald->changed);
    herald->thread = g_thread_new("herald", run, herald);
    return herald;
}

void herald_tell(Herald *herald, const char *role)
{
    g_mutex_lock(&herald->lock);
    const char *word = role ? role : EVERYBODY;
    if (!g_ptr_array_find_with_equal_func(herald->words, word, g_str_equal, NULL)) {
        g_ptr_array_add(herald->words, g_strdup(word));
        g_cond_broadcast(&herald->changed);
    }
    g_mutex_unlock(&herald->lock);
}

void herald_stop(Herald *herald)
{
    if (!herald)
        return;
    g_mutex_lock(&herald->lock);
    herald->ending = true;
    g_cond_broadcast(&herald->changed);
    g_mutex_unlock(&herald->lock);
    g_thread_join(herald->thread);
    g_ptr_array_unref(herald->words);
    g_mutex_clear(&herald->lock);
    g_cond_clear(&herald->changed);
    g_free(herald);
}
