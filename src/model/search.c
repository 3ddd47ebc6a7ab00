/* search: the index of messages in SQL.
 *
 * How it fits: fts-indexing fills it from the change log, `rota search` (later JMAP) asks it,
 * purge.accounts empties it.
 *
 * Terms carry their account ("7/house"), in the index and in the query: so a common word costs an
 * account its own messages, not everybody's. On SQLite the row's number is account * 2^32 + email,
 * newest last, which FTS5 walks backwards without a sort.
 *
 * A query becomes one expression in the engine's language. Where it has phrases, that expression
 * asks for a superset (all words of the phrase), and each candidate is read and matched by
 * query_matches, page by page.
 *
 * Counting joins with the emails only when it must: the index holds exactly what lived at its
 * position in the change log, so that without a destruction after that position each row is a
 * living email or was so when the snapshot was taken.
 *
 * Failures: the store's. A candidate whose bytes are gone or damaged is an error, as it is for a
 * reader of that email. Weak points: on PostgreSQL a word of more than about 10^5 messages of one
 * account is counted by a bitmap over all of them.
 */
#include "model/search.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "roster/shard.h"
#include "roster/task.h"

#include "model/blob.h"
#include "model/email.h"
#include "model/tally.h"

#define PAGE 500 /* candidates held at once */

/* The two engines' words for the same expression. */
typedef struct {
    const char *quote, *and, * or, *and_not;
} Dialect;
static const Dialect FTS5 = {"\"", " AND ", " OR ", " NOT "};
static const Dialect TSQUERY = {"'", " & ", " | ", " & !"};

typedef struct {
    const Dialect *dialect;
    int64_t account;
    uint64_t languages;
    GString *out;
} Writer;

static const Dialect *dialect_of(const Db *db)
{
    return db_kind(db) == DB_SQLITE ? &FTS5 : &TSQUERY;
}

/* -------------------------------------------------------------- filling */

/* The terms, each with its account in front. */
static GString *scope_terms(int64_t account, const char *terms)
{
    char scope[24];
    int scope_size = g_snprintf(scope, sizeof(scope), "%" G_GINT64_FORMAT "/", account);
    size_t size = strlen(terms), count = 1;
    for (const char *at = terms; (at = memchr(at, ' ', (size_t)(terms + size - at))); at++)
        count++;
    GString *out = g_string_sized_new(size + count * (size_t)scope_size + 1);
    g_string_set_size(out, size + count * (size_t)scope_size);
    char *to = out->str;
    for (const char *at = terms, *end = terms + size; count--;) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        size_t step = (size_t)((space ? space + 1 : end) - at);
        memcpy(to, scope, (size_t)scope_size);
        memcpy(to + scope_size, at, step);
        to += (size_t)scope_size + step;
        at += step;
    }
    return out;
}

bool search_add(Db *db, int64_t account, int64_t email, const char *terms, GError **error)
{
    static const DbSql sql = {
        "INSERT OR REPLACE INTO search_index (rowid, terms) VALUES (($1 << 32) + $2, $3)",
        "INSERT INTO search_index (account, email, terms) VALUES ($1, $2, "
        "array_to_tsvector(string_to_array($3, ' '))) "
        "ON CONFLICT (account, email) DO UPDATE SET terms = excluded.terms"};
    g_autoptr(GString) scoped = scope_terms(account, terms);
    return db_exec(db, &sql, DB_ARGS(db_int(account), db_int(email), db_text(scoped->str)),
                   error) >= 0;
}

bool search_remove_range(Db *db, int64_t account, int64_t first, int64_t last, GError **error)
{
    static const DbSql sql = {
        "DELETE FROM search_index WHERE rowid BETWEEN ($1 << 32) + $2 AND ($1 << 32) + $3",
        "DELETE FROM search_index WHERE account = $1 AND email BETWEEN $2 AND $3"};
    return db_exec(db, &sql, DB_ARGS(db_int(account), db_int(first), db_int(last)), error) >= 0;
}

