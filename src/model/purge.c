/* purge: walks through what has served its time.
 *
 * How it fits: duty/purge_stores and duty/purge_accounts hold the transactions and the pauses; the
 * kinds are in purge_kinds.c and purge_account.c. A kind is data, the walk here is the one way
 * through all of them, dry or not, so that a dry run cannot say something else than what is done.
 *
 * Failures: the store's. Known weak point: a page of one digest's shard is read by every shard.
 */
#include "model/purge.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/must.h"
#include "model/account.h"
#include "model/purge_private.h"

#define MINUTE_MS    60000
#define HISTORY_STEP 1048576 /* of task_history.id for each ms */

struct PurgeWalk {
    const PurgeKind *kind;
    PurgeScope scope;
    char bucket_key[ACCOUNT_KEY_BYTES]; /* the account in decimal */
    unsigned bucket;
    unsigned width;
    unsigned limit;                /* rows of the page that is read */
    GStringChunk *text;            /* of the page: names, and text in keys */
    GArray *keys;                  /* of DbValue, `width` a row: what is to be written */
    GArray *bytes;                 /* of int64, a row */
    GArray *goes;                  /* of bool, a row */
    GArray *items;                 /* of PurgeItem */
    DbValue cursor[PURGE_KEY_MAX]; /* the last row that was read */
    GString *cursor_text[PURGE_KEY_MAX];
    PurgeKept kept;
    bool ended;
};

bool purge_now(Db *db, int64_t *ret_now, GError **error)
{
    static const DbSql sql = {"SELECT rota_now()", NULL};
    return db_query_int(db, &sql, DB_NO_ARGS, ret_now, error) >= 0;
}

const char *purge_kind_name(const PurgeKind *kind)
{
    return kind->name;
}

PurgeWalk *purge_walk_new(const PurgeKind *kind, const PurgeScope *scope)
{
    PurgeWalk *walk = g_new0(PurgeWalk, 1);
    walk->kind = kind;
    walk->scope = *scope;
    walk->bucket = account_bucket(scope->account, walk->bucket_key);
    walk->width = (unsigned)strlen(kind->key);
    MUST(walk->width >= 1 && walk->width <= PURGE_KEY_MAX);
    walk->text = g_string_chunk_new(4096);
    walk->keys = g_array_new(false, false, sizeof(DbValue));
    walk->bytes = g_array_new(false, false, sizeof(int64_t));
    walk->goes = g_array_new(false, false, sizeof(bool));
    walk->items = g_array_new(false, false, sizeof(PurgeItem));
    for (unsigned i = 0; i < walk->width; i++) {
        walk->cursor_text[i] = g_string_new(NULL);
        walk->cursor[i] = kind->key[i] == 'i'   ? db_int(INT64_MIN)
                          : kind->key[i] == 't' ? db_text("")
                                                : db_bytes("", 0);
    }
    return walk;
}

void purge_walk_free(PurgeWalk *walk)
{
    if (!walk)
        return;
    for (unsigned i = 0; i < walk->width; i++)
        g_string_free(walk->cursor_text[i], TRUE);
    g_string_chunk_free(walk->text);
    g_array_unref(walk->keys);
    g_array_unref(walk->bytes);
    g_array_unref(walk->goes);
    g_array_unref(walk->items);
    g_free(walk);
}

bool purge_walk_ended(const PurgeWalk *walk)
{
    return walk->ended;
}

const PurgeKept *purge_walk_kept(const PurgeWalk *walk)
{
    return &walk->kept;
}

static void keep(PurgeCount *count, int64_t bytes)
{
    count->count++;
    count->bytes += bytes;
}

const PurgeItem *purge_walk_items(const PurgeWalk *walk, unsigned *ret_count)
{
    *ret_count = walk->items->len;
    return (const PurgeItem *)(const void *)walk->items->data;
}

bool purge_walk_is_busy(const PurgeWalk *walk)
{
    return walk->bytes->len > 0;
}

