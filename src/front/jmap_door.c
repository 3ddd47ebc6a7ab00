/* jmap_door: JMAP over HTTP: the session (RFC 8620 §2), requests (§3), the bytes of messages and
 * their parts (§6.2), and events (§7.3).
 *
 * How it fits: front/http.c runs these routes for people; jmap.c runs the calls, and jmap_blob.c
 * has the bytes that go up and down.
 *
 * Failures: problems of RFC 8620 §3.6.1. Known weak point: the session's own state never changes.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/limits_http.h"
#include "base/limits_jmap.h"
#include "model/change.h"

#include "front/http_forwarded.h"
#include "front/http_stream.h"
#include "front/jmap_email_filter.h"
#include "front/jmap_push.h"
#include "front/jmap_write.h"

#define PING_MIN_S 5
#define PING_MAX_S 300

static const char *const no_names[] = {NULL};

/* ---------------------------------------------------------------- the session */

static json_t *core_json(void)
{
    return json_pack("{s:i, s:i, s:I, s:i, s:i, s:i, s:i, s:[s]}", "maxSizeUpload",
                     JMAP_UPLOAD_BYTES_MAX, "maxConcurrentUpload", HTTP_WORKERS, "maxSizeRequest",
                     (json_int_t)JMAP_REQUEST_BYTES_MAX, "maxConcurrentRequests", 8,
                     "maxCallsInRequest", JMAP_CALLS_MAX, "maxObjectsInGet", JMAP_GET_MAX,
                     "maxObjectsInSet", JMAP_SET_MAX, "collationAlgorithms", JMAP_COLLATION);
}

static json_t *account_json(const char *name)
{
    json_t *mail =
        json_pack("{s:i, s:i, s:i, s:i, s:o, s:b}", "maxMailboxesPerEmail", 1, "maxMailboxDepth",
                  MAILBOX_DEPTH_MAX, "maxSizeMailboxName", MAILBOX_NAME_BYTES_MAX,
                  "maxSizeAttachmentsPerEmail", JMAP_ATTACHMENTS_BYTES_MAX, "emailQuerySortOptions",
                  jmap_email_sort_names(), "mayCreateTopLevelMailbox", 1);
    return json_pack("{s:s, s:b, s:b, s:{s:o, s:{}}}", "name", name, "isPersonal", 1, "isReadOnly",
                     0, "accountCapabilities", JMAP_MAIL, mail, JMAP_QUOTA);
}

/* Absolute where the request says by which name it was sent (RFC 8620 §2): not every client
 * resolves an address against the session's. */
static json_t *url(const char *origin, const char *path)
{
    return json_sprintf("%s%s", origin, path);
}

static void run_session(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    json_t *push = jmap_push_capability(call->db, call->house->jmap->seal, &error);
    if (!push) {
        http_answer_error(call->answer, error);
        return;
    }
    char id[32];
    g_snprintf(id, sizeof id, "a%" G_GINT64_FORMAT, call->account);
    const HttpRequest *request = call->request;
    g_autofree char *origin = http_origin(request->header("Host", request->data), request->secure);
    http_answer_json(
        call->answer, 200,
        json_pack(
            "{s:{s:o, s:{}, s:{}, s:o}, s:{s:o}, s:{s:s, s:s}, s:s, s:o, s:o, s:o, s:o, s:s}",
            "capabilities", JMAP_CORE, core_json(), JMAP_MAIL, JMAP_QUOTA, JMAP_PUSH_CAPABILITY,
            push, "accounts", id, account_json(call->person), "primaryAccounts", JMAP_MAIL, id,
            JMAP_QUOTA, id, "username", call->person, "apiUrl", url(origin, "/jmap/api"),
            "downloadUrl", url(origin, "/jmap/download/{accountId}/{blobId}/{name}?accept={type}"),
            "uploadUrl", url(origin, "/jmap/upload/{accountId}"), "eventSourceUrl",
            url(origin, "/jmap/eventsource?types={types}&closeafter={closeafter}&ping={ping}"),
            "state", "0"));
}

/* ---------------------------------------------------------------- requests */

