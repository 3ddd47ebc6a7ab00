/* fetch: see fetch.h. libcurl's multi interface, driven by whoever calls fetch_next.
 *
 * How it fits: acme and metrics.push ask one request at a time, push-notifications many at once;
 * fetch_run is fetch_add and fetch_next in a loop, so that there is one way through libcurl. Each
 * request is a Flight, which outlives its request as a spare with its easy handle.
 *
 * The guard against addresses that are not public sits where the socket is opened
 * (CURLOPT_OPENSOCKETFUNCTION): libcurl connects to the very address that was judged. A connection
 * that is used again was judged when it was opened, by the same policy.
 *
 * Failures: the network's, sorted by what the caller may do (fetch.h). Known weak points: a name
 * that is being looked up when a Fetch is freed is waited for, some seconds at worst
 * (libcurl joins its resolver's thread); whether something was sent is told by libcurl's clock of
 * the request (pre-transfer), which says "yes" a little too often, never too seldom.
 */
#include "remote/fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_remote.h"
#include "base/must.h"
#include "remote/fetch_address.h"

#define USER_AGENT "rota/" ROTA_VERSION

/* A set of connections. libcurl before 8 resets each HTTP/2 stream that has ended well, and servers
 * that defend themselves against floods of resets hang up after a thousand; so a set is used for
 * FETCH_SET_REQUESTS, then a new one is begun, and the old one goes with its last request. */
typedef struct {
    CURLM *multi;
    unsigned begun, flying;
} Set;

struct Fetch {
    FetchConfig config;        /* ca_file owned */
    GPtrArray *sets;           /* of Set, owned; the last one takes new requests */
    GPtrArray *flying, *spare; /* of Flight, owned */
};

typedef struct {
    Fetch *fetch;
    Set *set;
    CURL *easy;
    struct curl_slist *headers;
    FetchAnswer *answer; /* owned until it is given out */
    GString *body;
    const char *upload; /* of the ask, borrowed; what is left of it */
    size_t upload_left;
    size_t head_bytes;
    bool (*may_send)(void *data);
    bool stopped;        /* it said no */
    bool opened;         /* an address that we may go to was tried */
    const char *refused; /* why it was given up by us; NULL: it was not */
    char message[CURL_ERROR_SIZE];
} Flight;

static void flight_free(gpointer data)
{
    Flight *flight = data;
    curl_easy_cleanup(flight->easy);
    curl_slist_free_all(flight->headers);
    fetch_answer_free(flight->answer);
    if (flight->body)
        g_string_free(flight->body, TRUE);
    g_free(flight);
}

static gpointer start_curl(gpointer data)
{
    (void)data;
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    return NULL;
}

static void set_free(gpointer data)
{
    Set *set = data;
    curl_multi_cleanup(set->multi);
    g_free(set);
}

static Set *set_new(Fetch *fetch)
{
    Set *set = g_new0(Set, 1);
    CURLM *multi = set->multi = curl_multi_init();
    MUST(multi != NULL);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)FETCH_CONNECTIONS_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)FETCH_IN_FLIGHT_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)fetch->config.host_connections);
    g_ptr_array_add(fetch->sets, set);
    return set;
}

/* The set for a new request. */
static Set *take_set(Fetch *fetch)
{
    Set *set = fetch->sets->len ? g_ptr_array_index(fetch->sets, fetch->sets->len - 1) : NULL;
    if (!set || set->begun >= FETCH_SET_REQUESTS)
        set = set_new(fetch);
    set->begun++;
    set->flying++;
    return set;
}

/* Takes a request that has ended out of its set; an old set goes with its last. */
static void leave_set(Flight *flight)
{
    Fetch *fetch = flight->fetch;
    Set *set = flight->set;
    curl_multi_remove_handle(set->multi, flight->easy);
    if (--set->flying == 0 && set->begun >= FETCH_SET_REQUESTS)
        g_ptr_array_remove(fetch->sets, set);
    flight->set = NULL;
}

Fetch *fetch_new(const FetchConfig *config, GError **error)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, start_curl, NULL);
    if (config->ca_file && !g_file_test(config->ca_file, G_FILE_TEST_IS_REGULAR)) {
        fail(error, ERROR_REJECT, "could not read the CA file \"%s\"", config->ca_file);
        return NULL;
    }
    Fetch *fetch = g_new0(Fetch, 1);
    fetch->config = *config;
    fetch->config.ca_file = g_strdup(config->ca_file);
    fetch->sets = g_ptr_array_new_with_free_func(set_free);
    fetch->flying = g_ptr_array_new();
    fetch->spare = g_ptr_array_new_with_free_func(flight_free);
    return fetch;
}