bool search_remove(Db *db, int64_t account, int64_t email, GError **error)
{
    return search_remove_range(db, account, email, email, error);
}

bool search_remove_account(Db *db, int64_t account, unsigned limit, int64_t *ret_removed,
                           GError **error)
{
    static const DbSql rows = {
        "DELETE FROM search_index WHERE rowid IN (SELECT rowid FROM search_index WHERE rowid "
        "BETWEEN $1 << 32 AND ($1 << 32) + 4294967295 LIMIT $2)",
        "DELETE FROM search_index WHERE account = $1 AND email IN (SELECT email FROM search_index "
        "WHERE account = $1 LIMIT $2)"};
    static const DbSql state = {"DELETE FROM search_state WHERE account = $1", NULL};
    int64_t removed = db_exec(db, &rows, DB_ARGS(db_int(account), db_int(limit)), error);
    if (removed < 0 ||
        (removed < limit && db_exec(db, &state, DB_ARGS(db_int(account)), error) < 0))
        return false;
    *ret_removed = removed;
    return true;
}

/* ---------------------------------------------------------------- state */

bool search_state_get(Db *db, int64_t account, SearchState *ret_state, GError **error)
{
    static const DbSql sql = {
        "SELECT position, rebuild_after, languages FROM search_state WHERE account = $1", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    SearchState state = {0, SEARCH_NO_REBUILD, 0};
    if (step > 0)
        state = (SearchState){db_rows_int(rows, 0), db_rows_int(rows, 1),
                              (uint64_t)db_rows_int(rows, 2)};
    *ret_state = state;
    return true;
}

bool search_state_set(Db *db, int64_t account, const SearchState *state, GError **error)
{
    static const DbSql sql = {
        "INSERT INTO search_state (account, position, rebuild_after, languages) VALUES ($1, $2, "
        "$3, $4) ON CONFLICT (account) DO UPDATE SET "
        "position = excluded.position, rebuild_after = excluded.rebuild_after, languages = "
        "excluded.languages",
        NULL};
    return db_exec(db, &sql,
                   DB_ARGS(db_int(account), db_int(state->position), db_int(state->rebuild_after),
                           db_int((int64_t)state->languages)),
                   error) >= 0;
}

bool search_rebuild(Db *db, int64_t account, GError **error)
{
    static const DbSql newest = {"SELECT change_seq FROM account WHERE id = $1", NULL};
    SearchState state;
    if (!search_state_get(db, account, &state, error))
        return false;
    int got = db_query_int(db, &newest, DB_ARGS(db_int(account)), &state.position, error);
    if (got == 0)
        return fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account);
    state.rebuild_after = 0;
    return got > 0 && search_state_set(db, account, &state, error);
}

bool search_rebuild_task(Db *db, int64_t account, GError **error)
{
    g_autofree char *key = g_strdup_printf("%" G_GINT64_FORMAT, account);
    TaskNew task = {.role = "fts-indexing", .bucket = bucket_of(key), .key = key};
    return search_rebuild(db, account, error) && task_add(db, &task, error);
}

bool search_rebuild_progress(Db *db, int64_t account, int64_t *ret_done, int64_t *ret_all,
                             GError **error)
{
    static const DbSql sql = {
        "SELECT count(*), count(CASE WHEN $2 = -1 OR id <= $2 THEN 1 END) FROM email "
        "WHERE account = $1",
        NULL};
    SearchState state;
    if (!search_state_get(db, account, &state, error))
        return false;
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_int(state.rebuild_after)), error);
    if (!rows || db_rows_next(rows, error) < 0)
        return false;
    *ret_all = db_rows_int(rows, 0);
    *ret_done = db_rows_int(rows, 1);
    return true;
}

/* ---------------------------------------------------------------- asking */

static void write_term(const Writer *writer, const char *term)
{
    g_string_append_printf(writer->out, "%s%" G_GINT64_FORMAT "/%s%s", writer->dialect->quote,
                           writer->account, term, writer->dialect->quote);
}

