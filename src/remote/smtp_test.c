/* smtp_test: what a relay may say, and what has become of the mail then. The relay is a thread that
 * speaks by a script.
 */
#include "support.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "remote/smtp.h"

/* What the relay says to each word; NULL: what one says; "": it hangs up. */
typedef struct {
    const char *hello, *ehlo, *mail, *rcpt, *data, *end;
} Script;

typedef struct {
    int listener;
    Script script;
    GThread *thread;
    GString *heard; /* after the thread's end */
    unsigned connections;
    unsigned mails; /* answered with 250 or not at all: what it may have kept */
} Relay;

static bool say(FILE *out, const char *text, const char *fallback)
{
    if (text && !*text)
        return false;
    fprintf(out, "%s\r\n", text ? text : fallback);
    return fflush(out) == 0;
}

static bool answer(Relay *relay, FILE *in, FILE *out, const char *line)
{
    const Script *script = &relay->script;
    char body[1000];
    if (g_str_has_prefix(line, "EHLO"))
        return say(out, script->ehlo, "250-relay\r\n250 8BITMIME");
    if (g_str_has_prefix(line, "MAIL"))
        return say(out, script->mail, "250 ok");
    if (g_str_has_prefix(line, "RCPT"))
        return say(out, script->rcpt, "250 ok");
    if (g_str_has_prefix(line, "QUIT")) {
        say(out, NULL, "221 bye");
        return false;
    }
    if (!g_str_has_prefix(line, "DATA"))
        return say(out, NULL, "250 ok");
    if (!say(out, script->data, "354 go on") || (script->data && *script->data != '3'))
        return script->data && *script->data;
    while (fgets(body, sizeof body, in) && strcmp(body, ".\r\n") != 0)
        g_string_append(relay->heard, body);
    relay->mails++;
    return say(out, script->end, "250 kept");
}

static gpointer serve(gpointer data)
{
    Relay *relay = data;
    for (;;) {
        int fd = accept(relay->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        char line[1000];
        bool going = say(out, relay->script.hello, "220 relay");
        relay->connections++;
        while (going && fgets(line, sizeof line, in)) {
            g_string_append(relay->heard, line);
            going = answer(relay, in, out, line);
        }
        fclose(in);
        fclose(out);
    }
}

static char *relay_start(Relay *relay, const Script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *relay = (Relay){.script = *script, .heard = g_string_new(NULL)};
    relay->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(relay->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(relay->listener, 8), 0);
    assert_int_equal(getsockname(relay->listener, (struct sockaddr *)&address, &size), 0);
    relay->thread = g_thread_new("relay", serve, relay);
    return g_strdup_printf("smtp://127.0.0.1:%d", ntohs(address.sin_port));
}

static void relay_stop(Relay *relay)
{
    shutdown(relay->listener, SHUT_RDWR);
    close(relay->listener);
    g_thread_join(relay->thread);
}

static bool never(void *data)
{
    (void)data;
    return false;
}

#define TEXT "Subject: x\r\n\r\n.dot\r\nend\r\n"

static void fates(void **state)
{
    static const struct {
        const char *what;
        Script script;
        SmtpFate fate;
        const char *answer; /* begins so */
        unsigned mails;
    } cases[] = {
        {"taken", {0}, SMTP_ACCEPTED, "250 kept", 1},
        {"no such person", {.rcpt = "550 5.1.1 no such person"}, SMTP_REFUSED, "550 5.1.1", 0},
        {"full", {.rcpt = "452 4.2.2 full"}, SMTP_LATER, "452", 0},
        {"the sender is not liked", {.mail = "553 no"}, SMTP_REFUSED, "553", 0},
        {"refused after the data", {.end = "554 5.7.1 spam"}, SMTP_REFUSED, "554", 1},
        {"later, after the data", {.end = "451 4.3.0 try again"}, SMTP_LATER, "451", 1},
        {"not now", {.hello = "421 busy"}, SMTP_LATER, "", 0},
        {"no service", {.hello = "554 none here"}, SMTP_LATER, "", 0},
        {"gone before the data", {.data = ""}, SMTP_LATER, "", 0},
        {"no data now", {.data = "450 no"}, SMTP_LATER, "450", 0},
        {"gone after the data", {.end = ""}, SMTP_UNKNOWN, "", 1},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Relay relay;
        g_autofree char *url = relay_start(&relay, &cases[i].script), *said = NULL;
        SmtpConfig config = {url, "", "", "", "test", SMTP_TLS_TRY};
        g_autoptr(Smtp) smtp = smtp_new(&config);
        SmtpMail mail = {"ada@example.org", "bob@example.com", TEXT, strlen(TEXT), NULL, NULL};
        SmtpFate fate = smtp_send(smtp, &mail, &said);
        smtp_free(g_steal_pointer(&smtp));
        relay_stop(&relay);
        if (fate != cases[i].fate || !g_str_has_prefix(said, cases[i].answer) || !*said ||
            relay.mails != cases[i].mails)
            fail_msg("%s: got fate %d, \"%s\", %u mails; want %d, \"%s\", %u", cases[i].what, fate,
                     said, relay.mails, cases[i].fate, cases[i].answer, cases[i].mails);
        g_string_free(relay.heard, TRUE);
    }
}

static void what_is_said(void **state)
{
    Relay relay;
    static const Script plain = {0};
    g_autofree char *url = relay_start(&relay, &plain);
    SmtpConfig config = {url, "", "", "", "node1.example.org", SMTP_TLS_TRY};
    (void)state;
    g_autoptr(Smtp) smtp = smtp_new(&config);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *said = NULL;
        SmtpMail mail = {
            i ? "ada@example.org" : "", "bob@example.com", TEXT, strlen(TEXT), NULL, NULL};
        assert_int_equal(smtp_send(smtp, &mail, &said), SMTP_ACCEPTED);
    }
    g_autofree char *said = NULL;
    SmtpMail mail = {"ada@example.org", "bob@example.com", TEXT, strlen(TEXT), never, NULL};
    assert_int_equal(smtp_send(smtp, &mail, &said), SMTP_STOPPED);
    smtp_free(g_steal_pointer(&smtp));
    relay_stop(&relay);
    assert_int_equal(relay.connections, 1);
    assert_non_null(strstr(relay.heard->str, "EHLO node1.example.org\r\n"));
    assert_non_null(strstr(relay.heard->str, "MAIL FROM:<>"));
    assert_non_null(strstr(relay.heard->str, "MAIL FROM:<ada@example.org>"));
    assert_non_null(strstr(relay.heard->str, "RCPT TO:<bob@example.com>\r\n"));
    assert_non_null(strstr(relay.heard->str, "\r\n..dot\r\nend\r\n"));
    g_string_free(relay.heard, TRUE);
}

