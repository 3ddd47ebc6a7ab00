/* rule: the walk through a recurrence rule's instances.
 *
 * How it fits: content/recurrence.c walks an event's rules, content/zone_rules.c those of a
 * VTIMEZONE. A period (a year for YEARLY, a minute for MINUTELY) is filled with the days that fit
 * and the times of a day; their products in order are its instances, of which BYSETPOS picks some.
 * A period that cannot fit is stepped over at the level that fails: a rule for each second of one
 * day in February steps over the other days, not their seconds.
 *
 * libical's own iterator is not used: it tries FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30 second by
 * second through six hundred years, and nothing can stop it
 * (docs/decisions/0014-recurrence.md). Failures: none; what is too much is cut, and says so.
 */
#include "content/rule.h"

#include <string.h>

#include "base/must.h"

#include "content/civil.h"

static bool has_bits(const uint64_t *words)
{
    return (words[0] | words[1] | words[2] | words[3] | words[4] | words[5]) != 0;
}

static bool bit(const uint64_t *words, int n)
{
    return (words[n / 64] >> (n % 64)) & 1;
}

/* ---- days */

/* The first day of week 1 of a year: the first week with four days in it. */
static int64_t week_one(const Rule *rule, int year)
{
    int64_t first = civil_day(year, 1, 1);
    int past = (civil_weekday(first) - rule->week_start + 7) % 7; /* days of its week before it */
    return first - past + (past > 3 ? 7 : 0);
}

/* A rule for weeks of the year: its year is the weeks', which begins up to three days away. */
static bool by_weeks(const Rule *rule)
{
    return rule->frequency == RULE_YEARLY && (rule->weeks || rule->weeks_back);
}

static int week_year(const Rule *rule, int64_t day)
{
    int year = civil_date(day).year;
    if (day < week_one(rule, year))
        return year - 1;
    return day >= week_one(rule, year + 1) ? year + 1 : year;
}

static bool week_fits(const Rule *rule, int64_t day)
{
    int year = week_year(rule, day);
    int64_t begin = week_one(rule, year), end = week_one(rule, year + 1);
    int64_t week = (day - begin) / 7 + 1, weeks = (end - begin) / 7;
    return ((rule->weeks >> week) & 1) || ((rule->weeks_back >> (weeks + 1 - week)) & 1);
}

static bool nth_fits(const Rule *rule, int weekday, int of, int size)
{
    int front = (of - 1) / 7 + 1, back = -((size - of) / 7 + 1);
    for (unsigned i = 0; i < rule->nth_count; i++)
        if (rule->nths[i].weekday == weekday &&
            (rule->nths[i].nth == front || rule->nths[i].nth == back))
            return true;
    return false;
}

static bool weekday_fits(const Rule *rule, int64_t day, const CivilDate *date)
{
    int weekday = civil_weekday(day);
    if ((rule->weekdays >> weekday) & 1)
        return true;
    if (rule->frequency < RULE_MONTHLY) { /* the number has no meaning there */
        for (unsigned i = 0; i < rule->nth_count; i++)
            if (rule->nths[i].weekday == weekday)
                return true;
        return false;
    }
    if (rule->frequency == RULE_MONTHLY || rule->months)
        return nth_fits(rule, weekday, date->day, civil_month_days(date->year, date->month));
    return nth_fits(rule, weekday, (int)(day - civil_day(date->year, 1, 1)) + 1,
                    365 + civil_is_leap(date->year));
}

/* All parts that choose days, each as a filter. */
static bool day_fits(const Rule *rule, int64_t day)
{
    CivilDate date = civil_date(day);
    if (rule->months && !((rule->months >> date.month) & 1))
        return false;
    if (rule->month_days || rule->month_days_back) {
        int back = civil_month_days(date.year, date.month) + 1 - date.day;
        if (!((rule->month_days >> date.day) & 1) && !((rule->month_days_back >> back) & 1))
            return false;
    }
    if ((rule->weekdays || rule->nth_count) && !weekday_fits(rule, day, &date))
        return false;
    if (has_bits(rule->year_days) || has_bits(rule->year_days_back)) {
        int of = (int)(day - civil_day(date.year, 1, 1)) + 1;
        int back = 366 + civil_is_leap(date.year) - of;
        if (!bit(rule->year_days, of) && !bit(rule->year_days_back, back))
            return false;
    }
    return !(rule->weeks || rule->weeks_back) || week_fits(rule, day);
}

