/* rand: a seeded generator for simulation and jitter, and the kernel's for secrets.
 *
 * Failures: a kernel without getrandom is our world ending (MUST); nothing else.
 */
#include "base/rand.h"

#include <sys/random.h>

#include "base/must.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rand_init(Rand *rand, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rand->state[i] = splitmix64(&seed);
}

void rand_init_system(Rand *rand)
{
    uint64_t seed = 0;
    rand_secret(&seed, sizeof seed);
    rand_init(rand, seed);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rand_u64(Rand *rand)
{
    uint64_t *s = rand->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rand_below(Rand *rand, uint64_t bound)
{
    MUST(bound > 0);
    uint64_t threshold = -bound % bound; /* values below it would make the low results likelier */
    uint64_t value = 0;
    do
        value = rand_u64(rand);
    while (value < threshold);
    return value % bound;
}

double rand_unit(Rand *rand)
{
    return (double)(rand_u64(rand) >> 11) * 0x1.0p-53;
}

void rand_secret(void *bytes, size_t size)
{
    unsigned char *at = bytes;
    while (size > 0) {
        size_t want = size < 256 ? size : 256;
        ssize_t got = getrandom(at, want, 0);
        MUST(got > 0);
        at += got;
        size -= (size_t)got;
    }
}
