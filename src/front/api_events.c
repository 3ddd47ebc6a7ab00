/* api_events: GET /api/events: the status report as it changes, for an EventSource.
 *
 * How it fits: the door (app/http_events.c) asks the writer of each open stream once a second, all
 * on one thread. The first that is asked in a second reads the report for all of them, so twenty
 * pages cost the store what one does. A report goes out when something in it has changed that is
 * not just time going by (leases, loads), and at least every FULL_MS; else a short "alive".
 *
 * Events: "status", the JSON of /api/status; "alive", {"at": …}; "trouble", {"detail": …}: the
 * store does not answer. A stream ends after LIFE_MS: the browser comes again, and whether that
 * person may still see it is asked anew.
 *
 * Failures: those of the report, told as "trouble". Known weak point: a report is sent whole; with
 * a hundred nodes it is some 100 kB.
 */
#include "front/api_events.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"

#include "front/http_stream.h"
#include "front/report_json.h"

#define EVERY_MS 1000
#define FULL_MS  10000
#define LIFE_MS  600000
/* The door's timer and ours do not strike at one moment: a little apart is the same second. */
#define SAME_MS 100

/* What all streams of a node share; of the thread that asks them. */
struct ApiEvents {
    const RoleSet *roles;
    const Clock *clock;
    char *report;                /* JSON; NULL: none could be read */
    char *alive;                 /* JSON */
    char *lasting;               /* the report without what changes by itself */
    char *trouble;               /* JSON; why there is no report */
    unsigned version;            /* of the report; grows when it is to be sent */
    int64_t read_us, changed_us; /* monotonic */
};

typedef struct {
    ApiEvents *events;
    unsigned sent; /* version */
    int64_t ends_us;
} Watcher;

ApiEvents *api_events_new(const RoleSet *roles, const Clock *clock)
{
    ApiEvents *events = g_new0(ApiEvents, 1);
    events->roles = roles;
    events->clock = clock;
    events->read_us = -EVERY_MS * INT64_C(1000);
    return events;
}

static void forget(ApiEvents *events)
{
    g_clear_pointer(&events->report, free);
    g_clear_pointer(&events->alive, g_free);
    g_clear_pointer(&events->trouble, free);
}

void api_events_free(ApiEvents *events)
{
    if (!events)
        return;
    forget(events);
    free(events->lasting);
    g_free(events);
}

/* Takes out what changes though nothing happens. */
static char *format_lasting(json_t *report)
{
    static const char *const passing[] = {
        "lease_until", "load", "statements", "beat_gap_ms", "memory_free_bytes", "clock_ahead_ms"};
    size_t i;
    json_t *node;
    json_object_del(report, "at");
    json_array_foreach(json_object_get(report, "nodes"), i,
                       node) for (unsigned k = 0; k < G_N_ELEMENTS(passing); k++)
        json_object_del(node, passing[k]);
    return json_dumps(report, JSON_COMPACT);
}

static void set_trouble(ApiEvents *events, const char *why)
{
    json_t *json = json_pack("{s:s}", "detail", why);
    events->trouble = json_dumps(json, JSON_COMPACT);
    json_decref(json);
}

static void read_report(ApiEvents *events, Db *db, int64_t now)
{
    g_autoptr(GError) error = NULL;
    forget(events);
    events->read_us = now;
    g_autoptr(StatusReport) report = db ? report_status(db, events->roles, &error) : NULL;
    if (!report) {
        set_trouble(events, error ? error->message : "the store cannot be reached");
        return;
    }
    json_t *json = report_json_status(report);
    events->report = json_dumps(json, JSON_COMPACT);
    events->alive = g_strdup_printf("{\"at\":%" G_GINT64_FORMAT "}", report->at);
    char *lasting = format_lasting(json);
    json_decref(json);
    bool same = events->lasting && strcmp(events->lasting, lasting) == 0;
    free(events->lasting);
    events->lasting = lasting;
    if (same && now - events->changed_us < FULL_MS * INT64_C(1000))
        return;
    events->version++;
    events->changed_us = now;
}

static HttpStreamNext write_event(void *state, HttpStreamWhy why, Db *db, GString *out)
{
    Watcher *watcher = state;
    ApiEvents *events = watcher->events;
    int64_t now = clock_monotonic_us(events->clock);
    (void)why;
    if (now - events->read_us >= (EVERY_MS - SAME_MS) * INT64_C(1000))
        read_report(events, db, now);
    if (!events->report) {
        http_event_append(out, "trouble", NULL, events->trouble);
        return HTTP_STREAM_AGAIN;
    }
    bool is_new = watcher->sent != events->version;
    http_event_append(out, is_new ? "status" : "alive", NULL,
                      is_new ? events->report : events->alive);
    watcher->sent = events->version;
    return now < watcher->ends_us ? HTTP_STREAM_GOES_ON : HTTP_STREAM_ENDS;
}

static void run_events(HttpCall *call)
{
    static const char *const no_names[] = {NULL};
    if (!http_call_query_is(call, no_names))
        return;
    ApiEvents *events = call->house->events;
    Watcher *watcher = g_new0(Watcher, 1);
    watcher->events = events;
    watcher->ends_us = clock_monotonic_us(events->clock) + LIFE_MS * INT64_C(1000);
    http_answer_stream(call->answer, &(HttpStream){.every_ms = EVERY_MS,
                                                   .write = write_event,
                                                   .free = g_free,
                                                   .state = watcher});
}

const HttpRoute http_route_api_events = {.method = "GET",
                                         .path = "/api/events",
                                         .store = HTTP_STORE_NEEDED,
                                         .access = HTTP_FOR_ADMIN,
                                         .run = run_events};
