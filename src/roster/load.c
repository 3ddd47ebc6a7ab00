/* load: what this process has done, by role and shard, until a heartbeat takes it to the store.
 *
 * Lanes add to a small table under a lock; the heartbeat moves entries aside, writes them, and
 * forgets them when its transaction is done. What could not be written is added back.
 *
 * Of each shard the key with the greatest load is told along, so that a hot account can be seen. A
 * few slots hold the keys (the Space-Saving summary of Metwally and others): a new key takes the
 * slot of the least, and inherits its count as its possible error. What goes to the store is the
 * count less the error: at least so much was this key's. Within a minute of the store the greater
 * one stays.
 *
 * Failures: those of the store. Known weak point: a process that is killed loses the counts of up
 * to one heartbeat; they are figures for people and for the audit, not accounts.
 */
#include "roster/load.h"

#include <string.h>

#include "base/limits.h"
#include "base/must.h"

#define LOAD_FLUSH_MAX 256 /* entries of one flush: a heartbeat must stay short */
#define WIDTH          11
/* of load_count: deliveries, spam, searches, and some to come */
#define LOAD_SERIES_MAX 8

typedef struct {
    char key[LOAD_KEY_BYTES];
    int64_t busy_us, error_us;
} Slot;

typedef struct {
    char *role; /* owned */
    unsigned shard;
    LoadCounts counts;
    Slot slots[LOAD_KEYS];
    unsigned slot_count;
} Entry;

typedef struct {
    struct {
        const char *series; /* static; NULL: free */
        int64_t count;
    } of[LOAD_SERIES_MAX];
} Counts;

struct Load {
    GMutex lock; /* for `entries`, `totals` and `counts` */
    GHashTable *entries;
    GHashTable *totals;             /* "ROLE SHARD" to LoadTotal */
    GPtrArray *flushing;            /* of Entry; the flushing thread's */
    Counts counts, counts_flushing; /* the second is the flushing thread's */
};

/* clang-format off */
static const DbSql SQL_ADD = {
    "INSERT INTO load_sample (minute, node, role, shard, done, failed, retried, dead, busy_us,"
    " bytes, top_key, top_us)"
    " VALUES (rota_now() / 60000, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    " ON CONFLICT (minute, node, role, shard) DO UPDATE SET"
    " done = load_sample.done + excluded.done, failed = load_sample.failed + excluded.failed,"
    " retried = load_sample.retried + excluded.retried,"
    " dead = load_sample.dead + excluded.dead, busy_us = load_sample.busy_us + excluded.busy_us,"
    " bytes = load_sample.bytes + excluded.bytes,"
    " top_us = CASE WHEN load_sample.top_key = excluded.top_key"
    "  THEN load_sample.top_us + excluded.top_us WHEN load_sample.top_us < excluded.top_us"
    "  THEN excluded.top_us ELSE load_sample.top_us END,"
    " top_key = CASE WHEN load_sample.top_us < excluded.top_us THEN excluded.top_key"
    "  ELSE load_sample.top_key END", NULL,
};
/* A sample of one node; what has been told of this minute before grows. */
static const DbSql SQL_COUNT = {
    "INSERT INTO metric_sample (step, series, at, label, shard, count, total, greatest)"
    " VALUES (60000, $1, rota_now() / 60000 * 60000, '', $2, 1, $3, $3)"
    " ON CONFLICT (step, series, at, label, shard) DO UPDATE SET"
    " total = metric_sample.total + excluded.total,"
    " greatest = metric_sample.greatest + excluded.greatest", NULL,
};
/* clang-format on */

const int64_t load_times_us[LOAD_TIMES] = {1000,     10000,    100000,   1000000,
                                           10000000, 60000000, 600000000};

static guint entry_hash(const void *key)
{
    const Entry *entry = key;
    return g_str_hash(entry->role) * 31 + entry->shard;
}

static gboolean entry_equal(const void *a, const void *b)
{
    const Entry *left = a, *right = b;
    return left->shard == right->shard && strcmp(left->role, right->role) == 0;
}

static void entry_free(void *data)
{
    Entry *entry = data;
    g_free(entry->role);
    g_free(entry);
}

static void total_free(void *data)
{
    LoadTotal *total = data;
    g_free(total->role);
    g_free(total);
}