/* The values of a statement, as its letters say. */
static unsigned bind_args(const PurgeWalk *walk, const char *letters, const DbValue *key,
                          DbValue *args)
{
    const PurgeScope *scope = &walk->scope;
    unsigned count = 0;
    for (; letters[count]; count++) {
        MUST(count < PURGE_ARGS_MAX);
        DbValue *arg = &args[count];
        switch (letters[count]) {
        case '0':
        case '1':
        case '2':
        case '3':
        case '4':
            *arg = key[letters[count] - '0'];
            break;
        case 's':
            *arg = db_int(scope->shard);
            break;
        case 'S':
            *arg = db_int(scope->shards);
            break;
        case 'n':
            *arg = db_int(scope->now);
            break;
        case 'o':
            *arg = db_int(scope->loose_before);
            break;
        case 'h':
            *arg = db_int(MAX(scope->history_before, 0) * HISTORY_STEP);
            break;
        case 'm':
            *arg = db_int(scope->history_before / MINUTE_MS);
            break;
        case 'a':
            *arg = db_int(scope->account);
            break;
        case 'b':
            *arg = db_int(walk->bucket);
            break;
        case 'A':
            *arg = db_text(walk->bucket_key);
            break;
        case 'M':
            *arg = db_int(scope->mailbox);
            break;
        case 'f':
            *arg = db_int(scope->filed_before);
            break;
        case 'k':
            *arg = db_int(scope->keep);
            break;
        default:
            MUST(letters[count] == 'l');
            *arg = db_int(walk->limit);
        }
    }
    return count;
}

/* ---------------------------------------------------------------- reading a page */

static void move_cursor(PurgeWalk *walk, DbRows *rows)
{
    for (unsigned i = 0; i < walk->width; i++) {
        size_t size;
        if (walk->kind->key[i] == 'i') {
            walk->cursor[i] = db_int(db_rows_int(rows, i));
            continue;
        }
        bool text = walk->kind->key[i] == 't';
        const char *data = text ? db_rows_text(rows, i) : db_rows_bytes(rows, i, &size);
        if (text)
            size = strlen(data);
        g_string_truncate(walk->cursor_text[i], 0);
        g_string_append_len(walk->cursor_text[i], data, (gssize)size);
        walk->cursor[i] =
            text ? db_text(walk->cursor_text[i]->str) : db_bytes(walk->cursor_text[i]->str, size);
    }
}

static void append_value(GString *name, const DbValue *value, char column)
{
    if (column == 'i') {
        g_string_append_printf(name, "%" G_GINT64_FORMAT, value->integer);
    } else if (column == 't') {
        g_string_append_len(name, value->data, (gssize)value->size);
    } else {
        const uint8_t *bytes = value->data;
        for (size_t i = 0; i < value->size; i++)
            g_string_append_printf(name, "%02x", bytes[i]);
    }
}

/* The name of the row that the cursor stands at. */
static const char *make_name(PurgeWalk *walk)
{
    g_autoptr(GString) name = g_string_new(NULL);
    for (const char *at = walk->kind->path; *at; at++) {
        if (*at == 'a')
            g_string_append_printf(name, "%" G_GINT64_FORMAT, walk->scope.account);
        else if (*at >= '0' && *at <= '4')
            append_value(name, &walk->cursor[*at - '0'], walk->kind->key[*at - '0']);
        else
            g_string_append_c(name, *at);
    }
    return g_string_chunk_insert_len(walk->text, name->str, (gssize)name->len);
}

static bool is_of_shard(const PurgeWalk *walk)
{
    const uint8_t *digest = walk->cursor[0].data;
    if (!walk->kind->by_digest)
        return true;
    return walk->cursor[0].size < 2
               ? walk->scope.shard == 1
               : ((unsigned)digest[0] << 8 | digest[1]) % BUCKETS % walk->scope.shards + 1 ==
                     walk->scope.shard;
}

/* Takes the cursor's row into the page. */
static void take_row(PurgeWalk *walk, int64_t bytes, bool goes)
{
    for (unsigned i = 0; i < walk->width; i++) {
        DbValue value = walk->cursor[i];
        if (walk->kind->key[i] != 'i')
            value.data = g_string_chunk_insert_len(walk->text, value.data, (gssize)value.size);
        g_array_append_val(walk->keys, value);
    }
    g_array_append_val(walk->bytes, bytes);
    g_array_append_val(walk->goes, goes);
    if (!goes)
        return;
    PurgeItem item = {make_name(walk), bytes};
    g_array_append_val(walk->items, item);
}

