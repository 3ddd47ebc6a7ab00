/* units: "30s" to milliseconds, "10mb" to bytes, and back.
 *
 * How it fits: settings and commands read people's durations and sizes here only. Failures: a wrong
 * spelling or a number that does not fit 64 bits, refused with what to write. Known weak point: a
 * day is 24 hours, also when a clock change makes it 23.
 */
#include "base/units.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"

typedef struct {
    const char *name;
    int64_t factor;
} Unit;

static const Unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const Unit sizes[] = {
    {"tib", 1ll << 40}, {"tb", 1000000000000}, {"gib", 1 << 30},
    {"gb", 1000000000}, {"mib", 1 << 20},      {"mb", 1000000},
    {"kib", 1 << 10},   {"kb", 1000},          {"b", 1},
};

typedef enum { PARSE_FINE, PARSE_WRONG, PARSE_RANGE } ParseResult;

static ParseResult parse(const char *text, const Unit *units, unsigned count, int64_t *ret_value)
{
    int64_t number = 0;
    const char *at = text;
    if (!g_ascii_isdigit(*at))
        return PARSE_WRONG;
    for (; g_ascii_isdigit(*at); at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number))
            return PARSE_RANGE;
    while (*at == ' ')
        at++;
    for (unsigned i = 0; i < count; i++) {
        if (g_ascii_strcasecmp(at, units[i].name) == 0)
            return __builtin_mul_overflow(number, units[i].factor, ret_value) ? PARSE_RANGE
                                                                              : PARSE_FINE;
    }
    return PARSE_WRONG;
}

bool units_parse_duration(const char *text, int64_t *ret_ms, GError **error)
{
    int64_t ms = 0;
    ParseResult result =
        strcmp(text, "0") == 0 ? PARSE_FINE : parse(text, durations, G_N_ELEMENTS(durations), &ms);
    if (result == PARSE_RANGE)
        return fail(error, ERROR_REJECT,
                    "found the duration \"%.40s\", which is too long; write a shorter one", text);
    if (result == PARSE_WRONG)
        return fail(error, ERROR_REJECT,
                    "found \"%.40s\", which is no duration; write a whole number with ms, s, m, h "
                    "or d, as in \"30s\" or \"1h\"",
                    text);
    *ret_ms = ms;
    return true;
}

bool units_parse_size(const char *text, int64_t *ret_bytes, GError **error)
{
    int64_t bytes = 0;
    bool plain = *text && strspn(text, "0123456789") == strlen(text);
    g_autofree char *with_unit = g_strconcat(text, plain ? "b" : "", NULL);
    switch (parse(with_unit, sizes, G_N_ELEMENTS(sizes), &bytes)) {
    case PARSE_RANGE:
        return fail(error, ERROR_REJECT,
                    "found the size \"%.40s\", which is too large; write a smaller one", text);
    case PARSE_WRONG:
        return fail(error, ERROR_REJECT,
                    "found \"%.40s\", which is no size; write a whole number with kb, mb, gb, kib, "
                    "mib or gib, as in \"10mb\"",
                    text);
    case PARSE_FINE:
        break;
    }
    *ret_bytes = bytes;
    return true;
}

static char *format(int64_t value, const Unit *units, unsigned count)
{
    MUST(value >= 0);
    const Unit *best = &units[count - 1];
    for (unsigned i = 0; i < count; i++) {
        bool exact = value % units[i].factor == 0 && value > 0;
        if (exact && value / units[i].factor < value / best->factor)
            best = &units[i];
    }
    return g_strdup_printf("%" PRId64 "%s", value / best->factor, best->name);
}

char *units_format_duration(int64_t ms)
{
    return ms == 0 ? g_strdup("0s") : format(ms, durations, G_N_ELEMENTS(durations));
}

char *units_format_size(int64_t bytes)
{
    return format(bytes, sizes, G_N_ELEMENTS(sizes));
}
