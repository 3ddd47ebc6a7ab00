/* lmtp_test: tables of what a client sends and what it hears, and what the house is given. */
#include <string.h>

#include "base/limits.h"
#include "front/lmtp.h"
#include "front/lmtp_path.h"
#include "support.h"

#define TEST_BYTES_MAX 64

/* A house of a few addresses. What is delivered is written down as "FROM>ADDRESS,ADDRESS:BYTES;".
 */
static LmtpRcpt house_recipient(const char *address, LmtpRecipient *ret, void *data)
{
    (void)data;
    if (g_str_has_prefix(address, "unknown"))
        return LMTP_RCPT_UNKNOWN;
    if (g_str_has_prefix(address, "later"))
        return LMTP_RCPT_RETRY;
    ret->account = 1;
    return LMTP_RCPT_OK;
}

static LmtpStored stored_result(const char *address)
{
    if (g_str_has_prefix(address, "gone"))
        return LMTP_NO_ACCOUNT;
    if (g_str_has_prefix(address, "filled"))
        return LMTP_FULL;
    if (g_str_has_prefix(address, "broken"))
        return LMTP_LATER;
    return LMTP_STORED;
}

static void house_deliver(const LmtpMessage *message, const LmtpRecipient *recipients,
                          unsigned count, LmtpStored *results, void *data)
{
    GString *seen = data;
    g_string_append_printf(seen, "%s>", message->from);
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(seen, i ? ",%s" : "%s", recipients[i].address);
        results[i] = stored_result(recipients[i].address);
    }
    g_string_append_c(seen, ':');
    g_string_append_len(seen, message->bytes, (gssize)message->size);
    g_string_append_c(seen, ';');
}

typedef struct {
    GString *seen, *out;
    LmtpHouse house;
    LmtpSession *session;
} Talk;

static void talk_begin(Talk *talk)
{
    talk->seen = g_string_new(NULL);
    talk->out = g_string_new(NULL);
    talk->house = (LmtpHouse){house_recipient,  house_deliver,  talk->seen,
                              "mx.example.org", TEST_BYTES_MAX, false};
    talk->session = lmtp_session_new(&talk->house, talk->out);
}

static void talk_end(Talk *talk)
{
    lmtp_session_free(talk->session);
    g_string_free(talk->seen, TRUE);
    g_string_free(talk->out, TRUE);
}

/* The reply codes with their enhanced codes, "220 250- ... 250": what programs read. */
static char *codes(const GString *out)
{
    GString *text = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(out->str, "\r\n", -1);
    for (char **line = lines; *line && **line; line++) {
        if ((*line)[3] == '-')
            continue; /* of LHLO; has its own test */
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        if (text->len > 0)
            g_string_append_c(text, ' ');
        g_string_append(text, words[0]);
        if (words[1] && g_ascii_isdigit(words[1][0]) && words[1][1] == '.')
            g_string_append_printf(text, "/%s", words[1]);
    }
    return g_string_free(text, FALSE);
}

#define HELLO "LHLO me\r\n"
#define MAIL  HELLO "MAIL FROM:<s@example.org>\r\n"
#define RCPT  MAIL "RCPT TO:<a@example.org>\r\n"
#define DATA  RCPT "DATA\r\n"
/* the replies to those */
#define R_HELLO "220 250"
#define R_MAIL  R_HELLO " 250/2.1.0"
#define R_RCPT  R_MAIL " 250/2.1.5"
#define R_DATA  R_RCPT " 354"
#define SEEN    "s@example.org>a@example.org:"

