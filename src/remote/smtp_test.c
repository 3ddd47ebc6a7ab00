/* smtp_test: what a relay may say, and what has become of the mail then. The relay is a thread that
 * speaks by a script.
 */
#include "relay_support.h"

#include "base/error.h"
#include "remote/smtp.h"

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
        RelayScript script;
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
        {"no mail here", {.hello = "521 5.3.2 none here"}, SMTP_LATER, "", 0},
        {"not by that name", {.ehlo = "550 who are you?"}, SMTP_LATER, "", 0},
        {"not without a login", {.mail = "530 5.7.0 log in first"}, SMTP_LATER, "530", 0},
        {"no sender from there", {.mail = "554 5.7.1 no"}, SMTP_REFUSED, "554", 0},
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
            relay.mails->len != cases[i].mails)
            fail_msg("%s: got fate %d, \"%s\", %u mails; want %d, \"%s\", %u", cases[i].what, fate,
                     said, relay.mails->len, cases[i].fate, cases[i].answer, cases[i].mails);
        relay_clear(&relay);
    }
}

static void what_is_said(void **state)
{
    Relay relay;
    static const RelayScript plain = {0};
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
    assert_int_equal(relay.mails->len, 3);
    const RelayMail *got = relay.mails->pdata[0];
    assert_string_equal(got->text, TEXT);
    relay_clear(&relay);
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
    static const RelayScript plain = {0};
    g_autofree char *url = relay_start(&relay, &plain), *why = NULL;
    SmtpConfig safe = {url, "", "", "", "test", SMTP_TLS_ALWAYS};
    g_autoptr(Smtp) careful = smtp_new(&safe);
    assert_int_equal(smtp_send(careful, &mail, &why), SMTP_LATER);
    smtp_free(g_steal_pointer(&careful));
    relay_stop(&relay);
    assert_null(strstr(relay.heard->str, "MAIL"));
    relay_clear(&relay);
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
