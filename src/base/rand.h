/* rand.h: chance is a device that is handed in.
 *
 * A Rand is a small deterministic generator (xoshiro256** by Blackman and Vigna, seeded by
 * splitmix64): the same seed gives the same numbers on every machine, so that a simulation replays
 * exactly. Not for secrets: those come from rand_secret. A Rand belongs to one thread; rand_secret
 * may be called by any.
 */
#ifndef ROTA_BASE_RAND_H
#define ROTA_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state[4];
} Rand;

/* Starts the sequence of `seed`. */
void rand_init(Rand *rand, uint64_t seed);
/* Starts a sequence nobody can foresee, from the kernel. */
void rand_init_system(Rand *rand);
uint64_t rand_u64(Rand *rand);
/* A number in [0, bound), bound > 0, without modulo bias. */
uint64_t rand_below(Rand *rand, uint64_t bound);
/* A number in [0, 1). */
double rand_unit(Rand *rand);
/* Fills `size` bytes for a secret (token, password) from the kernel's generator; aborts where there
 * is none. */
void rand_secret(void *bytes, size_t size);

#endif