static void refuse(HttpCall *call, const char *type, const char *detail)
{
    g_autofree char *urn = g_strdup_printf("urn:ietf:params:jmap:error:%s", type);
    http_answer_json(
        call->answer, 400,
        strcmp(type, "limit") == 0
            ? json_pack("{s:s, s:i, s:s, s:s}", "type", urn, "status", 400, "detail",
                        "the request is over a limit", "limit", detail)
            : json_pack("{s:s, s:i, s:s}", "type", urn, "status", 400, "detail", detail));
    call->answer->type = "application/problem+json";
}

/* Nesting is bounded before it is parsed: the parser goes down as deep as the text does. */
static bool is_deep(const char *text, size_t size)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '[' || text[i] == '{') && ++depth > JMAP_DEPTH_MAX)
            return true;
        else if (!quoted && (text[i] == ']' || text[i] == '}') && depth > 0)
            depth--;
    }
    return false;
}

static void run_api(HttpCall *call)
{
    const HttpRequest *request = call->request;
    const char *problem = NULL, *detail = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    if (is_deep(request->body, request->body_size)) {
        refuse(call, "notJSON", "it is nested too deeply");
        return;
    }
    json_t *json = json_loadb(request->body ? request->body : "", request->body_size,
                              JSON_REJECT_DUPLICATES, NULL);
    if (!json) {
        refuse(call, "notJSON", "the body is no I-JSON");
        return;
    }
    JmapCall jmap = {.db = call->db,
                     .account = call->account,
                     .push_private = call->house->jmap->push_private,
                     .person = call->person,
                     .now_ms = clock_wall_ms(call->house->clock)};
    json_t *answer = jmap_run(&jmap, json, &problem, &detail);
    if (answer)
        http_answer_json(call->answer, 200, answer);
    else
        refuse(call, problem, detail);
    json_decref(json);
}

/* ---------------------------------------------------------------- downloads */

/* Whatever it is, a browser saves it and does not show it as a page of ours. */
static void run_download(HttpCall *call)
{
    static const char *const names[] = {"accept", NULL};
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, names))
        return;
    if (jmap_id_parse(call->segments[2], 'a') != call->account) {
        http_answer_problem(call->answer, 404, "there is no such account");
        return;
    }
    g_autoptr(GBytes) bytes = jmap_blob_read(call->db, call->account, call->segments[3], &error);
    if (!bytes) {
        if (error_kind(error) == ERROR_GONE)
            http_answer_problem(call->answer, 404, "there is no such blob");
        else
            http_answer_error(call->answer, error);
        return;
    }
    bool whole = jmap_id_parse(call->segments[3], 'M') != 0;
    http_answer_bytes(call->answer, whole ? "message/rfc822" : "application/octet-stream",
                      g_steal_pointer(&bytes));
    http_answer_add_header(call->answer, "Content-Disposition", "attachment");
    http_answer_set_header(call->answer, "Cache-Control", "private, immutable, max-age=31536000");
}

/* ---------------------------------------------------------------- events */

typedef struct {
    int64_t account, told;
    char **types; /* NULL: all */
    int64_t ping_s;
    bool close_after_state;
} Watcher;

static void watcher_free(void *data)
{
    Watcher *watcher = data;
    g_strfreev(watcher->types);
    g_free(watcher);
}

static void append_state(const Watcher *watcher, int64_t state, GString *out)
{
    static const char *const all[] = {"Email", "EmailDelivery", "Mailbox", "Thread"};
    json_t *types = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        if (!watcher->types || g_strv_contains((const char *const *)watcher->types, all[i]))
            json_object_set_new(types, all[i], jmap_state_json(state));
    if (json_object_size(types) > 0) {
        char id[32];
        g_snprintf(id, sizeof id, "a%" G_GINT64_FORMAT, watcher->account);
        json_t *json = json_pack("{s:s, s:{s:O}}", "@type", "StateChange", "changed", id, types);
        char *text = json_dumps(json, JSON_COMPACT);
        g_autofree char *event_id = g_strdup_printf("%" G_GINT64_FORMAT, state);
        http_event_append(out, "state", event_id, text);
        free(text);
        json_decref(json);
    }
    json_decref(types);
}

