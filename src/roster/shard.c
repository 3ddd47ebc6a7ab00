/* shard: from a key to its bucket, from a bucket to its shard.
 *
 * How it fits: task.c and every writer of rows with a bucket use it; durable rows depend on
 * bucket_of, so it never changes. Failures: none.
 */
#include "roster/shard.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/must.h"

unsigned bucket_of(const char *key)
{
    return (unsigned)(hash64(key, strlen(key)) % BUCKETS);
}

unsigned shard_of_bucket(unsigned bucket, unsigned shards)
{
    MUST(bucket < BUCKETS && shards >= 1);
    return bucket % shards + 1;
}
