/* http_auth: who asks?
 *
 * How it fits: front/http.c asks before it runs a route that is not for all. Failures: whatever is
 * wrong is an answer; a store that does not answer lets nobody in. Known weak point: over plain
 * HTTP a password goes as it is; http.listen is the loopback unless told otherwise, and TLS is
 * there.
 */
#include "front/http_auth.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/limits_http.h"
#include "base/log.h"
#include "base/must.h"
#include "base/rand.h"
#include "model/login.h"
#include "model/token.h"

#include "front/http_parse.h"

#define DIGEST_BYTES 32

typedef struct {
    unsigned char digest[DIGEST_BYTES]; /* first: it is the key */
    int64_t until_us;
    Login login;
} Known;

struct HttpLogins {
    const Clock *clock;
    unsigned char secret[DIGEST_BYTES]; /* of this process */
    GMutex lock;
    GHashTable *known; /* of Known, its own key; under lock, as all below */
    unsigned checking;
};

static guint known_hash(const void *key)
{
    guint hash;
    memcpy(&hash, key, sizeof hash); /* an HMAC's bytes are as good as any */
    return hash;
}

static gboolean known_equal(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_BYTES) == 0;
}

HttpLogins *http_logins_new(const Clock *clock)
{
    HttpLogins *logins = g_new0(HttpLogins, 1);
    logins->clock = clock;
    rand_secret(logins->secret, sizeof logins->secret);
    g_mutex_init(&logins->lock);
    logins->known = g_hash_table_new_full(known_hash, known_equal, g_free, NULL);
    return logins;
}

void http_logins_free(HttpLogins *logins)
{
    if (!logins)
        return;
    g_hash_table_unref(logins->known);
    g_mutex_clear(&logins->lock);
    g_free(logins);
}

/* Of both, so that neither can be tried alone. Neither holds a NUL. */
static void digest_of(const HttpLogins *logins, const char *address, const char *password,
                      unsigned char *ret)
{
    g_autofree char *both = g_strdup_printf("%s\n%s", address, password);
    unsigned size = DIGEST_BYTES;
    MUST(HMAC(EVP_sha256(), logins->secret, DIGEST_BYTES, (const unsigned char *)both, strlen(both),
              ret, &size));
}

static bool find_known(HttpLogins *logins, const unsigned char *digest, Login *ret)
{
    g_mutex_lock(&logins->lock);
    const Known *known = g_hash_table_lookup(logins->known, digest);
    bool found = known && clock_monotonic_us(logins->clock) < known->until_us;
    if (found)
        *ret = known->login;
    g_mutex_unlock(&logins->lock);
    return found;
}

static gboolean is_over(gpointer key, gpointer value, gpointer now_us)
{
    const Known *known = key;
    (void)value;
    return known->until_us <= *(int64_t *)now_us;
}

static void remember(HttpLogins *logins, const unsigned char *digest, const Login *login)
{
    int64_t now_us = clock_monotonic_us(logins->clock);
    Known *known = g_new0(Known, 1);
    memcpy(known->digest, digest, DIGEST_BYTES);
    known->until_us = now_us + LOGIN_CACHE_MS * 1000;
    known->login = *login;
    g_mutex_lock(&logins->lock);
    if (g_hash_table_size(logins->known) >= LOGIN_CACHE_MAX)
        g_hash_table_foreach_remove(logins->known, is_over, &now_us);
    if (g_hash_table_size(logins->known) >= LOGIN_CACHE_MAX)
        g_hash_table_remove_all(logins->known); /* they are asked once more */
    g_hash_table_replace(logins->known, known, known);
    g_mutex_unlock(&logins->lock);
}

static bool enter(HttpLogins *logins)
{
    g_mutex_lock(&logins->lock);
    bool room = logins->checking < LOGIN_CHECKS_MAX;
    logins->checking += room;
    g_mutex_unlock(&logins->lock);
    return room;
}

static void leave(HttpLogins *logins)
{
    g_mutex_lock(&logins->lock);
    logins->checking--;
    g_mutex_unlock(&logins->lock);
}

