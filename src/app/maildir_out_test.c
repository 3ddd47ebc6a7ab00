/* maildir_out_test: a second run adds what is missing, and mends what a crash left half. */
#include "support.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/maildir_out.h"

static char *make_top(int *ret_root)
{
    char *top = g_dir_make_tmp("rota-export-XXXXXX", NULL);
    assert_non_null(top);
    *ret_root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(*ret_root >= 0);
    return top;
}

static void remove_top(char *top, int root)
{
    const char *argv[] = {"rm", "-rf", top, NULL};
    close(root);
    assert_true(g_spawn_sync(NULL, (char **)(gsize)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                             NULL, NULL, NULL, NULL));
    g_free(top);
}

/* Writes the messages, each a text that is its bytes, to the folder; how many were not there. */
static unsigned export(int root, const char *folder, const char *keywords, const char *const *texts)
{
    GError *error = NULL;
    const char *parts[] = {folder, NULL};
    g_autoptr(MaildirOut) out = maildir_out_open(root, "top", parts, &error);
    assert_no_error(error);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_ptr_array_add(words, (char *)(gsize) "$junk");
    unsigned left_out = 1, written = 0;
    assert_true(maildir_out_set_keywords(out, words, &left_out, &error));
    assert_int_equal(left_out, 0);
    for (; *texts; texts++) {
        g_autoptr(GBytes) bytes = g_bytes_new_static(*texts, strlen(*texts));
        MaildirMail mail = {.digest = digest_of(*texts, strlen(*texts)),
                            .size = (int64_t)strlen(*texts),
                            .received_at = INT64_C(1700000000123),
                            .keywords = keywords};
        g_autofree char *name = NULL;
        int found = maildir_out_find(out, &mail, &name, &error);
        assert_no_error(error);
        if (found == 0) {
            assert_true(maildir_out_write(out, name, bytes, mail.received_at, &error));
            written++;
        }
    }
    assert_true(maildir_out_flush(out, &error));
    return written;
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory, in order, each after its digest and with its content. */
static char *list(const char *top, const char *directory)
{
    g_autofree char *path = g_build_filename(top, directory, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(path, name, NULL), *text = NULL;
        assert_true(g_file_get_contents(file, &text, NULL, NULL));
        g_ptr_array_add(lines, g_strdup_printf("%s=%s", strrchr(name, '.'), text));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv(" ", (char **)lines->pdata);
}

static void again_adds_what_is_missing(void **state)
{
    (void)state;
    int root;
    char *top = make_top(&root);
    const char *first[] = {"a", "b", "a", NULL}, *second[] = {"a", "b", "a", "c", "a", NULL};
    assert_int_equal(export(root, "X", " $seen ", first), 3);
    assert_int_equal(export(root, "X", " $seen ", first), 0);
    assert_int_equal(export(root, "X", " $flagged $junk ", second), 2);
    g_autofree char *got = list(top, ".X/cur");
    assert_string_equal(got,
                        ".1,S=1:2,Fa=a .1,S=1:2,Fa=b .1,S=1:2,Fa=c .2,S=1:2,Fa=a .3,S=1:2,Fa=a");
    g_autofree char *rest = list(top, ".X/tmp");
    assert_string_equal(rest, "");
    remove_top(top, root);
}

static void what_is_half_is_written_anew(void **state)
{
    (void)state;
    int root;
    char *top = make_top(&root);
    const char *texts[] = {"whole", NULL};
    assert_int_equal(export(root, "X", "", texts), 1);
    g_autofree char *path = g_build_filename(top, ".X", "cur", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autofree char *file = g_build_filename(path, g_dir_read_name(dir), NULL);
    assert_int_equal(truncate(file, 2), 0); /* as a crash of the machine may leave it */
    assert_int_equal(export(root, "X", "", texts), 1);
    g_autofree char *got = list(top, ".X/cur");
    assert_string_equal(got, ".1,S=5:2,=whole");
    struct stat stat_now;
    assert_int_equal(stat(file, &stat_now), 0);
    assert_int_equal(stat_now.st_mtim.tv_sec, 1700000000);
    assert_int_equal(stat_now.st_mtim.tv_nsec, 123000000);
    remove_top(top, root);
}

static void links_lead_nowhere(void **state)
{
    (void)state;
    int root;
    char *top = make_top(&root);
    g_autofree char *link = g_build_filename(top, ".X", NULL);
    assert_int_equal(symlink("/tmp", link), 0);
    g_autoptr(GError) error = NULL;
    const char *parts[] = {"X", NULL};
    assert_null(maildir_out_open(root, "top", parts, &error));
    assert_non_null(error);
    remove_top(top, root);
}

static void a_long_name_is_kept_inside(void **state)
{
    (void)state;
    int root;
    char *top = make_top(&root);
    g_autofree char *folder = g_strnfill(250, 'x');
    const char *texts[] = {"a", NULL};
    assert_int_equal(export(root, folder, "", texts), 1);
    g_autoptr(GDir) dir = g_dir_open(top, 0, NULL);
    g_autofree char *inside = g_build_filename(top, g_dir_read_name(dir), "rota-mailbox", NULL),
                    *text = NULL;
    assert_true(g_file_get_contents(inside, &text, NULL, NULL));
    assert_string_equal(g_strchomp(text), folder);
    remove_top(top, root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again_adds_what_is_missing),
        cmocka_unit_test(what_is_half_is_written_anew),
        cmocka_unit_test(links_lead_nowhere),
        cmocka_unit_test(a_long_name_is_kept_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