/* (a OR b OR …); for body each without its "not in the text". */
static void write_word(const Writer *writer, const char *word, const char *field)
{
    g_autoptr(GPtrArray) terms = query_terms(word, field, writer->languages);
    bool body = strcmp(field, "body") == 0;
    g_string_append_c(writer->out, '(');
    for (unsigned i = 0; i < terms->len; i++) {
        const char *term = g_ptr_array_index(terms, i);
        g_string_append(writer->out, i ? writer->dialect->or : "");
        if (!body) {
            write_term(writer, term);
            continue;
        }
        g_autofree char *not_in_text = words_not_in_text(term);
        g_string_append_c(writer->out, '(');
        write_term(writer, term);
        g_string_append(writer->out, writer->dialect->and_not);
        write_term(writer, not_in_text);
        g_string_append_c(writer->out, ')');
    }
    g_string_append_c(writer->out, ')');
}

static void write_node(const Writer *writer, const QueryNode *node);

/* Negations last, since FTS5's NOT needs something to take away from. A negation with a phrase in
 * it takes nothing away here. */
static void write_and(const Writer *writer, const QueryNode *const *children, unsigned count)
{
    unsigned positive = 0;
    g_string_append(writer->out, "((");
    for (unsigned i = 0; i < count; i++)
        if (children[i]->kind != QUERY_NOT) {
            g_string_append(writer->out, positive++ ? writer->dialect->and : "");
            write_node(writer, children[i]);
        }
    if (!positive)
        write_term(writer, WORDS_TERM_ALL);
    g_string_append_c(writer->out, ')');
    for (unsigned i = 0; i < count; i++)
        if (children[i]->kind == QUERY_NOT && !query_has_phrase(children[i])) {
            g_string_append(writer->out, writer->dialect->and_not);
            write_node(writer, g_ptr_array_index(children[i]->children, 0));
        }
    g_string_append_c(writer->out, ')');
}

/* Each node is written in parentheses. */
static void write_node(const Writer *writer, const QueryNode *node)
{
    switch (node->kind) {
    case QUERY_AND:
        write_and(writer, (const QueryNode *const *)node->children->pdata, node->children->len);
        break;
    case QUERY_NOT:
        write_and(writer, &node, 1);
        break;
    case QUERY_OR:
        g_string_append_c(writer->out, '(');
        for (unsigned i = 0; i < node->children->len; i++) {
            g_string_append(writer->out, i ? writer->dialect->or : "");
            write_node(writer, g_ptr_array_index(node->children, i));
        }
        g_string_append_c(writer->out, ')');
        break;
    case QUERY_TERM:
    case QUERY_PHRASE:
        g_string_append_c(writer->out, '(');
        for (unsigned i = 0; i < node->words->len; i++) {
            g_string_append(writer->out, i ? writer->dialect->and : "");
            write_word(writer, g_ptr_array_index(node->words, i), node->field);
        }
        g_string_append_c(writer->out, ')');
        break;
    }
}

static GString *write_query(const Db *db, int64_t account, const QueryNode *query,
                            uint64_t languages)
{
    Writer writer = {dialect_of(db), account, languages, g_string_new(NULL)};
    write_node(&writer, query);
    return writer.out;
}

static const DbSql SQL_PAGE = {
    "SELECT e.id FROM search_index s CROSS JOIN email e ON e.account = $2 AND e.id = s.rowid - ($2 "
    "<< 32) "
    "WHERE s.search_index MATCH $1 AND s.rowid < ($2 << 32) + $3 ORDER BY s.rowid DESC LIMIT $4",
    "SELECT s.email FROM search_index s JOIN email e ON e.account = s.account AND e.id = s.email "
    "WHERE s.terms @@ $1::tsquery AND s.account = $2 AND s.email < $3 ORDER BY s.email DESC LIMIT "
    "$4"};

static GArray *read_page(Db *db, int64_t account, const char *text, int64_t before, unsigned limit,
                         GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_PAGE,
                 DB_ARGS(db_text(text), db_int(account), db_int(before), db_int(limit)), error);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t id = db_rows_int(rows, 0);
        g_array_append_val(ids, id);
    }
    return step < 0 ? NULL : g_steal_pointer(&ids);
}

