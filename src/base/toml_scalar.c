/* toml_scalar: strings, numbers, booleans, dates and times of TOML 1.0.0.
 *
 * How it fits: toml_parse.c meets a value and calls here. Failures: problems with the place of the
 * byte that is wrong. Integers that do not fit 64 bits and floats that do not fit a double are
 * refused, not rounded to infinity. Known weak point: fractions of a second beyond nine digits are
 * cut, as TOML allows.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/toml_private.h"

static bool is_control(char byte)
{
    return ((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static bool read_unicode(TomlReader *reader, unsigned digits, GString *text)
{
    TomlPlace place = toml_place(reader, reader->at);
    uint32_t letter = 0;
    for (unsigned i = 0; i < digits; i++) {
        char digit = toml_peek(reader, 2 + i);
        if (!g_ascii_isxdigit(digit))
            return toml_problem(
                reader, place,
                "found a \\%c without %u hexadecimal digits; write for example \\%c%0*X",
                reader->at[1], digits, reader->at[1], (int)digits, 0xE4u);
        letter = letter * 16 + (uint32_t)g_ascii_xdigit_value(digit);
    }
    if (letter > 0x10ffff || (letter >= 0xd800 && letter <= 0xdfff))
        return toml_problem(reader, place,
                            "found the escape of U+%04X, which is no character; write another",
                            letter);
    if (letter == 0)
        g_string_append_c(text, '\0');
    else
        g_string_append_unichar(text, letter);
    reader->at += 2 + digits;
    return true;
}

static bool read_escape(TomlReader *reader, GString *text)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    char letter = toml_peek(reader, 1);
    if (letter == 'u' || letter == 'U')
        return read_unicode(reader, letter == 'u' ? 4 : 8, text);
    const char *known = letter ? strchr(from, letter) : NULL;
    if (!known) {
        g_autofree char *found = toml_found(reader, reader->at + 1);
        return toml_problem(reader, toml_place(reader, reader->at),
                            "found a backslash before %s; write \\\\ for a backslash, or put the "
                            "text between single quotes",
                            found);
    }
    g_string_append_c(text, to[known - from]);
    reader->at += 2;
    return true;
}

/* A backslash at the end of a line takes the white space and newlines after it away. True if there
 * was one. */
static bool skip_line_end_backslash(TomlReader *reader)
{
    size_t ahead = 1;
    while (toml_peek(reader, ahead) == ' ' || toml_peek(reader, ahead) == '\t')
        ahead++;
    if (toml_peek(reader, ahead) != '\n' &&
        !(toml_peek(reader, ahead) == '\r' && toml_peek(reader, ahead + 1) == '\n'))
        return false;
    reader->at += ahead;
    for (;;) {
        if (toml_newline_size(reader))
            toml_take_newline(reader);
        else if (toml_peek(reader, 0) == ' ' || toml_peek(reader, 0) == '\t')
            reader->at++;
        else
            return true;
    }
}

/* The quotes at the end of a multi-line string: up to two may belong to the text. True at the end.
 */
static bool take_closing_quotes(TomlReader *reader, char quote, GString *text)
{
    unsigned count = 0;
    while (count < 5 && toml_peek(reader, count) == quote)
        count++;
    unsigned kept = count >= 3 ? count - 3 : count;
    for (unsigned i = 0; i < kept; i++)
        g_string_append_c(text, quote);
    reader->at += count;
    return count >= 3;
}

