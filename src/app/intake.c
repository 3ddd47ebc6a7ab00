/* intake: the pipeline from a source of messages to the store.
 *
 * How it fits: `rota import` and benches/index_bench give it a source. Each thread at the edge
 * takes a number and a message from the source, reads, parses and compresses it, and puts it into
 * the slot of its number; the calling thread takes the slots in order, fills a batch, and lets
 * model/deliver commit it. While one batch is made durable the next ones are made ready.
 *
 *   next → [edge: read, letter_new, key] → slot n → [caller: deliver_many] → done
 *
 * Two locks, never the second one first: `source` (who asks the source, so that numbers are in its
 * order), then `lock` (slots and counts). Neither is held while something is read or delivered.
 *
 * Failures: a message that cannot be read, or that the store refuses, is told to `done` and costs
 * no other. Of a batch whose outcome is unknown, or that the store could not take now, the open
 * ones are tried again with the same keys; those that had been stored come back as
 * DELIVER_DUPLICATE. Weak point: the bytes in memory are counted once a message has been read, so
 * that each thread may exceed the limit by one message.
 */
#include "app/intake.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"

#define INTAKE_THREADS_MAX 64
#define INTAKE_TRIES       3 /* of a batch; the store has waited for other writers in each */

typedef struct {
    IntakeItem item;
    Letter *letter; /* NULL: `error` says why it could not be read */
    char *key;
    GError *error;
    size_t bytes;
    bool ready;
} Slot;

typedef struct {
    const IntakeConfig *config;
    GMutex source; /* held by who asks the source */
    GMutex lock;
    /* shared, under lock */
    GCond filled, emptied;
    uint64_t taken;   /* messages that the source gave: the next number */
    uint64_t written; /* slots that the writer has emptied */
    unsigned ready;   /* slots that are filled and not emptied */
    size_t bytes;     /* of the messages in them */
    bool ended;       /* the source has no more, or nobody wants more */
    /* a slot belongs to its edge thread until it is ready, then to the writer */
    Slot slots[INTAKE_SLOTS];
} Intake;

static void item_clear(IntakeItem *item)
{
    g_free(item->path);
    g_clear_pointer(&item->bytes, g_bytes_unref);
    g_free(item->folder);
    g_free(item->keywords);
    *item = (IntakeItem){0};
}

static void slot_clear(Slot *slot)
{
    item_clear(&slot->item);
    letter_free(slot->letter);
    g_free(slot->key);
    g_clear_error(&slot->error);
    *slot = (Slot){0};
}

/* Whether the writer should look: a batch is there, or no more will come. */
static bool is_enough(const Intake *intake)
{
    return intake->ready >= DELIVER_BATCH_MAX || intake->bytes >= INTAKE_BYTES_MAX / 2 ||
           (intake->ended && intake->ready == intake->taken - intake->written);
}

/* ---------------------------------------------------------------- the edge */

/* The slot of the next message; NULL: there is none. */
static Slot *slot_take(Intake *intake)
{
    g_mutex_lock(&intake->source);
    g_mutex_lock(&intake->lock);
    while (!intake->ended &&
           (intake->taken - intake->written >= INTAKE_SLOTS || intake->bytes >= INTAKE_BYTES_MAX))
        g_cond_wait(&intake->emptied, &intake->lock);
    bool ended = intake->ended;
    Slot *slot = &intake->slots[intake->taken % INTAKE_SLOTS];
    g_mutex_unlock(&intake->lock);

    bool got = !ended && intake->config->next(&slot->item, intake->config->data);

    g_mutex_lock(&intake->lock);
    if (got)
        intake->taken++;
    else
        intake->ended = true;
    if (is_enough(intake))
        g_cond_signal(&intake->filled);
    g_mutex_unlock(&intake->lock);
    g_mutex_unlock(&intake->source);
    return got ? slot : NULL;
}