static const struct {
    const char *name, *input, *want, *seen;
} talks[] = {
    {"a message", DATA "Subject: x\r\n\r\ny\r\n.\r\nQUIT\r\n", R_DATA " 250/2.0.0 221/2.0.0",
     SEEN "Subject: x\r\n\r\ny\r\n;"},
    {"the empty message", DATA ".\r\n", R_DATA " 250/2.0.0", SEEN ";"},
    {"the empty sender", HELLO "MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\nx\r\n.\r\n",
     R_DATA " 250/2.0.0", ">a@example.org:x\r\n;"},
    {"verbs in any case, spaces about",
     HELLO "mail from: <s@example.org> \r\nRcPt To:<a@example.org>\r\ndata\r\n.\r\n",
     R_DATA " 250/2.0.0", SEEN ";"},
    {"two messages",
     DATA "1\r\n.\r\nMAIL FROM:<t@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n2\r\n.\r\n",
     R_DATA " 250/2.0.0 250/2.1.0 250/2.1.5 354 250/2.0.0",
     SEEN "1\r\n;t@example.org>b@example.org:2\r\n;"},

    {"stuffed dots are taken out", DATA "..\r\n..a\r\n.b\r\na.\r\n...\r\n.\r\n",
     R_DATA " 250/2.0.0", SEEN ".\r\n.a\r\nb\r\na.\r\n..\r\n;"},
    {"LF . LF ends nothing", DATA "a\n.\nb\r\n.\r\n", R_DATA " 250/2.0.0", SEEN "a\n.\nb\r\n;"},
    {"LF . CRLF ends nothing", DATA "a\n.\r\nb\r\n.\r\n", R_DATA " 250/2.0.0",
     SEEN "a\n.\r\nb\r\n;"},
    {"CR . CR ends nothing", DATA "a\r.\rb\r\n.\r\n", R_DATA " 250/2.0.0", SEEN "a\r.\rb\r\n;"},
    {"CRLF . LF ends nothing", DATA "a\r\n.\nb\r\n.\r\n", R_DATA " 250/2.0.0",
     SEEN "a\r\n\nb\r\n;"},
    {"CRLF . CR ends nothing", DATA "a\r\n.\rb\r\n.\r\n", R_DATA " 250/2.0.0",
     SEEN "a\r\n\rb\r\n;"},
    {"CRLF . CR CR LF ends nothing", DATA "a\r\n.\r\r\n.\r\n", R_DATA " 250/2.0.0",
     SEEN "a\r\n\r\r\n;"},
    {"CR CRLF . CRLF ends", DATA "a\r\r\n.\r\n", R_DATA " 250/2.0.0", SEEN "a\r\r\n;"},
    {"smuggled commands stay data", DATA "a\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\n",
     R_DATA " 250/2.0.0", SEEN "a\n.\r\nMAIL FROM:<evil@example.org>\r\n;"},
    {"stops in the middle", DATA "half a message\r\n", R_DATA, ""},
    {"stops before the last LF", DATA "whole\r\n.\r", R_DATA, ""},

    {"one reply for each recipient, in order",
     MAIL
     "RCPT TO:<a@example.org>\r\nRCPT TO:<unknown@example.org>\r\nRCPT TO:<filled@example.org>\r\n"
     "RCPT TO:<gone@example.org>\r\nRCPT TO:<broken@example.org>\r\nRCPT "
     "TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n",
     R_MAIL " 250/2.1.5 550/5.1.1 250/2.1.5 250/2.1.5 250/2.1.5 250/2.1.5 354 250/2.0.0 552/5.2.2 "
            "550/5.1.1 451/4.3.0 250/2.0.0",
     "s@example.org>a@example.org,filled@example.org,gone@example.org,broken@example.org,b@example."
     "org:x\r\n;"},
    {"refused at RCPT", MAIL "RCPT TO:<later@example.org>\r\n", R_MAIL " 451/4.3.0", ""},
    {"DATA with no recipient accepted", MAIL "RCPT TO:<unknown@example.org>\r\nDATA\r\n",
     R_MAIL " 550/5.1.1 503/5.5.1", ""},
    {"postmaster without a domain", MAIL "RCPT TO:<Postmaster>\r\n", R_MAIL " 250/2.1.5", ""},

    {"too large",
     DATA "0123456789012345678901234567890123456789012345678901234567890123456789\r\n.\r\nNOOP\r\n",
     R_DATA " 552/5.3.4 250/2.0.0", ""},
    {"as large as it may be",
     DATA "01234567890123456789012345678901234567890123456789012345678901\r\n.\r\n",
     R_DATA " 250/2.0.0",
     SEEN "01234567890123456789012345678901234567890123456789012345678901\r\n;"},
    {"declared too large", HELLO "MAIL FROM:<s@example.org> SIZE=65\r\n", R_HELLO " 552/5.3.4", ""},
    {"declared as large as it may be", HELLO "MAIL FROM:<s@example.org> SIZE=64 BODY=8BITMIME\r\n",
     R_MAIL, ""},
    {"declared beyond any number", HELLO "MAIL FROM:<s@example.org> SIZE=99999999999999999999\r\n",
     R_HELLO " 552/5.3.4", ""},

    {"BDAT", RCPT "BDAT 4\r\nab\r\nBDAT 3 LAST\r\n.\r\n", R_RCPT " 250/2.0.0 250/2.0.0",
     SEEN "ab\r\n.\r\n;"},
    {"BDAT keeps every byte", RCPT "BDAT 7 LAST\r\n\r\n.\r\n.\n", R_RCPT " 250/2.0.0",
     SEEN "\r\n.\r\n.\n;"},
    {"BDAT 0 LAST", RCPT "BDAT 2\r\nabBDAT 0 last\r\n", R_RCPT " 250/2.0.0 250/2.0.0", SEEN "ab;"},
    {"BDAT without recipients is swallowed", MAIL "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
     R_MAIL " 503/5.5.1 250/2.0.0", ""},
    {"BDAT, then DATA", RCPT "BDAT 1\r\naDATA\r\n", R_RCPT " 250/2.0.0 503/5.5.1", ""},
    {"BDAT, then RCPT", RCPT "BDAT 1\r\naRCPT TO:<b@example.org>\r\n",
     R_RCPT " 250/2.0.0 503/5.5.1", ""},
    {"BDAT too large",
     RCPT
     "BDAT 65\r\n01234567890123456789012345678901234567890123456789012345678901234BDAT 1 LAST\r\na",
     R_RCPT " 552/5.3.4 552/5.3.4", ""},
    {"BDAT, then RSET", RCPT "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nb",
     R_RCPT " 250/2.0.0 250/2.0.0 503/5.5.1", ""},
    {"BDAT without a size ends it", RCPT "BDAT x\r\nNOOP\r\n", R_RCPT " 501/5.5.4 421/4.7.0", ""},
    {"BDAT with a negative size ends it", RCPT "BDAT -1\r\nNOOP\r\n", R_RCPT " 501/5.5.4 421/4.7.0",
     ""},
    {"BDAT with a size beyond any ends it", RCPT "BDAT 99999999999999999999\r\nNOOP\r\n",
     R_RCPT " 501/5.5.4 421/4.7.0", ""},

    {"the wrong order", "MAIL FROM:<s@example.org>\r\n" HELLO "RCPT TO:<a@example.org>\r\nDATA\r\n",
     "220 503/5.5.1 250 503/5.5.1 503/5.5.1", ""},
    {"MAIL twice", MAIL "MAIL FROM:<t@example.org>\r\n", R_MAIL " 503/5.5.1", ""},
    {"RSET forgets", RCPT "RSET\r\nDATA\r\n", R_RCPT " 250/2.0.0 503/5.5.1", ""},
    {"LHLO forgets", RCPT HELLO "DATA\r\n", R_RCPT " 250 503/5.5.1", ""},
    {"SMTP's hello is refused", "HELO me\r\nEHLO me\r\n", "220 500/5.5.1 500/5.5.1", ""},
    {"LHLO without a name", "LHLO\r\n", "220 501/5.5.4", ""},
    {"an unknown command", "STARTTLS\r\n\r\nDATAX\r\n", "220 500/5.5.1 500/5.5.1 500/5.5.1", ""},
    {"small talk", "NOOP\r\nVRFY a\r\nHELP\r\nQUIT\r\nNOOP\r\n",
     "220 250/2.0.0 252/2.5.2 214/2.0.0 221/2.0.0", ""},
    {"a command that ends with LF", "NOOP\nNOOP\r\n", "220 500/5.5.2 250/2.0.0", ""},
    {"a command with a bare CR", "NOOP\rNOOP\r\nNOOP\r\n", "220 500/5.5.2 250/2.0.0", ""},

    {"beyond ASCII without SMTPUTF8", HELLO "MAIL FROM:<\xc3\xbc@example.org>\r\n",
     R_HELLO " 553/5.6.7", ""},
    {"a recipient beyond ASCII without SMTPUTF8", MAIL "RCPT TO:<\xc3\xbc@example.org>\r\n",
     R_MAIL " 553/5.6.7", ""},
    {"SMTPUTF8",
     HELLO
     "MAIL FROM:<\xc3\xbc@example.org> SMTPUTF8\r\nRCPT TO:<\xc3\xb6@example.org>\r\nDATA\r\n.\r\n",
     R_DATA " 250/2.0.0", "\xc3\xbc@example.org>\xc3\xb6@example.org:;"},
    {"not UTF-8", HELLO "MAIL FROM:<\xfc@example.org> SMTPUTF8\r\n", R_HELLO " 501/5.1.7", ""},
    {"a parameter that is not offered", HELLO "MAIL FROM:<s@example.org> RET=FULL\r\n",
     R_HELLO " 555/5.5.4", ""},
    {"a parameter of RCPT", MAIL "RCPT TO:<a@example.org> NOTIFY=NEVER\r\n", R_MAIL " 555/5.5.4",
     ""},
    {"no brackets", HELLO "MAIL FROM:s@example.org\r\nMAIL s@example.org\r\n",
     R_HELLO " 501/5.1.7 501/5.1.7", ""},
    {"the empty recipient", MAIL "RCPT TO:<>\r\n", R_MAIL " 501/5.1.3", ""},
};

