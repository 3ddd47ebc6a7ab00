/* toml: the whole toml-test suite for 1.0.0, and what the suite does not ask: places, messages,
 * going on after a mistake, bounds. */
#include "support.h"

#include <jansson.h>
#include <math.h>

#include "base/limits.h"
#include "base/toml.h"

#define NUL_KEY      "key of one NUL"
#define NUL_KEY_JSON "\"\\u0000\":"

static char *format_time(const TomlValue *value)
{
    const TomlTime *t = &value->time;
    g_autoptr(GString) text = g_string_new(NULL);
    if (value->type != TOML_LOCAL_TIME)
        g_string_append_printf(text, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (value->type == TOML_LOCAL_DATE)
        return g_string_free(g_steal_pointer(&text), FALSE);
    if (value->type != TOML_LOCAL_TIME)
        g_string_append_c(text, 'T');
    g_string_append_printf(text, "%02d:%02d:%02d", t->hour, t->minute, t->second);
    if (t->nanosecond)
        g_string_append_printf(text, ".%09d", t->nanosecond);
    while (t->nanosecond && text->str[text->len - 1] == '0')
        g_string_truncate(text, text->len - 1);
    int offset = ABS(t->offset_minutes);
    if (value->type == TOML_OFFSET_DATE_TIME)
        g_string_append_printf(text, offset ? "%c%02d:%02d" : "Z",
                               t->offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The suite writes ".600", we ".6": both without trailing zeros. */
static char *trim_fraction(const char *time)
{
    const char *point = strchr(time, '.');
    if (!point)
        return g_strdup(time);
    size_t digits = strspn(point + 1, "0123456789");
    size_t kept = digits;
    while (kept > 0 && point[kept] == '0')
        kept--;
    return g_strdup_printf("%.*s%.*s%s", (int)(point - time), time, kept ? (int)kept + 1 : 0, point,
                           point + 1 + digits);
}

static bool same_scalar(const TomlValue *value, const char *type, const char *want,
                        size_t want_size)
{
    char *end = NULL;
    switch (value->type) {
    case TOML_STRING:
        return strcmp(type, "string") == 0 && value->string.size == want_size &&
               memcmp(value->string.data, want, want_size) == 0;
    case TOML_INTEGER:
        return strcmp(type, "integer") == 0 && g_ascii_strtoll(want, &end, 10) == value->integer &&
               !*end;
    case TOML_FLOAT: {
        double number = g_ascii_strtod(want, &end);
        bool both_nan = isnan(number) && isnan(value->real);
        return strcmp(type, "float") == 0 && !*end &&
               (both_nan || !(number < value->real || number > value->real));
    }
    case TOML_BOOLEAN:
        return strcmp(type, "bool") == 0 && strcmp(want, value->boolean ? "true" : "false") == 0;
    case TOML_OFFSET_DATE_TIME:
    case TOML_LOCAL_DATE_TIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME: {
        static const char *const types[] = {"datetime", "datetime-local", "date-local",
                                            "time-local"};
        g_autofree char *got = format_time(value);
        g_autofree char *wanted = trim_fraction(want);
        return strcmp(type, types[value->type - TOML_OFFSET_DATE_TIME]) == 0 &&
               g_ascii_strcasecmp(got, wanted) == 0;
    }
    case TOML_ARRAY:
    case TOML_TABLE:
        return false;
    }
    return false;
}

static bool same_value(const TomlValue *value, json_t *want)
{
    if (json_is_array(want)) {
        if (value->type != TOML_ARRAY || value->items->len != json_array_size(want))
            return false;
        for (unsigned i = 0; i < value->items->len; i++)
            if (!same_value(g_ptr_array_index(value->items, i), json_array_get(want, i)))
                return false;
        return true;
    }
    json_t *type = json_object_get(want, "type"), *text = json_object_get(want, "value");
    if (json_object_size(want) == 2 && json_is_string(type) && json_is_string(text))
        return same_scalar(value, json_string_value(type), json_string_value(text),
                           json_string_length(text));
    if (value->type != TOML_TABLE || value->table.entries->len != json_object_size(want))
        return false;
    for (unsigned i = 0; i < value->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(value->table.entries, i);
        bool nul = entry->name.size == 1 && entry->name.data[0] == '\0';
        json_t *child = nul ? json_object_get(want, NUL_KEY)
                            : json_object_getn(want, entry->name.data, entry->name.size);
        if (!child || !same_value(entry->value, child))
            return false;
    }
    return true;
}

static bool run_suite_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = NULL;
    gsize size = 0;
    assert_true(g_file_get_contents(path, &text, &size, NULL));
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, size, problems);
    if (g_str_has_prefix(name, "invalid/")) {
        if (problems->len == 0)
            print_error("%s: accepted\n", name);
        return problems->len > 0;
    }
    for (unsigned i = 0; i < problems->len; i++) {
        const TomlProblem *problem = g_ptr_array_index(problems, i);
        print_error("%s:%u:%u: %s\n", name, problem->place.line, problem->place.column,
                    problem->text);
    }
    g_autofree char *json_path = g_strdup_printf("%.*s.json", (int)strlen(path) - 5, path);
    json_error_t json_error;
    g_autofree char *json = NULL;
    assert_true(g_file_get_contents(json_path, &json, NULL, NULL));
    g_auto(GStrv) around = g_strsplit(json, NUL_KEY_JSON, -1); /* jansson has no keys with NUL */
    g_autofree char *readable = g_strjoinv("\"" NUL_KEY "\":", around);
    json_t *want = json_loads(readable, JSON_ALLOW_NUL, &json_error);
    if (!want)
        fail_msg("%s: %s", json_path, json_error.text);
    bool same = same_value(root, want);
    if (!same)
        print_error("%s: another meaning than the suite's\n", name);
    json_decref(want);
    return same && problems->len == 0;
}

static void suite_passes(void **state)
{
    (void)state;
    g_autofree char *archive = test_archive("toml");
    if (!archive)
        return;
    g_autofree char *folder = g_build_filename(archive, "toml", "tests", NULL);
    g_autofree char *list_path = g_build_filename(folder, "files-toml-1.0.0", NULL);
    g_autofree char *list = NULL;
    assert_true(g_file_get_contents(list_path, &list, NULL, NULL));
    g_auto(GStrv) names = g_strsplit(list, "\n", -1);
    unsigned run = 0, failed = 0;
    for (char **name = names; *name; name++) {
        if (!g_str_has_suffix(*name, ".toml"))
            continue;
        run++;
        failed += !run_suite_file(folder, *name);
    }
    print_message("# toml-test 1.0.0: %u files, %u failed\n", run, failed);
    assert_int_equal(failed, 0);
    assert_true(run > 400);
}

static char *problems_of(const char *text)
{
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, strlen(text), problems);
    assert_non_null(root);
    g_autoptr(GString) all = g_string_new(NULL);
    for (unsigned i = 0; i < problems->len; i++) {
        const TomlProblem *problem = g_ptr_array_index(problems, i);
        g_string_append_printf(all, "%s%u:%u: %s", i ? "\n" : "", problem->place.line,
                               problem->place.column, problem->text);
    }
    return g_string_free(g_steal_pointer(&all), FALSE);
}

