/* nearest: for "unknown command", "unknown setting" and "unknown role": the name that was probably
 * meant.
 *
 * How it fits: every refusal of a name goes through here, so that all of them help in the same way.
 * Failures: none. Known weak point: it compares bytes, so a name in another script counts several
 * edits for a letter; our names are ASCII.
 */
#include "base/nearest.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

static bool same(char a, char b)
{
    return g_ascii_tolower(a) == g_ascii_tolower(b);
}

unsigned nearest_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > NEAREST_BYTES_MAX || b_size > NEAREST_BYTES_MAX)
        return NEAREST_BYTES_MAX;
    unsigned rows[3][NEAREST_BYTES_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned change = last[j - 1] + !same(a[i - 1], b[j - 1]);
            now[j] = MIN(change, MIN(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = MIN(now[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_size];
}

const char *nearest_find(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t size = strlen(word);
    unsigned best_distance = (unsigned)MAX(1, MIN(size, NEAREST_BYTES_MAX) / 3) + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = nearest_distance(word, words[i]);
        /* what was cut short is meant too: "acc" for "account" */
        if (size >= 3 && g_ascii_strncasecmp(word, words[i], size) == 0)
            distance = 1;
        if (distance < best_distance) {
            best_distance = distance;
            best = words[i];
        }
    }
    return best;
}
