/* http_stream: an answer that goes on, and the form of its events.
 *
 * How it fits: routes make it; app/http_events.c has it written and sent. Failures: none. Known
 * weak point: none.
 */
#include "front/http_stream.h"

#include <string.h>

#include "base/must.h"

void http_stream_clear(HttpStream *stream)
{
    g_strfreev(stream->topics);
    if (stream->free)
        stream->free(stream->state);
    *stream = (HttpStream){0};
}

void http_answer_stream(HttpAnswer *answer, const HttpStream *take)
{
    MUST(!answer->stream && take->write);
    answer->status = 200;
    answer->type = "text/event-stream";
    answer->stream = g_memdup2(take, sizeof *take);
    /* nginx would gather events until its buffer is full */
    http_answer_set_header(answer, "X-Accel-Buffering", "no");
}

void http_event_append(GString *out, const char *event, const char *id, const char *data)
{
    MUST((!event || !strpbrk(event, "\r\n")) && (!id || !strpbrk(id, "\r\n")));
    if (event)
        g_string_append_printf(out, "event: %s\n", event);
    if (id)
        g_string_append_printf(out, "id: %s\n", id);
    for (const char *at = data; at;) {
        size_t size = strcspn(at, "\r\n");
        g_string_append(out, "data: ");
        g_string_append_len(out, at, (gssize)size);
        g_string_append_c(out, '\n');
        bool both = at[size] == '\r' && at[size + 1] == '\n'; /* one line end */
        at = at[size] ? at + size + (both ? 2 : 1) : NULL;
    }
    g_string_append_c(out, '\n');
}
