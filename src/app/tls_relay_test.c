/* tls_relay_test: handshakes by name, challenges, exchanges and ends, over socket pairs and by
 * OpenSSL's own client. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "app/tls_relay.h"
#include "base/hash.h"
#include "content/chain.h"
#include "support.h"

#define PATIENCE_MS 60000

typedef struct {
    Tls *tls;
    TlsRelay *relay;
    SSL_CTX *context; /* the client's */
    _Atomic unsigned wanted;
} Scene;

static bool on_wanted(const char *domain, void *data)
{
    Scene *scene = data;
    scene->wanted++;
    return strcmp(domain, "late.example.org") == 0;
}

static Chain *chain_for(const char *name)
{
    const char *names[] = {name, NULL};
    Chain *chain = chain_stand_in(names, clock_wall_ms(clock_real()), NULL);
    assert_non_null(chain);
    return chain;
}

static void serve_names(Scene *scene, const char *first, const char *second)
{
    GPtrArray *entries = tls_entries_new();
    tls_entries_add(entries, chain_for(first), g_bytes_new_static("staple", 6));
    tls_entries_add(entries, chain_for(second), NULL);
    tls_set(scene->tls, entries);
}

static Scene *scene_new(void)
{
    Scene *scene = g_new0(Scene, 1);
    scene->tls = tls_new(on_wanted, scene, NULL);
    assert_non_null(scene->tls);
    serve_names(scene, "first.example.org", "*.wild.example.org");
    scene->relay = tls_relay_start(scene->tls, clock_real(), 100);
    scene->context = SSL_CTX_new(TLS_client_method());
    return scene;
}

static void scene_free(Scene *scene)
{
    tls_relay_stop(scene->relay);
    tls_free(scene->tls);
    SSL_CTX_free(scene->context);
    g_free(scene);
}

typedef struct {
    SSL *ssl;
    int fd, plain; /* the house's end */
} Client;

static Client client_new(const Scene *scene, const char *host)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    Client client = {SSL_new(scene->context), pair[0], tls_relay_take(scene->relay, pair[1])};
    assert_true(client.plain >= 0);
    SSL_set_fd(client.ssl, pair[0]);
    if (host)
        SSL_ctrl(client.ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)host);
    return client;
}

static void client_free(Client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
    if (client->plain >= 0)
        close(client->plain);
    ERR_clear_error();
}

/* The first name of the certificate that the client got; NULL: the handshake failed. */
static char *shaken_name(Client *client)
{
    if (SSL_connect(client->ssl) != 1)
        return NULL;
    X509 *leaf = SSL_get1_peer_certificate(client->ssl);
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, 0);
    char *name = g_strdup((const char *)ASN1_STRING_get0_data(one->d.dNSName));
    GENERAL_NAMES_free(all);
    X509_free(leaf);
    return name;
}

static void wait_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&one, 1, PATIENCE_MS), 1);
}

static void picks_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *host, *want;
    } cases[] = {
        {"first.example.org", "first.example.org"},   {"FIRST.example.org", "first.example.org"},
        {"a.wild.example.org", "*.wild.example.org"}, {"a.b.wild.example.org", "first.example.org"},
        {"unknown.example.com", "first.example.org"}, {NULL, "first.example.org"},
    };
    Scene *scene = scene_new();
    TlsCounts counts = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Client client = client_new(scene, cases[i].host);
        g_autofree char *name = shaken_name(&client);
        if (g_strcmp0(name, cases[i].want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].host, name, cases[i].want);
        /* It may be over for the client before it is for the relay. */
        for (int n = 0; n < PATIENCE_MS / 5 && counts.handshakes <= i; n++) {
            poll(NULL, 0, 5);
            tls_relay_counts(scene->relay, &counts);
        }
        client_free(&client);
    }
    assert_int_equal(counts.handshakes, G_N_ELEMENTS(cases));
    scene_free(scene);
}

static void staples_what_the_responder_said(void **state)
{
    (void)state;
    Scene *scene = scene_new();
    Client client = client_new(scene, "first.example.org");
    SSL_set_tlsext_status_type(client.ssl, TLSEXT_STATUSTYPE_ocsp);
    assert_int_equal(SSL_connect(client.ssl), 1);
    const unsigned char *staple = NULL;
    assert_int_equal(SSL_get_tlsext_status_ocsp_resp(client.ssl, &staple), 6);
    assert_memory_equal(staple, "staple", 6);
    client_free(&client);
    scene_free(scene);
}

