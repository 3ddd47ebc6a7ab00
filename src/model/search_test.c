/* search_test: the index finds what content/words says is there, on both stores the same. */
#include "support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "model/change.h"
#include "model/deliver.h"
#include "model/email.h"
#include "model/search.h"

/* Mails 1, 2, …: one line each, "subject|from|text". */
static const char *const MAILS[] = {
    "Minutes|Ada Example <ada@example.org>|We have seen the houses and the big red bus that you "
    "have in the village.",
    "The big bus|Bob Example <bob@lists.example.net>|There was not a red one, and they have been "
    "running for the house.",
    "Grüße|Jörg Müller <joerg@example.org>|Die Straße ist lang, und das Café ist nicht weit von "
    "den Häusern.",
    "Привет|Иван <ivan@example.org>|Я не знаю, что это за книги, но они все на столе и мой дом.",
    "会議|田中 <tanaka@example.org>|明日の会議は東京都で行います。资料在附件里，我喜欢北京。",
    "สวัสดี|Somchai <somchai@example.org>|ยินดีต้อนรับสู่ประเทศไทย",
    "اجتماع|Huda <huda@example.org>|السَّلامُ عليكم، هذا الكتاب من المكتبة التي في المدينة على "
    "الطاولة.",
    "Réunion|René <rene@example.org>|Nous avons reçu les livres et nous vous attendons dans la "
    "maison avec le café.",
    "version 1.2.3|Ada Example <ada@example.org>|See file foo_bar.c of 2025-12-01 or "
    "http://www.example.com/path?x=1 for the fix.",
    "안녕하세요|Kim <kim@example.org>|서울에서 만나요. 회의는 내일입니다.",
};

static const struct {
    const char *query, *want; /* ids, newest first */
} QUERIES[] = {
    {"house", "2 1"},
    {"houses", "2 1"},
    {"HOUSE bus", "2 1"},
    {"\"big red bus\"", "1"},
    {"\"big bus\"", "2"},
    {"\"red big\"", ""},
    {"bus -\"big red bus\"", "2"},
    {"-\"big red bus\" -subject:bus", "10 9 8 7 6 5 4 3"},
    {"from:ada", "9 1"},
    {"from:ada@example.org", "9 1"},
    {"from:\"ada example\"", "9 1"},
    {"from:example.net", "2"},
    {"body:bus", "1"},
    {"subject:bus", "2"},
    {"bus", "2 1"},
    {"subject:bus OR from:ada", "9 2 1"},
    {"from:ada -house", "9"},
    {"-from:example.org", "2"},
    {"NOT from:example.org", "2"},
    {"-(from:example.org OR bus)", ""},
    {"cafe", "8 3"},
    {"Café", "8 3"},
    {"strasse", "3"},
    {"Straße", "3"},
    {"привет", "4"},
    {"книга", "4"},
    {"МОЙ", "4"},
    {"会議", "5"},
    {"北京", "5"},
    {"\"明日の会議\"", "5"},
    {"السلام", "7"},
    {"مكتبة OR المكتبة", "7"},
    {"livre", "8"},
    {"1.2.3", "9"},
    {"foo_bar.c", "9"},
    {"2025-12-01", "9"},
    {"example.com", "9"},
    {"www.example.com/path", "9"},
    {"서울에서", "10"},
    {"ประเทศไทย", "6"},
    {"nowhere", ""},
    {"bus nowhere", ""},
    {"attachment:x", ""},
};

static int64_t add_mail(Db *db, int64_t account, unsigned number, const char *line)
{
    g_auto(GStrv) part = g_strsplit(line, "|", 3);
    g_autofree char *mail =
        g_strdup_printf("Subject: %s\r\nFrom: %s\r\nMessage-ID: <%u@example.org>\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
                        part[0], part[1], number, part[2]);
    g_autoptr(Letter) letter = letter_new(mail, strlen(mail));
    g_autofree char *key = g_strdup_printf("%u", number);
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    Delivered result;
    g_autoptr(GError) error = NULL;
    assert_true(deliver_many(db, &delivery, 1, &result, &error));
    assert_no_error(error);
    assert_int_equal(result.result, DELIVER_STORED);
    return result.email;
}

