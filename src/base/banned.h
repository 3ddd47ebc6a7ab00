/* banned.h: functions that must not be used, and so do not compile. Included into every file of
 * ours by the build (-include).
 *
 * strcpy and its like have no bound; atoi has no error; localtime and its like share a buffer; time
 * and rand are hidden devices (base/clock.h, base/rand.h are the ones); sleep waits for time
 * instead of a condition; GLib can compile its own assertions away (base/must.h cannot).
 */
#ifndef ROTA_BASE_BANNED_H
#define ROTA_BASE_BANNED_H

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BANNED(declaration)                                                                        \
    extern declaration __attribute__((deprecated("banned: see base/banned.h")))
#ifdef __clang__ /* glibc defines atoi and its like inline: what calls them is still refused */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wignored-attributes"
#endif
BANNED(char *strcpy(char *, const char *));
BANNED(char *strcat(char *, const char *));
BANNED(char *strncpy(char *, const char *, size_t));
BANNED(char *strncat(char *, const char *, size_t));
BANNED(int sprintf(char *, const char *, ...));
BANNED(int vsprintf(char *, const char *, va_list));
BANNED(char *strtok(char *, const char *));
BANNED(int atoi(const char *));
BANNED(long atol(const char *));
BANNED(long long atoll(const char *));
BANNED(double atof(const char *));
BANNED(struct tm *gmtime(const time_t *));
BANNED(struct tm *localtime(const time_t *));
BANNED(char *ctime(const time_t *));
BANNED(char *asctime(const struct tm *));
BANNED(time_t time(time_t *));
BANNED(int rand(void));
BANNED(void srand(unsigned));
BANNED(long random(void));
BANNED(double drand48(void));
BANNED(unsigned sleep(unsigned));
BANNED(int usleep(useconds_t));
#ifdef __clang__
#pragma clang diagnostic pop
#endif
#undef BANNED

#undef g_assert
#undef g_return_if_fail
#undef g_return_val_if_fail
#pragma GCC poison g_assert g_return_if_fail g_return_val_if_fail

#endif
