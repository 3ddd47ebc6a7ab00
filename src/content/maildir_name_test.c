/* maildir_name_test: what names say, and that what we write is read again. */
#include "support.h"

#include <string.h>

#include "content/maildir_name.h"

static void reads_names(void **state)
{
    (void)state;
    assert_string_equal(maildir_flags("1700000000.M1P2.host:2,RS"), "RS");
    assert_string_equal(maildir_flags("1700000000.M1P2.host"), "");
    assert_string_equal(maildir_flags("1:2,S:2,F"), "F");
    assert_string_equal(maildir_flags(""), "");
    assert_int_equal(maildir_time("1700000000.M1P2.host:2,RS"), 1700000000000);
    assert_int_equal(maildir_time("17.M1P2"), 0);
    assert_int_equal(maildir_time("170000000000000000000.x"), 0);
    assert_int_equal(maildir_time("1700000000"), 0);
    assert_int_equal(maildir_time(""), 0);
}

static void knows_flags(void **state)
{
    (void)state;
    const char *list[MAILDIR_KEYWORDS_MAX] = {"$junk", NULL};
    for (const char *flag = "DFPRSTa"; *flag; flag++) {
        const char *keyword = maildir_keyword(*flag, list);
        assert_non_null(keyword);
        assert_int_equal(maildir_flag(keyword), *flag == 'a' ? '\0' : *flag);
    }
    assert_string_equal(maildir_keyword('a', list), "$junk");
    assert_null(maildir_keyword('b', list));
    assert_null(maildir_keyword('X', list));
    assert_null(maildir_keyword('\0', list));
}

static const struct {
    const char *directory, *want; /* parts with | */
} FOLDERS[] = {
    {".Sent", "Sent"},
    {".Lists.rota.dev", "Lists|rota|dev"},
    {".Entw&APw-rfe", "Entwürfe"},
    {".&U,BTFw-", "台北"},
    {".A&-B", "A&B"},
    {".&2D3eAA-", "😀"},
    {".no&way", "no&way"},
    {".no&*-way", "no&*-way"},
    {".half&2D0-", "half&2D0-"},
    {".\xff", "\xff"},
    {"..a..b.", "a|b"},
    {".", ""},
    {"", ""},
};

static void reads_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(FOLDERS); i++) {
        g_auto(GStrv) parts = maildir_folder_parse(FOLDERS[i].directory);
        g_autofree char *got = g_strjoinv("|", parts);
        assert_string_equal(got, FOLDERS[i].want);
    }
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const char *const lists[][4] = {{"Sent", NULL},      {"a.b", "c/d", NULL},
                                           {"..", ".", NULL},   {"Entwürfe & mehr", "台北", NULL},
                                           {"&AC4-", NULL},     {"cur", "new", "tmp", NULL},
                                           {" ", "~", NULL},    {"😀.😀", NULL},
                                           {"new\nline", NULL}, {"-", "&-", "&", NULL}};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *directory = maildir_folder_format(lists[i]);
        assert_non_null(directory);
        assert_int_equal(directory[0], '.');
        for (const char *at = directory; *at; at++)
            assert_true(*at >= 0x20 && *at < 0x7f && *at != '/');
        g_auto(GStrv) parts = maildir_folder_parse(directory);
        assert_true(g_strv_equal((const char *const *)parts, lists[i]));
    }
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[199] = '\0';
    const char *fits[] = {longest, NULL}, *over[] = {longest, "y", NULL};
    g_autofree char *directory = maildir_folder_format(fits);
    assert_int_equal(strlen(directory), 200);
    assert_null(maildir_folder_format(over));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names),
        cmocka_unit_test(knows_flags),
        cmocka_unit_test(reads_folders),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