static void drop_all(Fetch *fetch)
{
    while (fetch->flying->len > 0) {
        Flight *flight = g_ptr_array_steal_index_fast(fetch->flying, fetch->flying->len - 1);
        leave_set(flight);
        flight_free(flight);
    }
}

void fetch_free(Fetch *fetch)
{
    if (!fetch)
        return;
    drop_all(fetch);
    g_ptr_array_free(fetch->flying, TRUE);
    g_ptr_array_free(fetch->spare, TRUE);
    g_ptr_array_free(fetch->sets, TRUE);
    g_free((char *)(uintptr_t)fetch->config.ca_file);
    g_free(fetch);
}

void fetch_answer_free(FetchAnswer *answer)
{
    if (!answer)
        return;
    g_clear_error(&answer->error);
    g_ptr_array_free(answer->headers, TRUE);
    g_free(answer->body);
    g_free(answer);
}

const char *fetch_answer_header(const FetchAnswer *answer, const char *name, unsigned index)
{
    size_t size = strlen(name);
    for (unsigned i = 0; i < answer->headers->len; i++) {
        const char *line = g_ptr_array_index(answer->headers, i);
        if (g_ascii_strncasecmp(line, name, size) != 0 || line[size] != ':')
            continue;
        if (index-- == 0)
            return line + size + 1 + strspn(line + size + 1, " \t");
    }
    return NULL;
}

/* What libcurl calls. */

static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    Flight *flight = data;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        (flight->fetch->config.public_only && !fetch_address_is_public(&address->addr))) {
        flight->refused = "its address is not a public one";
        return CURL_SOCKET_BAD;
    }
    flight->opened = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* One line of a head; a new status line (after 100 Continue) begins a new head. */
static size_t on_header(char *bytes, size_t one, size_t size, void *data)
{
    Flight *flight = data;
    GPtrArray *headers = flight->answer->headers;
    size *= one;
    flight->head_bytes += size;
    if (flight->head_bytes > FETCH_HEADER_BYTES_MAX || headers->len >= FETCH_HEADERS_MAX) {
        flight->refused = "the head of its answer is too large";
        return 0;
    }
    g_autofree char *line = g_strndup(bytes, size);
    g_strchomp(line);
    if (g_str_has_prefix(line, "HTTP/"))
        g_ptr_array_set_size(headers, 0);
    else if (*line)
        g_ptr_array_add(headers, g_steal_pointer(&line));
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    Flight *flight = data;
    size_t most = flight->fetch->config.answer_bytes;
    size *= one;
    if (size > (most ? most : FETCH_ANSWER_BYTES_MAX) - flight->body->len) {
        flight->refused = "its answer is too large";
        return 0;
    }
    g_string_append_len(flight->body, bytes, (gssize)size);
    return size;
}

/* A body comes from here and cannot be rewound. So libcurl does not send it a second time by itself
 * when a connection that was used before breaks off: the first time may have been heard. */
static size_t on_upload(char *bytes, size_t one, size_t size, void *data)
{
    Flight *flight = data;
    size = MIN(one * size, flight->upload_left);
    if (size > 0)
        memcpy(bytes, flight->upload, size);
    flight->upload += size;
    flight->upload_left -= size;
    return size;
}

static int on_ready(void *data, char *ip, char *local_ip, int port, int local_port)
{
    Flight *flight = data;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    flight->stopped = flight->may_send && !flight->may_send(flight->answer->data);
    return flight->stopped ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void set_policy(CURL *easy, const FetchConfig *config, const FetchAsk *ask)
{
    int64_t connect_ms = config->connect_ms ? config->connect_ms : FETCH_CONNECT_MS;
    int64_t whole_ms = config->whole_ms ? config->whole_ms : FETCH_WHOLE_MS;
    whole_ms = ask->whole_ms ? ask->whole_ms : whole_ms;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, config->allow_http ? "http,https" : "https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(connect_ms, whole_ms));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)whole_ms);
    if (config->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static bool set_headers(Flight *flight, const FetchAsk *ask, GError **error)
{
    struct curl_slist *list = NULL;
    for (const char *const *header = ask->headers; header && *header; header++) {
        if (strpbrk(*header, "\r\n") || !strchr(*header, ':')) {
            curl_slist_free_all(list);
            return fail(error, ERROR_REJECT, "a header of a request to \"%s\" is not one line",
                        ask->url);
        }
        list = curl_slist_append(list, *header);
    }
    /* What libcurl would add by itself: nobody waits for a "100 Continue", and a body has the type
     * that the caller gives it. */
    flight->headers = curl_slist_append(list, "Expect:");
    curl_easy_setopt(flight->easy, CURLOPT_HTTPHEADER, flight->headers);
    return true;
}

static void set_request(Flight *flight, const FetchAsk *ask)
{
    CURL *easy = flight->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, flight);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, flight->message);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, flight);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, flight);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_URL, ask->url);
    if (ask->body) {
        flight->upload = ask->body;
        flight->upload_left = ask->body_size;
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(easy, CURLOPT_READDATA, flight);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body_size);
    } else if (ask->method && strcmp(ask->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (ask->method)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ask->method);
}

