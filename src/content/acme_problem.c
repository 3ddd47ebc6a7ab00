/* acme_problem: what a CA says when it refuses, kept whole and told in a line.
 *
 * How it fits: remote/acme_parse keeps it, duty/acme_renew writes it into the certificate's row,
 * and whoever shows that row to a person makes a line of it. Failures: none: what is no problem
 * document is put into one.
 */
#include "content/acme_problem.h"

#include <jansson.h>
#include <string.h>

#include "base/limits_acme.h"

#define LINE_BYTES 600 /* of a problem, in one line */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

char *acme_problem_format(int status, const char *text, size_t size)
{
    g_autoptr(json_t) root = size <= ACME_ANSWER_BYTES_MAX ? json_loadb(text, size, 0, NULL) : NULL;
    if (json_is_object(root)) {
        if (status > 0 && !json_object_get(root, "status"))
            json_object_set_new(root, "status", json_integer(status));
        char *whole = json_dumps(root, JSON_COMPACT);
        char *kept = whole && strlen(whole) <= ACME_PROBLEM_BYTES_MAX ? g_strdup(whole) : NULL;
        free(whole);
        if (kept)
            return kept;
    }
    g_autofree char *cut = g_strndup(text, MIN(size, (size_t)ACME_PROBLEM_BYTES_MAX / 8));
    g_autofree char *valid = g_utf8_make_valid(cut, -1);
    g_autoptr(json_t) made =
        json_pack("{s:i, s:s}", "status", status, "detail", *valid ? valid : "an empty answer");
    char *whole = made ? json_dumps(made, JSON_COMPACT) : NULL;
    char *kept = g_strdup(whole ? whole : "{}");
    free(whole);
    return kept;
}

char *acme_problem_type(const char *problem)
{
    g_autoptr(json_t) root = json_loads(problem, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const char *colon = type ? strrchr(type, ':') : NULL;
    return g_strdup(colon ? colon + 1 : type ? type : "");
}

char *acme_problem_line(const char *problem)
{
    g_autoptr(json_t) root = json_loads(problem, 0, NULL);
    g_autofree char *type = acme_problem_type(problem);
    const char *detail = json_string_value(json_object_get(root, "detail"));
    int status = (int)json_integer_value(json_object_get(root, "status"));
    g_autoptr(GString) line = g_string_new(*type ? type : NULL);
    if (!*type)
        g_string_append_printf(line, "status %d", status);
    if (detail)
        g_string_append_printf(line, ": %s", detail);
    const json_t *subproblems = json_object_get(root, "subproblems");
    size_t index;
    json_t *one;
    json_array_foreach(subproblems, index, one)
    {
        const char *more = json_string_value(json_object_get(one, "detail"));
        const char *name =
            json_string_value(json_object_get(json_object_get(one, "identifier"), "value"));
        if (line->len < LINE_BYTES)
            g_string_append_printf(line, "; %s: %s", name ? name : "", more ? more : "");
    }
    for (size_t i = 0; i < line->len; i++)
        if ((unsigned char)line->str[i] < ' ')
            line->str[i] = ' ';
    g_autofree char *cut = g_strndup(line->str, LINE_BYTES);
    return g_utf8_make_valid(cut, -1);
}