static bool read_multi_line(TomlReader *reader, char quote, GString *text)
{
    TomlPlace start = toml_place(reader, reader->at);
    reader->at += 3;
    if (toml_newline_size(reader))
        toml_take_newline(reader);
    while (reader->at < reader->end) {
        char byte = *reader->at;
        if (byte == quote) {
            if (take_closing_quotes(reader, quote, text))
                return true;
        } else if (toml_newline_size(reader)) {
            g_string_append_len(text, reader->at, toml_newline_size(reader));
            toml_take_newline(reader);
        } else if (byte == '\\' && quote == '"') {
            if (!skip_line_end_backslash(reader) && !read_escape(reader, text))
                return false;
        } else if (is_control(byte)) {
            return toml_problem(reader, toml_place(reader, reader->at),
                                "found the control byte 0x%02x in a string; write \\u%04X",
                                (unsigned char)byte, (unsigned)(unsigned char)byte);
        } else {
            g_string_append_c(text, byte);
            reader->at++;
        }
    }
    return toml_problem(reader, start, "found a string without an end; write %c%c%c after it",
                        quote, quote, quote);
}

static bool read_one_line(TomlReader *reader, char quote, GString *text)
{
    TomlPlace start = toml_place(reader, reader->at);
    reader->at++;
    while (reader->at < reader->end && !toml_newline_size(reader)) {
        char byte = *reader->at;
        if (byte == quote) {
            reader->at++;
            return true;
        }
        if (is_control(byte))
            return toml_problem(reader, toml_place(reader, reader->at),
                                "found the control byte 0x%02x in a string; write \\u%04X",
                                (unsigned char)byte, (unsigned)(unsigned char)byte);
        if (byte == '\\' && quote == '"') {
            if (!read_escape(reader, text))
                return false;
        } else {
            g_string_append_c(text, byte);
            reader->at++;
        }
    }
    return toml_problem(reader, start,
                        "found a string without an end on its line; write %c after it", quote);
}

bool toml_read_string(TomlReader *reader, bool multi_line, TomlText *ret_text)
{
    char quote = *reader->at;
    bool triple = toml_peek(reader, 1) == quote && toml_peek(reader, 2) == quote;
    if (triple && !multi_line)
        return toml_problem(
            reader, toml_place(reader, reader->at),
            "found a key of several lines; write it between one quote and one quote");
    g_autoptr(GString) text = g_string_new(NULL);
    if (!(triple ? read_multi_line(reader, quote, text) : read_one_line(reader, quote, text)))
        return false;
    ret_text->size = text->len;
    ret_text->data = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}

/* Exactly `count` digits at `text`, or -1. */
static int take_digits(const char **text, unsigned count)
{
    int number = 0;
    for (unsigned i = 0; i < count; i++, (*text)++) {
        if (!g_ascii_isdigit(**text))
            return -1;
        number = number * 10 + (**text - '0');
    }
    return number;
}

static bool take_date(const char **text, TomlTime *time)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if ((time->year = take_digits(text, 4)) < 0 || *(*text)++ != '-')
        return false;
    if ((time->month = take_digits(text, 2)) < 1 || time->month > 12 || *(*text)++ != '-')
        return false;
    time->day = take_digits(text, 2);
    bool leap = (time->year % 4 == 0 && time->year % 100 != 0) || time->year % 400 == 0;
    return time->day >= 1 && time->day <= days[time->month - 1] + (leap && time->month == 2);
}

static bool take_time(const char **text, TomlTime *time)
{
    if ((time->hour = take_digits(text, 2)) < 0 || time->hour > 23 || *(*text)++ != ':')
        return false;
    if ((time->minute = take_digits(text, 2)) < 0 || time->minute > 59 || *(*text)++ != ':')
        return false;
    if ((time->second = take_digits(text, 2)) < 0 ||
        time->second > 60) /* 60: a leap second (RFC 3339) */
        return false;
    if (**text != '.')
        return true;
    (*text)++;
    if (!g_ascii_isdigit(**text))
        return false;
    int unit = 100000000;
    for (; g_ascii_isdigit(**text); (*text)++, unit /= 10)
        time->nanosecond += (**text - '0') * unit;
    return true;
}

