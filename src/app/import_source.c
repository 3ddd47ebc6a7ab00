/* import_source: reads mail files ahead of those who take it in.
 *
 * How it fits: app/import_walk finds, this reads (Maildir, mbox, single messages), app/intake takes
 * messages by import_source_next. Reading is one thread's, in order, so that equal messages are
 * counted in the same order in each run.
 *
 * Failures: what cannot be read or is too large is told to the config's problem, and the rest goes
 * on. Known weak points: the table of what was seen grows by some 40 bytes with each message; a
 * tree that changes between two runs may count equal messages in another order, which takes one of
 * them a second time only if there are more of them than before.
 */
#include "app/import_source.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "content/maildir_name.h"
#include "model/email.h"

#include "app/import_walk.h"

#define READ_BYTES         (256 * 1024)
#define IMPORT_AHEAD_BYTES (8 * 1024 * 1024) /* and the one message that goes over */
#define IMPORT_AHEAD_ITEMS 500

struct ImportSource {
    ImportSourceConfig config;
    GThread *thread;
    GHashTable *seen; /* the thread's: of a hash of mailbox and bytes, how many there were */
    int64_t done;     /* the thread's: bytes of the files before this one */
    GMutex lock;
    /* shared, under lock */
    GCond changed;
    GQueue ready; /* of IntakeItem */
    size_t bytes; /* in them */
    int64_t read;
    bool ended;   /* all was read */
    bool stopped; /* nobody wants more */
};

/* ---- the queue */

static void item_free(gpointer data)
{
    IntakeItem *item = data;
    g_free(item->path);
    g_free(item->folder);
    g_free(item->keywords);
    if (item->bytes)
        g_bytes_unref(item->bytes);
    g_free(item);
}

/* False: nobody wants more. Takes the item. */
static bool put(ImportSource *source, IntakeItem *item, int64_t read)
{
    g_mutex_lock(&source->lock);
    while (!source->stopped &&
           (source->ready.length >= IMPORT_AHEAD_ITEMS || source->bytes >= IMPORT_AHEAD_BYTES))
        g_cond_wait(&source->changed, &source->lock);
    bool stopped = source->stopped;
    if (!stopped) {
        g_queue_push_tail(&source->ready, item);
        source->bytes += g_bytes_get_size(item->bytes);
        source->read = source->done + read;
        g_cond_broadcast(&source->changed);
    }
    g_mutex_unlock(&source->lock);
    if (stopped)
        item_free(item);
    return !stopped;
}

bool import_source_next(ImportSource *source, IntakeItem *ret_item)
{
    g_mutex_lock(&source->lock);
    while (!source->ready.length && !source->ended)
        g_cond_wait(&source->changed, &source->lock);
    IntakeItem *item = g_queue_pop_head(&source->ready);
    if (item) {
        source->bytes -= g_bytes_get_size(item->bytes);
        g_cond_broadcast(&source->changed);
    }
    g_mutex_unlock(&source->lock);
    if (!item)
        return false;
    *ret_item = *item;
    g_free(item);
    return true;
}

int64_t import_source_read(ImportSource *source)
{
    g_mutex_lock(&source->lock);
    int64_t read = source->read;
    g_mutex_unlock(&source->lock);
    return read;
}

/* ---- marks */

/* One name for one mailbox: the inbox has several. */
static const char *folder_name(const IntakeItem *item)
{
    return item->folder && g_ascii_strcasecmp(item->folder, "inbox") != 0 ? item->folder : "";
}

/* Which of the equal ones of its mailbox it is. */
static uint64_t number_of(ImportSource *source, const IntakeItem *item)
{
    gsize size;
    const void *bytes = g_bytes_get_data(item->bytes, &size);
    const char *folder = folder_name(item);
    uint64_t hash = hash64(bytes, size) ^ hash64(folder, strlen(folder));
    gpointer key = GSIZE_TO_POINTER((gsize)hash);
    gsize number = GPOINTER_TO_SIZE(g_hash_table_lookup(source->seen, key));
    g_hash_table_insert(source->seen, key, GSIZE_TO_POINTER(number + 1));
    return number;
}

