"""A wall clock for each node that can be stepped: a library that is loaded before the C library.

It adds an offset in milliseconds, read from a mapped file at each call, to what the system says is the time of day.
The program is the one that users get: nothing in it knows of this. The monotonic clock is left alone, as a real step
leaves it.
"""

import mmap
import pathlib
import struct
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static const volatile int64_t *offset_ms;
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void begin(void)
{
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (at != MAP_FAILED)
        offset_ms = at;
}
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (!real)
        begin();
    int failed = real(clock, ret);
    if (failed || !offset_ms || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return failed;
    int64_t at = (int64_t)ret->tv_sec * 1000000000 + ret->tv_nsec + *offset_ms * 1000000;
    ret->tv_sec = at / 1000000000;
    ret->tv_nsec = at % 1000000000;
    return 0;
}
int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
"""


def build(folder):
    """The library's path."""
    source, library = pathlib.Path(folder) / "stepped_clock.c", pathlib.Path(folder) / "stepped_clock.so"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source], check=True)
    return library


class SteppedClock:
    """The offset of one node, over all of its lives."""

    def __init__(self, folder, name, library):
        self.path, self.library = pathlib.Path(folder) / f"{name}.clock", library
        self.path.write_bytes(bytes(8))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET_FILE": str(self.path)}

    def step(self, offset_ms):
        self.map[:] = struct.pack("q", offset_ms)
