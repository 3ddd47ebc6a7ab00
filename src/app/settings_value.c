/* settings_value: from a TOML value to a typed field.
 *
 * How it fits: settings.c finds the row, this reads the value; %{env:…}% and %{file:…}% are filled
 * in first, in every string. Failures: a text of what was found and what to write; the field is
 * untouched then. What a secret expands to is never shown in such a text. Known weak point: there
 * is no way to write a literal "%{" in a setting; no setting needs it.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cron.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/limits_metrics_push.h"
#include "base/limits_remote.h"
#include "base/nearest.h"
#include "base/units.h"
#include "front/http_forwarded.h"

#include "app/settings_table.h"

#define SECRET_BYTES_MAX (64 * 1024) /* a key or a password; more is a wrong file */
#define SHOWN_BYTES_MAX  60          /* of a wrong value in a message */

/* Always false, so that `return refuse(...)` reads well. */
static bool refuse(char **ret_problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(char **ret_problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *ret_problem = g_strdup_vprintf(format, args);
    va_end(args);
    return false;
}

static char *read_secret_file(const char *name, const char *folder, char **ret_problem)
{
    g_autofree char *path =
        g_path_is_absolute(name) || !folder ? g_strdup(name) : g_build_filename(folder, name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        refuse(ret_problem,
               "found %%{file:%s}%%, but there is no such file; write the path of one that this "
               "user may read",
               name);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, &size, &error)) {
        refuse(ret_problem, "found %%{file:%s}%%, but it cannot be read: %s; let this user read it",
               name, error->message);
        return NULL;
    }
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = '\0';
    if (size > SECRET_BYTES_MAX || !g_utf8_validate_len(text, size, NULL)) {
        refuse(
            ret_problem,
            "found %%{file:%s}%%, but it is no text of at most %d bytes; write the path of another",
            name, SECRET_BYTES_MAX);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* The value of what stands between %{ and }%. */
static char *expand_one(const char *inner, const char *folder, char **ret_problem)
{
    if (g_str_has_prefix(inner, "file:"))
        return read_secret_file(inner + 5, folder, ret_problem);
    if (!g_str_has_prefix(inner, "env:")) {
        refuse(ret_problem, "found %%{%.40s}%%; write %%{env:NAME}%% or %%{file:PATH}%%", inner);
        return NULL;
    }
    const char *value = g_getenv(inner + 4);
    if (value && g_utf8_validate(value, -1, NULL))
        return g_strdup(value);
    refuse(ret_problem,
           "found %%{%s}%%, but the environment has no such variable%s; set it, or write "
           "%%{file:PATH}%%",
           inner, value ? " in UTF-8" : "");
    return NULL;
}

/* Fills in %{env:NAME}% and %{file:PATH}%. */
static char *expand(const char *text, const char *folder, char **ret_problem)
{
    g_autoptr(GString) result = g_string_new(NULL);
    for (const char *start; (start = strstr(text, "%{"));) {
        g_string_append_len(result, text, start - text);
        const char *end = strstr(start, "}%");
        if (!end) {
            refuse(ret_problem,
                   "found \"%%{\" without its end; write %%{env:NAME}%% or %%{file:PATH}%%");
            return NULL;
        }
        g_autofree char *inner = g_strndup(start + 2, (gsize)(end - start - 2));
        g_autofree char *value = expand_one(inner, folder, ret_problem);
        if (!value)
            return NULL;
        g_string_append(result, value);
        if (result->len > SETTINGS_BYTES_MAX) {
            refuse(ret_problem,
                   "found a text that grows beyond %d bytes; write fewer %%{…}%% in it",
                   SETTINGS_BYTES_MAX);
            return NULL;
        }
        text = end + 2;
    }
    g_string_append(result, text);
    return g_string_free(g_steal_pointer(&result), FALSE);
}

/* A string with its secrets, or NULL. */
static char *take_text(const TomlValue *value, const char *folder, const char *example,
                       char **ret_problem)
{
    if (value->type != TOML_STRING) {
        refuse(ret_problem, "found %s; write a text between quotes, as in %s",
               toml_type_name(value->type), example);
        return NULL;
    }
    if (strlen(value->string.data) != value->string.size) {
        refuse(ret_problem, "found a NUL in a text; remove it");
        return NULL;
    }
    return expand(value->string.data, folder, ret_problem);
}

static bool check_range(const SettingRow *row, int64_t value, char **ret_problem)
{
    if (value >= row->min && value <= row->max)
        return true;
    g_autofree char *low = NULL, *high = NULL, *found = NULL;
    if (row->type == SETTING_SIZE) {
        low = units_format_size(row->min);
        high = units_format_size(row->max);
        found = units_format_size(value);
    } else if (row->type == SETTING_INTEGER) {
        low = g_strdup_printf("%" PRId64, row->min);
        high = g_strdup_printf("%" PRId64, row->max);
        found = g_strdup_printf("%" PRId64, value);
    } else {
        low = units_format_duration(row->min);
        high = units_format_duration(row->max);
        found = units_format_duration(value);
    }
    return refuse(ret_problem, "found %s; write a value from %s to %s", found, low, high);
}

static bool take_error(GError *error, char **ret_problem)
{
    *ret_problem = g_strdup(error->message);
    return false;
}

static bool convert_integer(const SettingRow *row, const TomlValue *value, int64_t *field,
                            char **ret_problem)
{
    if (value->type != TOML_INTEGER)
        return refuse(ret_problem, "found %s; write a whole number from %" PRId64 " to %" PRId64,
                      toml_type_name(value->type), row->min, row->max);
    if (!check_range(row, value->integer, ret_problem))
        return false;
    *field = value->integer;
    return true;
}

static bool convert_real(const SettingRow *row, const TomlValue *value, double *field,
                         char **ret_problem)
{
    double number = value->type == TOML_FLOAT     ? value->real
                    : value->type == TOML_INTEGER ? (double)value->integer
                                                  : (double)NAN;
    if (!(number >= (double)row->min && number <= (double)row->max))
        return refuse(ret_problem,
                      "found %s; write a number from %" PRId64 " to %" PRId64 ", as in %s",
                      isnan(number) ? toml_type_name(value->type) : "a number out of range",
                      row->min, row->max, row->fallback);
    *field = number;
    return true;
}

static bool convert_duration(const SettingRow *row, const TomlValue *value, const char *folder,
                             int64_t *field, char **ret_problem)
{
    int64_t ms = 0;
    g_autoptr(GError) error = NULL;
    if (value->type != TOML_INTEGER || value->integer != 0) { /* 0 needs no unit */
        g_autofree char *text = NULL;
        if (value->type == TOML_INTEGER)
            return refuse(ret_problem,
                          "found %" PRId64 " without a unit; write \"%" PRId64
                          "s\" for seconds (or ms, m, h, d)",
                          value->integer, value->integer);
        text = take_text(value, folder, row->fallback ? row->fallback : "\"30s\"", ret_problem);
        if (!text)
            return false;
        if (!units_parse_duration(text, &ms, &error))
            return take_error(error, ret_problem);
    }
    if (!check_range(row, ms, ret_problem))
        return false;
    *field = row->type == SETTING_DURATION_US ? ms * 1000 : ms;
    return true;
}

static bool convert_size(const SettingRow *row, const TomlValue *value, const char *folder,
                         int64_t *field, char **ret_problem)
{
    int64_t bytes = value->type == TOML_INTEGER ? value->integer : 0;
    if (value->type == TOML_INTEGER && bytes < 0)
        return refuse(ret_problem, "found a negative size; write for example %s", row->fallback);
    if (value->type != TOML_INTEGER) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = take_text(value, folder, row->fallback, ret_problem);
        if (!text)
            return false;
        if (!units_parse_size(text, &bytes, &error))
            return take_error(error, ret_problem);
    }
    if (!check_range(row, bytes, ret_problem))
        return false;
    *field = bytes;
    return true;
}

static bool convert_choice(const SettingRow *row, const char *text, int *field, char **ret_problem)
{
    unsigned count = 0;
    for (; row->choices[count]; count++) {
        if (strcmp(row->choices[count], text) == 0) {
            *field = (int)count;
            return true;
        }
    }
    const char *nearest = nearest_find(text, row->choices, count);
    g_autofree char *all = g_strjoinv("\" or \"", (char **)(uintptr_t)row->choices);
    return refuse(ret_problem, "found \"%.*s\"; write \"%s\"", SHOWN_BYTES_MAX, text,
                  nearest ? nearest : all);
}

/* "127.0.0.1:11024", "[::1]:11024", "unix:/path" */
static bool is_address(const char *text)
{
    if (g_str_has_prefix(text, "unix:"))
        return text[5] == '/' && strlen(text + 5) < 108; /* sun_path of unix(7) */
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !g_ascii_isdigit(colon[1]) || strlen(colon + 1) > 5)
        return false;
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    if (!bracketed && memchr(text, ':', (size_t)(colon - text)))
        return false;
    char *end = NULL;
    return g_ascii_strtoull(colon + 1, &end, 10) <= 65535 && !*end;
}