char *import_source_key(const IntakeItem *item, const Letter *letter)
{
    g_autofree char *digest = digest_format(&letter->blob->digest),
                    *text =
                        g_strdup_printf("%" PRIu64 "/%s/%s", item->tag, digest, folder_name(item));
    Digest mark = digest_of(text, strlen(text));
    return digest_format(&mark);
}

/* ---- one message in a file */

static void add_problem(const ImportSource *source, const char *place, const char *text)
{
    source->config.problem(place, text, source->config.data);
}

static void add_too_large(const ImportSource *source, const char *place, int64_t size)
{
    g_autofree char *text = g_strdup_printf("has %" PRId64 " bytes, more than "
                                            "lmtp.max-message-size (%zu) lets in",
                                            size, source->config.bytes_max);
    add_problem(source, place, text);
}

/* Gives one message to the queue; takes all but `item` itself, which is copied. */
static bool give(ImportSource *source, IntakeItem item, int64_t read)
{
    item.account = source->config.account;
    item.date_until = source->config.now;
    item.tag = number_of(source, &item);
    return put(source, g_memdup2(&item, sizeof item), read);
}

/* The list of a Maildir name's flags; what is no keyword here is left out. */
static char *keywords_of(const Source *file)
{
    char *keywords = g_strdup("");
    for (const char *flag = file->keywords ? maildir_flags(file->name) : ""; *flag; flag++) {
        const char *keyword = maildir_keyword(*flag, file->keywords);
        char *more = keyword ? keywords_set(keywords, keyword, true, NULL) : NULL;
        if (!more)
            continue;
        g_free(keywords);
        keywords = more;
    }
    return keywords;
}

/* When a message came: a Maildir's name says it, and so does the file's time; a copy is younger
 * than its name, and a message that was filed with its old date is older. Not in the future. */
static int64_t time_of(const ImportSource *source, const Source *file)
{
    int64_t named = file->kind == SOURCE_MAILDIR ? maildir_time(file->name) : 0;
    int64_t when = named && named + 999 < file->modified_at ? named : MAX(file->modified_at, 0);
    return MIN(when, source->config.now);
}

/* The whole file; NULL, and a problem. */
static GBytes *read_whole(const ImportSource *source, const Source *file, int descriptor)
{
    size_t most = source->config.bytes_max, size = 0;
    size_t room = (size_t)CLAMP(file->size, 0, (int64_t)most) + 1;
    g_autofree char *bytes = g_malloc(room);
    for (;;) {
        ssize_t got = read(descriptor, bytes + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            add_problem(source, file->place, g_strerror(errno));
            return NULL;
        }
        size += (size_t)got;
        if (got == 0)
            break;
        if (size > most) {
            add_too_large(source, file->place, MAX(file->size, (int64_t)size));
            return NULL;
        }
        if (size == room)
            bytes = g_realloc(bytes, room = MIN(room * 2, most + 1));
    }
    if (size == 0) {
        add_problem(source, file->place, "is empty");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), size);
}

static bool take_message(ImportSource *source, const Source *file, int descriptor)
{
    GBytes *bytes = read_whole(source, file, descriptor);
    IntakeItem item = {.bytes = bytes, .received_at = time_of(source, file)};
    if (!bytes)
        return true;
    item.path = g_strdup(file->place);
    item.folder = g_strdup(file->folder);
    item.keywords = keywords_of(file);
    return give(source, item, file->size);
}

/* ---- many messages in a file */

static bool take_mbox_message(ImportSource *source, const Source *file, const MboxMessage *message)
{
    g_autofree char *place = g_strdup_printf("%s, at byte %" PRId64, file->place, message->offset);
    if (message->cut)
        add_too_large(source, place, message->size);
    else if (message->size == 0)
        add_problem(source, place, "is empty");
    if (message->cut || message->size == 0)
        return true;
    IntakeItem item = {.bytes = g_bytes_new(message->bytes->str, message->bytes->len),
                       .path = g_steal_pointer(&place),
                       .folder = g_strdup(file->mbox_folder),
                       .keywords = mbox_keywords(message->bytes->str, message->bytes->len),
                       .received_at = CLAMP(message->received_at, 0, source->config.now)};
    return give(source, item, message->offset);
}

