/* importer: the way of a file's messages through model/deliver.
 *
 * How it fits: `rota import` finds and reads; this parses on threads of its own (the edge) and
 * delivers in batches, each one durable transaction. While a batch is committed the next is parsed.
 *
 * Failures: over quota and what the store refuses are named, message by message, and the rest goes
 * on. A store that is busy or of unknown outcome is tried again with the same marks, which keep a
 * second copy out; after TRIES the import ends, and the next run goes on. Known weak point: the
 * table of what was seen grows by some 40 bytes with each message.
 */
#include "app/importer.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/must.h"
#include "model/deliver.h"
#include "model/mailbox.h"

#define BATCH_BYTES_MAX                                                                            \
    (16 * 1024 * 1024) /* two are held, parsed: some 100 MB with the largest                       \
                        */
#define TRIES 5        /* each waits DB_BUSY_MS for the store; more is for a person to decide */

typedef struct {
    Importer *importer;
    ImportMail mail;
    Letter *letter; /* once it is parsed */
    char *key;
} Item;

typedef struct {
    Item items[DELIVER_BATCH_MAX];
    unsigned count, parsed; /* parsed: under the importer's lock */
    size_t bytes;
} ImportBatch;

struct Importer {
    Db *db;
    int64_t account, now;
    ImportProblem problem;
    void *data;
    ImportBatch batches[2]; /* one is filled, one is parsed or delivered */
    ImportBatch *filled, *under_way;
    GHashTable *seen; /* of a hash of mailbox and bytes: how many there were in this run */
    ImportCounts counts;
    GThreadPool *pool;
    GMutex lock;
    /* shared, under lock */
    GCond changed; /* and `parsed` of the batches */
};

static void parse(gpointer data, gpointer unused)
{
    (void)unused;
    Item *item = data;
    Importer *importer = item->importer;
    item->letter = letter_new(item->mail.bytes, item->mail.size);
    g_clear_pointer(&item->mail.bytes, g_free);
    ImportBatch *batch =
        item >= importer->batches[1].items ? &importer->batches[1] : &importer->batches[0];
    g_mutex_lock(&importer->lock);
    if (++batch->parsed == batch->count)
        g_cond_signal(&importer->changed);
    g_mutex_unlock(&importer->lock);
}

Importer *importer_new(Db *db, int64_t account, int64_t now, ImportProblem problem, void *data)
{
    Importer *importer = g_new0(Importer, 1);
    importer->db = db;
    importer->account = account;
    importer->now = now;
    importer->problem = problem;
    importer->data = data;
    importer->filled = &importer->batches[0];
    importer->under_way = &importer->batches[1];
    importer->seen = g_hash_table_new(NULL, NULL);
    g_mutex_init(&importer->lock);
    g_cond_init(&importer->changed);
    importer->pool = g_thread_pool_new(parse, NULL, (int)g_get_num_processors(), false, NULL);
    return importer;
}

static void item_clear(Item *item)
{
    g_free(item->mail.bytes);
    g_free(item->mail.folder);
    g_free(item->mail.keywords);
    g_free(item->mail.place);
    g_free(item->key);
    letter_free(item->letter);
    *item = (Item){0};
}

static void batch_clear(ImportBatch *batch)
{
    for (unsigned i = 0; i < batch->count; i++)
        item_clear(&batch->items[i]);
    batch->count = batch->parsed = 0;
    batch->bytes = 0;
}

void importer_free(Importer *importer)
{
    if (!importer)
        return;
    g_thread_pool_free(importer->pool, false, true);
    batch_clear(&importer->batches[0]);
    batch_clear(&importer->batches[1]);
    g_hash_table_unref(importer->seen);
    g_mutex_clear(&importer->lock);
    g_cond_clear(&importer->changed);
    g_free(importer);
}

/* ---- delivering */

/* One name for one mailbox: the inbox has several. */
static const char *folder_name(const ImportMail *mail)
{
    return mail->folder && g_ascii_strcasecmp(mail->folder, "inbox") != 0 ? mail->folder : "";
}

/* The mark: bytes, mailbox, and which of the equal ones it is. */
static char *make_key(Importer *importer, const Item *item)
{
    g_autofree char *digest = digest_format(&item->letter->blob->digest),
                    *place = g_strdup_printf("%s/%s", digest, folder_name(&item->mail));
    gpointer hash = GSIZE_TO_POINTER((gsize)hash64(place, strlen(place)));
    gsize number = GPOINTER_TO_SIZE(g_hash_table_lookup(importer->seen, hash));
    g_hash_table_insert(importer->seen, hash, GSIZE_TO_POINTER(number + 1));
    g_autofree char *text = g_strdup_printf("%" G_GSIZE_FORMAT "/%s", number, place);
    Digest mark = digest_of(text, strlen(text));
    return digest_format(&mark);
}

static Delivery delivery_of(const Importer *importer, const Item *item)
{
    int64_t date = item->letter->message->date_ms;
    return (Delivery){.letter = item->letter,
                      .account = importer->account,
                      .folder = item->mail.folder,
                      .make_folder = item->mail.folder != NULL,
                      .key = item->key,
                      .import = true,
                      .keywords = item->mail.keywords,
                      .received_at = item->mail.received_at              ? item->mail.received_at
                                     : date > 0 && date <= importer->now ? date
                                                                         : item->mail.otherwise_at};
}