/* ---------------------------------------------------------------- answers */

static void ask_for_login(HttpAnswer *answer, const char *why)
{
    http_answer_problem(answer, 401, "%s", why);
    http_answer_add_header(answer, "WWW-Authenticate", "Basic realm=\"rota\", charset=\"UTF-8\"");
    http_answer_add_header(answer, "WWW-Authenticate", "Bearer realm=\"rota\"");
}

static void tell_to_wait(HttpAnswer *answer, int64_t ms)
{
    g_autofree char *seconds = g_strdup_printf("%" G_GINT64_FORMAT, (ms + 999) / 1000);
    http_answer_problem(answer, 429, "too many wrong passwords: the next try is in %s s", seconds);
    http_answer_add_header(answer, "Retry-After", seconds);
}

/* True: the password, or the token, is right, and *ret says whose it is. */
static bool check(HttpCall *call, const char *address, const char *password, Login *ret)
{
    g_autoptr(GError) error = NULL;
    const char *peer = call->request->peer;
    int64_t account;
    bool known = !address || token_parse(password, &account)
                     ? login_check_token(call->db, address, password, peer, ret, &error)
                     : login_check(call->db, address, password, peer, ret, &error);
    if (!known) {
        http_answer_error(call->answer, error);
        return false;
    }
    switch (ret->result) {
    case LOGIN_RIGHT:
        return true;
    case LOGIN_WRONG:
        log_event(LOG_LEVEL_WARNING, "http.login-failed", "wrong password for <%.320s> from %s",
                  address ? address : "a token", *peer ? peer : "a unix socket");
        ask_for_login(call->answer, address ? "the address or the password is wrong"
                                            : "the token is none, or is not good any more");
        return false;
    case LOGIN_WAIT:
        tell_to_wait(call->answer, ret->wait_ms);
        return false;
    }
    return false;
}

/* As check, but remembers. */
static bool find_login(HttpCall *call, const char *address, const char *password, Login *ret)
{
    HttpLogins *logins = call->house->logins;
    unsigned char digest[DIGEST_BYTES];
    digest_of(logins, address ? address : "", password, digest);
    if (find_known(logins, digest, ret))
        return true;
    if (!enter(logins)) {
        http_answer_problem(call->answer, 503, "too many people log in at once: come again");
        http_answer_add_header(call->answer, "Retry-After", "1");
        return false;
    }
    bool right = check(call, address, password, ret);
    leave(logins);
    if (right)
        remember(logins, digest, ret);
    return right;
}

bool http_auth_is_tried(HttpCall *call)
{
    if (call->request->header("Authorization", call->request->data))
        return true;
    ask_for_login(call->answer, call->route->access == HTTP_FOR_ADMIN
                                    ? "an administrator's address and password are needed (Basic)"
                                    : "your address and password are needed (Basic)");
    return false;
}

bool http_auth(HttpCall *call)
{
    g_autofree char *address = NULL, *password = NULL;
    Login login;
    if (!http_auth_is_tried(call))
        return false;
    const char *field = call->request->header("Authorization", call->request->data);
    const char *bearer = http_bearer_parse(field);
    if (bearer) {
        password = g_strdup(bearer);
    } else if (!http_basic_parse(field, &address, &password)) {
        ask_for_login(call->answer, "an address and its password (Basic), or a token (Bearer), are "
                                    "needed");
        return false;
    }
    if (!find_login(call, address, password, &login))
        return false;
    if (call->route->access == HTTP_FOR_ADMIN && !login.admin) {
        http_answer_problem(
            call->answer, 403,
            "this is for administrators: `rota account admin ADDRESS on` makes one, and a token is "
            "for it only with --admin");
        return false;
    }
    /* A token names its account by number; whoever wants an address asks the store. */
    call->person = address ? g_steal_pointer(&address)
                           : g_strdup_printf("account %" G_GINT64_FORMAT, login.account);
    call->account = login.account;
    call->admin = login.admin;
    return true;
}
