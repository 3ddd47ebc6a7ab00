/* itip_out_test: what a change of a calendar sends, to whom, as RFC 5546 section 4 and RFC 6638
 * section 3.2 have it; and what it does not.
 */
#include "itip_test.h"

#define A "ada@example.com"
#define B "bob@example.com"
#define C "cleo@example.com"
#define D "dora@example.org"

#define STAMP    "DTSTAMP:20260101T000000Z\r\n"
#define UID      "UID:m@example.com\r\n" STAMP
#define ORG      "ORGANIZER;CN=Ada:mailto:" A "\r\n"
#define OWN      "ATTENDEE;PARTSTAT=ACCEPTED:mailto:" A "\r\n"
#define BOB      "ATTENDEE;PARTSTAT=NEEDS-ACTION;SCHEDULE-STATUS=1.1:mailto:" B "\r\n"
#define CLEO     "ATTENDEE:mailto:" C "\r\n"
#define LATER    "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:" D "\r\n"
#define NINE     "DTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\n"
#define TEN      "DTSTART:20260301T100000Z\r\nDTEND:20260301T110000Z\r\n"
#define SEQ(n)   "SEQUENCE:" #n "\r\n"
#define CALLED   "SUMMARY:Plan\r\n"
#define ALARM    "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
#define WEEKLY   "RRULE:FREQ=WEEKLY;COUNT=9\r\n"
#define THIRD    "RECURRENCE-ID:20260315T090000Z\r\n"
#define THIRD_AT "DTSTART:20260315T090000Z\r\nDTEND:20260315T100000Z\r\n"
#define MINE     UID ORG OWN CALLED
#define SAYS(x)  "ATTENDEE;RSVP=TRUE;PARTSTAT=" x ":mailto:" B "\r\n"
#define THEIRS   UID ORG OWN CALLED SEQ(3)

#define ONE(x) OBJECT(EVENT(x))

/* Each message is "METHOD SEQUENCE RECURRENCE to address,address"; then '|' and the next. */
typedef struct {
    const char *what, *own, *before, *after, *want;
    const char *has; /* in the first message, as check_text has it */
} Case;