static Flight *flight_new(Fetch *fetch)
{
    Flight *flight;
    if (fetch->spare->len > 0) {
        flight = g_ptr_array_steal_index_fast(fetch->spare, fetch->spare->len - 1);
        curl_easy_reset(flight->easy);
    } else {
        flight = g_new0(Flight, 1);
        flight->easy = curl_easy_init();
        MUST(flight->easy != NULL);
        flight->fetch = fetch;
    }
    flight->refused = NULL;
    flight->may_send = NULL;
    flight->stopped = flight->opened = false;
    flight->head_bytes = 0;
    flight->upload_left = 0;
    flight->message[0] = '\0';
    flight->body = g_string_new(NULL);
    flight->answer = g_new0(FetchAnswer, 1);
    flight->answer->headers = g_ptr_array_new_with_free_func(g_free);
    return flight;
}

/* Method and URL are put into a line of text: nothing in them may end it. */
static bool check_ask(const Fetch *fetch, const FetchAsk *ask, GError **error)
{
    size_t size = strlen(ask->url);
    if (size == 0 || size > FETCH_URL_BYTES_MAX)
        return fail(error, ERROR_REJECT, "a URL has 1 to %d bytes, this one has %zu",
                    FETCH_URL_BYTES_MAX, size);
    for (const char *c = ask->url; *c; c++)
        if (!g_ascii_isgraph(*c))
            return fail(error, ERROR_REJECT, "a URL has no blanks and no other such characters");
    if (g_ascii_strncasecmp(ask->url, "https://", 8) != 0 &&
        !(fetch->config.allow_http && g_ascii_strncasecmp(ask->url, "http://", 7) == 0))
        return fail(error, ERROR_REJECT, "\"%s\" does not begin with https://%s", ask->url,
                    fetch->config.allow_http ? " or http://" : "");
    for (const char *c = ask->method ? ask->method : "GET"; *c; c++)
        if (!g_ascii_isupper(*c))
            return fail(error, ERROR_REJECT, "\"%s\" is no method", ask->method);
    return true;
}

bool fetch_add(Fetch *fetch, const FetchAsk *ask, GError **error)
{
    if (!check_ask(fetch, ask, error))
        return false;
    if (fetch->flying->len >= FETCH_IN_FLIGHT_MAX)
        return fail(error, ERROR_RETRY, "%d requests are in flight", FETCH_IN_FLIGHT_MAX);
    Flight *flight = flight_new(fetch);
    flight->answer->data = ask->data;
    flight->may_send = ask->may_send;
    set_policy(flight->easy, &fetch->config, ask);
    set_request(flight, ask);
    if (!set_headers(flight, ask, error)) {
        flight_free(flight);
        return false;
    }
    flight->set = take_set(fetch);
    MUST(curl_multi_add_handle(flight->set->multi, flight->easy) == CURLM_OK);
    g_ptr_array_add(fetch->flying, flight);
    return true;
}

unsigned fetch_in_flight(const Fetch *fetch)
{
    return fetch->flying->len;
}

/* Nothing has reached the other side: it was not even connected to, or TLS did not come about. */
static bool was_sent(CURL *easy)
{
    curl_off_t ready_us = 0;
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us > 0;
}

static void set_error(Flight *flight, CURLcode code)
{
    FetchAnswer *answer = flight->answer;
    char *url = NULL;
    curl_easy_getinfo(flight->easy, CURLINFO_EFFECTIVE_URL, &url);
    const char *why = *flight->message ? flight->message : curl_easy_strerror(code);
    ErrorKind kind = was_sent(flight->easy) ? ERROR_UNKNOWN : ERROR_RETRY;
    if (flight->stopped) {
        kind = ERROR_STOPPED;
        why = "it was stopped before it was sent";
    } else if (flight->refused &&
               (code == CURLE_WRITE_ERROR || (code == CURLE_COULDNT_CONNECT && !flight->opened))) {
        kind = ERROR_REJECT;
        why = flight->refused;
    } else if (kind == ERROR_RETRY &&
               (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)) {
        kind = ERROR_REJECT;
    }
    fail(&answer->error, kind, "could not fetch \"%s\": %s", url ? url : "", why);
}

