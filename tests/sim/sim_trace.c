/* sim_trace: what happened last, for people, and a digest of all that happened, so that two runs of
 * a seed can be compared.
 *
 * A ring of lines in memory: a seed makes a hundred thousand of them, and only those before a
 * broken promise are worth reading.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

#include "sim_oracle.h"

#define RING  400
#define WIDTH 200

struct Trace {
    char lines[RING][WIDTH];
    uint64_t count, digest;
    char *broken;
};

void trace_new(World *world)
{
    world->trace = g_new0(struct Trace, 1);
}

void trace_free(World *world)
{
    g_free(world->trace->broken);
    g_free(world->trace);
}

void trace(World *world, const char *format, ...)
{
    struct Trace *ring = world->trace;
    char *line = ring->lines[ring->count++ % RING];
    int at =
        snprintf(line, WIDTH, "%10.6f %*s", (double)world->now / 1e6, (int)world->depth * 2, "");
    va_list args;
    va_start(args, format);
    vsnprintf(line + at, WIDTH - (size_t)at, format, args);
    va_end(args);
    ring->digest = ring->digest * UINT64_C(0x9e3779b97f4a7c15) + hash64(line, strlen(line));
}

void trace_print(const World *world)
{
    const struct Trace *ring = world->trace;
    uint64_t from = ring->count > RING ? ring->count - RING : 0;
    for (uint64_t i = from; i < ring->count; i++)
        printf("  %s\n", ring->lines[i % RING]);
}

uint64_t trace_digest(const World *world)
{
    return world->trace->digest;
}

void sim_broken(World *world, unsigned promise, const char *format, ...)
{
    if (world->trace->broken)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    world->trace->broken =
        promise ? g_strdup_printf("promise %u is broken: %s", promise, text) : g_strdup(text);
    trace(world, "BROKEN %s", world->trace->broken);
}

const char *sim_what_broke(const World *world)
{
    return world->trace->broken;
}
