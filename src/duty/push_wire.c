/* push_wire: see push_wire.h. RFC 8030 is the request, RFC 8291 its body, RFC 8292 its signature.
 *
 * How it fits: app/serve makes the PushWire, duty/push_notifications takes a line for each run. A
 * line borrows a Fetch from the pool, so that the next run finds the connections open.
 *
 * Topic is the same for all states of a subscription: a push service that still holds one replaces
 * it. So each push tells the states of all types that the device asked for, not of those alone that
 * are new since the last: what replaces says all that the replaced one said.
 *
 * Failures: keys that are none, URLs that cannot be asked (both were checked when the subscription
 * was made). Known weak point: a token is signed with the clock of the store.
 */
#include "duty/push_wire.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/error.h"
#include "base/limits_push.h"
#include "base/must.h"
#include "content/vapid.h"
#include "model/push_key.h"
#include "remote/retry_after.h"

struct PushWire {
    FetchPool *pool;
    char *contact;
    Seal seal;
    GMutex lock;
    VapidKey *key;      /* under lock until it is there; then it stays */
    GHashTable *tokens; /* under lock: origin → Token, both owned */
};

typedef struct {
    char *authorization;
    int64_t expires_s;
} Token;

struct PushLine {
    PushWire *wire;
    Fetch *fetch;
    WebPush *webpush;
    GPtrArray *bodies; /* of GString, owned: borrowed by what is in flight */
};

static void token_free(gpointer data)
{
    Token *token = data;
    g_free(token->authorization);
    g_free(token);
}

static void body_free(gpointer data)
{
    g_string_free(data, TRUE);
}

PushWire *push_wire_new(const PushWireConfig *config)
{
    PushWire *wire = g_new0(PushWire, 1);
    FetchConfig fetch = {.public_only = !config->allow_private,
                         .allow_http = config->allow_private,
                         .ca_file = config->ca_file && *config->ca_file ? config->ca_file : NULL,
                         .connect_ms = PUSH_WHOLE_MS,
                         .whole_ms = PUSH_WHOLE_MS,
                         .answer_bytes = PUSH_ANSWER_BYTES_MAX,
                         .host_connections = PUSH_HOST_CONNECTIONS};
    wire->pool = fetch_pool_new(&fetch);
    wire->contact = g_strdup(config->contact);
    if (config->seal)
        wire->seal = *config->seal;
    wire->tokens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, token_free);
    g_mutex_init(&wire->lock);
    return wire;
}

void push_wire_free(PushWire *wire)
{
    if (!wire)
        return;
    fetch_pool_free(wire->pool);
    vapid_key_free(wire->key);
    g_hash_table_unref(wire->tokens);
    g_mutex_clear(&wire->lock);
    g_free(wire->contact);
    g_free(wire);
}

static bool load_key(PushWire *wire, Db *db, GError **error)
{
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    g_mutex_lock(&wire->lock);
    if (!wire->key && push_key_load(db, &wire->seal, private_key, public_key, error))
        wire->key = vapid_key_new(private_key, public_key, error);
    OPENSSL_cleanse(private_key, sizeof private_key);
    bool good = wire->key != NULL;
    g_mutex_unlock(&wire->lock);
    return good;
}

PushLine *push_line_open(PushWire *wire, Db *db, GError **error)
{
    Fetch *fetch = load_key(wire, db, error) ? fetch_pool_take(wire->pool, error) : NULL;
    if (!fetch)
        return NULL;
    PushLine *line = g_new0(PushLine, 1);
    line->wire = wire;
    line->fetch = fetch;
    line->webpush = webpush_new();
    line->bodies = g_ptr_array_new_with_free_func(body_free);
    return line;
}

void push_line_close(PushLine *line)
{
    if (!line)
        return;
    fetch_pool_give(line->wire->pool, line->fetch);
    webpush_free(line->webpush);
    g_ptr_array_unref(line->bodies);
    g_free(line);
}

unsigned push_line_in_flight(const PushLine *line)
{
    return fetch_in_flight(line->fetch);
}

FetchAnswer *push_line_next(PushLine *line, int64_t wait_ms)
{
    return fetch_next(line->fetch, wait_ms);
}

/* The header Authorization for a push service; the caller frees it. */
static char *authorization(PushWire *wire, const char *origin, int64_t now_s)
{
    g_mutex_lock(&wire->lock);
    Token *token = g_hash_table_lookup(wire->tokens, origin);
    if (!token || token->expires_s - now_s < PUSH_TOKEN_S / 4 ||
        token->expires_s - now_s > PUSH_TOKEN_S) { /* the store's clock was set back */
        if (g_hash_table_size(wire->tokens) >= PUSH_TOKENS_MAX)
            g_hash_table_remove_all(wire->tokens);
        token = g_new0(Token, 1);
        token->expires_s = now_s + PUSH_TOKEN_S;
        token->authorization =
            vapid_authorization(wire->key, origin, token->expires_s, wire->contact);
        g_hash_table_insert(wire->tokens, g_strdup(origin), token);
    }
    char *header = g_strdup_printf("Authorization: %s", token->authorization);
    g_mutex_unlock(&wire->lock);
    return header;
}

static json_t *states_of(const Subscription *to)
{
    json_t *states = json_object();
    for (unsigned i = 0; i < PUSH_TYPES; i++) {
        if (to->states[i] == 0 || !subscription_asks_for(to, (PushType)i))
            continue;
        g_autofree char *state = g_strdup_printf("%" G_GINT64_FORMAT, to->states[i]);
        json_object_set_new(states, push_type_name((PushType)i), json_string(state));
    }
    return states;
}