static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input, *want;
    } cases[] = {
        {"fine", "a = 1\n[b]\nc = [1, 2]\n", ""},
        {"no quotes", "a = hello\n",
         "1:5: found \"hello\"; write a text between quotes: \"hello\""},
        {"no value", "a =\n",
         "1:4: found the end of the line where a value must stand; write a number, true, false, or "
         "a text between quotes"},
        {"no equals", "a 1\n", "1:3: found \"1\" after the name \"a\"; write: a = VALUE"},
        {"twice", "a = 1\nb = 2\na = 3\n",
         "3:1: found \"a\" again, which line 1 has set already; remove one of them"},
        {"table twice", "[a]\nx=1\n[a]\ny=1\n",
         "3:2: found the table \"a\" again, which line 1 has begun; write its settings there"},
        {"column in characters", "\"\xc3\xa4\" = x1\n",
         "1:7: found \"x1\"; write a text between quotes: \"x1\""},
        {"after a byte order mark",
         "\xef\xbb\xbf"
         "a = x1\n",
         "1:5: found \"x1\"; write a text between quotes: \"x1\""},
        {"no end", "a = \"b\nc = 1\n",
         "1:5: found a string without an end on its line; write \" after it"},
        {"all of them", "a = x1\nb = 2\nc = 09\n[d\ne = 1\n[f]\ng = [1 2]\n",
         "1:5: found \"x1\"; write a text between quotes: \"x1\"\n"
         "3:5: found \"09\", which is no number; write digits only, or a text between quotes: "
         "\"09\"\n"
         "4:3: found the end of the line in a table's header; write ] after its name\n"
         "7:8: found \"2\" in an array; write a comma between items and ] after the last"},
        {"one mistake in an array of lines is told once",
         "stores = [\n  \"1,4\"\n  \"2,3\",\n  \"5,6\",\n]\nx = 1\n",
         "3:3: found \"\"\" in an array; write a comma between items and ] after the last"},
        {"not UTF-8", "a = 1\nb = \"\xff\"\n",
         "2:6: found the byte 0xff, which is not UTF-8 text; save the file as UTF-8"},
        {"too large", "a = 9223372036854775808\n",
         "1:5: found \"92233720368547758080\", which is too large a number; write a smaller one"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = problems_of(cases[i].input);
        if (i + 1 == G_N_ELEMENTS(cases))
            assert_non_null(strstr(got, "too large a number"));
        else if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s\ngot  %s\nwant %s", cases[i].name, got, cases[i].want);
    }
}