static bool convert_addresses(const TomlValue *value, const char *folder, char ***field,
                              char **ret_problem)
{
    if (value->type != TOML_ARRAY)
        return refuse(
            ret_problem,
            "found %s; write a list, as in [\"127.0.0.1:11024\", \"unix:/run/rota/lmtp\"]",
            toml_type_name(value->type));
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < value->items->len; i++) {
        char *text = take_text(g_ptr_array_index(value->items, i), folder, "\"127.0.0.1:11024\"",
                               ret_problem);
        if (!text)
            return false;
        g_ptr_array_add(list, text);
        if (!is_address(text))
            return refuse(ret_problem,
                          "found \"%.*s\", which is no address; write \"127.0.0.1:11024\", "
                          "\"[::1]:11024\" or \"unix:/PATH\"",
                          SHOWN_BYTES_MAX, text);
    }
    g_ptr_array_add(list, NULL);
    g_strfreev(*field);
    *field = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
    return true;
}

/* GLib opens the file of that name below the zones' folder: no way out of it. */
static bool is_zone_name(const char *text)
{
    size_t size = strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_+-/");
    return size > 0 && text[size] == '\0' && text[0] != '/';
}

/* A text that may have to be of a form. */
static bool convert_text(const SettingRow *row, char *take, char **field, char **ret_problem)
{
    g_autofree char *text = take;
    g_autoptr(GError) error = NULL;
    if (row->type == SETTING_SCHEDULE) {
        g_autoptr(CronSchedule) schedule = cron_parse(text, &error);
        if (!schedule)
            return take_error(error, ret_problem);
    }
    if (row->type == SETTING_ZONE) {
        g_autoptr(GTimeZone) zone = is_zone_name(text) ? g_time_zone_new_identifier(text) : NULL;
        if (!zone)
            return refuse(ret_problem,
                          "found \"%.*s\", which is no time zone of this machine; write a name as "
                          "in \"Europe/Berlin\"",
                          SHOWN_BYTES_MAX, text);
    }
    g_free(*field);
    *field = g_steal_pointer(&text);
    return true;
}

