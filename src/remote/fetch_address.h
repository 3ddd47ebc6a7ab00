/* fetch_address.h: may a stranger's URL lead us to this address? Pure, any thread.
 *
 * Only addresses that the whole internet reaches are public. Refused are: this host, private and
 * shared nets, link-local, multicast, documentation, benchmarks and what is reserved (the special
 * purpose registries of RFC 6890), in IPv4; and for IPv6 all that is not global unicast (2000::/3),
 * and of that Teredo and its neighbours, 6to4, documentation. An IPv4 address inside an IPv6 one
 * (mapped, compatible, NAT64) is judged by itself.
 */
#ifndef ROTA_REMOTE_FETCH_ADDRESS_H
#define ROTA_REMOTE_FETCH_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False too for a family that is neither IPv4 nor IPv6. */
bool fetch_address_is_public(const struct sockaddr *address);

#endif
