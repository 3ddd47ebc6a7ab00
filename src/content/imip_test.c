/* imip_test: a mail that carries an invitation is read again as what it was; what people wrote
 * cannot become a header; which part of a mail is the invitation.
 */
#include "itip_test.h"

#include "content/imip.h"
#include "content/message.h"

#define PLAN                                                                                       \
    "UID:m@example.com\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260301T090000"  \
    "\r\nDURATION:PT1H\r\nORGANIZER;CN=Ada:mailto:ada@example.com\r\n"                             \
    "ATTENDEE;CN=\"Bob <b> & co\":mailto:bob@example.com\r\nLOCATION:Room <3>\r\n"

static GBytes *mail_of(const char *text, const char *from_name)
{
    g_autoptr(ItipObject) object = object_of("mail", text);
    g_autoptr(GBytes) calendar = g_bytes_new(text, strlen(text));
    ImipMail mail = {.method = ITIP_REQUEST,
                     .from = "ada@example.com",
                     .from_name = from_name,
                     .to = "bob@example.com",
                     .message_id = "1@rota",
                     .date = 1769904000,
                     .object = object,
                     .calendar = calendar};
    return imip_format(&mail);
}

static void there_and_back(void **state)
{
    static const struct {
        const char *summary, *name, *subject;
    } cases[] = {
        {"Plan", "Ada", "Invitation: Plan"},
        {"", "", "Invitation: (no title)"},
        {"Müsli für Zoë — すごい 会議 と 長い 題名 が ある の で 折り返す こと",
         "Ådå, \"the\" boss",
         "Invitation: Müsli für Zoë — すごい 会議 と 長い 題名 が ある の で 折り返す こと"},
        {"two\\nlines\\nBcc: x@example.org", "a\r\nBcc: y@example.org",
         "Invitation: two lines Bcc: x@example.org"},
        {"=?utf-8?q?no?=", "A.B", "Invitation: =?utf-8?q?no?="},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf(MESSAGE("REQUEST", EVENT(PLAN "SUMMARY:%s\r\n")), cases[i].summary);
        g_autoptr(GBytes) mail = mail_of(text, cases[i].name);
        gsize size, calendar_size;
        const char *bytes = g_bytes_get_data(mail, &size);
        g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
        assert_string_equal(message->subject, cases[i].subject);
        assert_int_equal(message->defects->len, 0);
        assert_int_equal(message->from->len, 1);
        assert_string_equal(g_array_index(message->from, MessageAddress, 0).address,
                            "ada@example.com");
        assert_int_equal(message->bcc->len, 0);
        assert_string_equal(message->message_id, "1@rota");
        assert_int_equal(message->date_ms, 1769904000000);
        assert_string_equal(message->calendar_method, "REQUEST");
        const char *calendar = g_bytes_get_data(message->calendar, &calendar_size);
        g_autofree char *unix_text = g_strndup(calendar, calendar_size);
        g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
        g_autofree char *want = g_strjoinv("\n", lines);
        assert_string_equal(unix_text, want);
        check_text(cases[i].summary, message->text->str,
                   "When: Sunday 1 Mar 2026 09:00 to Sunday 1 Mar 2026 10:00 (Europe/Berlin)|"
                   "Where: Room <3>|Attendees: Bob <b> & co");
        for (gsize k = 0; k < size; k++)
            assert_true((guchar)bytes[k] < 128);
    }
}

#define PART(type, text) "--b\r\nContent-Type: " type "\r\n\r\n" text "\r\n"
#define MAIL(parts)                                                                                \
    "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" parts "--b--\r\n"

static void which_part(void **state)
{
    static const struct {
        const char *what, *mail, *calendar, *method;
    } cases[] = {
        {"none", MAIL(PART("text/plain", "x")), NULL, ""},
        {"the whole mail", "Content-Type: text/calendar; method=REPLY\r\n\r\nX", "X", "REPLY"},
        {"one without a method", MAIL(PART("text/calendar", "one")), "one", ""},
        {"the one with a method",
         MAIL(PART("text/calendar", "one") PART("text/calendar; method=request", "two")
                  PART("text/calendar; method=CANCEL", "3")),
         "two", "request"},
        {"an attached mail's is not this mail's",
         MAIL(PART("message/rfc822", "Content-Type: text/calendar; method=REQUEST\r\n\r\nX")), NULL,
         ""},
        {"a file", MAIL(PART("application/ics; name=invite.ics", "X")), NULL, ""},
        {"base64 and latin",
         MAIL("--b\r\nContent-Type: text/calendar; charset=iso-8859-1\r\n"
              "Content-Transfer-Encoding: base64\r\n\r\n5A==\r\n"),
         "ä", ""},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Message) message =
            message_parse(cases[i].mail, strlen(cases[i].mail), MESSAGE_FULL);
        gsize size = 0;
        const char *data = message->calendar ? g_bytes_get_data(message->calendar, &size) : NULL;
        g_autofree char *got = data ? g_strndup(data, size) : NULL;
        if (g_strcmp0(got, cases[i].calendar) != 0 ||
            strcmp(message->calendar_method, cases[i].method) != 0)
            fail_msg("%s: got \"%s\" %s, want \"%s\" %s", cases[i].what, got ? got : "",
                     message->calendar_method, cases[i].calendar ? cases[i].calendar : "",
                     cases[i].method);
    }
}

static int prepare(void **state)
{
    (void)state;
    message_library_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
                                       cmocka_unit_test(which_part)};
    return cmocka_run_group_tests_name("imip", tests, prepare, NULL);
}