Load *load_new(void)
{
    Load *load = g_new0(Load, 1);
    g_mutex_init(&load->lock);
    load->entries = g_hash_table_new_full(entry_hash, entry_equal, entry_free, NULL);
    load->totals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, total_free);
    load->flushing = g_ptr_array_new_with_free_func(entry_free);
    return load;
}

void load_free(Load *load)
{
    if (!load)
        return;
    g_hash_table_unref(load->entries);
    g_hash_table_unref(load->totals);
    g_ptr_array_unref(load->flushing);
    g_mutex_clear(&load->lock);
    g_free(load);
}

/* Under the lock. */
static Entry *get_entry(Load *load, const char *role, unsigned shard)
{
    Entry key = {.role = (char *)(uintptr_t)role, .shard = shard};
    Entry *entry = g_hash_table_lookup(load->entries, &key);
    if (!entry) {
        entry = g_new0(Entry, 1);
        entry->role = g_strdup(role);
        entry->shard = shard;
        g_hash_table_insert(load->entries, entry, entry); /* the entry is its own key */
    }
    return entry;
}

static void add_counts(LoadCounts *to, const LoadCounts *counts)
{
    to->done += counts->done;
    to->failed += counts->failed;
    to->retried += counts->retried;
    to->dead += counts->dead;
    to->busy_us += counts->busy_us;
    to->bytes += counts->bytes;
}

/* Under the lock. */
static LoadTotal *get_total(Load *load, const char *role, unsigned shard)
{
    g_autofree char *name = g_strdup_printf("%s %u", role, shard);
    LoadTotal *total = g_hash_table_lookup(load->totals, name);
    if (!total) {
        total = g_new0(LoadTotal, 1);
        total->role = g_strdup(role);
        total->shard = shard;
        g_hash_table_insert(load->totals, g_steal_pointer(&name), total);
    }
    return total;
}

void load_add(Load *load, const char *role, unsigned shard, const LoadCounts *counts)
{
    g_mutex_lock(&load->lock);
    LoadTotal *total = get_total(load, role, shard);
    unsigned time = 0;
    while (time < LOAD_TIMES && counts->busy_us > load_times_us[time])
        time++;
    total->runs[time] += counts->busy_us > 0; /* else it tells of tasks that were not run */
    add_counts(&total->counts, counts);
    add_counts(&get_entry(load, role, shard)->counts, counts);
    g_mutex_unlock(&load->lock);
}

static int compare_totals(gconstpointer a, gconstpointer b)
{
    const LoadTotal *one = *(LoadTotal *const *)a, *other = *(LoadTotal *const *)b;
    int order = strcmp(one->role, other->role);
    return order ? order : (one->shard > other->shard) - (one->shard < other->shard);
}

GPtrArray *load_totals(Load *load)
{
    GPtrArray *totals = g_ptr_array_new_with_free_func(total_free);
    GHashTableIter iter;
    gpointer value;
    g_mutex_lock(&load->lock);
    g_hash_table_iter_init(&iter, load->totals);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        LoadTotal *copy = g_memdup2(value, sizeof(LoadTotal));
        copy->role = g_strdup(copy->role);
        g_ptr_array_add(totals, copy);
    }
    g_mutex_unlock(&load->lock);
    g_ptr_array_sort(totals, compare_totals);
    return totals;
}

/* The key's slot: its own, a free one, or that of the least. */
static Slot *get_slot(Entry *entry, const char *key)
{
    Slot *least = NULL;
    for (unsigned i = 0; i < entry->slot_count; i++) {
        Slot *slot = &entry->slots[i];
        if (strcmp(slot->key, key) == 0)
            return slot;
        if (!least || slot->busy_us < least->busy_us)
            least = slot;
    }
    if (entry->slot_count < LOAD_KEYS) {
        least = &entry->slots[entry->slot_count++];
        *least = (Slot){0};
    }
    least->error_us = least->busy_us;
    g_strlcpy(least->key, key, sizeof(least->key));
    return least;
}

void load_add_keys(Load *load, const char *role, unsigned shard, const LoadKey *keys,
                   unsigned count)
{
    g_mutex_lock(&load->lock);
    Entry *entry = get_entry(load, role, shard);
    for (unsigned i = 0; i < count; i++)
        if (strlen(keys[i].key) < LOAD_KEY_BYTES)
            get_slot(entry, keys[i].key)->busy_us += keys[i].busy_us;
    g_mutex_unlock(&load->lock);
}