/* ---- periods */

static int64_t period_of(const RuleWalk *walk, int64_t time)
{
    int64_t day = civil_floor(time, CIVIL_DAY);
    switch (walk->rule.frequency) {
    case RULE_SECONDLY:
        return time;
    case RULE_MINUTELY:
        return civil_floor(time, 60);
    case RULE_HOURLY:
        return civil_floor(time, 3600);
    case RULE_DAILY:
        return day;
    case RULE_WEEKLY: /* weeks since one that began with WKST */
        return civil_floor(day + 3 - walk->rule.week_start, 7);
    case RULE_MONTHLY:
        return civil_date(day).year * INT64_C(12) + civil_date(day).month - 1;
    case RULE_YEARLY:
        return by_weeks(&walk->rule) ? week_year(&walk->rule, day) : civil_date(day).year;
    }
    return 0;
}

/* The first period of the grid that is `least` or later. */
static void move_to(RuleWalk *walk, int64_t least)
{
    int64_t steps = (least - walk->period + walk->rule.interval - 1) / walk->rule.interval;
    if (least > walk->period)
        walk->period += steps * walk->rule.interval;
}

/* The days of a period that fit. */
static void fill_days(RuleWalk *walk, int64_t first, int64_t count)
{
    const Rule *rule = &walk->rule;
    walk->first_day = first;
    walk->day_count = 0;
    for (int64_t i = 0; i < count; i++) {
        CivilDate date = {0};
        walk->steps++;
        if (rule->frequency == RULE_YEARLY && rule->months) { /* a month that does not fit */
            date = civil_date(first + i);
            if (!((rule->months >> date.month) & 1)) {
                i += civil_month_days(date.year, date.month) - date.day;
                continue;
            }
        }
        if (day_fits(rule, first + i))
            walk->days[walk->day_count++] = (uint16_t)i;
    }
}

/* A period below a day: false, and the walk is moved on, where its day, hour, minute do not fit. */
static bool fill_time(RuleWalk *walk)
{
    const Rule *rule = &walk->rule;
    int64_t unit = rule->frequency == RULE_HOURLY     ? 3600
                   : rule->frequency == RULE_MINUTELY ? 60
                                                      : 1;
    int64_t time = walk->period * unit, day = civil_floor(time, CIVIL_DAY);
    int64_t of_day = time - day * CIVIL_DAY, hour = of_day / 3600, minute = of_day / 60 % 60;
    walk->first_day = day;
    walk->days[0] = 0;
    walk->day_count = 1;
    walk->hours[0] = (uint8_t)hour;
    if (!day_fits(rule, day)) {
        move_to(walk, (day + 1) * CIVIL_DAY / unit);
        return false;
    }
    if (rule->hours && !((rule->hours >> hour) & 1)) {
        move_to(walk, (day * 24 + hour + 1) * 3600 / unit);
        return false;
    }
    if (unit == 3600)
        return true;
    walk->minutes[0] = (uint8_t)minute;
    if (rule->minutes && !((rule->minutes >> minute) & 1)) {
        move_to(walk, (day * 1440 + hour * 60 + minute + 1) * 60 / unit);
        return false;
    }
    if (unit == 60)
        return true;
    walk->seconds[0] = (uint8_t)(of_day % 60);
    if (!rule->seconds || (rule->seconds >> walk->seconds[0]) & 1)
        return true;
    walk->period += rule->interval;
    return false;
}