static bool take_mbox(ImportSource *source, const Source *file, int descriptor)
{
    g_autoptr(Mbox) mbox = mbox_new(source->config.quoting, source->config.bytes_max);
    g_autofree char *buffer = g_malloc(READ_BYTES);
    for (;;) {
        ssize_t got = read(descriptor, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            add_problem(source, file->place, g_strerror(errno));
        mbox_feed(mbox, buffer, (size_t)MAX(got, 0));
        for (MboxMessage message; mbox_next(mbox, got <= 0, &message);)
            if (!take_mbox_message(source, file, &message))
                return false;
        if (got <= 0)
            return true;
    }
}

/* ---- a file */

/* "Subject: ", "Return-Path:": a file that begins so is a message. */
static bool is_message(const char *bytes, size_t size)
{
    size_t name = 0;
    while (name < size && bytes[name] > 0x20 && bytes[name] < 0x7f && bytes[name] != ':')
        name++;
    return name > 0 && name < size && bytes[name] == ':';
}

static bool has_ending(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    return size > end && g_ascii_strcasecmp(name + size - end, ending) == 0;
}

static bool take_open_file(ImportSource *source, const Source *file, int descriptor)
{
    if (file->kind == SOURCE_MAILDIR || has_ending(file->name, ".eml"))
        return take_message(source, file, descriptor);
    if (has_ending(file->name, ".ics")) {
        add_problem(source, file->place, "calendars are not taken yet");
        return true;
    }
    char start[128];
    ssize_t got = pread(descriptor, start, sizeof start, 0);
    if (got < 0)
        add_problem(source, file->place, g_strerror(errno));
    else if (mbox_is(start, (size_t)got))
        return take_mbox(source, file, descriptor);
    else if (file->kind == SOURCE_LISTED)
        source->config.passed_over(file->place, source->config.data);
    else if (is_message(start, (size_t)got))
        return take_message(source, file, descriptor);
    else
        add_problem(source, file->place, got ? "is neither a message nor an mbox" : "is empty");
    return true;
}

static bool take(const Source *file, void *data, GError **error)
{
    ImportSource *source = data;
    if (file->kind == SOURCE_FOLDER)
        return true;
    const char *why;
    int descriptor = source_open(file, &why);
    bool good = true;
    if (descriptor < 0) {
        add_problem(source, file->place, why);
    } else {
        good = take_open_file(source, file, descriptor);
        close(descriptor);
    }
    source->done += file->size;
    return good || fail(error, ERROR_STOPPED, "nobody wants more");
}

/* ---- the thread */

static gpointer read_all(gpointer data)
{
    ImportSource *source = data;
    WalkVisitor visitor = {take, source->config.problem, source, source->config.data};
    import_walk(source->config.paths, source->config.count, source->config.folder, &visitor, NULL);
    g_mutex_lock(&source->lock);
    source->ended = true;
    g_cond_broadcast(&source->changed);
    g_mutex_unlock(&source->lock);
    return NULL;
}

ImportSource *import_source_new(const ImportSourceConfig *config)
{
    ImportSource *source = g_new0(ImportSource, 1);
    source->config = *config;
    source->seen = g_hash_table_new(NULL, NULL);
    g_queue_init(&source->ready);
    g_mutex_init(&source->lock);
    g_cond_init(&source->changed);
    source->thread = g_thread_new("import", read_all, source);
    return source;
}

void import_source_free(ImportSource *source)
{
    if (!source)
        return;
    g_mutex_lock(&source->lock);
    source->stopped = true;
    g_cond_broadcast(&source->changed);
    g_mutex_unlock(&source->lock);
    g_thread_join(source->thread);
    g_queue_clear_full(&source->ready, item_free);
    g_hash_table_unref(source->seen);
    g_mutex_clear(&source->lock);
    g_cond_clear(&source->changed);
    g_free(source);
}
