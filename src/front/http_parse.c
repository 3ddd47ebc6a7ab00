/* http_parse: what stands in a request's target and header fields, read strictly.
 *
 * How it fits: front/http.c reads requests with it. Failures: none but "it is none". Known weak
 * point: an Accept field's parameters other than q are not compared.
 */
#include "front/http_parse.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/limits_http.h"

/* UTF-8 without control characters. */
static bool is_clean(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return g_utf8_validate(text, (gssize)size, NULL);
}

char *http_decode(const char *text, size_t size, bool plus)
{
    GString *out = g_string_sized_new(size);
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '%') {
            g_string_append_c(out, plus && text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        if (size - i < 3 || !g_ascii_isxdigit(text[i + 1]) || !g_ascii_isxdigit(text[i + 2])) {
            g_string_free(out, TRUE);
            return NULL;
        }
        g_string_append_c(out, (char)(g_ascii_xdigit_value(text[i + 1]) * 16 +
                                      g_ascii_xdigit_value(text[i + 2])));
        i += 2;
    }
    if (is_clean(out->str, out->len))
        return g_string_free(out, FALSE);
    g_string_free(out, TRUE);
    return NULL;
}

static bool add_pair(GHashTable *query, const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals ? (size_t)(equals - text) : size;
    size_t skipped = equals ? name_size + 1 : size;
    g_autofree char *name = http_decode(text, name_size, true);
    g_autofree char *value = http_decode(text + skipped, size - skipped, true);
    if (!name || !*name || !value || g_hash_table_contains(query, name) ||
        g_hash_table_size(query) == HTTP_QUERY_MAX)
        return false;
    g_hash_table_insert(query, g_steal_pointer(&name), g_steal_pointer(&value));
    return true;
}

GHashTable *http_query_parse(const char *query)
{
    g_autoptr(GHashTable) pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (const char *at = query; *at;) {
        size_t size = strcspn(at, "&");
        if (!add_pair(pairs, at, size))
            return NULL;
        at += size + (at[size] == '&');
    }
    return g_steal_pointer(&pairs);
}

char **http_path_parse(const char *path, size_t size)
{
    if (size == 0 || path[0] != '/')
        return NULL;
    g_autoptr(GPtrArray) segments = g_ptr_array_new_with_free_func(g_free);
    for (size_t at = 1; at <= size;) {
        const char *slash = memchr(path + at, '/', size - at);
        size_t end = slash ? (size_t)(slash - path) : size;
        char *segment = http_decode(path + at, end - at, false);
        if (!segment)
            return NULL;
        g_ptr_array_add(segments, segment);
        if (segments->len > HTTP_SEGMENTS_MAX)
            return NULL;
        at = end + 1;
    }
    g_ptr_array_add(segments, NULL);
    /* The array's own function would free them with it. */
    g_ptr_array_set_free_func(segments, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&segments), FALSE);
}

/* What follows a scheme's name and spaces; NULL: it is another scheme. */
static const char *skip_scheme(const char *field, const char *scheme)
{
    size_t size = strlen(scheme);
    if (g_ascii_strncasecmp(field, scheme, size) != 0 || field[size] != ' ')
        return NULL;
    field += size;
    return field + strspn(field, " ");
}

bool http_basic_parse(const char *field, char **ret_user, char **ret_password)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *coded = skip_scheme(field, "Basic");
    size_t length = coded ? strlen(coded) : 0;
    if (length == 0 || length % 4 != 0 || length > HTTP_CREDENTIALS_BYTES_MAX)
        return false;
    size_t plain_length = strspn(coded, signs);
    if (plain_length + 2 < length || strspn(coded + plain_length, "=") != length - plain_length)
        return false;
    gsize size = 0;
    g_autofree guchar *bytes = g_base64_decode(coded, &size);
    const char *text = (const char *)bytes;
    const char *colon = size ? memchr(text, ':', size) : NULL;
    if (!colon || !is_clean(text, size))
        return false;
    size_t user_size = (size_t)(colon - text);
    *ret_user = g_strndup(text, user_size);
    *ret_password = g_strndup(colon + 1, size - user_size - 1);
    return true;
}

const char *http_bearer_parse(const char *field)
{
    static const char signs[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    const char *token = skip_scheme(field, "Bearer");
    size_t size = token ? strspn(token, signs) : 0;
    if (size == 0 || size > HTTP_CREDENTIALS_BYTES_MAX)
        return NULL;
    return token[size + strspn(token + size, "=")] == '\0' ? token : NULL;
}

bool http_same_secret(const char *given, const char *secret)
{
    unsigned char digests[2][SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)given, strlen(given), digests[0]);
    SHA256((const unsigned char *)secret, strlen(secret), digests[1]);
    return CRYPTO_memcmp(digests[0], digests[1], SHA256_DIGEST_LENGTH) == 0;
}

/* "text/plain" of " text/plain ;q=0.5": how well it names `type`: 3 itself, 2 its kind, 1 all, 0
 * not. */
static unsigned accept_rank(const char *range, size_t size, const char *type)
{
    size_t kind = strcspn(type, "/") + 1;
    if (size == strlen(type) && g_ascii_strncasecmp(range, type, size) == 0)
        return 3;
    if (size == kind + 1 && range[kind] == '*' && g_ascii_strncasecmp(range, type, kind) == 0)
        return 2;
    return size == 3 && memcmp(range, "*/*", 3) == 0;
}

/* The q among parameters ";version=1.0;q=0.5"; 1 where there is none. */
static double accept_q(const char *parameters, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *semicolon = memchr(parameters + at, ';', size - at);
        size_t end = semicolon ? (size_t)(semicolon - parameters) : size;
        while (at < end && parameters[at] == ' ')
            at++;
        if (end - at >= 3 && g_ascii_strncasecmp(parameters + at, "q=", 2) == 0) {
            char number[8] = "";
            memcpy(number, parameters + at + 2, MIN(end - at - 2, sizeof number - 1));
            double q = g_ascii_strtod(number, NULL);
            return q >= 0 && q <= 1 ? q : 0; /* "nan" is neither */
        }
        at = end + 1;
    }
    return 1;
}

double http_accept_weight(const char *field, const char *type)
{
    if (!field)
        return 1;
    unsigned best = 0;
    double weight = 0;
    for (const char *at = field; *at;) {
        size_t size = strcspn(at, ","), skipped = MIN(strspn(at, " \t"), size);
        size_t name = strcspn(at + skipped, ",; \t");
        unsigned rank = accept_rank(at + skipped, name, type);
        if (rank > best) {
            best = rank;
            weight = accept_q(at + skipped + name, size - skipped - name);
        }
        at += size + (at[size] == ',');
    }
    return weight;
}

bool http_is_type(const char *field, const char *type)
{
    size_t size = strlen(type);
    return field && g_ascii_strncasecmp(field, type, size) == 0 &&
           (field[size] == '\0' || field[size] == ';' || field[size] == ' ');
}
