/* http_book: who is connected, and until when each may take for its step.
 *
 * How it fits: http_server.c writes a connection in before libmicrohttpd gets it, and out just
 * before its descriptor is closed; so a descriptor in the book is that connection's, and may be
 * shut down from another thread. The library sees the shut-down as a client that has left. Its own
 * time-out is of silence, which a client that sends a byte a second never meets; these are of whole
 * steps.
 *
 * Failures: none. Known weak point: a sweep looks at every connection, once a second.
 */
#include <sys/socket.h>

#include "app/http_server_private.h"

typedef struct {
    char *peer;
    int64_t until_us;
    bool busy, hung_up;
    bool secure;
} Entry;

struct HttpBook {
    unsigned connections_max, address_max;
    GMutex lock;
    GHashTable *entries;   /* fd to Entry; under lock */
    GHashTable *addresses; /* peer to count; under lock */
};

static void entry_free(void *data)
{
    Entry *entry = data;
    g_free(entry->peer);
    g_free(entry);
}

HttpBook *http_book_new(unsigned connections_max, unsigned address_max)
{
    HttpBook *book = g_new0(HttpBook, 1);
    book->connections_max = connections_max;
    book->address_max = address_max;
    g_mutex_init(&book->lock);
    book->entries = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
    book->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return book;
}

void http_book_free(HttpBook *book)
{
    if (!book)
        return;
    g_hash_table_unref(book->entries);
    g_hash_table_unref(book->addresses);
    g_mutex_clear(&book->lock);
    g_free(book);
}

static void count_address(HttpBook *book, const char *peer, int delta)
{
    int count = GPOINTER_TO_INT(g_hash_table_lookup(book->addresses, peer)) + delta;
    if (count > 0)
        g_hash_table_insert(book->addresses, g_strdup(peer), GINT_TO_POINTER(count));
    else
        g_hash_table_remove(book->addresses, peer);
}

static void take_out(HttpBook *book, int fd)
{
    const Entry *entry = g_hash_table_lookup(book->entries, GINT_TO_POINTER(fd));
    if (!entry)
        return;
    count_address(book, entry->peer, -1);
    g_hash_table_remove(book->entries, GINT_TO_POINTER(fd));
}

HttpBookEntry http_book_add(HttpBook *book, int fd, const char *peer, int64_t until_us)
{
    g_mutex_lock(&book->lock);
    /* One that the library could not take in was closed without a word: its number is this one's
     * now. */
    take_out(book, fd);
    unsigned of_address = GPOINTER_TO_UINT(g_hash_table_lookup(book->addresses, peer));
    HttpBookEntry result = HTTP_BOOK_TAKEN;
    if (g_hash_table_size(book->entries) >= book->connections_max)
        result = HTTP_BOOK_FULL;
    else if (*peer && of_address >= book->address_max)
        result = HTTP_BOOK_ADDRESS_FULL;
    if (result == HTTP_BOOK_TAKEN) {
        Entry *entry = g_new0(Entry, 1);
        entry->peer = g_strdup(peer);
        entry->until_us = until_us;
        g_hash_table_insert(book->entries, GINT_TO_POINTER(fd), entry);
        count_address(book, peer, 1);
    }
    g_mutex_unlock(&book->lock);
    return result;
}

void http_book_secure(HttpBook *book, int fd)
{
    g_mutex_lock(&book->lock);
    Entry *entry = g_hash_table_lookup(book->entries, GINT_TO_POINTER(fd));
    if (entry)
        entry->secure = true;
    g_mutex_unlock(&book->lock);
}

bool http_book_is_secure(HttpBook *book, int fd)
{
    g_mutex_lock(&book->lock);
    const Entry *entry = g_hash_table_lookup(book->entries, GINT_TO_POINTER(fd));
    bool secure = entry && entry->secure;
    g_mutex_unlock(&book->lock);
    return secure;
}

void http_book_remove(HttpBook *book, int fd)
{
    g_mutex_lock(&book->lock);
    take_out(book, fd);
    g_mutex_unlock(&book->lock);
}

unsigned http_book_count(HttpBook *book)
{
    g_mutex_lock(&book->lock);
    unsigned count = g_hash_table_size(book->entries);
    g_mutex_unlock(&book->lock);
    return count;
}

void http_book_set(HttpBook *book, int fd, int64_t until_us, bool busy)
{
    g_mutex_lock(&book->lock);
    Entry *entry = g_hash_table_lookup(book->entries, GINT_TO_POINTER(fd));
    if (entry) {
        entry->until_us = until_us;
        entry->busy = busy;
    }
    g_mutex_unlock(&book->lock);
}

unsigned http_book_sweep(HttpBook *book, int64_t now_us, bool idle)
{
    GHashTableIter iter;
    gpointer key, value;
    g_mutex_lock(&book->lock);
    g_hash_table_iter_init(&iter, book->entries);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        Entry *entry = value;
        if (!entry->hung_up && (entry->until_us <= now_us || (idle && !entry->busy))) {
            shutdown(GPOINTER_TO_INT(key), SHUT_RDWR);
            entry->hung_up = true;
        }
    }
    unsigned left = g_hash_table_size(book->entries);
    g_mutex_unlock(&book->lock);
    return left;
}
