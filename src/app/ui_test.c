/* ui: tables, safe text, formats; progress without a terminal. */
#include "support.h"

#include <unistd.h>

#include "app/ui.h"

static char *print_table(const UiTable *table)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ui_table_print(table, out);
    fclose(out);
    char *copy = g_strdup(text);
    free(text);
    return copy;
}

static void tables_stand_in_columns(void **state)
{
    (void)state;
    g_autoptr(UiTable) table = ui_table_new("name", ">count", "what", NULL);
    g_autofree char *empty = print_table(table);
    assert_string_equal(empty, "");
    ui_table_add(table, "a", "5", "", NULL);
    ui_table_add(table, "\xe6\x97\xa5\xe6\x9c\xac", "12345", "wide", NULL);
    ui_table_colour(table, UI_RED);
    ui_table_add(table, "evil\033[31m\n\xff", "1", "x", NULL);
    assert_int_equal(ui_table_rows(table), 3);
    g_autofree char *text = print_table(table);
    assert_string_equal(text, "name               count  what\n"
                              "a                      5\n"
                              "\xe6\x97\xa5\xe6\x9c\xac               12345  wide\n"
                              "evil\\x1b[31m\\x0a\xef\xbf\xbd      1  x\n");
}

static void figures_read_well(void **state)
{
    (void)state;
    static const struct {
        char *(*format)(int64_t);
        int64_t value;
        const char *want;
    } cases[] = {
        {ui_format_bytes, 0, "0 B"},
        {ui_format_bytes, 999, "999 B"},
        {ui_format_bytes, 1000, "1.0 kB"},
        {ui_format_bytes, 10500, "10 kB"},
        {ui_format_bytes, 999999, "1.0 MB"},
        {ui_format_bytes, 52428800, "52 MB"},
        {ui_format_bytes, INT64_MAX, "9.2 EB"},
        {ui_format_duration, 20, "20ms"},
        {ui_format_duration, 1500, "1.5s"},
        {ui_format_duration, 90000, "1m 30s"},
        {ui_format_duration, 3660000, "1h 1m"},
        {ui_format_duration, 90000000, "1d 1h"},
        {ui_format_time, 0, "never"},
        {ui_format_time, INT64_MAX, "out of range"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = cases[i].format(cases[i].value);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%lld: got %s, want %s", (long long)cases[i].value, got, cases[i].want);
    }
}

/* Not on a terminal: a line every ten seconds. */
static void progress_is_a_line_every_ten_seconds(void **state)
{
    (void)state;
    g_autofree char *path = NULL;
    int file = g_file_open_tmp("rota-ui-XXXXXX", &path, NULL), kept = dup(STDERR_FILENO);
    assert_true(file >= 0 && kept >= 0);
    dup2(file, STDERR_FILENO);
    ClockManual manual;
    clock_manual_init(&manual, 0);
    UiProgress *progress = ui_progress_new("importing", 0, &manual.clock);
    ui_progress_set_total(progress, 1000);
    for (unsigned second = 0; second < 25; second++) {
        clock_manual_advance(&manual, 1000000);
        ui_progress_set(progress, second * 10, second == 19 ? "a\033b" : NULL);
    }
    ui_progress_free(progress);
    ui_progress_free(NULL);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    unlink(path);
    assert_string_equal(text, "importing   9 %  90 of 1000  1m 41s left  9/s\n"
                              "importing  19 %  190 of 1000  1m 25s left  10/s  a\\x1bb\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_stand_in_columns),
        cmocka_unit_test(figures_read_well),
        cmocka_unit_test(progress_is_a_line_every_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