static const Case cases[] = {
    {"4.2.1 new", A, NULL, ONE(MINE BOB CLEO LATER SEQ(0) NINE ALARM "X-MOZ-GENERATION:1\r\n"),
     "REQUEST 0  to " B "," C,
     "METHOD:REQUEST|!VALARM|!X-MOZ|!SCHEDULE-STATUS|DTSTAMP:20260201T000000Z|!20260101T|"
     "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:" B},
    {"no attendees", A, NULL, ONE(MINE NINE), "", ""},
    {"no organizer", A, NULL, ONE(UID BOB CALLED NINE), "", ""},
    {"nothing changed", A, ONE(MINE BOB SEQ(0) NINE), ONE(MINE BOB SEQ(0) NINE), "", ""},
    {"an alarm and marks are nobody else's", A, ONE(MINE BOB SEQ(0) NINE),
     ONE(MINE BOB SEQ(0) NINE ALARM "X-MOZ-LASTACK:20260101T000000Z\r\n"), "", ""},
    {"an answer that came in is not sent around", A, ONE(MINE BOB CLEO SEQ(0) NINE),
     ONE(MINE SAYS("ACCEPTED") CLEO SEQ(0) NINE), "", ""},
    {"4.2.3 moved", A, ONE(MINE BOB CLEO SEQ(0) NINE), ONE(MINE BOB CLEO SEQ(1) TEN),
     "REQUEST 1  to " B "," C, "SEQUENCE:1|T100000Z"},
    {"moved, and the client forgot SEQUENCE", A, ONE(MINE BOB SEQ(4) NINE),
     ONE(MINE BOB SEQ(4) TEN), "REQUEST 5  to " B, "SEQUENCE:5"},
    {"another text needs none", A, ONE(MINE BOB SEQ(4) NINE),
     ONE(MINE BOB SEQ(4) NINE "LOCATION:Here\r\n"), "REQUEST 4  to " B, "LOCATION:Here"},
    {"4.2.10 one is removed", A, ONE(MINE BOB CLEO SEQ(0) NINE), ONE(MINE CLEO SEQ(1) NINE),
     "CANCEL 1  to " B "|REQUEST 1  to " C, "METHOD:CANCEL|!STATUS|!" C "|mailto:" B},
    {"one is added", A, ONE(MINE BOB SEQ(0) NINE), ONE(MINE BOB CLEO SEQ(1) NINE),
     "REQUEST 1  to " B "," C, ""},
    {"4.2.9 cancelled", A, ONE(MINE BOB CLEO SEQ(0) NINE),
     ONE(MINE BOB CLEO SEQ(1) NINE "STATUS:CANCELLED\r\n"), "CANCEL 1  to " B "," C,
     "STATUS:CANCELLED|METHOD:CANCEL"},
    {"cancelled, then deleted", A, ONE(MINE BOB SEQ(1) NINE "STATUS:CANCELLED\r\n"), NULL, "", ""},
    {"4.2.9 deleted", A, ONE(MINE BOB CLEO SEQ(1) NINE WEEKLY), NULL, "CANCEL 2  to " B "," C,
     "STATUS:CANCELLED|!RRULE"},
    {"4.4.2 an instance is moved", A, ONE(MINE BOB SEQ(1) NINE WEEKLY),
     OBJECT(EVENT(MINE BOB SEQ(1) NINE WEEKLY) EVENT(MINE BOB SEQ(2) THIRD TEN)),
     "REQUEST 2 20260315T090000Z to " B, "RECURRENCE-ID|!RRULE"},
    {"4.4.3 an instance is cancelled", A, ONE(MINE BOB SEQ(1) NINE WEEKLY),
     OBJECT(EVENT(MINE BOB SEQ(1) NINE WEEKLY)
                EVENT(MINE BOB SEQ(2) THIRD THIRD_AT "STATUS:CANCELLED\r\n")),
     "CANCEL 2 20260315T090000Z to " B, "RECURRENCE-ID|STATUS:CANCELLED"},
    {"an instance without one of them", A, ONE(MINE BOB CLEO SEQ(1) NINE WEEKLY),
     OBJECT(EVENT(MINE BOB CLEO SEQ(1) NINE WEEKLY) EVENT(MINE CLEO SEQ(2) THIRD THIRD_AT)),
     "CANCEL 2 20260315T090000Z to " B "|REQUEST 2 20260315T090000Z to " C,
     "METHOD:CANCEL|mailto:" B},
    {"4.4.6 an instance more, with one more in it", A, ONE(MINE BOB SEQ(1) NINE WEEKLY),
     OBJECT(EVENT(MINE BOB SEQ(2) NINE WEEKLY "RDATE:20260601T090000Z\r\n")
                EVENT(MINE BOB CLEO SEQ(2) THIRD THIRD_AT)),
     "REQUEST 2  to " B "|REQUEST 2 20260315T090000Z to " C, "RDATE|RECURRENCE-ID"},
    {"a to-do", A, NULL, OBJECT(TASK_OF(MINE BOB SEQ(0) "DUE:20260301T090000Z\r\n")),
     "REQUEST 0  to " B, "BEGIN:VTODO"},

    {"4.2.2 accepted", B, ONE(THEIRS SAYS("NEEDS-ACTION") NINE), ONE(THEIRS SAYS("ACCEPTED") NINE),
     "REPLY 3  to " A,
     "METHOD:REPLY|ATTENDEE;PARTSTAT=ACCEPTED:mailto:" B "|SEQUENCE:3|REQUEST-STATUS:2.0;Success"
     "|!PARTSTAT=ACCEPTED:mailto:" A},
    {"accepted at once", B, NULL, ONE(THEIRS SAYS("ACCEPTED") NINE), "REPLY 3  to " A, ""},
    {"added, not answered", B, NULL, ONE(THEIRS SAYS("NEEDS-ACTION") NINE), "", ""},
    {"an alarm", B, ONE(THEIRS SAYS("ACCEPTED") NINE), ONE(THEIRS SAYS("ACCEPTED") NINE ALARM), "",
     ""},
    {"the client answers by itself", B,
     ONE(UID "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:" A "\r\n" SAYS("NEEDS-ACTION") NINE),
     ONE(UID "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:" A "\r\n" SAYS("ACCEPTED") NINE), "", ""},
    {"4.4.2 one instance", B, ONE(THEIRS SAYS("ACCEPTED") NINE WEEKLY),
     OBJECT(EVENT(THEIRS SAYS("ACCEPTED") NINE WEEKLY)
                EVENT(THEIRS SAYS("DECLINED") THIRD THIRD_AT)),
     "REPLY 3 20260315T090000Z to " A, "PARTSTAT=DECLINED|RECURRENCE-ID"},
    {"an instance is taken out", B, ONE(THEIRS SAYS("ACCEPTED") NINE WEEKLY),
     ONE(THEIRS SAYS("ACCEPTED") NINE WEEKLY "EXDATE:20260315T090000Z\r\n"),
     "REPLY 3 20260315T090000Z to " A, "PARTSTAT=DECLINED|RECURRENCE-ID:20260315T090000Z"},
    {"deleted", B, ONE(THEIRS SAYS("ACCEPTED") NINE), NULL, "REPLY 3  to " A, "PARTSTAT=DECLINED"},
    {"deleted after it was declined", B, ONE(THEIRS SAYS("DECLINED") NINE), NULL, "", ""},
    {"deleted after it was cancelled", B, ONE(THEIRS SAYS("ACCEPTED") NINE "STATUS:CANCELLED\r\n"),
     NULL, "", ""},
    {"4.2.4 other times are a proposal", B, ONE(THEIRS SAYS("ACCEPTED") NINE),
     ONE(THEIRS SAYS("ACCEPTED") TEN), "COUNTER 3  to " A, "METHOD:COUNTER|T100000Z"},
    {"4.2.5 delegated", B, ONE(THEIRS SAYS("NEEDS-ACTION") NINE),
     ONE(THEIRS "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:" D "\":mailto:" B "\r\n" NINE),
     "REQUEST 3  to " D "|REPLY 3  to " A,
     "METHOD:REQUEST|DELEGATED-FROM=\"mailto:" B "\":mailto:" D},
    {"we are not in it", B, NULL, ONE(THEIRS CLEO NINE), "", ""},
};

