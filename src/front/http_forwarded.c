/* http_forwarded: who asks, where a proxy stands between.
 *
 * How it fits: front/http.c puts the answer in the place of the connection's peer, so that failures
 * count for whoever fails, and the log names him; and tells the session of JMAP by which name and
 * scheme it was asked. Failures: none but "that is no address". Known
 * weak point: none.
 */
#include "front/http_forwarded.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"

/* An IPv4 address is one of IPv6 here, as "::ffff:192.0.2.1". */
#define ADDRESS_BYTES 16
#define V4_BITS       96

#define HOST_BYTES_MAX 261 /* a name of DNS, a port */

typedef struct {
    unsigned char address[ADDRESS_BYTES];
    unsigned bits;
} Range;

struct HttpProxies {
    GArray *ranges; /* of Range */
    bool unix_too;
};

static const unsigned char v4_prefix[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool parse_address(const char *text, unsigned char *ret)
{
    struct in_addr four;
    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    if (inet_pton(AF_INET, text, &four) != 1)
        return false;
    memcpy(ret, v4_prefix, sizeof v4_prefix);
    memcpy(ret + sizeof v4_prefix, &four, sizeof four);
    return true;
}

static char *format_address(const unsigned char *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool four = memcmp(address, v4_prefix, sizeof v4_prefix) == 0;
    inet_ntop(four ? AF_INET : AF_INET6, four ? address + sizeof v4_prefix : address, text,
              sizeof text);
    return g_strdup(text);
}

static bool parse_range(const char *text, Range *ret)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    guint64 bits = 0;
    if (!parts[0] || !parse_address(parts[0], ret->address))
        return false;
    unsigned skipped = strchr(parts[0], ':') ? 0 : V4_BITS;
    ret->bits = ADDRESS_BYTES * 8;
    if (!parts[1])
        return true;
    if (!g_ascii_string_to_unsigned(parts[1], 10, 0, ADDRESS_BYTES * 8 - skipped, &bits, NULL))
        return false;
    ret->bits = (unsigned)bits + skipped;
    return true;
}

HttpProxies *http_proxies_parse(const char *const *list, GError **error)
{
    g_autoptr(HttpProxies) proxies = g_new0(HttpProxies, 1);
    proxies->ranges = g_array_new(false, false, sizeof(Range));
    for (; list && *list; list++) {
        Range range;
        if (strcmp(*list, "unix") == 0) {
            proxies->unix_too = true;
        } else if (parse_range(*list, &range)) {
            g_array_append_val(proxies->ranges, range);
        } else {
            fail(error, ERROR_REJECT,
                 "\"%.80s\" is no address; write \"192.0.2.1\", \"10.0.0.0/8\" or \"unix\"", *list);
            return NULL;
        }
    }
    return g_steal_pointer(&proxies);
}

void http_proxies_free(HttpProxies *proxies)
{
    if (!proxies)
        return;
    g_array_unref(proxies->ranges);
    g_free(proxies);
}

static bool is_in(const Range *range, const unsigned char *address)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    unsigned char mask = (unsigned char)(0xff00 >> rest);
    return memcmp(range->address, address, bytes) == 0 &&
           (rest == 0 || ((range->address[bytes] ^ address[bytes]) & mask) == 0);
}

bool http_proxies_believe(const HttpProxies *proxies, const char *peer)
{
    unsigned char address[ADDRESS_BYTES];
    if (!proxies)
        return false;
    if (!*peer)
        return proxies->unix_too;
    if (!parse_address(peer, address))
        return false;
    for (unsigned i = 0; i < proxies->ranges->len; i++)
        if (is_in(&g_array_index(proxies->ranges, Range, i), address))
            return true;
    return false;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "\"[2001:db8::1]\""; NULL: it is none, as
 * "unknown". */
static char *read_node(const char *text)
{
    g_autofree char *node = g_strstrip(g_strdup(text));
    unsigned char address[ADDRESS_BYTES];
    size_t size = strlen(node);
    if (size >= 2 && node[0] == '"' && node[size - 1] == '"') {
        node[size - 1] = '\0';
        memmove(node, node + 1, size - 1);
    }
    char *end = strchr(node, ']'), *colon = strchr(node, ':');
    if (node[0] == '[' && end) {
        *end = '\0';
        memmove(node, node + 1, strlen(node));
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
    }
    return parse_address(node, address) ? format_address(address) : NULL;
}

/* The "for" of "for=192.0.2.1;proto=https"; NULL: it has none. */
static char *read_element(const char *element)
{
    g_auto(GStrv) pairs = g_strsplit(element, ";", -1);
    for (char **pair = pairs; *pair; pair++) {
        const char *text = *pair + strspn(*pair, " \t");
        if (g_ascii_strncasecmp(text, "for=", strlen("for=")) == 0)
            return read_node(text + strlen("for="));
    }
    return NULL;
}

char *http_forwarded_peer(const HttpProxies *proxies, const char *peer, const char *x_forwarded_for,
                          const char *forwarded)
{
    const char *field = x_forwarded_for ? x_forwarded_for : forwarded;
    g_autofree char *now = g_strdup(peer);
    g_auto(GStrv) chain = g_strsplit(field ? field : "", ",", -1);
    for (size_t i = g_strv_length(chain); i > 0 && http_proxies_believe(proxies, now); i--) {
        char *before = x_forwarded_for ? read_node(chain[i - 1]) : read_element(chain[i - 1]);
        if (!before)
            break;
        g_free(now);
        now = before;
    }
    return g_steal_pointer(&now);
}

bool http_forwarded_secure(const HttpProxies *proxies, const char *peer, bool secure,
                           const char *x_forwarded_proto)
{
    if (!x_forwarded_proto || !http_proxies_believe(proxies, peer))
        return secure;
    const char *comma = strrchr(x_forwarded_proto, ',');
    g_autofree char *last = g_strdup(comma ? comma + 1 : x_forwarded_proto);
    return g_ascii_strcasecmp(g_strstrip(last), "https") == 0;
}

char *http_origin(const char *host, bool secure)
{
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    if (!host || !*host || strlen(host) > HOST_BYTES_MAX || host[strspn(host, fit)])
        return g_strdup("");
    return g_strdup_printf("%s://%s", secure ? "https" : "http", host);
}