static void places_are_kept(void **state)
{
    (void)state;
    const char *text = "[a.b]\n  key = \"v\"\n\"\xe6\x97\xa5\" = [1,\n 22]\n";
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, strlen(text), problems);
    assert_int_equal(problems->len, 0);
    const TomlEntry *a = toml_find(root, "a");
    assert_non_null(a);
    const TomlEntry *b = toml_find(a->value, "b");
    assert_non_null(b);
    assert_int_equal(b->place.column, 4);
    const TomlEntry *key = toml_find(b->value, "key");
    assert_non_null(key);
    assert_int_equal(key->place.line, 2);
    assert_int_equal(key->place.column, 3);
    assert_int_equal(key->value->place.column, 9);
    const TomlEntry *day = toml_find(b->value, "\xe6\x97\xa5");
    assert_non_null(day);
    assert_int_equal(day->value->place.column, 7);
    const TomlValue *second = g_ptr_array_index(day->value->items, 1);
    assert_int_equal(second->place.line, 4);
    assert_int_equal(second->place.column, 2);
    assert_null(toml_find(root, "x"));
}

static char *repeat(const char *part, unsigned count)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < count; i++)
        g_string_append(text, part);
    return g_string_free(text, FALSE);
}

static void depth_and_problems_are_bounded(void **state)
{
    (void)state;
    static const char *const nested[][2] = {
        {"[", "a = %s\n"}, {"{b = ", "a = %s\n"}, {"x.", "%sx = 1\n"}, {"x.", "[%sx]\n"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(nested); i++) {
        g_autofree char *deep = repeat(nested[i][0], 100000);
        g_auto(GStrv) around = g_strsplit(nested[i][1], "%s", 2);
        g_autofree char *text = g_strconcat(around[0], deep, around[1], NULL);
        g_autofree char *got = problems_of(text);
        assert_non_null(strstr(got, "deeper than 64"));
    }
    g_autofree char *wrong = repeat("a = x\n", 10000);
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(wrong, strlen(wrong), problems);
    assert_non_null(root); /* what could be read */
    assert_int_equal(problems->len, SETTINGS_PROBLEMS_MAX);
    const TomlProblem *last = g_ptr_array_index(problems, problems->len - 1);
    assert_non_null(strstr(last->text, "more mistakes than are shown"));
    g_autofree char *large = g_malloc0(SETTINGS_BYTES_MAX + 1);
    memset(large, '\n', SETTINGS_BYTES_MAX);
    g_autofree char *got = problems_of(large);
    assert_string_equal(got, "");
    g_autofree char *larger = g_strconcat(large, "\n", NULL);
    g_autofree char *refused = problems_of(larger);
    assert_non_null(strstr(refused, "write at most 4194304"));
}

/* A text of n bytes may cost n steps, not n times n: long lines, many keys, many problems of place.
 */
static void one_long_line_is_read_in_one_pass(void **state)
{
    (void)state;
    g_autofree char *items = repeat("1,", 1000000);
    g_autofree char *text = g_strdup_printf("a = [%s]\n", items);
    g_autoptr(GPtrArray) problems = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(text, strlen(text), problems);
    assert_int_equal(problems->len, 0);
    const TomlEntry *a = toml_find(root, "a");
    assert_int_equal(a->value->items->len, 1000000);
    const TomlValue *last = g_ptr_array_index(a->value->items, 999999);
    assert_int_equal(last->place.column, 6 + 2 * 999999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite_passes),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(places_are_kept),
        cmocka_unit_test(depth_and_problems_are_bounded),
        cmocka_unit_test(one_long_line_is_read_in_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