bool setting_node_of_host(const char *host, int64_t *ret_node, char **ret_problem)
{
    size_t label = strcspn(host, "."), start = label;
    while (start > 0 && g_ascii_isdigit(host[start - 1]))
        start--;
    if (start == label)
        return refuse(ret_problem,
                      "found \"hostname\", but the name of this host, \"%s\", does not end in a "
                      "number; write the number itself",
                      host);
    char *end = NULL;
    uint64_t node = g_ascii_strtoull(host + start, &end, 10);
    if (node < 1 || node > NODE_ID_MAX)
        return refuse(ret_problem,
                      "found \"hostname\", but the name of this host, \"%s\", ends in %s, and "
                      "nodes count from 1 to %d; write the number itself "
                      "(a StatefulSet counts from 1 with ordinals.start)",
                      host, node == 0 ? "0" : "a larger number", NODE_ID_MAX);
    *ret_node = (int64_t)node;
    return true;
}

static bool convert_node(const TomlValue *value, const char *folder, int64_t *field,
                         char **ret_problem)
{
    if (value->type == TOML_INTEGER) {
        if (value->integer < 1 || value->integer > NODE_ID_MAX)
            return refuse(ret_problem, "found %" PRId64 "; write a number from 1 to %d",
                          value->integer, NODE_ID_MAX);
        *field = value->integer;
        return true;
    }
    g_autofree char *text =
        take_text(value, folder, "\"hostname\", or a number as in 4", ret_problem);
    if (!text)
        return false;
    if (strcmp(text, "hostname") == 0)
        return setting_node_of_host(g_get_host_name(), field, ret_problem);
    guint64 node = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 1, NODE_ID_MAX, &node,
                                    NULL)) /* from %{env:…}% it comes as a text */
        return refuse(ret_problem, "found \"%.*s\"; write a number from 1 to %d, or \"hostname\"",
                      SHOWN_BYTES_MAX, text, NODE_ID_MAX);
    *field = (int64_t)node;
    return true;
}