static void nobody_there(void **state)
{
    SmtpConfig config = {"smtp://127.0.0.1:1", "", "", "", "test", SMTP_TLS_TRY};
    g_autoptr(Smtp) smtp = smtp_new(&config);
    g_autofree char *said = NULL;
    SmtpMail mail = {"ada@example.org", "bob@example.com", TEXT, strlen(TEXT), NULL, NULL};
    (void)state;
    assert_int_equal(smtp_send(smtp, &mail, &said), SMTP_LATER);
    assert_non_null(strstr(said, "127.0.0.1"));

    Relay relay;
    static const Script plain = {0};
    g_autofree char *url = relay_start(&relay, &plain), *why = NULL;
    SmtpConfig safe = {url, "", "", "", "test", SMTP_TLS_ALWAYS};
    g_autoptr(Smtp) careful = smtp_new(&safe);
    assert_int_equal(smtp_send(careful, &mail, &why), SMTP_LATER);
    smtp_free(g_steal_pointer(&careful));
    relay_stop(&relay);
    assert_null(strstr(relay.heard->str, "MAIL"));
    g_string_free(relay.heard, TRUE);
}

static void relays(void **state)
{
    static const struct {
        const char *relay;
        bool good;
    } cases[] = {{"smtp://mx.example.org:587", true}, {"smtps://[::1]", true},
                 {"mx.example.org", false},           {"smtp://", false},
                 {"http://mx.example.org", false},    {"smtp://mx/path", false},
                 {"smtp://user@mx", false},           {"", false}};
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (smtp_is_relay(cases[i].relay) != cases[i].good)
            fail_msg("\"%s\": got %d", cases[i].relay, !cases[i].good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fates), cmocka_unit_test(what_is_said),
                                       cmocka_unit_test(nobody_there), cmocka_unit_test(relays)};
    return cmocka_run_group_tests_name("smtp", tests, NULL, NULL);
}
