/* cron.h: when the next slot of a schedule is.
 *
 * A schedule is five fields, "minute hour day-of-month month day-of-week", or "every DURATION" (1s
 * to 366d; slots are the multiples of the duration since 1970-01-01 UTC). A field is "*" or a list
 * ("1,15") of numbers, ranges ("1-5") and steps ("0-59/10", or from the whole field: an asterisk
 * and "/10", "8-18/2"); months and days may be names (jan, mon); Sunday is 0 and 7. If both
 * day-of-month and day-of-week are other than "*", a day that fits either counts, as in POSIX. A
 * schedule that never comes (30 February) is refused.
 *
 * Clock changes: a local time that is skipped comes at the moment of the change, once; a local time
 * that is there twice comes the first time only. Where every hour fits the schedule means an
 * interval, and so skipped times are left out and doubled ones come twice.
 *
 * Pure; a schedule is immutable; any thread.
 */
#ifndef ROTA_BASE_CRON_H
#define ROTA_BASE_CRON_H

#include <glib.h>
#include <stdint.h>

typedef struct CronSchedule CronSchedule;

/* ERROR_REJECT says what was found and what to write. Owned by the caller. */
CronSchedule *cron_parse(const char *text, GError **error);
void cron_free(CronSchedule *schedule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CronSchedule, cron_free)

/* The first slot after `after_ms` (wall ms, UTC), in wall ms; INT64_MAX if there is none before the
 * year 9999. `zone` NULL: UTC. Looks at no more than CRON_DAYS_MAX days. */
#define CRON_DAYS_MAX (9 * 366) /* 29 February may be eight years away (1896, 1904) */
int64_t cron_next(const CronSchedule *schedule, int64_t after_ms, GTimeZone *zone);
/* The time between slots of "every …" in ms; 0 for five fields. */
int64_t cron_interval_ms(const CronSchedule *schedule);

#endif