bool purge_walk_next(PurgeWalk *walk, Db *db, unsigned share, GError **error)
{
    DbValue args[PURGE_ARGS_MAX];
    walk->limit = MAX(walk->kind->limit * share / PURGE_SHARE_MAX, 1);
    g_string_chunk_clear(walk->text);
    g_array_set_size(walk->keys, 0);
    g_array_set_size(walk->bytes, 0);
    g_array_set_size(walk->goes, 0);
    g_array_set_size(walk->items, 0);
    unsigned count = bind_args(walk, walk->kind->list_args, walk->cursor, args);
    g_autoptr(DbRows) rows = db_query(db, &walk->kind->list, args, count, error);
    int step = -1;
    unsigned read = 0;
    int64_t bytes = 0;
    while (rows && bytes < PURGE_PAGE_BYTES && (step = db_rows_next(rows, error)) > 0) {
        read++;
        move_cursor(walk, rows);
        int64_t what = db_rows_int(rows, walk->width + 1);
        if (!is_of_shard(walk))
            continue;
        if (what == PURGE_WAITS || what == PURGE_LINKED)
            keep(what == PURGE_WAITS ? &walk->kept.grace : &walk->kept.linked,
                 db_rows_int(rows, walk->width));
        if (what == PURGE_WAITS)
            continue;
        take_row(walk, db_rows_int(rows, walk->width), what == PURGE_GOES);
        bytes += db_rows_int(rows, walk->width);
    }
    walk->ended = step == 0 && read < walk->limit;
    return step >= 0;
}

/* ---------------------------------------------------------------- removing it */

static bool run_for_all(PurgeWalk *walk, Db *db, const DbSql *sql, const char *letters,
                        int64_t *ret_changed, GError **error)
{
    const char *text = db_kind(db) == DB_POSTGRESQL && sql->postgresql ? sql->postgresql : sql->sql;
    if (!text || !*text)
        return true;
    unsigned rows = walk->bytes->len, width = (unsigned)strlen(letters);
    g_autofree DbValue *args = g_new(DbValue, (size_t)rows * width);
    for (unsigned i = 0; i < rows; i++)
        bind_args(walk, letters, &g_array_index(walk->keys, DbValue, (size_t)i * walk->width),
                  args + (size_t)i * width);
    return db_exec_many(db, sql, args, width, rows, ret_changed, error);
}

bool purge_walk_remove(PurgeWalk *walk, Db *db, PurgeCount *ret, GError **error)
{
    const PurgeKind *kind = walk->kind;
    unsigned rows = walk->bytes->len;
    PurgeCount count = {0, 0};
    g_autofree int64_t *numbers = g_new0(int64_t, MAX(rows, 1));
    if (kind->remove_page) {
        for (unsigned i = 0; i < rows; i++)
            numbers[i] = g_array_index(walk->keys, DbValue, (size_t)i * walk->width).integer;
        return rows == 0 || kind->remove_page(db, &walk->scope, numbers, rows, ret, error);
    }
    if (!run_for_all(walk, db, &kind->lock, kind->lock_args, NULL, error) ||
        !run_for_all(walk, db, &kind->lock_too, kind->lock_args, NULL, error) ||
        !run_for_all(walk, db, &kind->remove, kind->remove_args, numbers, error) ||
        !run_for_all(walk, db, &kind->after, kind->after_args, NULL, error))
        return false;
    for (unsigned i = 0; i < rows; i++) {
        count.count += numbers[i];
        count.bytes += numbers[i] ? g_array_index(walk->bytes, int64_t, i) : 0;
        if (numbers[i] == 0 && g_array_index(walk->goes, bool, i))
            keep(&walk->kept.meanwhile, g_array_index(walk->bytes, int64_t, i));
    }
    *ret = count;
    return true;
}