/* The key that surely had most; its busy_us is 0 where none had. */
static LoadKey find_top(const Entry *entry)
{
    LoadKey top = {"", 0};
    for (unsigned i = 0; i < entry->slot_count; i++) {
        int64_t sure_us = entry->slots[i].busy_us - entry->slots[i].error_us;
        if (sure_us > top.busy_us)
            top = (LoadKey){entry->slots[i].key, sure_us};
    }
    return top;
}

/* Under the lock. */
static void count_under_lock(Load *load, const char *series, int64_t count)
{
    unsigned at = 0;
    while (load->counts.of[at].series && strcmp(load->counts.of[at].series, series) != 0)
        MUST(++at < LOAD_SERIES_MAX);
    load->counts.of[at].series = series;
    load->counts.of[at].count += count;
}

void load_count(Load *load, const char *series, int64_t count)
{
    if (count == 0)
        return;
    g_mutex_lock(&load->lock);
    count_under_lock(load, series, count);
    g_mutex_unlock(&load->lock);
}

static bool flush_counts(Load *load, Db *db, int64_t node, GError **error)
{
    g_mutex_lock(&load->lock);
    load->counts_flushing = load->counts;
    load->counts = (Counts){0};
    g_mutex_unlock(&load->lock);
    for (unsigned i = 0; i < LOAD_SERIES_MAX && load->counts_flushing.of[i].series; i++)
        if (db_exec(db, &SQL_COUNT,
                    DB_ARGS(db_text(load->counts_flushing.of[i].series), db_int(node),
                            db_real((double)load->counts_flushing.of[i].count)),
                    error) < 0)
            return false;
    return true;
}

static void take_entries(Load *load)
{
    GHashTableIter iter;
    void *entry;
    g_mutex_lock(&load->lock);
    g_hash_table_iter_init(&iter, load->entries);
    while (load->flushing->len < LOAD_FLUSH_MAX && g_hash_table_iter_next(&iter, &entry, NULL)) {
        g_hash_table_iter_steal(&iter);
        g_ptr_array_add(load->flushing, entry);
    }
    g_mutex_unlock(&load->lock);
}

bool load_flush(Load *load, Db *db, int64_t node, GError **error)
{
    MUST(load->flushing->len == 0);
    take_entries(load);
    if (!flush_counts(load, db, node, error))
        return false;
    if (load->flushing->len == 0)
        return true;
    g_autofree DbValue *args = g_new(DbValue, (size_t)load->flushing->len * WIDTH);
    for (unsigned i = 0; i < load->flushing->len; i++) {
        const Entry *entry = g_ptr_array_index(load->flushing, i);
        DbValue *row = args + (size_t)i * WIDTH;
        row[0] = db_int(node);
        row[1] = db_text(entry->role);
        row[2] = db_int(entry->shard);
        row[3] = db_int(entry->counts.done);
        row[4] = db_int(entry->counts.failed);
        row[5] = db_int(entry->counts.retried);
        row[6] = db_int(entry->counts.dead);
        row[7] = db_int(entry->counts.busy_us);
        row[8] = db_int(entry->counts.bytes);
        LoadKey top = find_top(entry);
        row[9] = db_text(top.key);
        row[10] = db_int(top.busy_us);
    }
    return db_exec_many(db, &SQL_ADD, args, WIDTH, load->flushing->len, NULL, error);
}

void load_flushed(Load *load, bool done)
{
    for (unsigned i = 0; !done && i < load->flushing->len; i++) {
        const Entry *entry = g_ptr_array_index(load->flushing, i);
        g_mutex_lock(&load->lock);
        add_counts(&get_entry(load, entry->role, entry->shard)->counts, &entry->counts);
        g_mutex_unlock(&load->lock);
        for (unsigned slot = 0; slot < entry->slot_count; slot++)
            load_add_keys(load, entry->role, entry->shard,
                          &(LoadKey){entry->slots[slot].key, entry->slots[slot].busy_us}, 1);
    }
    g_ptr_array_set_size(load->flushing, 0);
    for (unsigned i = 0; !done && i < LOAD_SERIES_MAX && load->counts_flushing.of[i].series; i++)
        load_count(load, load->counts_flushing.of[i].series, load->counts_flushing.of[i].count);
    load->counts_flushing = (Counts){0};
}