static void index_mail(Db *db, int64_t account, int64_t id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Email) email = email_get(db, account, id, &error);
    g_autoptr(GBytes) bytes = email ? blob_get(db, &email->blob, &error) : NULL;
    assert_no_error(error);
    size_t size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    unsigned language;
    g_autoptr(GString) terms = words_of_message(message, &language);
    SearchState state;
    assert_true(search_add(db, account, id, terms->str, &error));
    assert_true(search_state_get(db, account, &state, &error));
    state.languages |= UINT64_C(1) << language;
    state.position = 1000000;
    assert_true(search_state_set(db, account, &state, &error));
    assert_no_error(error);
}

static void begin(Db *db, DbMode mode)
{
    g_autoptr(GError) error = NULL;
    db_begin(db, mode, &error);
    assert_no_error(error);
}

static void commit(Db *db)
{
    g_autoptr(GError) error = NULL;
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

/* An account with MAILS in it, indexed. */
static int64_t filled(Db *db, const char *address)
{
    int64_t account = model_account(db, address, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(MAILS); i++) {
        int64_t id = add_mail(db, account, i, MAILS[i]);
        assert_int_equal(id, i + 1);
        begin(db, DB_WRITE);
        index_mail(db, account, id);
        commit(db);
    }
    return account;
}

static char *find(Db *db, int64_t account, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(QueryNode) query = query_parse(text, &error);
    assert_no_error(error);
    g_autoptr(GArray) ids = search_find(db, account, query, 0, 100000, &error);
    assert_no_error(error);
    int64_t count = -1;
    assert_true(search_count(db, account, query, &count, &error));
    assert_int_equal(count, ids->len);
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < ids->len; i++)
        g_string_append_printf(out, "%s%d", i ? " " : "", (int)g_array_index(ids, int64_t, i));
    return g_string_free(out, FALSE);
}

static void assert_found(Db *db, int64_t account, const char *query, const char *want)
{
    g_autofree char *got = find(db, account, query);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", query, got, want);
}

static void finds_what_is_asked(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t other = model_account(db, "other@example.org", 0);
    int64_t account = filled(db, "ada@example.org");
    begin(db, DB_READ);
    for (size_t i = 0; i < G_N_ELEMENTS(QUERIES); i++) {
        assert_found(db, account, QUERIES[i].query, QUERIES[i].want);
        assert_found(db, other, QUERIES[i].query, "");
    }
    db_rollback(db);
}