static HttpStreamNext write_events(void *state, HttpStreamWhy why, Db *db, GString *out)
{
    Watcher *watcher = state;
    g_autoptr(GError) error = NULL;
    if (why == HTTP_STREAM_PING && watcher->ping_s > 0) {
        g_autofree char *data =
            g_strdup_printf("{\"interval\":%" G_GINT64_FORMAT "}", watcher->ping_s);
        http_event_append(out, "ping", NULL, data);
        return HTTP_STREAM_GOES_ON;
    }
    if (!db || !db_begin(db, DB_READ, &error))
        return HTTP_STREAM_AGAIN;
    JmapCall call = {.db = db, .account = watcher->account};
    int64_t now;
    bool known = jmap_state(&call, &now, &error);
    db_rollback(db);
    if (!known)
        return error_kind(error) == ERROR_GONE ? HTTP_STREAM_ENDS : HTTP_STREAM_AGAIN;
    if (now == watcher->told)
        return HTTP_STREAM_GOES_ON;
    bool first = watcher->told < 0; /* where it stands now is no news */
    watcher->told = now;
    if (first)
        return HTTP_STREAM_GOES_ON;
    append_state(watcher, now, out);
    return watcher->close_after_state && out->len > 0 ? HTTP_STREAM_ENDS : HTTP_STREAM_GOES_ON;
}

/* Last-Event-ID is the state that the client has: what came since is told at once. */
static int64_t last_told(const HttpCall *call)
{
    const char *text = call->request->header("Last-Event-ID", call->request->data);
    guint64 state;
    return text && g_ascii_string_to_unsigned(text, 10, 0, INT64_MAX, &state, NULL) ? (int64_t)state
                                                                                    : -1;
}

static void run_events(HttpCall *call)
{
    static const char *const names[] = {"types", "closeafter", "ping", NULL};
    const char *types = g_hash_table_lookup(call->query, "types");
    const char *close_after = g_hash_table_lookup(call->query, "closeafter");
    const char *ping = g_hash_table_lookup(call->query, "ping");
    guint64 seconds = 0;
    if (!http_call_query_is(call, names))
        return;
    if (!types || !close_after || !ping ||
        !g_ascii_string_to_unsigned(ping, 10, 0, G_MAXUINT, &seconds, NULL) ||
        (strcmp(close_after, "state") != 0 && strcmp(close_after, "no") != 0)) {
        http_answer_problem(call->answer, 400,
                            "write ?types=*&closeafter=no&ping=30 (RFC 8620, 7.3)");
        return;
    }
    Watcher *watcher = g_new0(Watcher, 1);
    watcher->account = call->account;
    watcher->told = last_told(call);
    watcher->types = strcmp(types, "*") == 0 ? NULL : g_strsplit(types, ",", 20);
    watcher->ping_s = seconds ? (int64_t)CLAMP(seconds, PING_MIN_S, PING_MAX_S) : 0;
    watcher->close_after_state = strcmp(close_after, "state") == 0;
    char **topics = g_new0(char *, 2);
    topics[0] = g_strdup_printf("account:%" G_GINT64_FORMAT, call->account);
    http_answer_stream(call->answer, &(HttpStream){.topics = topics,
                                                   .ping_ms = watcher->ping_s * 1000,
                                                   .write = write_events,
                                                   .free = watcher_free,
                                                   .state = watcher});
}

#define FOR_PERSON(verb, where, what)                                                              \
    {                                                                                              \
        .method = verb, .path = where, .store = HTTP_STORE_NEEDED, .access = HTTP_FOR_PERSON,      \
        .run = what                                                                                \
    }
static const HttpRoute route_well_known = FOR_PERSON("GET", "/.well-known/jmap", run_session);
static const HttpRoute route_session = FOR_PERSON("GET", "/jmap/session", run_session);
static const HttpRoute route_download =
    FOR_PERSON("GET", "/jmap/download/{accountId}/{blobId}/{name}", run_download);
static const HttpRoute route_events = FOR_PERSON("GET", "/jmap/eventsource", run_events);
static const HttpRoute route_api = {.method = "POST",
                                    .path = "/jmap/api",
                                    .store = HTTP_STORE_NEEDED,
                                    .access = HTTP_FOR_PERSON,
                                    .body_max = JMAP_REQUEST_BYTES_MAX,
                                    .run = run_api};

const HttpRoute *const jmap_routes[] = {&route_well_known,
                                        &route_session,
                                        &route_download,
                                        &route_events,
                                        &route_api,
                                        &jmap_route_upload,
                                        NULL};
