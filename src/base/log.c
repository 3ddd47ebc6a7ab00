/* log: one line for one event, to standard error, in the form that the reader at the other end
 * wants.
 *
 * How it fits: the context (node, role, shard, task, account) is a small stack for each thread;
 * work pushes and pops it. Failures: a standard error that cannot be written is ignored: there is
 * nobody left to tell. Known weak point: a line over 4 KiB is cut, so that it is written by one
 * write(2) and never mixed with another thread's.
 */
#include "base/log.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

#define LOG_LINE_BYTES_MAX 4096

typedef struct {
    const char *name, *value;
} LogField;

static LogLevel log_level = LOG_LEVEL_INFO;
static LogFormat log_format = LOG_FORMAT_TEXT;
static bool log_colour;
static LogSink log_sink;
static void *log_sink_data;
static __thread LogField fields[LOG_FIELDS_MAX];
static __thread unsigned field_count;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int level_priorities[] = {3, 4, 6, 7}; /* syslog's, as journald reads them */
static const char *const level_colours[] = {"\033[31m", "\033[33m", "", "\033[2m"};

void log_setup(LogLevel level, LogFormat format)
{
    log_level = level;
    bool terminal = isatty(STDERR_FILENO);
    log_format = format;
    if (format == LOG_FORMAT_AUTO)
        log_format = g_getenv("JOURNAL_STREAM") && !terminal ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
    log_colour = terminal && log_format == LOG_FORMAT_TEXT && !g_getenv("NO_COLOR");
}

bool log_enabled(LogLevel level)
{
    return level <= log_level;
}

void log_sink_set(LogSink sink, void *data)
{
    log_sink = sink;
    log_sink_data = data;
}

void log_field_push(const char *name, const char *value)
{
    MUST(field_count < LOG_FIELDS_MAX);
    fields[field_count++] = (LogField){name, value};
}

void log_field_pop(void)
{
    MUST(field_count > 0);
    field_count--;
}

void log_context_format(char *buffer, unsigned size)
{
    unsigned used = 0;
    MUST(size > 0);
    buffer[0] = '\0';
    for (unsigned i = 0; i < field_count && used < size; i++) {
        int got = snprintf(buffer + used, size - used, " %s=%s", fields[i].name, fields[i].value);
        used += got > 0 ? (unsigned)got : 0;
    }
}

/* Text from outside may hold anything: control bytes become \xNN, so that a line stays one line. */
static void append_escaped(GString *line, const char *text, bool json)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (json && (*at == '"' || *at == '\\'))
            g_string_append_printf(line, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            g_string_append_printf(line, json ? "\\u%04x" : "\\x%02x", *at);
        else
            g_string_append_c(line, (char)*at);
    }
}

static void append_json(GString *line, LogLevel level, const char *event, const char *text)
{
    g_string_append_printf(
        line, "{\"time\":%" G_GINT64_FORMAT ",\"level\":\"%s\",\"event\":\"%s\",\"text\":\"",
        clock_wall_ms(clock_real()), level_names[level], event);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    append_escaped(line, valid, true);
    g_string_append_c(line, '"');
    for (unsigned i = 0; i < field_count; i++) {
        g_string_append_printf(line, ",\"%s\":\"", fields[i].name);
        g_autofree char *value = g_utf8_make_valid(fields[i].value, -1);
        append_escaped(line, value, true);
        g_string_append_c(line, '"');
    }
    g_string_append_c(line, '}');
}

static void append_text(GString *line, LogLevel level, const char *event, const char *text)
{
    if (log_format == LOG_FORMAT_JOURNAL) {
        g_string_append_printf(line, "<%d>", level_priorities[level]);
    } else {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%H:%M:%S");
        g_string_append_printf(line, "%s.%03d %s%-5s%s ", time,
                               g_date_time_get_microsecond(now) / 1000,
                               log_colour ? level_colours[level] : "", level_names[level],
                               log_colour && *level_colours[level] ? "\033[0m" : "");
    }
    g_string_append_printf(line, "%s ", event);
    append_escaped(line, text, false);
    for (unsigned i = 0; i < field_count; i++) {
        g_string_append_printf(line, " %s=", fields[i].name);
        append_escaped(line, fields[i].value, false);
    }
}

void log_event(LogLevel level, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GString) line = g_string_sized_new(256);
    if (log_format == LOG_FORMAT_JSON)
        append_json(line, level, event, text);
    else
        append_text(line, level, event, text);
    if (line->len > LOG_LINE_BYTES_MAX - 1)
        g_string_truncate(line, LOG_LINE_BYTES_MAX - 1);
    if (log_sink) {
        log_sink(level, line->str, log_sink_data);
        return;
    }
    g_string_append_c(line, '\n');
    ssize_t ignored = write(STDERR_FILENO, line->str, line->len);
    (void)ignored;
}
