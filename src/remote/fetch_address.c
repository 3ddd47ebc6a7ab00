/* fetch_address: the table of nets that a stranger's URL must not lead to.
 *
 * How it fits: fetch.c asks it for each socket that is about to be connected, after the name was
 * resolved, so that a name with two answers deceives nobody. Failures: none. Known weak point: the
 * table is as old as this file; a private net with public addresses cannot be told from others.
 */
#include "remote/fetch_address.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint32_t net;
    unsigned bits;
} Net4;

#define NET(a, b, c, d, bits)                                                                      \
    {                                                                                              \
        (uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d), bits                                     \
    }
static const Net4 refused4[] = {
    NET(0, 0, 0, 0, 8),      NET(10, 0, 0, 0, 8),     NET(100, 64, 0, 0, 10),
    NET(127, 0, 0, 0, 8),    NET(169, 254, 0, 0, 16), NET(172, 16, 0, 0, 12),
    NET(192, 0, 0, 0, 24),   NET(192, 0, 2, 0, 24),   NET(192, 88, 99, 0, 24),
    NET(192, 168, 0, 0, 16), NET(198, 18, 0, 0, 15),  NET(198, 51, 100, 0, 24),
    NET(203, 0, 113, 0, 24), NET(224, 0, 0, 0, 3), /* multicast, reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refused4); i++)
        if (((address ^ refused4[i].net) &
             (uint32_t)(UINT64_C(0xffffffff) << (32 - refused4[i].bits))) == 0)
            return false;
    return true;
}

typedef struct {
    uint8_t net[8]; /* the first half says all of these */
    unsigned bits;
} Net6;

static const Net6 refused6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* Teredo, ORCHID, benchmarks and other protocols' */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: a relay decides where it leads */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static bool begins_with(const uint8_t *bytes, const uint8_t *net, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(bytes, net, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

static bool is_public6(const uint8_t *bytes)
{
    static const uint8_t zeros[10] = {0}, nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    uint32_t inner;
    memcpy(&inner, bytes + 12, sizeof inner);
    bool mapped = memcmp(bytes, zeros, 10) == 0 && bytes[10] == 0xff && bytes[11] == 0xff;
    if (mapped || memcmp(bytes, nat64, sizeof nat64) == 0)
        return is_public4(ntohl(inner));
    if ((bytes[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(refused6); i++)
        if (begins_with(bytes, refused6[i].net, refused6[i].bits))
            return false;
    return true;
}

bool fetch_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_public4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}