static void check_talk(const char *name, const char *input, size_t size, size_t step,
                       const char *want, const char *seen)
{
    Talk talk;
    talk_begin(&talk);
    for (size_t at = 0; at < size; at += step)
        if (!lmtp_session_feed(talk.session, input + at, MIN(step, size - at)))
            break;
    g_autofree char *got = codes(talk.out);
    if (strcmp(got, want) != 0)
        fail_msg("%s (pieces of %zu): got \"%s\", want \"%s\"", name, step, got, want);
    if (strcmp(talk.seen->str, seen) != 0)
        fail_msg("%s (pieces of %zu): the house saw \"%s\", want \"%s\"", name, step,
                 talk.seen->str, seen);
    talk_end(&talk);
}

static void test_talks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(talks); i++) {
        size_t size = strlen(talks[i].input);
        check_talk(talks[i].name, talks[i].input, size, size, talks[i].want, talks[i].seen);
        for (size_t step = 1; step < 8; step++)
            check_talk(talks[i].name, talks[i].input, size, step, talks[i].want, talks[i].seen);
    }
}

static void test_lhlo_offers(void **state)
{
    (void)state;
    Talk talk;
    talk_begin(&talk);
    lmtp_session_feed(talk.session, HELLO, strlen(HELLO));
    assert_string_equal(
        talk.out->str,
        "220 mx.example.org LMTP rota\r\n250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
        "250-SMTPUTF8\r\n250-SIZE 64\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
    talk_end(&talk);
}

static void test_nul(void **state)
{
    (void)state;
    static const char command[] = "NO\0OP\r\nNOOP\r\n";
    check_talk("a NUL in a command", command, sizeof(command) - 1, 3, "220 500/5.5.2 250/2.0.0",
               "");

    static const char message[] = DATA "a\0b\r\n.\r\n";
    Talk talk;
    talk_begin(&talk);
    lmtp_session_feed(talk.session, message, sizeof(message) - 1);
    static const char want[] = SEEN "a\0b\r\n;";
    assert_int_equal(talk.seen->len, sizeof(want) - 1);
    assert_memory_equal(talk.seen->str, want, sizeof(want) - 1);
    talk_end(&talk);
}

static void test_long_lines(void **state)
{
    (void)state;
    g_autofree char *filler = g_strnfill(1000 * 1000, 'x');
    g_autofree char *input = g_strdup_printf("NOOP %s\r\nNOOP\r\n", filler);
    check_talk("a line of a million bytes", input, strlen(input), 777, "220 500/5.5.2 250/2.0.0",
               "");

    /* at the limit exactly, end of line included, and one more */
    g_autofree char *fits = g_strdup_printf("NOOP %.*s\r\n", LMTP_LINE_BYTES_MAX - 7, filler);
    check_talk("a line at the limit", fits, strlen(fits), 1000, "220 250/2.0.0", "");
    g_autofree char *over = g_strdup_printf("NOOP %.*s\r\n", LMTP_LINE_BYTES_MAX - 6, filler);
    check_talk("a line over the limit", over, strlen(over), 1000, "220 500/5.5.2", "");
}

static void test_limits(void **state)
{
    (void)state;
    Talk talk;
    talk_begin(&talk);
    unsigned errors = 0;
    while (lmtp_session_feed(talk.session, "WRONG\r\n", 7))
        assert_true(++errors <= LMTP_ERRORS_MAX);
    assert_int_equal(errors, LMTP_ERRORS_MAX);
    assert_true(g_str_has_suffix(talk.out->str, "leads nowhere\r\n"));
    assert_false(lmtp_session_feed(talk.session, "NOOP\r\n", 6));
    talk_end(&talk);

    talk_begin(&talk);
    unsigned idle = 0;
    while (lmtp_session_feed(talk.session, "RSET\r\n", 6))
        assert_true(++idle <= LMTP_IDLE_COMMANDS_MAX);
    assert_int_equal(idle, LMTP_IDLE_COMMANDS_MAX);
    talk_end(&talk);

    talk_begin(&talk);
    lmtp_session_feed(talk.session, MAIL, strlen(MAIL));
    for (unsigned i = 0; i < LMTP_RECIPIENTS_MAX; i++)
        assert_true(lmtp_session_feed(talk.session, "RCPT TO:<a@example.org>\r\n", 25));
    assert_true(g_str_has_suffix(talk.out->str, "250 2.1.5 Recipient accepted\r\n"));
    assert_true(lmtp_session_feed(talk.session, "RCPT TO:<a@example.org>\r\n", 25));
    assert_true(
        g_str_has_suffix(talk.out->str, "452 4.5.3 Too many recipients for one message\r\n"));
    talk_end(&talk);
}

static void test_endless_message(void **state)
{
    (void)state;
    Talk talk;
    talk_begin(&talk);
    g_autofree char *block = g_strnfill(1024 * 1024, 'x');
    assert_true(lmtp_session_feed(talk.session, DATA, strlen(DATA)));
    unsigned blocks = 0;
    while (lmtp_session_feed(talk.session, block, 1024 * 1024))
        assert_true(++blocks <= LMTP_DISCARD_BYTES_MAX / (1024 * 1024) + 1);
    assert_true(g_str_has_suffix(talk.out->str, "leads nowhere\r\n"));
    talk_end(&talk);
}

static void test_stop(void **state)
{
    (void)state;
    Talk talk;
    talk_begin(&talk);
    assert_true(lmtp_session_idle(talk.session));
    lmtp_session_feed(talk.session, MAIL, strlen(MAIL));
    assert_false(lmtp_session_idle(talk.session));
    lmtp_session_stop(talk.session, LMTP_STOP_SHUTDOWN);
    assert_true(
        g_str_has_suffix(talk.out->str, "421 4.3.2 This server is stopping; try again\r\n"));
    assert_false(lmtp_session_feed(talk.session, "NOOP\r\n", 6));
    talk_end(&talk);
}

static void test_paths(void **state)
{
    (void)state;
    g_autofree char *long_local = g_strnfill(ADDRESS_BYTES_MAX + 1, 'a');
    g_autofree char *too_long = g_strdup_printf("TO:<%s>", long_local);
    const struct {
        const char *text;
        LmtpPathResult want;
        const char *address;
    } rows[] = {
        {"TO:<a@example.org>", LMTP_PATH_OK, "a@example.org"},
        {"to:  <a@example.org>", LMTP_PATH_OK, "a@example.org"},
        {"TO:<@x.example,@y.example:a@example.org>", LMTP_PATH_OK, "a@example.org"},
        {"TO:<\"a>b\"@example.org>", LMTP_PATH_OK, "\"a>b\"@example.org"},
        {"TO:<\"a\\\">b\"@example.org> SIZE=1", LMTP_PATH_OK, "\"a\\\">b\"@example.org"},
        {"TO:<>", LMTP_PATH_OK, ""},
        {"TO:<a@example.org", LMTP_PATH_SYNTAX, NULL},
        {"TO:<\"a>@example.org", LMTP_PATH_SYNTAX, NULL},
        {"TO:<@x.example>", LMTP_PATH_SYNTAX, NULL},
        {"TO:<a@example.org>SIZE=1", LMTP_PATH_SYNTAX, NULL},
        {"TO:<a\t@example.org>", LMTP_PATH_SYNTAX, NULL},
        {"FROM:<a@example.org>", LMTP_PATH_SYNTAX, NULL},
        {"TO", LMTP_PATH_SYNTAX, NULL},
        {"", LMTP_PATH_SYNTAX, NULL},
        {"TO:<a@example.org> SIZE=", LMTP_PATH_BAD_PARAM, NULL},
        {"TO:<a@example.org> SIZE=1 SIZE=1", LMTP_PATH_BAD_PARAM, NULL},
        {"TO:<a@example.org> SIZE=-1", LMTP_PATH_BAD_PARAM, NULL},
        {"TO:<a@example.org> SIZE=123456789012345678901", LMTP_PATH_BAD_PARAM, NULL},
        {"TO:<a@example.org> BODY=BINARYMIME", LMTP_PATH_BAD_PARAM, NULL},
        {"TO:<a@example.org> SMTPUTF8=1", LMTP_PATH_UNKNOWN_PARAM, NULL},
        {too_long, LMTP_PATH_TOO_LONG, NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(LmtpPath) path = {.size = -1};
        LmtpPathResult got = lmtp_path_parse(rows[i].text, "TO:", &path);
        if (got != rows[i].want)
            fail_msg("\"%s\": got %d, want %d", rows[i].text, (int)got, (int)rows[i].want);
        if (rows[i].address)
            assert_string_equal(path.address, rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_lhlo_offers),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_endless_message),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests_name("lmtp", tests, NULL, NULL);
}