/* More than any buffer holds, in both directions, over an exchange; then the house hangs up. */
static void carries_bytes(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1000 * 1000 };
    Scene *scene = scene_new();
    Client client = client_new(scene, "first.example.org");
    g_autofree char *name = shaken_name(&client);
    assert_non_null(name);
    serve_names(scene, "second.example.org", "third.example.org");
    g_autofree unsigned char *sent = g_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (unsigned char)(i * 31 >> 3);
    g_autofree unsigned char *heard = g_malloc(SIZE), *back = g_malloc(SIZE);
    size_t up = 0, through = 0, echoed = 0, returned = 0;
    while (returned < SIZE) {
        if (up < SIZE && through == up) {
            int done = SSL_write(client.ssl, sent + up, (int)MIN(SIZE - up, 50000));
            assert_true(done > 0);
            up += (size_t)done;
        }
        ssize_t got = 0;
        while (through < up) {
            wait_readable(client.plain);
            got = recv(client.plain, heard + through, SIZE - through, MSG_DONTWAIT);
            assert_true(got > 0);
            through += (size_t)got;
        }
        while (echoed < through) {
            got = send(client.plain, heard + echoed, through - echoed, MSG_DONTWAIT);
            if (got > 0)
                echoed += (size_t)got;
            int read = SSL_read(client.ssl, back + returned, (int)(SIZE - returned));
            assert_true(read > 0);
            returned += (size_t)read;
        }
        while (returned < echoed) {
            int read = SSL_read(client.ssl, back + returned, (int)(SIZE - returned));
            assert_true(read > 0);
            returned += (size_t)read;
        }
    }
    assert_memory_equal(sent, back, SIZE);
    assert_int_equal(send(client.plain, "bye", 3, 0), 3);
    close(client.plain);
    client.plain = -1;
    char word[4] = "";
    assert_int_equal(SSL_read(client.ssl, word, 3), 3);
    assert_string_equal(word, "bye");
    assert_true(SSL_read(client.ssl, word, 3) <= 0);
    client_free(&client);
    scene_free(scene);
}

static void tells_the_house_of_an_end(void **state)
{
    (void)state;
    Scene *scene = scene_new();
    Client client = client_new(scene, NULL);
    assert_int_equal(SSL_connect(client.ssl), 1);
    SSL_shutdown(client.ssl);
    wait_readable(client.plain);
    char byte;
    assert_int_equal(recv(client.plain, &byte, 1, 0), 0);
    client_free(&client);
    Client noise = client_new(scene, NULL);
    assert_int_equal(send(noise.fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
    wait_readable(noise.plain);
    assert_int_equal(recv(noise.plain, &byte, 1, 0), 0);
    client_free(&noise);
    TlsCounts counts;
    tls_relay_counts(scene->relay, &counts);
    assert_int_equal(counts.failures, 1);
    scene_free(scene);
}

static char *challenge_name(Client *client)
{
    static const unsigned char protocols[] = "\x0a"
                                             "acme-tls/1";
    SSL_set_alpn_protos(client->ssl, protocols, sizeof protocols - 1);
    return shaken_name(client);
}

static gpointer answer_later(gpointer data)
{
    Scene *scene = data;
    while (scene->wanted == 0)
        poll(NULL, 0, 5);
    GHashTable *answers =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)chain_unref);
    g_hash_table_insert(answers, g_strdup("late.example.org"),
                        chain_answer("late.example.org", "a.b", 1790000000000, NULL));
    tls_set_answers(scene->tls, answers);
    return NULL;
}

/* Also one that the node hears of only now; a name that has none fails at once. */
static void answers_challenges(void **state)
{
    (void)state;
    Scene *scene = scene_new();
    Client unknown = client_new(scene, "unknown.example.org");
    assert_null(challenge_name(&unknown));
    client_free(&unknown);
    assert_int_equal(scene->wanted, 1);
    scene->wanted = 0;
    GThread *thread = g_thread_new("later", answer_later, scene);
    Client late = client_new(scene, "late.example.org");
    g_autofree char *name = challenge_name(&late);
    assert_string_equal(name, "late.example.org");
    const unsigned char *protocol = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(late.ssl, &protocol, &size);
    assert_int_equal(size, 10);
    client_free(&late);
    g_thread_join(thread);
    tls_set_answers(scene->tls, NULL);
    Client plain = client_new(scene, "late.example.org");
    g_autofree char *other = shaken_name(&plain);
    assert_string_equal(other, "first.example.org");
    client_free(&plain);
    scene_free(scene);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_by_name),      cmocka_unit_test(staples_what_the_responder_said),
        cmocka_unit_test(carries_bytes),      cmocka_unit_test(tells_the_house_of_an_end),
        cmocka_unit_test(answers_challenges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