static int compare_places(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* BYSETPOS of the filled period: places in order, each once. */
static void fill_places(RuleWalk *walk, int64_t elements)
{
    walk->place_count = 0;
    for (unsigned i = 0; i < walk->rule.position_count; i++) {
        int position = walk->rule.positions[i];
        int64_t place = position > 0 ? position - 1 : elements + position;
        if (place >= 0 && place < elements)
            walk->places[walk->place_count++] = place;
    }
    qsort(walk->places, walk->place_count, sizeof *walk->places, compare_places);
    unsigned kept = 0;
    for (unsigned i = 0; i < walk->place_count; i++)
        if (i == 0 || walk->places[i] != walk->places[i - 1])
            walk->places[kept++] = walk->places[i];
    walk->place_count = kept;
}

/* Fills the period where the walk is. False: nothing in it, and it may have moved on. */
static bool fill(RuleWalk *walk)
{
    const Rule *rule = &walk->rule;
    int64_t before = walk->period;
    walk->steps++;
    switch (rule->frequency) {
    case RULE_SECONDLY:
    case RULE_MINUTELY:
    case RULE_HOURLY:
        if (!fill_time(walk)) {
            MUST(walk->period > before);
            return false;
        }
        break;
    case RULE_DAILY:
        fill_days(walk, walk->period, 1);
        break;
    case RULE_WEEKLY:
        fill_days(walk, walk->period * 7 - 3 + rule->week_start, 7);
        break;
    case RULE_MONTHLY: {
        int year = (int)civil_floor(walk->period, 12);
        int month = (int)(walk->period - year * 12) + 1;
        if (rule->months && !((rule->months >> month) & 1))
            walk->day_count = 0;
        else
            fill_days(walk, civil_day(year, month, 1), civil_month_days(year, month));
        break;
    }
    case RULE_YEARLY: {
        int year = (int)walk->period;
        int64_t first = by_weeks(rule) ? week_one(rule, year) : civil_day(year, 1, 1);
        int64_t end = by_weeks(rule) ? week_one(rule, year + 1) : civil_day(year + 1, 1, 1);
        fill_days(walk, first, end - first);
        break;
    }
    }
    int64_t elements =
        (int64_t)walk->day_count * walk->hour_count * walk->minute_count * walk->second_count;
    if (rule->position_count)
        fill_places(walk, elements);
    walk->element_count = rule->position_count ? walk->place_count : elements;
    walk->at = 0;
    if (walk->element_count == 0)
        walk->period += rule->interval;
    return walk->element_count > 0;
}

static int64_t element(const RuleWalk *walk, int64_t index)
{
    int64_t place = walk->rule.position_count ? walk->places[index] : index;
    int64_t second = place % walk->second_count;
    place /= walk->second_count;
    int64_t minute = place % walk->minute_count;
    place /= walk->minute_count;
    int64_t hour = place % walk->hour_count, day = place / walk->hour_count;
    return (walk->first_day + walk->days[day]) * CIVIL_DAY + walk->hours[hour] * 3600 +
           walk->minutes[minute] * 60 + walk->seconds[second];
}

/* The first element that is `least` or later: a period may have millions of them. */
static int64_t element_from(const RuleWalk *walk, int64_t least)
{
    int64_t low = 0, high = walk->element_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (element(walk, middle) < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- the walk */

static unsigned list_bits(uint64_t bits, unsigned own, unsigned size, uint8_t *ret)
{
    unsigned count = 0;
    for (unsigned i = 0; bits && i < size; i++)
        if ((bits >> i) & 1)
            ret[count++] = (uint8_t)i;
    if (!bits)
        ret[count++] = (uint8_t)own;
    return count;
}

/* What the rule does not say, DTSTART does. */
static void take_from_start(Rule *rule, int64_t start)
{
    int64_t day = civil_floor(start, CIVIL_DAY);
    CivilDate date = civil_date(day);
    bool days = rule->month_days || rule->month_days_back || rule->weekdays || rule->nth_count ||
                has_bits(rule->year_days) || has_bits(rule->year_days_back);
    if (days || rule->frequency < RULE_WEEKLY)
        return;
    if (rule->frequency == RULE_WEEKLY || by_weeks(rule)) {
        rule->weekdays = 1U << civil_weekday(day);
        return;
    }
    rule->month_days = 1U << date.day;
    if (rule->frequency == RULE_YEARLY && !rule->months)
        rule->months = 1U << date.month;
}

/* INTERVAL counts from DTSTART's year. Early in January that is still the old one by its weeks, if
 * an instance comes in what is left of it; as libical reads it too. */
static int64_t first_week_year(const Rule *rule, int64_t start)
{
    int64_t day = civil_floor(start, CIVIL_DAY);
    int year = civil_date(day).year;
    int64_t end = week_one(rule, year);
    if (day >= end)
        return week_year(rule, day);
    while (day < end && !day_fits(rule, day))
        day++;
    return day < end ? year - 1 : year;
}

void rule_walk_begin(RuleWalk *walk, const Rule *rule, const RuleStart *from)
{
    int64_t start = from->start;
    int64_t of_day = start - civil_floor(start, CIVIL_DAY) * CIVIL_DAY;
    RuleFrequency frequency = rule->frequency;
    MUST(start >= civil_min() && start <= civil_max());
    memset(walk, 0, sizeof *walk);
    walk->rule = *rule;
    walk->start = walk->floor = start;
    walk->until = MIN(from->until, civil_max());
    if (from->is_date) {
        walk->rule.hours = 0;
        walk->rule.minutes = walk->rule.seconds = 0;
    }
    if (frequency != RULE_YEARLY) /* of a year's weeks only */
        walk->rule.weeks = walk->rule.weeks_back = 0;
    take_from_start(&walk->rule, start);
    walk->hour_count = walk->minute_count = walk->second_count = 1;
    if (frequency > RULE_HOURLY)
        walk->hour_count = list_bits(walk->rule.hours, (unsigned)(of_day / 3600), 24, walk->hours);
    if (frequency > RULE_MINUTELY)
        walk->minute_count =
            list_bits(walk->rule.minutes, (unsigned)(of_day / 60 % 60), 60, walk->minutes);
    if (frequency > RULE_SECONDLY)
        walk->second_count =
            list_bits(walk->rule.seconds, (unsigned)(of_day % 60), 60, walk->seconds);
    walk->period = by_weeks(rule) ? first_week_year(&walk->rule, start) : period_of(walk, start);
}

void rule_walk_seek(RuleWalk *walk, int64_t from)
{
    MUST(!walk->filled);
    if (from <= walk->start)
        return;
    walk->floor = MIN(from, civil_max());
    if (walk->rule.count)
        return; /* what is counted has to be walked, period by period */
    int64_t last = period_of(walk, walk->floor);
    if (last > walk->period)
        walk->period += (last - walk->period) / walk->rule.interval * walk->rule.interval;
}

bool rule_walk_next(RuleWalk *walk, int64_t *ret_time)
{
    int64_t last_period = period_of(walk, walk->until);
    while (!walk->ended) {
        if (walk->rule.count && walk->given >= walk->rule.count)
            break;
        if (!walk->filled) {
            walk->cut = walk->steps >= RULE_STEPS_MAX;
            if (walk->cut || walk->period > last_period)
                break;
            if (!fill(walk))
                continue;
            walk->filled = true;
            walk->at = element_from(walk, walk->floor);
            walk->given += walk->at - element_from(walk, walk->start); /* COUNT counts them all */
            continue;
        }
        if (walk->at >= walk->element_count) {
            walk->filled = false;
            walk->period += walk->rule.interval;
            continue;
        }
        int64_t time = element(walk, walk->at++);
        if (time > walk->until)
            break;
        walk->given++;
        *ret_time = time;
        return true;
    }
    walk->ended = true;
    return false;
}

bool rule_walk_is_cut(const RuleWalk *walk)
{
    return walk->cut;
}
