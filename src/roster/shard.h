/* shard.h: where a key lies: bucket = hash64(key) % BUCKETS, shard = bucket % shards + 1. Fixed for
 * ever; the test has known values.
 *
 * Pure; any thread.
 */
#ifndef ROTA_ROSTER_SHARD_H
#define ROTA_ROSTER_SHARD_H

/* The bucket of a key (an account's id in decimal, a store's or certificate's name), 0 to BUCKETS
 * - 1. */
unsigned bucket_of(const char *key);
/* The shard, from 1 to shards (>= 1). */
unsigned shard_of_bucket(unsigned bucket, unsigned shards);

#endif
