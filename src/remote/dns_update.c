/* dns_update: one TXT record into or out of a zone.
 *
 * How it fits: duty/acme_authorise proves with it that a name is ours. ldns makes and signs the
 * messages; the answer's signature is checked by it too.
 *
 * Failures: told in words of DNS (NOTAUTH, REFUSED, BADKEY). Known weak point: the name of the
 * server is looked up by the system's resolver, and its first address is taken.
 */
#include "remote/dns_update.h"

#include <ldns/ldns.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

#define DNS_TIMEOUT_S 5
#define DNS_TRIES     2
#define TTL_S         60
#define TEXT_BYTES    255 /* of one string of a TXT record; ours has 43 */

const char *const dns_update_algorithms[] = {"hmac-sha256", "hmac-sha384", "hmac-sha512",
                                             "hmac-sha1",   "hmac-md5",    NULL};
static const char *const algorithm_names[] = {"hmac-sha256.", "hmac-sha384.", "hmac-sha512.",
                                              "hmac-sha1.", "hmac-md5.sig-alg.reg.int."};

static void free_resolver(ldns_resolver *resolver)
{
    ldns_resolver_deep_free(resolver);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_resolver, free_resolver)
static void free_pkt(ldns_pkt *packet)
{
    ldns_pkt_free(packet);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_pkt, free_pkt)
static void free_rdf(ldns_rdf *field)
{
    ldns_rdf_deep_free(field);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_rdf, free_rdf)

/* ---------------------------------------------------------------- the server */

static ldns_rdf *find_address(const DnsUpdate *update, GError **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(update->host, NULL, &hints, &found);
    if (failed) {
        fail(error, failed == EAI_AGAIN ? ERROR_RETRY : ERROR_REJECT,
             "could not find the name server \"%s\": %s", update->host, gai_strerror(failed));
        return NULL;
    }
    ldns_rdf *address =
        ldns_sockaddr_storage2rdf((struct sockaddr_storage *)(void *)found->ai_addr, NULL);
    freeaddrinfo(found);
    if (!address)
        fail(error, ERROR_REJECT, "the name server \"%s\" has no address", update->host);
    return address;
}

static ldns_resolver *open_resolver(const DnsUpdate *update, GError **error)
{
    g_autoptr(ldns_rdf) address = find_address(update, error);
    g_autoptr(ldns_resolver) resolver = address ? ldns_resolver_new() : NULL;
    if (!resolver)
        return NULL;
    struct timeval timeout = {.tv_sec = DNS_TIMEOUT_S};
    ldns_resolver_push_nameserver(resolver, address);
    ldns_resolver_set_port(resolver, update->port);
    ldns_resolver_set_usevc(resolver, update->tcp);
    ldns_resolver_set_timeout(resolver, timeout);
    ldns_resolver_set_retry(resolver, DNS_TRIES);
    ldns_resolver_set_recursive(resolver, false);
    if (*update->key) {
        ldns_resolver_set_tsig_keyname(resolver, update->key);
        ldns_resolver_set_tsig_keydata(resolver, update->secret);
        ldns_resolver_set_tsig_algorithm(resolver, algorithm_names[update->algorithm]);
    }
    return g_steal_pointer(&resolver);
}

static bool unreachable(const DnsUpdate *update, ldns_status status, GError **error)
{
    if (status == LDNS_STATUS_CRYPTO_TSIG_BOGUS || status == LDNS_STATUS_CRYPTO_TSIG_ERR)
        return fail(
            error, ERROR_REJECT,
            "the name server \"%s\" port %u refuses the TSIG key \"%s\": look at its secret "
            "and algorithm",
            update->host, update->port, update->key);
    return fail(error, ERROR_RETRY, "the name server \"%s\" port %u does not answer: %s",
                update->host, update->port, ldns_get_errorstr_by_id(status));
}

/* What a server says when it cannot now, but may well in a minute: its zone is being loaded or
 * reloaded, the primary behind it is away (RFC 2136 2.2: "an internal failure"). */
static ErrorKind kind_of(ldns_pkt_rcode code)
{
    return code == LDNS_RCODE_SERVFAIL ? ERROR_RETRY : ERROR_REJECT;
}

/* ---------------------------------------------------------------- the zone */

/* The SOA's owner that an answer names; NULL: none. */
static ldns_rdf *owner_of_soa(const ldns_pkt *answer)
{
    const ldns_rr_list *sections[] = {ldns_pkt_answer(answer), ldns_pkt_authority(answer)};
    for (size_t section = 0; section < G_N_ELEMENTS(sections); section++)
        for (size_t i = 0; sections[section] && i < ldns_rr_list_rr_count(sections[section]); i++) {
            const ldns_rr *rr = ldns_rr_list_rr(sections[section], i);
            if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA)
                return ldns_rdf_clone(ldns_rr_owner(rr));
        }
    return NULL;
}