static GBytes *read_file(const char *path, GError **error)
{
    struct stat info;
    g_autoptr(GError) why = NULL;
    g_autofree char *bytes = NULL;
    gsize size = 0;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        fail(error, ERROR_REJECT, "could not read \"%s\": it is not a file", path);
    else if (info.st_size > MESSAGE_BYTES_MAX)
        fail(error, ERROR_REJECT, "could not read \"%s\": it is larger than %d MB", path,
             MESSAGE_BYTES_MAX >> 20);
    else if (!g_file_get_contents(path, &bytes, &size, &why))
        fail(error, ERROR_REJECT, "could not read \"%s\": %s", path, why->message);
    else
        return g_bytes_new_take(g_steal_pointer(&bytes), size);
    return NULL;
}

static void slot_fill(const IntakeConfig *config, Slot *slot)
{
    IntakeItem *item = &slot->item;
    if (!item->bytes)
        item->bytes = read_file(item->path, &slot->error);
    if (!item->bytes)
        return;
    const void *bytes = g_bytes_get_data(item->bytes, &slot->bytes);
    slot->letter = letter_new(bytes, slot->bytes);
    slot->key = config->key(item, slot->letter, config->data);
    g_clear_pointer(&item->bytes, g_bytes_unref);
}

static gpointer edge_thread(gpointer data)
{
    Intake *intake = data;
    for (Slot *slot; (slot = slot_take(intake));) {
        slot_fill(intake->config, slot);
        g_mutex_lock(&intake->lock);
        slot->ready = true;
        intake->ready++;
        intake->bytes += slot->bytes;
        if (is_enough(intake))
            g_cond_signal(&intake->filled);
        g_mutex_unlock(&intake->lock);
    }
    return NULL;
}

/* ---------------------------------------------------------------- the writer */

/* The next slots in order, ready: a whole batch, or less where the bytes are many or the source is
 * at its end. 0: that was all. */
static unsigned batch_take(Intake *intake, Slot **batch)
{
    unsigned count = 0;
    g_mutex_lock(&intake->lock);
    for (;;) {
        while (count < MIN(intake->ready, DELIVER_BATCH_MAX)) {
            Slot *slot = &intake->slots[(intake->written + count) % INTAKE_SLOTS];
            if (!slot->ready)
                break;
            batch[count++] = slot;
        }
        bool all = intake->ended && intake->taken == intake->written;
        if (all || (count > 0 && is_enough(intake)))
            break;
        g_cond_wait(&intake->filled, &intake->lock);
    }
    g_mutex_unlock(&intake->lock);
    return count;
}

static void batch_give_back(Intake *intake, Slot **batch, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += batch[i]->bytes;
        slot_clear(batch[i]);
    }
    g_mutex_lock(&intake->lock);
    intake->written += count;
    intake->ready -= count;
    intake->bytes -= bytes;
    g_cond_broadcast(&intake->emptied);
    g_mutex_unlock(&intake->lock);
}

static bool is_open(const Delivered *delivered)
{
    return delivered->result == DELIVER_RETRY || delivered->result == DELIVER_UNKNOWN;
}

static int64_t received_of(const Slot *slot)
{
    int64_t date = slot->letter->message->date_ms;
    if (slot->item.received_at || date <= 0 || date > slot->item.date_until)
        return slot->item.received_at;
    return date;
}

/* Delivers those that are open. False: the store could not say of all what became of them. */
static bool deliver_open(Db *db, Slot **batch, unsigned count, Delivered *delivered, GError **error)
{
    Delivery deliveries[DELIVER_BATCH_MAX];
    Delivered results[DELIVER_BATCH_MAX];
    unsigned places[DELIVER_BATCH_MAX], open = 0;
    for (unsigned i = 0; i < count; i++) {
        const Slot *slot = batch[i];
        if (!slot->letter || !is_open(&delivered[i]))
            continue;
        deliveries[open] = (Delivery){.letter = slot->letter,
                                      .account = slot->item.account,
                                      .folder = slot->item.folder,
                                      .make_folder = slot->item.folder != NULL,
                                      .key = slot->key,
                                      .import = true,
                                      .keywords = slot->item.keywords,
                                      .received_at = received_of(slot)};
        places[open++] = i;
    }
    bool good = deliver_many(db, deliveries, open, results, error);
    for (unsigned k = 0; k < open; k++)
        delivered[places[k]] = results[k];
    return good;
}

