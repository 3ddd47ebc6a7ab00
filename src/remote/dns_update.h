/* dns_update.h: one TXT record into or out of a zone, by DNS UPDATE (RFC 2136) signed with TSIG
 * (RFC 8945). For dns-01.
 *
 * Blocking, bounded by DNS_TIMEOUT_S for each message. Adding a record that is there, and removing
 * one that is not, are fine. The zone is found by asking the same server for its SOA. ERROR_REJECT:
 * the server refuses (key, zone), or the parameters are none. ERROR_RETRY: no answer, or that it
 * cannot now (SERVFAIL).
 */
#ifndef ROTA_REMOTE_DNS_UPDATE_H
#define ROTA_REMOTE_DNS_UPDATE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *host; /* a name or an address */
    uint16_t port;
    bool tcp;
    const char *key, *secret; /* of TSIG: name, base64; "", "": not signed */
    unsigned algorithm;       /* in dns_update_algorithms */
    const char *name, *text;
    bool remove;
} DnsUpdate;
/* "hmac-sha256", …; NULL at the end. */
extern const char *const dns_update_algorithms[];
bool dns_update(const DnsUpdate *update, GError **error);

#endif