/* The text of a push, before it is encrypted (RFC 8620 §7.1, §7.2.2); the caller frees it. */
static char *push_text(const Subscription *to, int64_t seq)
{
    json_t *push;
    if (seq == SUBSCRIPTION_VERIFIES) {
        g_autofree char *id = subscription_format_id(to->id);
        push = json_pack("{s:s, s:s, s:s}", "@type", "PushVerification", "pushSubscriptionId", id,
                         "verificationCode", to->code);
    } else {
        g_autofree char *account = g_strdup_printf("a%" G_GINT64_FORMAT, to->account);
        push =
            json_pack("{s:s, s:{s:o}}", "@type", "StateChange", "changed", account, states_of(to));
    }
    MUST(push != NULL);
    char *dumped = json_dumps(push, JSON_COMPACT), *text = g_strdup(dumped);
    free(dumped);
    json_decref(push);
    return text;
}

bool push_line_send(PushLine *line, const PushAsk *ask, GError **error)
{
    const Subscription *to = ask->to;
    bool verifies = !ask->alert && ask->seq == SUBSCRIPTION_VERIFIES;
    /* Somebody waits for a code and for mail; a flag that another device has set can wait. */
    bool urgent = verifies || to->states[PUSH_EMAIL_DELIVERY] > to->pushed_seq;
    g_autofree char *text = ask->alert ? g_strdup(ask->alert->text) : push_text(to, ask->seq);
    GString *body = g_string_new(NULL);
    g_ptr_array_add(line->bodies, body);
    if (!to->encrypted)
        g_string_assign(body, text);
    else if (!webpush_encrypt(line->webpush, &to->keys, text, strlen(text), body, error))
        return false;
    g_autofree char *who = authorization(line->wire, to->origin, ask->now_ms / 1000);
    int64_t ttl_s = verifies ? PUSH_VERIFY_MS / 1000 : PUSH_TTL_S;
    if (ask->alert)
        ttl_s = MAX((ask->alert->expires_at - ask->now_ms) / 1000, 0);
    g_autofree char *ttl = g_strdup_printf("TTL: %" G_GINT64_FORMAT, ttl_s);
    g_autofree char *topic = g_strdup_printf("Topic: %s", ask->alert ? ask->alert->ring
                                                          : verifies ? "verify"
                                                                     : "state");
    const char *headers[] = {who,
                             ttl,
                             topic,
                             ask->alert ? "Urgency: high"
                             : urgent   ? "Urgency: normal"
                                        : "Urgency: low",
                             to->encrypted ? "Content-Type: application/octet-stream"
                                           : "Content-Type: application/json",
                             to->encrypted ? "Content-Encoding: aes128gcm" : NULL,
                             NULL};
    return fetch_add(line->fetch,
                     &(FetchAsk){.url = to->url,
                                 .headers = headers,
                                 .body = body->str,
                                 .body_size = body->len,
                                 .data = ask->data,
                                 .may_send = ask->may_send},
                     error);
}

/* How long to wait after a failure. */
static int64_t wait_after(const PushJudgeAsk *ask, int64_t asked_ms)
{
    const DutySettings *settings = ask->settings;
    if (asked_ms > 0)
        return asked_ms;
    return ask->to->failures + 1 < settings->push_attempts ? settings->push_attempts_interval_ms
                                                           : settings->push_retry_interval_ms;
}

static PushEnd judge_status(const PushJudgeAsk *ask, char **ret_why, PushBlame *ret_blame)
{
    int status = ask->answer->status;
    PushEnd end = {.status = status};
    if (status >= 200 && status <= 299) {
        end.kind = PUSH_SENT;
    } else if (status == 404 || status == 410) {
        end.kind = PUSH_ENDED;
    } else {
        end.kind = PUSH_FAILED;
        bool may_ask = status == 429 || status == 503;
        const char *value = may_ask ? fetch_answer_header(ask->answer, "Retry-After", 0) : NULL;
        end.wait_ms = wait_after(ask, retry_after_ms(value, ask->now_ms));
        *ret_why = g_strdup_printf("the push service said %d", status);
    }
    *ret_blame = status >= 500 ? PUSH_SERVICE_FAILS : PUSH_SERVICE_IS_WELL;
    return end;
}

PushEnd push_judge(const PushJudgeAsk *ask, char **ret_why, PushBlame *ret_blame)
{
    PushBlame blame = PUSH_BLAMES_NOBODY;
    PushEnd end = {.kind = PUSH_FAILED};
    *ret_why = NULL;
    /* A status is an answer, also where what came after it was too much. */
    if (ask->answer && ask->answer->status >= 200) {
        end = judge_status(ask, ret_why, &blame);
    } else if (error_kind(ask->error) == ERROR_STOPPED) {
        end.kind = PUSH_NOT_SENT;
    } else {
        ErrorKind kind = error_kind(ask->error);
        if (kind == ERROR_UNKNOWN)
            end.kind = PUSH_UNKNOWN;
        if (kind == ERROR_UNKNOWN || kind == ERROR_RETRY)
            blame = PUSH_SERVICE_FAILS;
        end.wait_ms = wait_after(ask, 0);
        *ret_why = g_strdup(ask->error->message);
    }
    if (ret_blame)
        *ret_blame = blame;
    return end;
}