static void pages_begin_where_the_last_ended(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = filled(db, "ada@example.org");
    begin(db, DB_READ);
    const struct {
        const char *query;
        int64_t before, want;
    } pages[] = {{"example.org", 0, 10},
                 {"example.org", 10, 9},
                 {"example.org", 3, 1},
                 {"example.org", 1, 0},
                 {"\"example org\"", 3, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(QueryNode) query = query_parse(pages[i].query, &error);
        g_autoptr(GArray) ids = search_find(db, account, query, pages[i].before, 1, &error);
        assert_no_error(error);
        assert_int_equal(ids->len, pages[i].want > 0);
        if (ids->len)
            assert_int_equal(g_array_index(ids, int64_t, 0), pages[i].want);
    }
    db_rollback(db);
}

static void what_is_destroyed_is_not_found(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = filled(db, "ada@example.org");
    g_autoptr(GError) error = NULL;
    begin(db, DB_WRITE);
    SearchState at;
    assert_true(search_state_get(db, account, &at, &error));
    at.position = 16; /* six mailboxes, ten mails */
    assert_true(search_state_set(db, account, &at, &error));
    assert_true(email_destroy(db, account, 1, &error));
    assert_no_error(error);
    commit(db);
    begin(db, DB_READ);
    assert_found(db, account, "house", "2"); /* its row is still in the index */
    db_rollback(db);
    begin(db, DB_WRITE);
    assert_true(search_remove(db, account, 1, &error));
    assert_true(search_remove(db, account, 4711, &error));
    at.position = 17;
    assert_true(search_state_set(db, account, &at, &error));
    commit(db);
    begin(db, DB_READ);
    assert_found(db, account, "house", "2");
    assert_found(db, account, "bus", "2");
    db_rollback(db);
}

static void an_email_is_indexed_once(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = filled(db, "ada@example.org");
    begin(db, DB_WRITE);
    index_mail(db, account, 1);
    assert_true(search_add(db, account, 2, "* other", NULL));
    commit(db);
    begin(db, DB_READ);
    assert_found(db, account, "house", "1");
    assert_found(db, account, "other", "2");
    db_rollback(db);
}

static void an_account_goes_in_bounded_steps(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = filled(db, "ada@example.org"), other = filled(db, "bob@example.org");
    int64_t removed = -1, all = 0;
    g_autoptr(GError) error = NULL;
    unsigned steps = 0;
    do {
        begin(db, DB_WRITE);
        assert_true(search_remove_account(db, account, 4, &removed, &error));
        commit(db);
        all += removed;
        steps++;
    } while (removed == 4);
    assert_int_equal(all, 10);
    assert_int_equal(steps, 3);
    begin(db, DB_READ);
    SearchState at;
    assert_true(search_state_get(db, account, &at, &error));
    assert_int_equal(at.position, 0);
    assert_found(db, account, "house", "");
    assert_found(db, other, "house", "2 1");
    db_rollback(db);
}

/* The corpus: the same 500 queries find the same on both stores, and what content/words says. */
#define CORPUS_MAX  3000
#define QUERIES_MAX 500

static void corpus_walk(GPtrArray *paths, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_str_has_suffix(name, ".eml"))
            g_ptr_array_add(paths, g_steal_pointer(&path));
        else if (g_file_test(path, G_FILE_TEST_IS_DIR))
            corpus_walk(paths, path);
    }
}

static int compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A spread of the archives' mails, so that all lists and the spam have their share. */
static GPtrArray *corpus_paths(void)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    const char *archives[] = {"mime", "mail"};
    for (size_t i = 0; i < G_N_ELEMENTS(archives); i++) {
        g_autofree char *archive = test_archive(archives[i]);
        if (archive)
            corpus_walk(paths, archive);
    }
    g_ptr_array_sort(paths, compare_text);
    unsigned step = paths->len / CORPUS_MAX + 1, kept = 0;
    for (unsigned i = 0; i < paths->len; i++)
        if (i % step == 0) {
            gpointer swap = paths->pdata[kept];
            paths->pdata[kept++] = paths->pdata[i];
            paths->pdata[i] = swap;
        }
    g_ptr_array_set_size(paths, (int)kept);
    return paths;
}

static void count_word(const char *word, size_t size, void *data)
{
    g_autofree char *key = g_strndup(word, size);
    GHashTable *words = data;
    gpointer count = g_hash_table_lookup(words, key);
    g_hash_table_insert(words, g_steal_pointer(&key),
                        GUINT_TO_POINTER(GPOINTER_TO_UINT(count) + 1));
}

/* Queries from the corpus' own words: each kind of query over words that are spread over the
 * alphabet, so that all scripts come. */