static bool take_offset(const char **text, TomlTime *time)
{
    char sign = *(*text)++;
    if (sign == 'Z' || sign == 'z')
        return true;
    int hours = take_digits(text, 2);
    if (hours < 0 || hours > 23 || *(*text)++ != ':')
        return false;
    int minutes = take_digits(text, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    time->offset_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool parse_time(const char *word, TomlType *ret_type, TomlTime *ret_time)
{
    TomlTime time = {0};
    const char *at = word;
    TomlType type = TOML_LOCAL_TIME;
    if (word[2] == ':') {
        if (!take_time(&at, &time))
            return false;
    } else {
        if (!take_date(&at, &time))
            return false;
        type = TOML_LOCAL_DATE;
        if (*at) {
            if (!strchr("Tt ", *at++) || !take_time(&at, &time))
                return false;
            type = TOML_LOCAL_DATE_TIME;
            if (*at && strchr("Zz+-", *at)) {
                if (!take_offset(&at, &time))
                    return false;
                type = TOML_OFFSET_DATE_TIME;
            }
        }
    }
    if (*at)
        return false;
    *ret_type = type;
    *ret_time = time;
    return true;
}

/* Copies the word without its underscores; false unless each stands between two digits. */
static bool drop_underscores(const char *word, GString *plain)
{
    for (const char *at = word; *at; at++) {
        if (*at != '_')
            g_string_append_c(plain, *at);
        else if (at == word || !g_ascii_isxdigit(at[-1]) || !g_ascii_isxdigit(at[1]))
            return false;
    }
    return true;
}

typedef enum { NUMBER_FINE, NUMBER_WRONG, NUMBER_RANGE } NumberResult;

static NumberResult parse_integer(const char *word, int64_t *ret_number)
{
    const char *at = word;
    bool negative = *at == '-', sign = *at == '-' || *at == '+';
    unsigned base = 10;
    at += sign;
    if (at[0] == '0' && at[1] && strchr("xob", at[1])) {
        base = at[1] == 'x' ? 16 : at[1] == 'o' ? 8 : 2;
        if (sign || !g_ascii_isxdigit(at[2]))
            return NUMBER_WRONG;
        at += 2;
    } else if (!g_ascii_isdigit(*at) || (at[0] == '0' && at[1])) {
        return NUMBER_WRONG;
    }
    g_autoptr(GString) plain = g_string_new(NULL);
    if (!drop_underscores(at, plain))
        return NUMBER_WRONG;
    uint64_t number = 0, limit = (uint64_t)INT64_MAX + negative;
    bool range = false;
    for (size_t i = 0; i < plain->len; i++) {
        int digit = g_ascii_xdigit_value(plain->str[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return NUMBER_WRONG;
        range = range || number > (limit - (unsigned)digit) / base;
        number = range ? 0 : number * base + (unsigned)digit;
    }
    if (range)
        return NUMBER_RANGE;
    *ret_number = negative ? (int64_t)(0 - number) : (int64_t)number;
    return NUMBER_FINE;
}

static NumberResult parse_float(const char *word, double *ret_number)
{
    const char *at = word + (*word == '-' || *word == '+');
    if (strcmp(at, "inf") == 0 || strcmp(at, "nan") == 0) {
        double number = *at == 'i' ? (double)INFINITY : (double)NAN;
        *ret_number = *word == '-' ? -number : number;
        return NUMBER_FINE;
    }
    g_autoptr(GString) plain = g_string_new(NULL);
    for (const char *see = word; *see; see++)
        if (*see == '_' && (see == word || !g_ascii_isdigit(see[-1]) || !g_ascii_isdigit(see[1])))
            return NUMBER_WRONG;
    if (!drop_underscores(at, plain))
        return NUMBER_WRONG;
    const char *see = plain->str;
    if (!g_ascii_isdigit(*see) || (see[0] == '0' && g_ascii_isdigit(see[1])))
        return NUMBER_WRONG;
    see += strspn(see, "0123456789");
    if (*see == '.') {
        size_t digits = strspn(++see, "0123456789");
        if (digits == 0)
            return NUMBER_WRONG;
        see += digits;
    }
    if (*see == 'e' || *see == 'E') {
        see += 1 + (see[1] == '-' || see[1] == '+');
        size_t digits = strspn(see, "0123456789");
        if (digits == 0)
            return NUMBER_WRONG;
        see += digits;
    }
    if (*see)
        return NUMBER_WRONG;
    double number = g_ascii_strtod(plain->str, NULL);
    if (isinf(number))
        return NUMBER_RANGE;
    *ret_number = *word == '-' ? -number : number;
    return NUMBER_FINE;
}

/* The word at `at`; a date and a time may have one space between them. */
static char *take_word(TomlReader *reader)
{
    size_t size = 0;
    while (toml_peek(reader, size) &&
           (g_ascii_isalnum(toml_peek(reader, size)) || strchr("+-_.:", toml_peek(reader, size))))
        size++;
    bool date = size == 10 && g_ascii_isdigit(reader->at[0]) && reader->at[4] == '-' &&
                reader->at[7] == '-';
    if (date && toml_peek(reader, 10) == ' ' && g_ascii_isdigit(toml_peek(reader, 11))) {
        size = 11;
        while (toml_peek(reader, size) && (g_ascii_isalnum(toml_peek(reader, size)) ||
                                           strchr("+-.:", toml_peek(reader, size))))
            size++;
    }
    char *word = g_strndup(reader->at, size);
    reader->at += size;
    return word;
}

static bool looks_like_time(const char *word)
{
    size_t digits = strspn(word, "0123456789");
    return (digits == 2 && word[2] == ':') || (digits == 4 && word[4] == '-');
}

static bool looks_like_float(const char *word)
{
    const char *at = word + (*word == '-' || *word == '+');
    if (at[0] == '0' && at[1] && strchr("xob", at[1]))
        return false;
    return strpbrk(at, ".eE") != NULL || strcmp(at, "inf") == 0 || strcmp(at, "nan") == 0;
}

/* Fills a value from its word. */
static NumberResult parse_word(const char *word, TomlValue *value)
{
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
        value->type = TOML_BOOLEAN;
        value->boolean = *word == 't';
        return NUMBER_FINE;
    }
    if (looks_like_time(word))
        return parse_time(word, &value->type, &value->time) ? NUMBER_FINE : NUMBER_WRONG;
    if (looks_like_float(word)) {
        value->type = TOML_FLOAT;
        return parse_float(word, &value->real);
    }
    value->type = TOML_INTEGER;
    return parse_integer(word, &value->integer);
}

TomlValue *toml_read_scalar(TomlReader *reader)
{
    TomlPlace place = toml_place(reader, reader->at);
    g_autofree char *found = toml_found(reader, reader->at);
    g_autofree char *word = take_word(reader);
    g_autoptr(TomlValue) value = toml_value_new(TOML_BOOLEAN, place);
    if (!*word) {
        toml_problem(reader, place,
                     "found %s where a value must stand; write a number, true, false, or a text "
                     "between quotes",
                     found);
        return NULL;
    }
    switch (parse_word(word, value)) {
    case NUMBER_FINE:
        return g_steal_pointer(&value);
    case NUMBER_RANGE:
        toml_problem(reader, place, "found %s, which is too large a number; write a smaller one",
                     found);
        return NULL;
    case NUMBER_WRONG:
        if (looks_like_time(word))
            toml_problem(reader, place,
                         "found %s, which is no date or time; write it like 2026-01-31T23:59:00Z",
                         found);
        else if (g_ascii_isdigit(*word) || *word == '-' || *word == '+' || *word == '.')
            toml_problem(reader, place,
                         "found %s, which is no number; write digits only, or a text between "
                         "quotes: \"%.40s\"",
                         found, word);
        else
            toml_problem(reader, place, "found %s; write a text between quotes: \"%.40s\"", found,
                         word);
        return NULL;
    }
    return NULL;
}
