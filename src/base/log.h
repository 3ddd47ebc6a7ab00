/* log.h: one log; a line is a named event with fields.
 *
 * log_event(LOG_INFO, "task.failed", "could not ...: %s", why) writes one line to standard error:
 *   on a terminal    12:03:04.567 info  task.failed could not ...: why  node=4 role=fts-indexing
 * task=a17 under journald   <6>task.failed could not ... node=4 ...        (the level as its
 * prefix) json {"time":...,"level":"info","event":"task.failed","text":"...","node":"4",...} The
 * fields are the thread's context: work sets them for as long as it lasts (log_field_push /
 * log_field_pop, in pairs), so that a line never has to repeat them. MUST prints the same context.
 * Only front/, roster/worker.c, roster/node.c and app/ log errors: all others return them.
 * docs/events.md lists the event names. Text from outside is escaped: a line is always one line.
 *
 * Thread safety: any thread; level and format are set once, before threads start (log_setup).
 */
#ifndef ROTA_BASE_LOG_H
#define ROTA_BASE_LOG_H

#include <stdbool.h>

typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;
typedef enum { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON } LogFormat;

void log_setup(LogLevel level, LogFormat format);
bool log_enabled(LogLevel level);
void log_event(LogLevel level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_FIELDS_MAX 8 /* node, role, shard, task, account, and room: deeper nesting is a bug */
/* `name` and `value` are borrowed until the matching pop. */
void log_field_push(const char *name, const char *value);
void log_field_pop(void);

/* Tests may take lines instead of letting them out: sink gets each formatted line without its
 * newline; NULL restores. */
typedef void (*LogSink)(LogLevel level, const char *line, void *data);
void log_sink_set(LogSink sink, void *data);
/* The context as " name=value ..." into a buffer, cut to fit, always terminated; for MUST. */
void log_context_format(char *buffer, unsigned size);

#endif