/* The zone that the name is in, as the server that is asked has it. */
static ldns_rdf *find_zone(const DnsUpdate *update, ldns_resolver *resolver, const ldns_rdf *name,
                           GError **error)
{
    g_autoptr(ldns_pkt) answer = NULL;
    ldns_status status =
        ldns_resolver_query_status(&answer, resolver, name, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN, 0);
    if (status != LDNS_STATUS_OK || !answer) {
        unreachable(update, status, error);
        return NULL;
    }
    ldns_rdf *zone = owner_of_soa(answer);
    if (zone)
        return zone;
    g_autofree char *code = ldns_pkt_rcode2str(ldns_pkt_get_rcode(answer));
    fail(error, kind_of(ldns_pkt_get_rcode(answer)),
         "the name server \"%s\" port %u has no zone for \"%s\" (%s)", update->host, update->port,
         update->name, code);
    return NULL;
}

/* ---------------------------------------------------------------- the update */

static ldns_rr *make_record(const DnsUpdate *update, GError **error)
{
    ldns_rr *record = NULL;
    if (strlen(update->text) > TEXT_BYTES || strpbrk(update->text, "\"\\\n")) {
        fail(error, ERROR_REJECT, "the text of a record is too long, or has quotes");
        return NULL;
    }
    g_autofree char *line =
        g_strdup_printf("%s. %d IN TXT \"%s\"", update->name, TTL_S, update->text);
    ldns_status status = ldns_rr_new_frm_str(&record, line, TTL_S, NULL, NULL);
    if (status != LDNS_STATUS_OK) {
        fail(error, ERROR_REJECT, "\"%s\" is no name of a record: %s", update->name,
             ldns_get_errorstr_by_id(status));
        return NULL;
    }
    if (update->remove) { /* RFC 2136 2.5.4 */
        ldns_rr_set_class(record, LDNS_RR_CLASS_NONE);
        ldns_rr_set_ttl(record, 0);
    }
    return record;
}

static bool send_update(const DnsUpdate *update, ldns_resolver *resolver, ldns_rdf *zone,
                        ldns_rr_list *records, GError **error)
{
    g_autoptr(ldns_pkt) answer = NULL;
    /* The zone is copied by neither; the packet frees it. */
    g_autoptr(ldns_pkt) packet =
        ldns_update_pkt_new(ldns_rdf_clone(zone), LDNS_RR_CLASS_IN, NULL, records, NULL);
    if (!packet)
        return fail(error, ERROR_RETRY, "could not make a DNS message");
    ldns_pkt_set_random_id(packet);
    ldns_status status = *update->key ? ldns_update_pkt_tsig_add(packet, resolver) : LDNS_STATUS_OK;
    if (status != LDNS_STATUS_OK)
        return fail(error, ERROR_REJECT, "could not sign with the TSIG key \"%s\": %s", update->key,
                    ldns_get_errorstr_by_id(status));
    status = ldns_resolver_send_pkt(&answer, resolver, packet);
    if (!answer)
        return unreachable(update, status, error);
    ldns_pkt_rcode code = ldns_pkt_get_rcode(answer);
    if (status == LDNS_STATUS_OK && code == LDNS_RCODE_NOERROR)
        return true;
    g_autofree char *word = ldns_pkt_rcode2str(code);
    if (status == LDNS_STATUS_OK && kind_of(code) == ERROR_RETRY)
        return fail(error, ERROR_RETRY,
                    "the name server \"%s\" port %u cannot update \"%s\" now (%s)", update->host,
                    update->port, update->name, word);
    return fail(
        error, ERROR_REJECT,
        "the name server \"%s\" port %u refuses the update of \"%s\" (%s): look at the key, "
        "its algorithm and what it may change",
        update->host, update->port, update->name,
        status == LDNS_STATUS_OK ? word : ldns_get_errorstr_by_id(status));
}

bool dns_update(const DnsUpdate *update, GError **error)
{
    g_autoptr(ldns_resolver) resolver = open_resolver(update, error);
    if (!resolver)
        return false;
    ldns_rr *record = make_record(update, error);
    if (!record)
        return false;
    ldns_rr_list *records = ldns_rr_list_new();
    ldns_rr_list_push_rr(records, record);
    g_autoptr(ldns_rdf) zone = find_zone(update, resolver, ldns_rr_owner(record), error);
    bool good = zone && send_update(update, resolver, zone, records, error);
    ldns_rr_list_deep_free(records);
    return good;
}