static char *tell(const GPtrArray *messages)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < messages->len; i++) {
        const ItipMessage *message = messages->pdata[i];
        g_string_append_printf(text, "%s%s %d %s to ", i ? "|" : "",
                               itip_method_name(message->method), (int)message->sequence,
                               message->recurrence);
        for (guint k = 0; k < message->recipients->len; k++)
            g_string_append_printf(text, "%s%s", k ? "," : "",
                                   (const char *)message->recipients->pdata[k]);
    }
    return g_string_free(text, FALSE);
}

static void changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        g_autoptr(ItipObject) before = c->before ? object_of(c->what, c->before) : NULL;
        g_autoptr(ItipObject) after = c->after ? object_of(c->what, c->after) : NULL;
        ItipChange change = {before, after, {&c->own, 1}, 1769904000};
        g_autoptr(GPtrArray) messages = itip_changes(&change);
        g_autofree char *got = tell(messages);
        if (strcmp(got, c->want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", c->what, got, c->want);
        if (!messages->len)
            continue;
        const ItipMessage *first = messages->pdata[0];
        if (strcmp(first->from, c->own) != 0)
            fail_msg("%s: got it from %s, want %s", c->what, first->from, c->own);
        g_autofree char *text = unfolded(first->calendar);
        check_text(c->what, text, c->has);
        gsize size;
        const char *data = g_bytes_get_data(first->calendar, &size);
        g_autoptr(GError) error = NULL;
        g_autoptr(ItipObject) read = itip_object_parse(data, size, NULL, &error);
        if (!read)
            fail_msg("%s: what is sent cannot be read: %s\n%s", c->what, error->message, text);
        g_autofree char *recurrence = itip_object_recurrence(read);
        assert_string_equal(recurrence, first->recurrence);
        assert_int_equal(itip_method_of_name(itip_object_facts(read)->method), first->method);
    }
}

#define SERIES                                                                                     \
    OBJECT(EVENT(MINE BOB CLEO SEQ(1) NINE WEEKLY "RDATE:20260601T090000Z\r\n" ALARM)              \
               EVENT(MINE CLEO SEQ(2) THIRD THIRD_AT))
#define INVITED ONE(THEIRS SAYS("ACCEPTED") NINE WEEKLY)

/* What is wished, and what comes of it: as Case, or the reason why not. */
typedef struct {
    const char *what, *own, *object;
    ItipMethod method;
    const char *recurrence, *to, *want, *has;
} Wished;

