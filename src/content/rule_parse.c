/* rule_parse: the text of a recurrence rule.
 *
 * How it fits: content/icalendar.c hands it each RRULE, and those of a VTIMEZONE. The text is
 * hostile: each number has its range, each list its length. Failures: ERROR_REJECT, with what was
 * wrong. Known weak point: RFC 7529 (RSCALE, SKIP) is not done but for what it says of the
 * Gregorian calendar; such a rule is refused where it is used, and its object is kept.
 */
#include <string.h>

#include "base/error.h"

#include "content/civil.h"
#include "content/rule.h"

static bool reject(const char *what, const char *value, GError **error)
{
    return fail(error, ERROR_REJECT, "a recurrence rule has %s \"%.40s\"", what, value);
}

static const char *const FREQUENCIES[] = {"SECONDLY", "MINUTELY", "HOURLY", "DAILY",
                                          "WEEKLY",   "MONTHLY",  "YEARLY"};
static const char *const WEEKDAYS[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

static int find_word(const char *word, const char *const *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (g_ascii_strcasecmp(word, words[i]) == 0)
            return (int)i;
    return -1;
}

/* Digits and a sign, from low to high but never 0 where `low` is negative or 1. */
static bool parse_number(const char *text, int64_t low, int64_t high, int64_t *ret)
{
    gint64 value = 0;
    if (*text == '+')
        text++;
    if (!g_ascii_string_to_signed(text, 10, low, high, &value, NULL) || (value == 0 && low != 0))
        return false;
    *ret = value;
    return true;
}

static bool two_digits(const char *text, int *ret)
{
    if (!g_ascii_isdigit(text[0]) || !g_ascii_isdigit(text[1]))
        return false;
    *ret = (text[0] - '0') * 10 + text[1] - '0';
    return true;
}

/* 20260101, 20260101T090000 or 20260101T090000Z */
static bool parse_until(const char *text, Rule *rule)
{
    int century, year, month, day, hour = 23, minute = 59, second = 59;
    size_t size = strlen(text);
    bool right = (size == 8 || size == 15 || size == 16) && two_digits(text, &century) &&
                 two_digits(text + 2, &year) && two_digits(text + 4, &month) &&
                 two_digits(text + 6, &day);
    rule->until_is_date = size == 8;
    rule->until_is_utc = size == 16;
    if (right && size > 8)
        right = text[8] == 'T' && two_digits(text + 9, &hour) && two_digits(text + 11, &minute) &&
                two_digits(text + 13, &second) && (size == 15 || text[15] == 'Z');
    if (!right || !civil_is_valid(century * 100 + year, month, day, hour, minute, second))
        return false;
    rule->has_until = true;
    rule->until = civil_day(century * 100 + year, month, day) * CIVIL_DAY + hour * 3600 +
                  minute * 60 + MIN(second, 59);
    return true;
}

/* "1MO", "-1SU", "FR" */
static bool add_day(const char *text, Rule *rule)
{
    size_t size = strlen(text);
    int weekday = size >= 2 ? find_word(text + size - 2, WEEKDAYS, G_N_ELEMENTS(WEEKDAYS)) : -1;
    if (weekday < 0)
        return false;
    if (size == 2) {
        rule->weekdays |= 1U << weekday;
        return true;
    }
    g_autofree char *digits = g_strndup(text, size - 2);
    int64_t nth;
    if (rule->nth_count == RULE_LIST_MAX || !parse_number(digits, -53, 53, &nth))
        return false;
    rule->nths[rule->nth_count++] = (RuleNth){weekday, (int)nth};
    return true;
}

static void set_bit(uint64_t *words, int64_t bit)
{
    words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* One value of a BY… list. False: it is none; *ret_known is false where the part's name is not. */
static bool add_value(const char *name, const char *text, Rule *rule, bool *ret_known)
{
    int64_t n = 0;
    *ret_known = true;
    if (strcmp(name, "BYDAY") == 0)
        return add_day(text, rule);
    if (strcmp(name, "BYSECOND") == 0)
        return parse_number(text, 0, 60, &n) && (rule->seconds |= UINT64_C(1) << MIN(n, 59));
    if (strcmp(name, "BYMINUTE") == 0)
        return parse_number(text, 0, 59, &n) && (rule->minutes |= UINT64_C(1) << n);
    if (strcmp(name, "BYHOUR") == 0)
        return parse_number(text, 0, 23, &n) && (rule->hours |= 1U << n);
    if (strcmp(name, "BYMONTH") == 0)
        return parse_number(text, 1, 12, &n) && (rule->months |= 1U << n);
    if (strcmp(name, "BYMONTHDAY") == 0) {
        if (!parse_number(text, -31, 31, &n))
            return false;
        *(n > 0 ? &rule->month_days : &rule->month_days_back) |= 1U << ABS(n);
    } else if (strcmp(name, "BYYEARDAY") == 0) {
        if (!parse_number(text, -366, 366, &n))
            return false;
        set_bit(n > 0 ? rule->year_days : rule->year_days_back, ABS(n));
    } else if (strcmp(name, "BYWEEKNO") == 0) {
        if (!parse_number(text, -53, 53, &n))
            return false;
        *(n > 0 ? &rule->weeks : &rule->weeks_back) |= UINT64_C(1) << ABS(n);
    } else if (strcmp(name, "BYSETPOS") == 0) {
        if (rule->position_count == RULE_LIST_MAX || !parse_number(text, -366, 366, &n))
            return false;
        rule->positions[rule->position_count++] = (int)n;
    } else {
        *ret_known = false;
    }
    return true;
}

static bool parse_list(const char *name, const char *value, Rule *rule, GError **error)
{
    g_auto(GStrv) items = g_strsplit(value, ",", 400);
    for (unsigned i = 0; items[i]; i++) {
        bool known;
        if (!add_value(name, g_strstrip(items[i]), rule, &known))
            return reject(name, items[i], error);
        if (!known)
            return g_ascii_strncasecmp(name, "X-", 2) == 0 || reject("a part", name, error);
    }
    return true;
}

static bool parse_part(const char *name, const char *value, Rule *rule, bool *freq, GError **error)
{
    int word;
    if (strcmp(name, "FREQ") == 0) {
        word = find_word(value, FREQUENCIES, G_N_ELEMENTS(FREQUENCIES));
        rule->frequency = (RuleFrequency)MAX(word, 0);
        *freq = word >= 0;
        return word >= 0 || reject("the frequency", value, error);
    }
    if (strcmp(name, "INTERVAL") == 0)
        return parse_number(value, 1, 32767, &rule->interval) ||
               reject("the interval", value, error);
    if (strcmp(name, "COUNT") == 0)
        return parse_number(value, 1, 2147483647, &rule->count) ||
               reject("the count", value, error);
    if (strcmp(name, "UNTIL") == 0)
        return parse_until(value, rule) || reject("the end", value, error);
    if (strcmp(name, "WKST") == 0) {
        rule->week_start = find_word(value, WEEKDAYS, G_N_ELEMENTS(WEEKDAYS));
        return rule->week_start >= 0 || reject("the week's start", value, error);
    }
    if (strcmp(name, "RSCALE") == 0)
        return g_ascii_strcasecmp(value, "GREGORIAN") == 0 ||
               reject("another calendar:", value, error);
    if (strcmp(name, "SKIP") == 0)
        return g_ascii_strcasecmp(value, "OMIT") == 0 || reject("the skip", value, error);
    return parse_list(name, value, rule, error);
}

bool rule_parse(const char *text, Rule *ret, GError **error)
{
    Rule rule = {.interval = 1};
    bool frequency = false;
    g_auto(GStrv) parts = g_strsplit(text, ";", 40);
    for (unsigned i = 0; parts[i]; i++) {
        char *equals = strchr(parts[i], '=');
        if (!equals && !*g_strstrip(parts[i]))
            continue; /* a ';' at the end: several programs write one */
        if (!equals)
            return reject("a part without a value:", parts[i], error);
        *equals = '\0';
        g_autofree char *name = g_ascii_strup(g_strstrip(parts[i]), -1);
        if (!parse_part(name, g_strstrip(equals + 1), &rule, &frequency, error))
            return false;
    }
    if (!frequency)
        return reject("no frequency:", text, error);
    *ret = rule;
    return true;
}