/* The request has ended: its Flight becomes a spare, its answer goes out. */
static FetchAnswer *land(Fetch *fetch, Flight *flight, CURLcode code)
{
    FetchAnswer *answer = flight->answer;
    long status = 0, version = 0;
    curl_off_t us = 0;
    curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(flight->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(flight->easy, CURLINFO_TOTAL_TIME_T, &us);
    answer->status = (int)status;
    answer->http2 = version == CURL_HTTP_VERSION_2_0;
    answer->us = us;
    answer->body_size = flight->body->len;
    answer->body = g_string_free(g_steal_pointer(&flight->body), FALSE);
    if (code != CURLE_OK)
        set_error(flight, code);
    leave_set(flight);
    curl_slist_free_all(flight->headers);
    flight->headers = NULL;
    flight->answer = NULL;
    g_ptr_array_remove_fast(fetch->flying, flight);
    g_ptr_array_add(fetch->spare, flight);
    return answer;
}

static FetchAnswer *find_landed(Fetch *fetch, const Set *set)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(set->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *flight = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &flight);
        return land(fetch, (Flight *)(void *)flight, code);
    }
    return NULL;
}

static FetchAnswer *drive(Fetch *fetch)
{
    int running = 0;
    FetchAnswer *answer = NULL;
    for (unsigned i = fetch->sets->len; i-- > 0 && !answer;) {
        const Set *set = g_ptr_array_index(fetch->sets, i);
        if (set->flying == 0)
            continue;
        answer = find_landed(fetch, set);
        if (answer)
            break;
        MUST(curl_multi_perform(set->multi, &running) == CURLM_OK);
        answer = find_landed(fetch, set);
    }
    return answer;
}

FetchAnswer *fetch_next(Fetch *fetch, int64_t wait_ms)
{
    if (fetch->flying->len == 0)
        return NULL;
    FetchAnswer *answer = drive(fetch);
    if (answer || wait_ms <= 0)
        return answer;
    /* Of several sets with requests one is waited for; the others are looked at often. */
    const Set *waited = NULL;
    unsigned busy = 0;
    for (unsigned i = 0; i < fetch->sets->len; i++) {
        const Set *set = g_ptr_array_index(fetch->sets, i);
        busy += set->flying > 0;
        waited = !waited || set->flying >= waited->flying ? set : waited;
    }
    wait_ms = MIN(wait_ms, busy > 1 ? FETCH_LOOK_MS : G_MAXINT);
    MUST(waited != NULL);
    MUST(curl_multi_poll(waited->multi, NULL, 0, (int)wait_ms, NULL) == CURLM_OK);
    return drive(fetch);
}

FetchAnswer *fetch_run(Fetch *fetch, const FetchAsk *ask, GError **error)
{
    MUST(fetch->flying->len == 0);
    if (!fetch_add(fetch, ask, error))
        return NULL;
    g_autoptr(FetchAnswer) answer = NULL;
    while (!answer)
        answer = fetch_next(fetch, FETCH_WHOLE_MS); /* libcurl's own time-outs end it */
    if (answer->error) {
        g_propagate_error(error, g_steal_pointer(&answer->error));
        return NULL;
    }
    return g_steal_pointer(&answer);
}

struct FetchPool {
    FetchConfig config; /* ca_file owned */
    GMutex lock;
    GPtrArray *spare; /* of Fetch, owned; under lock */
};

static void spare_free(gpointer data)
{
    fetch_free(data);
}

FetchPool *fetch_pool_new(const FetchConfig *config)
{
    FetchPool *pool = g_new0(FetchPool, 1);
    pool->config = *config;
    pool->config.ca_file = g_strdup(config->ca_file);
    pool->spare = g_ptr_array_new_with_free_func(spare_free);
    g_mutex_init(&pool->lock);
    return pool;
}

void fetch_pool_free(FetchPool *pool)
{
    if (!pool)
        return;
    g_ptr_array_free(pool->spare, TRUE);
    g_mutex_clear(&pool->lock);
    g_free((char *)(uintptr_t)pool->config.ca_file);
    g_free(pool);
}

Fetch *fetch_pool_take(FetchPool *pool, GError **error)
{
    Fetch *fetch = NULL;
    g_mutex_lock(&pool->lock);
    if (pool->spare->len > 0)
        fetch = g_ptr_array_steal_index_fast(pool->spare, pool->spare->len - 1);
    g_mutex_unlock(&pool->lock);
    return fetch ? fetch : fetch_new(&pool->config, error);
}

void fetch_pool_give(FetchPool *pool, Fetch *fetch)
{
    drop_all(fetch);
    g_mutex_lock(&pool->lock);
    g_ptr_array_add(pool->spare, fetch);
    g_mutex_unlock(&pool->lock);
}