/* False: the store is out of reach. *ret_refused is why it did not take single messages, or NULL.
 */
static bool batch_deliver(Db *db, Slot **batch, unsigned count, Delivered *delivered,
                          GError **ret_refused, GError **error)
{
    g_autoptr(GError) why = NULL;
    for (unsigned i = 0; i < count; i++)
        delivered[i] = (Delivered){.result = DELIVER_RETRY};
    for (unsigned tries = 0; tries < INTAKE_TRIES; tries++) {
        g_clear_error(&why);
        if (deliver_open(db, batch, count, delivered, &why))
            return true;
    }
    bool refused = error_kind(why) != ERROR_RETRY && error_kind(why) != ERROR_UNKNOWN;
    g_propagate_error(refused ? ret_refused : error, g_steal_pointer(&why));
    return refused;
}

static bool batch_tell(const IntakeConfig *config, Slot **batch, unsigned count,
                       const Delivered *delivered, const GError *refused)
{
    for (unsigned i = 0; i < count; i++) {
        const Slot *slot = batch[i];
        const GError *why = is_open(&delivered[i]) ? refused : NULL;
        bool on = slot->letter ? config->done(&slot->item, &delivered[i], why, config->data)
                               : config->done(&slot->item, NULL, slot->error, config->data);
        if (!on)
            return false;
    }
    return true;
}

static bool write_all(Intake *intake, GError **error)
{
    const IntakeConfig *config = intake->config;
    Slot *batch[DELIVER_BATCH_MAX];
    Delivered delivered[DELIVER_BATCH_MAX];
    for (unsigned count; (count = batch_take(intake, batch)) > 0;) {
        g_autoptr(GError) refused = NULL;
        bool good = batch_deliver(config->db, batch, count, delivered, &refused, error);
        if (good && !batch_tell(config, batch, count, delivered, refused))
            good = fail(error, ERROR_STOPPED, "the intake was stopped");
        batch_give_back(intake, batch, count);
        if (!good)
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the whole */

static void intake_end(Intake *intake, GThread **threads, unsigned count)
{
    g_mutex_lock(&intake->lock);
    intake->ended = true;
    g_cond_broadcast(&intake->emptied);
    g_mutex_unlock(&intake->lock);
    for (unsigned i = 0; i < count; i++)
        g_thread_join(threads[i]);
    for (unsigned i = 0; i < INTAKE_SLOTS; i++)
        slot_clear(&intake->slots[i]);
    g_mutex_clear(&intake->source);
    g_mutex_clear(&intake->lock);
    g_cond_clear(&intake->filled);
    g_cond_clear(&intake->emptied);
    g_free(intake);
}

bool intake_run(const IntakeConfig *config, GError **error)
{
    Intake *intake = g_new0(Intake, 1);
    intake->config = config;
    g_mutex_init(&intake->source);
    g_mutex_init(&intake->lock);
    g_cond_init(&intake->filled);
    g_cond_init(&intake->emptied);
    GThread *threads[INTAKE_THREADS_MAX];
    unsigned wanted = config->threads ? config->threads : g_get_num_processors(), count = 0;
    g_autoptr(GError) why = NULL;
    for (; count < MIN(wanted, INTAKE_THREADS_MAX); count++)
        if (!(threads[count] = g_thread_try_new("intake", edge_thread, intake, &why)))
            break;
    bool good = count > 0 ? write_all(intake, error)
                          : fail(error, ERROR_RETRY, "could not start a thread: %s",
                                 why ? why->message : "none was asked for");
    intake_end(intake, threads, count);
    return good;
}