typedef struct {
    int64_t account;
    const QueryNode *query;
    uint64_t languages;
} Search;

static bool verify(Db *db, const Search *search, int64_t id, bool *ret_matches, GError **error)
{
    g_autoptr(Email) email = email_get(db, search->account, id, error);
    g_autoptr(GBytes) bytes = email ? blob_get(db, &email->blob, error) : NULL;
    if (!bytes)
        return false;
    size_t size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    *ret_matches = query_matches(search->query, message, search->languages);
    return true;
}

GArray *search_find(Db *db, int64_t account, const QueryNode *query, int64_t before, unsigned limit,
                    GError **error)
{
    SearchState state;
    if (!search_state_get(db, account, &state, error))
        return NULL;
    const Search search = {account, query, state.languages};
    bool phrase = query_has_phrase(query);
    g_autoptr(GString) text = write_query(db, account, query, state.languages);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(int64_t));
    if (!before) { /* else it goes on with one that is counted */
        tally_add(TALLY_SEARCHES, 1);
        before = INT64_C(1) << 32;
    }
    while (found->len < limit) {
        unsigned want = phrase ? PAGE : MIN(limit - found->len, DB_ROWS_FETCH_MAX);
        g_autoptr(GArray) page = read_page(db, account, text->str, before, want, error);
        if (!page)
            return NULL;
        for (unsigned i = 0; i < page->len && found->len < limit; i++) {
            int64_t id = before = g_array_index(page, int64_t, i);
            bool matches = true;
            if (phrase && !verify(db, &search, id, &matches, error))
                return NULL;
            if (matches)
                g_array_append_val(found, id);
        }
        if (page->len < want)
            break;
    }
    return g_steal_pointer(&found);
}

/* True where a row of the index may be of an email that is gone. */
static bool has_ghosts(Db *db, int64_t account, const SearchState *state, bool *ret_ghosts,
                       GError **error)
{
    static const DbSql sql = {
        "SELECT 1 FROM change WHERE account = $1 AND seq > $2 AND kind = 1 AND action = 3 LIMIT 1",
        NULL};
    static const DbSql trimmed = {"SELECT change_floor FROM account WHERE id = $1", NULL};
    int64_t one = 0, floor = 0;
    int got =
        db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(state->position)), &one, error);
    if (got < 0 || db_query_int(db, &trimmed, DB_ARGS(db_int(account)), &floor, error) < 0)
        return false;
    *ret_ghosts = got > 0 || floor > state->position || state->rebuild_after != SEARCH_NO_REBUILD;
    return true;
}

bool search_count(Db *db, int64_t account, const QueryNode *query, int64_t *ret_count,
                  GError **error)
{
    static const DbSql rows = {
        "SELECT count(*) FROM search_index WHERE search_index MATCH $1 AND rowid >= $2 << 32",
        "SELECT count(*) FROM search_index WHERE terms @@ $1::tsquery AND account = $2"};
    static const DbSql living = {
        "SELECT count(*) FROM search_index s CROSS JOIN email e ON e.account = $2 AND e.id = "
        "s.rowid - ($2 << 32) WHERE s.search_index MATCH $1",
        "SELECT count(*) FROM search_index s JOIN email e ON e.account = s.account AND e.id = "
        "s.email WHERE s.terms @@ $1::tsquery AND s.account = $2"};
    if (query_has_phrase(query)) {
        g_autoptr(GArray) found = search_find(db, account, query, 0, G_MAXUINT, error);
        if (found)
            *ret_count = found->len;
        return found != NULL;
    }
    SearchState state;
    bool ghosts;
    if (!search_state_get(db, account, &state, error) ||
        !has_ghosts(db, account, &state, &ghosts, error))
        return false;
    g_autoptr(GString) text = write_query(db, account, query, state.languages);
    return db_query_int(db, ghosts ? &living : &rows, DB_ARGS(db_text(text->str), db_int(account)),
                        ret_count, error) > 0;
}
