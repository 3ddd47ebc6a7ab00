/* civil.h: days and seconds of the calendar that RFC 5545 counts by (proleptic Gregorian), as
 * plain numbers.
 *
 * A day is its number since 1970-01-01; a wall time is seconds since 1970-01-01 00:00 as a clock on
 * the wall shows them, in no zone. Years 1 to 9999. Pure; any thread.
 */
#ifndef ROTA_CONTENT_CIVIL_H
#define ROTA_CONTENT_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY      86400
#define CIVIL_YEAR_MIN 1
#define CIVIL_YEAR_MAX 9999

typedef struct {
    int year, month, day; /* month and day from 1 */
} CivilDate;

int64_t civil_day(int year, int month, int day);
CivilDate civil_date(int64_t day);
int civil_month_days(int year, int month);
bool civil_is_leap(int year);
/* 0 Monday to 6 Sunday. */
int civil_weekday(int64_t day);
/* There is such a date and time; a leap second counts as one. */
bool civil_is_valid(int year, int month, int day, int hour, int minute, int second);
/* The first and the last second of the years that are known. */
int64_t civil_min(void);
int64_t civil_max(void);

/* Division towards minus infinity. */
static inline int64_t civil_floor(int64_t value, int64_t unit)
{
    return value / unit - (value % unit < 0);
}

#endif
