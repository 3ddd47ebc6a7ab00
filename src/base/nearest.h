/* nearest.h: the known name that a person most likely meant.
 *
 * Pure; any thread.
 */
#ifndef ROTA_BASE_NEAREST_H
#define ROTA_BASE_NEAREST_H

#include <stddef.h>

/* The number of single-byte edits (insert, remove, change, swap of neighbours) between two words,
 * letters compared without case. Words over NEAREST_BYTES_MAX count as far from all. */
#define NEAREST_BYTES_MAX 128 /* no name of ours is longer; the cost grows with its square */
unsigned nearest_distance(const char *a, const char *b);

/* The word nearest to `word`, or NULL if none is near enough (about a third of its letters) to be
 * meant. Borrowed from `words`. */
const char *nearest_find(const char *word, const char *const *words, size_t count);

#endif