static bool convert_texts(const SettingRow *row, const TomlValue *value, const char *folder,
                          char ***ret, char **ret_problem)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    if (value->type != TOML_ARRAY || value->items->len > SETTING_TEXTS_MAX)
        return refuse(ret_problem, "found %s; write an array of at most %d texts",
                      value->type == TOML_ARRAY ? "a longer array" : toml_type_name(value->type),
                      SETTING_TEXTS_MAX);
    for (unsigned i = 0; i < value->items->len; i++) {
        char *text =
            take_text(g_ptr_array_index(value->items, i), folder, row->fallback, ret_problem);
        if (!text)
            return false;
        g_ptr_array_add(texts, text);
    }
    g_ptr_array_add(texts, NULL);
    g_strfreev(*ret);
    *ret = (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
    return true;
}

static bool check_proxies(char **list, char **ret_problem)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HttpProxies) proxies =
        http_proxies_parse((const char *const *)(uintptr_t)list, &error);
    return proxies || refuse(ret_problem, "found what is no proxy: %s", error->message);
}

static bool check_url(const char *text, char **ret_problem)
{
    g_autoptr(GUri) url = *text ? g_uri_parse(text, G_URI_FLAGS_ENCODED, NULL) : NULL;
    const char *scheme = url ? g_uri_get_scheme(url) : "";
    if (!*text)
        return true;
    if (!url || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) ||
        !g_uri_get_host(url) || !*g_uri_get_host(url) || g_uri_get_userinfo(url) ||
        g_uri_get_fragment(url) || strlen(text) > FETCH_URL_BYTES_MAX / 2)
        return refuse(ret_problem,
                      "found \"%.*s\"; write a URL as in \"https://metrics.example.org/path\", "
                      "without a name, a password or a fragment in it",
                      SHOWN_BYTES_MAX, strchr(text, '@') ? "…@…" : text);
    return true;
}

/* A name of the kind, `end` behind it, and a value without control characters. */
static bool is_pair(const char *text, const char *more, const char *end)
{
    size_t name = 0;
    while (g_ascii_isalnum(text[name]) || (text[name] && strchr(more, text[name])))
        name++;
    if (name == 0 || !g_str_has_prefix(text + name, end) || strlen(text) > METRICS_LABEL_BYTES_MAX)
        return false;
    for (const char *at = text + name; *at; at++)
        if (g_ascii_iscntrl(*at))
            return false;
    return text[name + strlen(end)] != '\0';
}

