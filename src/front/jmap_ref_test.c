/* jmap_ref_test: back-references (RFC 8620 §3.7), row by row. */
#include <string.h>

#include "front/jmap.h"
#include "support.h"

static const char responses[] =
    "[['Email/query', {'ids': ['M1', 'M2'], 'a/b': 1, 'm~n': 2, '': 3}, '0'],"
    " ['Email/get', {'list': [{'id': 'M1', 'boxes': ['x', 'y']}, {'id': 'M2', 'boxes': ['z']}]}, "
    "'1'],"
    " ['error', {'type': 'notFound'}, '2'], ['Email/get', {'list': []}, '0']]";

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
    json_t *value = json_loads(quoted, JSON_DECODE_ANY, NULL);
    if (!value)
        fail_msg("%s", quoted);
    return value;
}

static void references(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *want; /* NULL: it leads to nothing */
    } rows[] = {
        {"{'a': 1}", "{'a': 1}"},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids'}}",
         "{'ids': ['M1', 'M2']}"},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids/1'}}", "{'ids': 'M2'}"},
        {"{'#x': {'resultOf': '0', 'name': 'Email/query', 'path': '/a~1b'}}", "{'x': 1}"},
        {"{'#x': {'resultOf': '0', 'name': 'Email/query', 'path': '/m~0n'}}", "{'x': 2}"},
        {"{'#x': {'resultOf': '0', 'name': 'Email/query', 'path': '/'}}", "{'x': 3}"},
        {"{'#ids': {'resultOf': '1', 'name': 'Email/get', 'path': '/list/*/id'}}",
         "{'ids': ['M1', 'M2']}"},
        {"{'#ids': {'resultOf': '1', 'name': 'Email/get', 'path': '/list/*/boxes'}}",
         "{'ids': ['x', 'y', 'z']}"},
        {"{'#ids': {'resultOf': '1', 'name': 'Email/get', 'path': '/list/*/none'}}", NULL},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids/2'}}", NULL},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids/*/x'}}", NULL},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': 'ids'}}", NULL},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/get', 'path': '/list'}}", NULL},
        {"{'#ids': {'resultOf': '2', 'name': 'Email/get', 'path': '/type'}}", NULL},
        {"{'#ids': {'resultOf': '9', 'name': 'Email/get', 'path': '/list'}}", NULL},
        {"{'#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids', 'more': 1}}", NULL},
        {"{'#ids': 'M1'}", NULL},
        {"{'ids': [], '#ids': {'resultOf': '0', 'name': 'Email/query', 'path': '/ids'}}", NULL},
    };
    json_t *all = parse(responses);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *arguments = parse(rows[i].arguments);
        const char *detail = NULL;
        bool good = jmap_resolve(arguments, all, &detail);
        json_t *want = rows[i].want ? parse(rows[i].want) : NULL;
        if (good != (want != NULL) || (want && !json_equal(arguments, want)) || (!good && !detail))
            fail_msg("row %zu: %s", i, rows[i].arguments);
        json_decref(arguments);
        json_decref(want);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(references)};
    return cmocka_run_group_tests_name("jmap_ref", tests, NULL, NULL);
}
