/* civil: dates to day numbers and back.
 *
 * How it fits: rules, zones and alarms reckon in these. The arithmetic is that of a year that
 * begins in March, so that the leap day is its last. Failures: none; a month out of 1 to 12 is the
 * caller's bug.
 */
#include "content/civil.h"

#include "base/must.h"

int64_t civil_day(int year, int month, int day)
{
    MUST(month >= 1 && month <= 12);
    int64_t y = year - (month <= 2);
    int64_t era = civil_floor(y, 400), of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

CivilDate civil_date(int64_t day)
{
    int64_t shifted = day + 719468, era = civil_floor(shifted, 146097);
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    CivilDate date = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
                      .month = (int)(month < 10 ? month + 3 : month - 9)};
    date.year = (int)(year + era * 400 + (date.month <= 2));
    return date;
}

bool civil_is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int civil_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    MUST(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && civil_is_leap(year));
}

int civil_weekday(int64_t day)
{
    int64_t since_monday = day + 3; /* 1970-01-01 was a Thursday */
    return (int)(since_monday - 7 * civil_floor(since_monday, 7));
}

bool civil_is_valid(int year, int month, int day, int hour, int minute, int second)
{
    return year >= CIVIL_YEAR_MIN && year <= CIVIL_YEAR_MAX && month >= 1 && month <= 12 &&
           day >= 1 && day <= civil_month_days(year, month) && hour >= 0 && hour <= 23 &&
           minute >= 0 && minute <= 59 && second >= 0 && second <= 60;
}

int64_t civil_min(void)
{
    return civil_day(CIVIL_YEAR_MIN, 1, 1) * CIVIL_DAY;
}

int64_t civil_max(void)
{
    return civil_day(CIVIL_YEAR_MAX, 12, 31) * CIVIL_DAY + CIVIL_DAY - 1;
}