static bool check_pairs(const SettingRow *row, char **list, char **ret_problem)
{
    bool headers = row->type == SETTING_HEADERS;
    unsigned count = g_strv_length(list);
    if (count > METRICS_LABELS_MAX)
        return refuse(ret_problem, "found %u of them; write at most %d", count, METRICS_LABELS_MAX);
    for (unsigned i = 0; i < count; i++)
        if (!is_pair(list[i], headers ? "!#$%&'*+-.^_`|~" : "_.", headers ? ": " : "=") ||
            (!headers && g_ascii_isdigit(*list[i])))
            return refuse(ret_problem, "found \"%.*s\"; write %s of at most %d bytes",
                          SHOWN_BYTES_MAX, list[i], headers ? "\"Name: value\"" : "\"name=value\"",
                          METRICS_LABEL_BYTES_MAX);
    return true;
}

bool setting_convert(const SettingRow *row, const TomlValue *value, const char *folder, void *field,
                     char **ret_problem)
{
    g_autofree char *text = NULL;
    switch (row->type) {
    case SETTING_INTEGER:
        return convert_integer(row, value, field, ret_problem);
    case SETTING_REAL:
        return convert_real(row, value, field, ret_problem);
    case SETTING_BOOLEAN:
        if (value->type != TOML_BOOLEAN)
            return refuse(ret_problem, "found %s; write true or false",
                          toml_type_name(value->type));
        *(bool *)field = value->boolean;
        return true;
    case SETTING_DURATION:
    case SETTING_DURATION_US:
        return convert_duration(row, value, folder, field, ret_problem);
    case SETTING_SIZE:
        return convert_size(row, value, folder, field, ret_problem);
    case SETTING_ADDRESSES:
        return convert_addresses(value, folder, field, ret_problem);
    case SETTING_TEXTS:
        return convert_texts(row, value, folder, field, ret_problem);
    case SETTING_PROXIES:
        return convert_texts(row, value, folder, field, ret_problem) &&
               check_proxies(*(char ***)field, ret_problem);
    case SETTING_HEADERS:
    case SETTING_LABELS:
        return convert_texts(row, value, folder, field, ret_problem) &&
               check_pairs(row, *(char ***)field, ret_problem);
    case SETTING_URL:
        text = take_text(value, folder, row->fallback, ret_problem);
        return text && check_url(text, ret_problem) &&
               convert_text(row, g_steal_pointer(&text), field, ret_problem);
    case SETTING_NODE:
        return convert_node(value, folder, field, ret_problem);
    case SETTING_CHOICE:
    case SETTING_TEXT:
    case SETTING_SCHEDULE:
    case SETTING_ZONE:
        text = take_text(value, folder, row->fallback, ret_problem);
        if (!text)
            return false;
        return row->type == SETTING_CHOICE
                   ? convert_choice(row, text, field, ret_problem)
                   : convert_text(row, g_steal_pointer(&text), field, ret_problem);
    case SETTING_ROLES:
    case SETTING_COMMAND:
    case SETTING_ENVIRONMENT:
        break;
    }
    return refuse(
        ret_problem,
        "found a value where the role table stands; write [cluster.roles.purge] and the like");
}

void setting_clear(const SettingRow *row, void *field)
{
    if (row->type == SETTING_TEXT || row->type == SETTING_SCHEDULE || row->type == SETTING_ZONE ||
        row->type == SETTING_URL)
        g_clear_pointer((char **)field, g_free);
    if (row->type == SETTING_ADDRESSES || row->type == SETTING_TEXTS ||
        row->type == SETTING_PROXIES || row->type == SETTING_HEADERS || row->type == SETTING_LABELS)
        g_clear_pointer((char ***)field, g_strfreev);
}
