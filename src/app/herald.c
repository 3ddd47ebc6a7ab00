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

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "roster/task.h"

#define GAP_MS    20        /* between notices: what a wake-up may be late when many come */
#define DOWN_MS   1000      /* after a failure */
#define EVERYBODY ""        /* the word for all roles */
#define TOPICS    "topics " /* what a word of topics begins with; spaces between */
/* PostgreSQL bears 8,000 */
#define WORD_BYTES_MAX 7000
/* that wait; beyond, they are lost, and heard of by a poll */
#define TOPICS_MAX 10000

struct Herald {
    const DbConfig *config;
    const Clock *clock;
    GThread *thread;
    GMutex lock;
    GCond changed;
    GPtrArray *words;   /* of char *, each once; under lock */
    GHashTable *topics; /* set of char *; under lock */
    bool ending;        /* under lock */
};

/* The topics as words, as many to each as fit. */
static void take_topics(Herald *herald, GPtrArray *words)
{
    g_autoptr(GString) word = g_string_new(TOPICS);
    GHashTableIter iter;
    gpointer topic;
    g_hash_table_iter_init(&iter, herald->topics);
    while (g_hash_table_iter_next(&iter, &topic, NULL)) {
        if (word->len + strlen(topic) > WORD_BYTES_MAX) {
            g_ptr_array_add(words, g_strdup(word->str));
            g_string_assign(word, TOPICS);
        }
        g_string_append(word, topic);
        g_string_append_c(word, ' ');
    }
    if (word->len > strlen(TOPICS))
        g_ptr_array_add(words, g_strdup(word->str));
    g_hash_table_remove_all(herald->topics);
}

/* Waits until there is something to say, and takes it; NULL: it shall end. */
static GPtrArray *take_words(Herald *herald)
{
    g_mutex_lock(&herald->lock);
    while (!herald->ending && herald->words->len == 0 && g_hash_table_size(herald->topics) == 0)
        g_cond_wait(&herald->changed, &herald->lock);
    GPtrArray *words = NULL;
    take_topics(herald, herald->words);
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
    herald->topics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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

void herald_tell_topic(Herald *herald, const char *topic)
{
    g_mutex_lock(&herald->lock);
    if (g_hash_table_size(herald->topics) < TOPICS_MAX &&
        g_hash_table_add(herald->topics, g_strdup(topic)))
        g_cond_broadcast(&herald->changed);
    g_mutex_unlock(&herald->lock);
}

bool herald_read_topics(const char *word, void (*each)(const char *topic, void *data), void *data)
{
    if (!g_str_has_prefix(word, TOPICS))
        return false;
    g_auto(GStrv) topics = g_strsplit(word + strlen(TOPICS), " ", -1);
    for (char **topic = topics; *topic; topic++)
        if (**topic)
            each(*topic, data);
    return true;
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
    g_hash_table_unref(herald->topics);
    g_mutex_clear(&herald->lock);
    g_cond_clear(&herald->changed);
    g_free(herald);
}