static GPtrArray *corpus_queries(GHashTable *words)
{
    g_autoptr(GList) keys = g_hash_table_get_keys(words);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (GList *at = keys; at; at = at->next)
        if (GPOINTER_TO_UINT(g_hash_table_lookup(words, at->data)) > 3)
            g_ptr_array_add(sorted, at->data);
    g_ptr_array_sort(sorted, compare_text);
    GPtrArray *queries = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < QUERIES_MAX; i++) {
        const char *one =
            g_ptr_array_index(sorted, (guint)((uint64_t)i * sorted->len / QUERIES_MAX));
        const char *two = g_ptr_array_index(
            sorted, (guint)((uint64_t)((i * 7919u) % QUERIES_MAX) * sorted->len / QUERIES_MAX));
        static const char *const FORMS[] = {
            "%s", "%s -%s", "%s OR %s", "subject:%s OR from:%s", "body:%s", "%s (%s OR the)", "%s"};
        g_autofree char *form = g_strdup(FORMS[i % G_N_ELEMENTS(FORMS)]);
        g_auto(GStrv) pieces = g_strsplit(form, "%s", 3);
        g_ptr_array_add(queries, g_strv_length(pieces) == 3
                                     ? g_strconcat(pieces[0], one, pieces[1], two, pieces[2], NULL)
                                     : g_strconcat(pieces[0], one, pieces[1], NULL));
    }
    return queries;
}

static GPtrArray *first_results; /* of the first store, for the second */

static void both_stores_find_the_same(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(GPtrArray) paths = corpus_paths();
    if (!paths->len)
        return;
    int64_t account = model_account(db, "ada@example.org", 0);
    g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)message_free);
    g_autoptr(GError) error = NULL;
    uint64_t languages = 0;
    for (unsigned i = 0; i < paths->len; i++) {
        g_autofree char *bytes = NULL;
        gsize size = 0;
        assert_true(g_file_get_contents(paths->pdata[i], &bytes, &size, NULL));
        g_autoptr(Letter) letter = letter_new(bytes, size);
        g_autofree char *key = g_strdup_printf("%u", i);
        Delivery delivery = {.letter = letter, .account = account, .key = key};
        Delivered result;
        assert_true(deliver_many(db, &delivery, 1, &result, &error));
        unsigned language;
        g_autoptr(GString) terms = words_of_message(letter->message, &language);
        languages |= UINT64_C(1) << language;
        words_each(letter->message->text->str, letter->message->text->len, count_word, words);
        begin(db, DB_WRITE_LAZY);
        search_add(db, account, result.email, terms->str, &error);
        assert_no_error(error);
        commit(db);
        if (i % 100 == 0) {
            Message *message = message_parse(bytes, size, MESSAGE_FULL);
            message->date_ms = result.email; /* where the oracle keeps the id */
            g_ptr_array_add(messages, message);
        }
    }
    begin(db, DB_WRITE);
    assert_true(search_state_set(db, account, &(SearchState){1 << 30, SEARCH_NO_REBUILD, languages},
                                 &error));
    commit(db);
    begin(db, DB_READ);
    g_autoptr(GPtrArray) queries = corpus_queries(words),
                         results = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < queries->len; i++) {
        const char *text = g_ptr_array_index(queries, i);
        char *got = find(db, account, text);
        g_ptr_array_add(results, got);
        if (first_results && strcmp(got, g_ptr_array_index(first_results, i)) != 0)
            fail_msg("%s: got \"%s\", and on the other store \"%s\"", text, got,
                     (char *)g_ptr_array_index(first_results, i));
        g_autofree char *padded = g_strdup_printf(" %s ", got);
        g_autoptr(QueryNode) query = query_parse(text, &error);
        for (unsigned k = 0; k < messages->len; k++) {
            const Message *message = g_ptr_array_index(messages, k);
            g_autofree char *id = g_strdup_printf(" %d ", (int)message->date_ms);
            if (query_matches(query, message, languages) != (strstr(padded, id) != NULL))
                fail_msg("%s: message%sis found: %d", text, id, strstr(padded, id) != NULL);
        }
    }
    db_rollback(db);
    if (!first_results)
        first_results = g_steal_pointer(&results);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_asked),
        cmocka_unit_test(pages_begin_where_the_last_ended),
        cmocka_unit_test(what_is_destroyed_is_not_found),
        cmocka_unit_test(an_email_is_indexed_once),
        cmocka_unit_test(an_account_goes_in_bounded_steps),
        cmocka_unit_test(both_stores_find_the_same),
    };
    return test_on_both_stores("search", tests, G_N_ELEMENTS(tests));
}
