/* import_source_test: what files give, in which order, and that equal messages have marks of their
 * own that are the same in each run.
 */
#include "support.h"

#include <string.h>
#include <unistd.h>

#include "content/message.h"
#include "app/import_source.h"

#define BYTES_MAX 1000
#define NOW       INT64_C(1800000000000)

typedef struct {
    GMutex lock;
    GString *problems; /* "name: text" a line */
    unsigned passed_over;
} Heard;

static void problem(const char *place, const char *text, void *data)
{
    Heard *heard = data;
    g_autofree char *name = g_path_get_basename(place);
    g_mutex_lock(&heard->lock);
    g_string_append_printf(heard->problems, "%s: %.20s\n", name, text);
    g_mutex_unlock(&heard->lock);
}

static void passed_over(const char *place, void *data)
{
    (void)place;
    ((Heard *)data)->passed_over++;
}

static void put(const char *top, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(top, name, NULL), *above = g_path_get_dirname(path);
    assert_int_equal(g_mkdir_with_parents(above, 0700), 0);
    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *make_top(void)
{
    char *top = g_dir_make_tmp("rota-import-XXXXXX", NULL);
    assert_non_null(top);
    return top;
}

static void remove_top(char *top)
{
    const char *argv[] = {"rm", "-rf", top, NULL};
    assert_true(g_spawn_sync(NULL, (char **)(gsize)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                             NULL, NULL, NULL, NULL));
    g_free(top);
}

static void item_clear(IntakeItem *item)
{
    g_free(item->path);
    g_free(item->folder);
    g_free(item->keywords);
    g_bytes_unref(item->bytes);
}

/* "FOLDER KEYWORDS SECONDS BYTES" a line, at most `most` of them; marks are added to `marks`. */
static char *read_all(char *top, unsigned most, Heard *heard, GPtrArray *marks)
{
    ImportSourceConfig config = {.paths = &top,
                                 .count = 1,
                                 .bytes_max = BYTES_MAX,
                                 .now = NOW,
                                 .problem = problem,
                                 .passed_over = passed_over,
                                 .data = heard};
    heard->problems = g_string_new(NULL);
    g_autoptr(ImportSource) source = import_source_new(&config);
    GString *all = g_string_new(NULL);
    IntakeItem item = {0};
    for (; most && import_source_next(source, &item); most--) {
        gsize size;
        const char *bytes = g_bytes_get_data(item.bytes, &size);
        g_autofree char *text = g_strndup(bytes, size);
        g_strdelimit(text, "\n", '|');
        g_string_append_printf(all, "%s%s%d %s\n", item.folder ? item.folder : "-", item.keywords,
                               (int)(item.received_at / 1000), text);
        g_autoptr(Letter) letter = letter_new(bytes, size);
        g_ptr_array_add(marks, import_source_key(&item, letter));
        item_clear(&item);
    }
    return g_string_free(all, false);
}

static void expect(char *top, const char *want, const char *want_problems, unsigned want_marks)
{
    Heard heard = {0};
    g_autoptr(GPtrArray) marks = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) distinct = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *got = read_all(top, G_MAXUINT, &heard, marks);
    assert_string_equal(got, want);
    assert_string_equal(heard.problems->str, want_problems);
    for (guint i = 0; i < marks->len; i++)
        g_hash_table_add(distinct, marks->pdata[i]);
    assert_int_equal(g_hash_table_size(distinct), want_marks);
    Heard again = {0};
    g_autoptr(GPtrArray) same = g_ptr_array_new_with_free_func(g_free);
    g_free(read_all(top, G_MAXUINT, &again, same));
    for (guint i = 0; i < marks->len; i++)
        assert_string_equal(marks->pdata[i], same->pdata[i]);
    g_string_free(heard.problems, true);
    g_string_free(again.problems, true);
}

static void a_maildir_has_folders_and_flags(void **state)
{
    (void)state;
    char *top = make_top();
    put(top, "cur/1700000001.a:2,S", "a: 1\n\n");
    put(top, "cur/1700000002.b:2,FSb", "a: 1\n\n");
    put(top, "new/1700000003.c", "a: 2\n\n");
    put(top, "tmp/1700000004.d", "half");
    put(top, ".A.B/cur/1700000005.e:2,", "a: 1\n\n");
    put(top, "dovecot-keywords", "0 $junk\n1 work\n");
    expect(top,
           "- $seen 1700000001 a: 1||\n- $flagged $seen work 1700000002 a: 1||\n"
           "-1700000003 a: 2||\nA/B1700000005 a: 1||\n",
           "", 4);
    remove_top(top);
}

static void other_files_are_named(void **state)
{
    (void)state;
    char *top = make_top();
    g_autofree char *large = g_strnfill(BYTES_MAX + 1, 'x'),
                    *link = g_build_filename(top, "z-link.eml", NULL);
    put(top, "a.mbox",
        "From x Mon Jan  2 03:04:05 2023\nStatus: R\n\nx\n\nFrom x Mon Jan  2 03:04:06 "
        "2099\ny\n\n");
    put(top, "b.eml", "");
    put(top, "c.eml", large);
    put(top, "d.ics", "BEGIN:VCALENDAR\n");
    put(top, "README", "no mail\n");
    put(top, ".hidden/x.eml", "a: 1\n\n");
    assert_int_equal(symlink(top, link), 0);
    expect(top, "a $seen 1672628645 Status: R||x|\na1800000000 y|\n",
           "b.eml: is empty\nc.eml: has 1001 bytes, more\nd.ics: calendars are not ta\n"
           "z-link.eml: is a symbolic link, \n",
           2);
    remove_top(top);
}

static void nobody_wants_the_rest(void **state)
{
    (void)state;
    char *top = make_top();
    g_autoptr(GString) box = g_string_new(NULL);
    for (int i = 0; i < 5000; i++)
        g_string_append_printf(box, "From x Mon Jan  2 03:04:05 2023\na: %d\n\n", i);
    put(top, "a.mbox", box->str);
    Heard heard = {0};
    g_autoptr(GPtrArray) marks = g_ptr_array_new_with_free_func(g_free);
    g_free(read_all(top, 3, &heard, marks)); /* ends, though the queue is full */
    assert_int_equal(marks->len, 3);
    g_string_free(heard.problems, true);
    remove_top(top);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_maildir_has_folders_and_flags),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(nobody_wants_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
