/* http_forwarded.h: who asks, where a proxy stands between: X-Forwarded-For and Forwarded (RFC
 * 7239), believed from the proxies of http.proxied and from nobody else.
 *
 * A chain of proxies each adds whom it was asked by at the end, and whoever asks may have written
 * the beginning himself: so it is read from its end, and the first that is no proxy of ours is the
 * one. Pure; a parsed list is read by many threads.
 */
#ifndef ROTA_FRONT_HTTP_FORWARDED_H
#define ROTA_FRONT_HTTP_FORWARDED_H

#include <glib.h>
#include <stdbool.h>

typedef struct HttpProxies HttpProxies;

/* "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "unix"; NULL-terminated. NULL with ERROR_REJECT: one
 * is none. */
HttpProxies *http_proxies_parse(const char *const *list, GError **error);
void http_proxies_free(HttpProxies *proxies);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpProxies, http_proxies_free)
/* `peer` as in HttpRequest; `proxies` NULL: nobody is believed. */
bool http_proxies_believe(const HttpProxies *proxies, const char *peer);

/* Who asks, as `peer`; caller frees. The two header fields may be NULL; X-Forwarded-For counts
 * where both are there. What is no address ends the chain. */
char *http_forwarded_peer(const HttpProxies *proxies, const char *peer, const char *x_forwarded_for,
                          const char *forwarded);
/* Whether who asks does so by TLS: `secure` is how `peer` does, X-Forwarded-Proto (NULL: not there)
 * counts where that is a proxy of ours. */
bool http_forwarded_secure(const HttpProxies *proxies, const char *peer, bool secure,
                           const char *x_forwarded_proto);
/* "https://mail.example.org:8443" of a Host field's value, the caller's; "" where that is missing
 * or has what no host's name has. */
char *http_origin(const char *host, bool secure);

#endif