/* Counts what has an end; false: it is to be tried again. */
static bool settle(Importer *importer, const Item *item, DeliverResult result)
{
    switch (result) {
    case DELIVER_STORED:
        importer->counts.stored++;
        importer->counts.bytes += (int64_t)item->letter->blob->size;
        return true;
    case DELIVER_DUPLICATE:
        importer->counts.already++;
        importer->counts.bytes += (int64_t)item->letter->blob->size;
        return true;
    case DELIVER_OVER_QUOTA:
        importer->problem(item->mail.place, "the account is over its quota", importer->data);
        return true;
    case DELIVER_NO_ACCOUNT:
    case DELIVER_RETRY:
    case DELIVER_UNKNOWN:
        return false;
    }
    return false;
}

/* Delivers the named items; what is to be tried again stays in them, and *count says how many. */
static bool deliver_items(Importer *importer, Item **items, unsigned *count, GError **error)
{
    Delivery deliveries[DELIVER_BATCH_MAX];
    Delivered results[DELIVER_BATCH_MAX];
    unsigned left = 0;
    for (unsigned i = 0; i < *count; i++)
        deliveries[i] = delivery_of(importer, items[i]);
    bool good = deliver_many(importer->db, deliveries, *count, results, error);
    for (unsigned i = 0; i < *count; i++) {
        if (results[i].result == DELIVER_NO_ACCOUNT) {
            if (good)
                fail(error, ERROR_GONE, "the account was deleted meanwhile");
            return false;
        }
        if (!settle(importer, items[i], results[i].result))
            items[left++] = items[i];
    }
    *count = left;
    return good;
}

static bool may_pass(const GError *error)
{
    return error_kind(error) == ERROR_RETRY || error_kind(error) == ERROR_UNKNOWN;
}

/* What is left of a batch that the store refuses: one by one, each with its own reason. */
static bool deliver_singly(Importer *importer, Item **items, unsigned count, GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        g_autoptr(GError) why = NULL;
        unsigned one = 1;
        Item *item = items[i];
        for (int try = 0; one && try < TRIES; try++) {
            g_clear_error(&why);
            if (!deliver_items(importer, &item, &one, &why) && !may_pass(why))
                break;
        }
        if (!one)
            continue;
        if (!why || may_pass(why) || error_kind(why) == ERROR_GONE) {
            if (why)
                g_propagate_error(error, g_steal_pointer(&why));
            else
                fail(error, ERROR_RETRY, "the store is busy");
            return false;
        }
        importer->problem(item->mail.place, why->message, importer->data);
    }
    return true;
}

/* The batch under way: waits until it is parsed, delivers it, and leaves it empty. */
static bool deliver_under_way(Importer *importer, GError **error)
{
    ImportBatch *batch = importer->under_way;
    g_mutex_lock(&importer->lock);
    while (batch->parsed < batch->count)
        g_cond_wait(&importer->changed, &importer->lock);
    g_mutex_unlock(&importer->lock);
    Item *items[DELIVER_BATCH_MAX];
    unsigned left = batch->count;
    for (unsigned i = 0; i < batch->count; i++) {
        items[i] = &batch->items[i];
        items[i]->key = make_key(importer, items[i]);
    }
    g_autoptr(GError) why = NULL;
    for (int try = 0; left && try < TRIES; try++) {
        g_clear_error(&why);
        if (!deliver_items(importer, items, &left, &why) && !may_pass(why))
            break;
    }
    bool good = true;
    if (left && why && error_kind(why) == ERROR_REJECT) {
        good = deliver_singly(importer, items, left, error);
    } else if (left) {
        good = false;
        if (!why)
            fail(&why, ERROR_RETRY, "the store is busy");
        g_propagate_error(error, g_steal_pointer(&why));
    }
    batch_clear(batch);
    return good;
}

/* The filled batch goes to the threads, and the one before it to the store. */
static bool turn(Importer *importer, GError **error)
{
    ImportBatch *next = importer->filled;
    for (unsigned i = 0; i < next->count; i++)
        g_thread_pool_push(importer->pool, &next->items[i], NULL);
    bool good = deliver_under_way(importer, error);
    importer->filled = importer->under_way;
    importer->under_way = next;
    return good;
}

bool importer_add(Importer *importer, ImportMail mail, GError **error)
{
    ImportBatch *batch = importer->filled;
    MUST(batch->count < DELIVER_BATCH_MAX);
    batch->items[batch->count++] = (Item){.importer = importer, .mail = mail};
    batch->bytes += mail.size;
    return (batch->count < DELIVER_BATCH_MAX && batch->bytes < BATCH_BYTES_MAX) ||
           turn(importer, error);
}

bool importer_add_folder(Importer *importer, const char *folder, GError **error)
{
    int64_t id;
    if (!db_begin(importer->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(importer->db);
    bool made = false;
    if (!mailbox_ensure(importer->db, importer->account, folder, &id, &made, error))
        return false;
    g_autoptr(GError) why = NULL;
    if (!made || db_commit(importer->db, &why) == DB_DONE || error_kind(why) == ERROR_UNKNOWN)
        return true; /* the first message finds the mailbox, or makes it after all */
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

bool importer_finish(Importer *importer, GError **error)
{
    return turn(importer, error) && turn(importer, error);
}

ImportCounts importer_counts(const Importer *importer)
{
    return importer->counts;
}