static const Wished wishes[] = {
    {"4.1.1 published", A, SERIES, ITIP_PUBLISH, "", D, "PUBLISH 1  to " D,
     "METHOD:PUBLISH|RRULE|ORGANIZER;CN=Ada:mailto:" A "|!ATTENDEE|!VALARM|RECURRENCE-ID"},
    {"one instance of it", A, SERIES, ITIP_PUBLISH, "20260315T090000Z", D,
     "PUBLISH 2 20260315T090000Z to " D, "RECURRENCE-ID|!RRULE|!ATTENDEE"},
    {"4.1.4 what has no people", A, ONE(UID CALLED NINE), ITIP_PUBLISH, "", D, "PUBLISH 0  to " D,
     "ORGANIZER:mailto:" A},
    {"published to nobody", A, SERIES, ITIP_PUBLISH, "", NULL, "!needs somebody", ""},
    {"what is another's", B, INVITED, ITIP_PUBLISH, "", D, "!the organizer is " A, ""},
    {"4.4.8 all that he is in", A, SERIES, ITIP_REQUEST, "", B, "REQUEST 1  to " B,
     "METHOD:REQUEST|RRULE|!RECURRENCE-ID|!VALARM"},
    {"to who is not invited", A, SERIES, ITIP_REQUEST, "", D, "!" D " is not among", ""},
    {"4.4.6 an RDATE", A, SERIES, ITIP_ADD, "20260601T090000Z", NULL, "ADD 1  to " B "," C,
     "METHOD:ADD|DTSTART:20260601T090000Z|DURATION|!RECURRENCE-ID|!RRULE"
     "|!RDATE|!VALARM"},
    {"an override", A, SERIES, ITIP_ADD, "20260315T090000Z", NULL, "ADD 2 20260315T090000Z to " C,
     "DTSTART:20260315T090000Z|!RECURRENCE-ID"},
    {"what the rule has", A, SERIES, ITIP_ADD, "20260308T090000Z", NULL, "!no RDATE or override",
     ""},
    {"nothing in particular", A, SERIES, ITIP_ADD, "", NULL, "!no RDATE or override", ""},
    {"4.7.1 a refresh", B, INVITED, ITIP_REFRESH, "", NULL, "REFRESH 3  to " A,
     "METHOD:REFRESH|ATTENDEE;RSVP=TRUE;PARTSTAT=ACCEPTED:mailto:" B
     "|!SEQUENCE|!DTSTART|!SUMMARY|DTSTAMP:20260201T000000Z"},
    {"a refresh of what is ours", A, SERIES, ITIP_REFRESH, "", NULL, "!a REFRESH is an attendee's",
     ""},
    {"4.2.4 declined", A, SERIES, ITIP_DECLINECOUNTER, "", B, "DECLINECOUNTER 1  to " B,
     "METHOD:DECLINECOUNTER|SEQUENCE:1|mailto:" B "|COMMENT:No\\, thanks|!DTSTART|!mailto:" C},
    {"4.4.9 of an instance", A, SERIES, ITIP_DECLINECOUNTER, "20260315T090000Z", C,
     "DECLINECOUNTER 2 20260315T090000Z to " C, "RECURRENCE-ID:20260315T090000Z"},
    {"of one that the series has", A, SERIES, ITIP_DECLINECOUNTER, "20260308T090000Z", B,
     "DECLINECOUNTER 1 20260308T090000Z to " B, "RECURRENCE-ID:20260308T090000Z"},
    {"of what is no instance", A, SERIES, ITIP_DECLINECOUNTER, "20261308T090000Z", B,
     "!names no instance", ""},
    {"declined to all", A, SERIES, ITIP_DECLINECOUNTER, "", NULL, "!to one attendee", ""},
    {"a reply is no wish", B, INVITED, ITIP_REPLY, "", A, "!by a change of the calendar", ""},
    {"to what is no address", A, SERIES, ITIP_PUBLISH, "", "x y", "!is no address", ""},
};

static void check_wish(const Wished *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ItipObject) object = object_of(c->what, c->object);
    const char *const to[] = {c->to, NULL};
    ItipWish wish = {.object = object,
                     .method = c->method,
                     .recurrence = c->recurrence,
                     .recipients = to,
                     .comment = "No\\, thanks",
                     .own = {&c->own, 1},
                     .now = 1769904000};
    g_autoptr(GPtrArray) messages =
        g_ptr_array_new_with_free_func((GDestroyNotify)itip_message_free);
    ItipMessage *message = itip_wish(&wish, &error);
    if (c->want[0] == '!') {
        if (message || !strstr(error->message, c->want + 1))
            fail_msg("%s: got %s, want \"%s\"", c->what, error ? error->message : "a message",
                     c->want + 1);
        return;
    }
    if (!message) {
        fail_msg("%s: %s", c->what, error->message);
        return;
    }
    g_ptr_array_add(messages, message);
    g_autofree char *got = tell(messages), *text = unfolded(message->calendar);
    if (strcmp(got, c->want) != 0 || strcmp(message->from, c->own) != 0)
        fail_msg("%s: got \"%s\" from %s, want \"%s\"", c->what, got, message->from, c->want);
    check_text(c->what, text, c->has);
    g_autoptr(ItipObject) read = object_of(c->what, text);
    assert_non_null(read);
}

static void wished(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++)
        check_wish(&wishes[i]);
}

static void noted(void **state)
{
    (void)state;
    g_autoptr(ItipObject) object = object_of("noted", ONE(MINE BOB CLEO SEQ(1) NINE ALARM));
    assert_null(itip_note_status(object, D, "5.1"));
    g_autoptr(GBytes) bytes = itip_note_status(object, B, "5.1");
    g_autofree char *text = unfolded(bytes);
    check_text("noted", text,
               "ATTENDEE;PARTSTAT=NEEDS-ACTION;SCHEDULE-STATUS=5.1:mailto:" B "|ATTENDEE:mailto:" C
               "|VALARM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes), cmocka_unit_test(wished),
                                       cmocka_unit_test(noted)};
    return cmocka_run_group_tests_name("itip_out", tests, NULL, NULL);
}
