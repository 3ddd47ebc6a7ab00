/* tsan_glib: tells the thread sanitizer what GLib's locks do; linked into that build alone.
 *
 * How it fits: GLib 2.74 locks by futex, in a library that is not instrumented, so that the
 * sanitizer sees neither lock nor unlock and calls every field under a GMutex a race. Here each
 * call is GLib's own, with the order that it makes said around it. Nothing is suppressed: a field
 * that is read outside its lock is still found. A lock that GLib takes without leaving its library
 * cannot be met so: the functions that take it get one of ours around them.
 *
 * Failures: none; a symbol that is not there ends the test. Known weak point: only the calls that
 * the program uses are here; another one shows up as a false race.
 */
#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

#include "base/must.h"

/* The GLib function of that name. Found at each call: a static cache would be a race itself. */
#define REAL(type, name) ((type)(uintptr_t)real(name))
static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    MUST(found);
    return found;
}

void g_mutex_lock(GMutex *mutex)
{
    REAL(void (*)(GMutex *), "g_mutex_lock")(mutex);
    __tsan_acquire(mutex);
}

void g_mutex_unlock(GMutex *mutex)
{
    __tsan_release(mutex);
    REAL(void (*)(GMutex *), "g_mutex_unlock")(mutex);
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
    __tsan_release(mutex);
    REAL(void (*)(GCond *, GMutex *), "g_cond_wait")(cond, mutex);
    __tsan_acquire(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    __tsan_release(mutex);
    gboolean woken =
        REAL(gboolean(*)(GCond *, GMutex *, gint64), "g_cond_wait_until")(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return woken;
}

gboolean(g_once_init_enter)(volatile void *location)
{
    gboolean mine = REAL(gboolean(*)(volatile void *), "g_once_init_enter")(location);
    __tsan_acquire((void *)(uintptr_t)location);
    return mine;
}

void(g_once_init_leave)(volatile void *location, gsize result)
{
    __tsan_release((void *)(uintptr_t)location);
    REAL(void (*)(volatile void *, gsize), "g_once_init_leave")(location, result);
}

/* GLib keeps time zones in one table, under a lock that it takes without leaving its library. */
static GMutex zones;

GTimeZone *g_time_zone_new_identifier(const char *identifier)
{
    g_mutex_lock(&zones);
    GTimeZone *zone = REAL(GTimeZone * (*)(const char *), "g_time_zone_new_identifier")(identifier);
    g_mutex_unlock(&zones);
    return zone;
}

void g_time_zone_unref(GTimeZone *zone)
{
    g_mutex_lock(&zones);
    REAL(void (*)(GTimeZone *), "g_time_zone_unref")(zone);
    g_mutex_unlock(&zones);
}

void g_date_time_unref(GDateTime *time) /* and with it its zone */
{
    g_mutex_lock(&zones);
    REAL(void (*)(GDateTime *), "g_date_time_unref")(time);
    g_mutex_unlock(&zones);
}
