/* itip_test: messages that come, one after the other, as the examples of RFC 5546 section 4 tell
 * them in our own words; then what may not be done by whom.
 *
 * A scene is one account's calendar; what a step stores is there for the next.
 */
#include "itip_test.h"

#include "base/error.h"

#define A "ada@example.com"
#define B "bob@example.com"
#define C "cleo@example.com"
#define E "eve@example.org"

#define UID(x)         "UID:" x "@example.com\r\n"
#define ORG            "ORGANIZER:mailto:" A "\r\n"
#define OWN            "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:" A "\r\n"
#define BOB            "ATTENDEE;RSVP=TRUE:mailto:" B "\r\n"
#define CLEO           "ATTENDEE;RSVP=TRUE;CN=\"Cleo, the 3rd\":MAILTO:Cleo@Example.COM\r\n"
#define SEQ(n)         "SEQUENCE:" #n "\r\n"
#define AT(n)          "DTSTAMP:1997061" #n "T190000Z\r\n"
#define NINE           "DTSTART:19970701T090000Z\r\nDTEND:19970701T100000Z\r\n"
#define TEN            "DTSTART:19970701T100000Z\r\nDTEND:19970701T110000Z\r\n"
#define CALLED         "SUMMARY:Phone conference\r\n"
#define WEEKLY         "RRULE:FREQ=WEEKLY;COUNT=10\r\n"
#define THIRD          "RECURRENCE-ID:19970715T090000Z\r\n"
#define ANSWER(x, who) "ATTENDEE;PARTSTAT=" x ":mailto:" who "\r\n"
#define MEETING        UID("meeting") ORG OWN BOB CLEO CALLED

typedef struct {
    const char *what, *sender, *message;
    ItipOutcome outcome;
    const char *wanted; /* in what the calendar has then; "" and nothing stored: nothing */
} Step;

typedef struct {
    const char *name, *own, *before; /* before: what the calendar has, NULL nothing */
    const Step *steps;
    unsigned count;
} Scene;

static ItipAsk ask_of(const ItipOwn *own, const char *sender)
{
    return (ItipAsk){.own = *own, .sender = sender, .method = "", .auto_add = true};
}

/* What is taken from a message that was added is what its object says. */
static void check_added(const char *what, ItipObject *message, GBytes *object, const ItipOwn *own)
{
    gsize size;
    const char *data = g_bytes_get_data(object, &size);
    g_autoptr(Icalendar) read = icalendar_parse(data, size, NULL, NULL);
    g_autoptr(Icalendar) taken = itip_object_take_added(message, own);
    assert_string_equal(taken->method, read->method);
    assert_string_equal(taken->uid, read->uid);
    assert_int_equal(taken->items->len, read->items->len);
    for (guint i = 0; i < read->items->len; i++) {
        const IcalendarItem *got = taken->items->pdata[i], *want = read->items->pdata[i];
        if (got->start.wall != want->start.wall || got->alarms->len != want->alarms->len ||
            got->attendees->len != want->attendees->len || got->rules->len != want->rules->len)
            fail_msg("%s: what is taken is not what is stored", what);
        for (guint k = 0; k < want->attendees->len; k++)
            assert_string_equal(((IcalendarAttendee *)got->attendees->pdata[k])->status,
                                ((IcalendarAttendee *)want->attendees->pdata[k])->status);
    }
}

static void play(const Scene *scene)
{
    g_autofree char *stored = g_strdup(scene->before);
    const ItipOwn own = {&scene->own, 1};
    for (unsigned i = 0; i < scene->count; i++) {
        const Step *step = &scene->steps[i];
        g_autofree char *what = g_strdup_printf("%s: %s", scene->name, step->what);
        g_autoptr(ItipObject) message = object_of(what, step->message);
        g_autoptr(ItipObject) had = stored ? object_of(what, stored) : NULL;
        ItipAsk ask = ask_of(&own, step->sender);
        g_autoptr(ItipDecision) decision = itip_decide(message, had, &ask);
        if (decision->outcome != step->outcome)
            fail_msg("%s: got %s (%s), want %s", what, itip_outcome_name(decision->outcome),
                     decision->why, itip_outcome_name(step->outcome));
        if (step->outcome == ITIP_ADDED)
            check_added(what, message, decision->object, &own);
        bool changes = step->outcome <= ITIP_ANSWERED;
        if (changes != (decision->object != NULL))
            fail_msg("%s: it %s", what, changes ? "changes nothing" : "changes the calendar");
        if (changes) {
            gsize size;
            const char *data = g_bytes_get_data(decision->object, &size);
            g_free(stored);
            stored = g_strndup(data, size);
            g_autoptr(GError) error = NULL;
            g_autoptr(Icalendar) facts = icalendar_parse(stored, size, NULL, &error);
            if (!facts || !icalendar_is_storable(facts, &error))
                fail_msg("%s: not storable: %s\n%s", what, error->message, stored);
        }
        g_autoptr(GBytes) bytes = g_bytes_new(stored ? stored : "", stored ? strlen(stored) : 0);
        g_autofree char *text = unfolded(bytes);
        check_text(what, text, step->wanted);
    }
}

#define REQUEST(x)    MESSAGE("REQUEST", EVENT(x))
#define FIRST_REQUEST REQUEST(MEETING SEQ(0) AT(1) NINE "X-UNKNOWN;P=1:kept  as\r\n  it is\r\n")

static const Step group[] = {
    {"4.2.1 a request is added, to be answered", A, FIRST_REQUEST, ITIP_ADDED,
     "!METHOD|RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:" B "|DTSTART:19970701T090000Z|"
     "X-UNKNOWN;P=1:kept  as it is|ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:" A},
    {"the same again", A, FIRST_REQUEST, ITIP_IGNORED, "SEQUENCE:0"},
    {"4.2.3 an update", A, REQUEST(MEETING SEQ(1) AT(2) TEN), ITIP_UPDATED,
     "SEQUENCE:1|DTSTART:19970701T100000Z|!X-UNKNOWN"},
    {"an older one comes late", A, FIRST_REQUEST, ITIP_IGNORED, "SEQUENCE:1"},
    {"the same SEQUENCE, later", A, REQUEST(MEETING SEQ(1) AT(3) TEN "LOCATION:Room 3\r\n"),
     ITIP_UPDATED, "LOCATION:Room 3"},
    {"from somebody else", E, REQUEST(MEETING SEQ(9) AT(9) TEN "LOCATION:Cellar\r\n"), ITIP_REFUSED,
     "LOCATION:Room 3|!Cellar"},
    {"4.2.11 a new organizer, from himself", C,
     REQUEST(UID("meeting") "ORGANIZER:mailto:" C "\r\n" BOB CLEO CALLED SEQ(5) AT(4) TEN),
     ITIP_REFUSED, "ORGANIZER:mailto:" A},
    {"4.2.11 a new organizer, from the old", A,
     REQUEST(UID("meeting") "ORGANIZER:mailto:" C "\r\n" BOB CLEO CALLED SEQ(2) AT(4) TEN),
     ITIP_UPDATED, "ORGANIZER:mailto:" C},
    {"DECLINECOUNTER", C, MESSAGE("DECLINECOUNTER", EVENT(MEETING SEQ(2) AT(4) TEN)), ITIP_NOTED,
     "SEQUENCE:2"},
    {"a forged CANCEL", E, MESSAGE("CANCEL", EVENT(MEETING SEQ(3) AT(5) "STATUS:CANCELLED\r\n")),
     ITIP_REFUSED, "!CANCELLED"},
    {"the old organizer's CANCEL", A,
     MESSAGE("CANCEL", EVENT(MEETING SEQ(3) AT(5) "STATUS:CANCELLED\r\n")), ITIP_REFUSED,
     "!CANCELLED"},
    {"4.2.10 others are removed", C,
     MESSAGE("CANCEL", EVENT(UID("meeting") "ORGANIZER:mailto:" C "\r\n" CLEO SEQ(3) AT(5))),
     ITIP_IGNORED, "!CANCELLED"},
    {"4.2.8 forwarded by an attendee, to whom nobody invited", B,
     REQUEST(UID("meeting") "ORGANIZER:mailto:" C "\r\n" CLEO SEQ(3) AT(5) TEN), ITIP_REFUSED,
     "SEQUENCE:2"},
    {"4.2.9 cancelled", C,
     MESSAGE("CANCEL", EVENT(UID("meeting") "ORGANIZER:mailto:" C "\r\n" BOB SEQ(3)
                                 AT(5) "STATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "STATUS:CANCELLED|SEQUENCE:3|DTSTART:19970701T100000Z"},
    {"cancelled again", C,
     MESSAGE("CANCEL", EVENT(UID("meeting") "ORGANIZER:mailto:" C "\r\n" BOB SEQ(3)
                                 AT(5) "STATUS:CANCELLED\r\n")),
     ITIP_IGNORED, "STATUS:CANCELLED"},
};

#define OWN_EVENT                                                                                  \
    OBJECT(EVENT(MEETING SEQ(2) AT(1) NINE "BEGIN:VALARM\r\nACTION:DISPLAY\r\n"                    \
                                           "TRIGGER:-PT5M\r\nDESCRIPTION:now\r\nEND:VALARM\r\n"))
#define REPLY(x) MESSAGE("REPLY", EVENT(UID("meeting") ORG x))

static const Step answers[] = {
    {"4.2.2 an answer", B,
     REPLY(ANSWER("ACCEPTED", B) SEQ(2) AT(2) "REQUEST-STATUS:2.0;Success\r\n"), ITIP_ANSWERED,
     "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:" B "|TRIGGER:-PT5M|"
     "CN=\"Cleo, the 3rd\":MAILTO:Cleo@Example.COM"},
    {"an answer to an older version", B, REPLY(ANSWER("DECLINED", B) SEQ(1) AT(3)), ITIP_IGNORED,
     "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:" B},
    {"somebody answers for another", E, REPLY(ANSWER("DECLINED", C) SEQ(2) AT(3)), ITIP_REFUSED,
     "!DECLINED"},
    {"an attendee answers for another", B, REPLY(ANSWER("DECLINED", C) SEQ(2) AT(3)), ITIP_REFUSED,
     "!DECLINED"},
    {"who is not invited", E, REPLY(ANSWER("ACCEPTED", E) SEQ(2) AT(3)), ITIP_REFUSED, "!" E},
    {"two answers in one", B, REPLY(ANSWER("DECLINED", B) ANSWER("DECLINED", C) SEQ(2) AT(3)),
     ITIP_REFUSED, "!DECLINED"},
    {"no answer in it", B, REPLY("ATTENDEE:mailto:" B "\r\n" SEQ(2) AT(3)), ITIP_REFUSED, ""},
    {"4.2.4 a counter", C, MESSAGE("COUNTER", EVENT(MEETING SEQ(2) AT(3) TEN)), ITIP_NOTED,
     "DTSTART:19970701T090000Z"},
    {"a counter of nobody's", E, MESSAGE("COUNTER", EVENT(MEETING SEQ(2) AT(3) TEN)), ITIP_REFUSED,
     "DTSTART:19970701T090000Z"},
    {"4.2.5 delegated", C,
     REPLY("ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:" E "\":mailto:" C "\r\n" SEQ(2)
               AT(3)),
     ITIP_ANSWERED, "PARTSTAT=DELEGATED|DELEGATED-FROM=\"mailto:" C "\":mailto:" E},
    {"4.2.6 the delegate accepts", E,
     REPLY("ATTENDEE;PARTSTAT=ACCEPTED;DELEGATED-FROM=\"mailto:" C "\":mailto:" E "\r\n" SEQ(2)
               AT(4)),
     ITIP_ANSWERED,
     "DELEGATED-FROM=\"mailto:" C "\";SCHEDULE-STATUS=2.0:mailto:" E "|PARTSTAT=ACCEPTED"},
    {"4.2.7 the delegate declines", E,
     REPLY("ATTENDEE;PARTSTAT=DECLINED;DELEGATED-FROM=\"mailto:" C "\":mailto:" E "\r\n" SEQ(2)
               AT(5)),
     ITIP_ANSWERED, "PARTSTAT=DECLINED"},
    {"4.7.1 refresh", B,
     MESSAGE("REFRESH", EVENT(UID("meeting") ORG "ATTENDEE:mailto:" B "\r\n" AT(5))), ITIP_RESENT,
     ""},
    {"a refresh of nobody's", "mallory@example.net",
     MESSAGE("REFRESH", EVENT(UID("meeting") ORG "ATTENDEE:mailto:mallory@example.net\r\n" AT(5))),
     ITIP_REFUSED, ""},
    {"our own request comes back", E, REQUEST(MEETING SEQ(9) AT(9) TEN), ITIP_IGNORED,
     "DTSTART:19970701T090000Z"},
    {"a cancel of what is ours", B,
     MESSAGE("CANCEL", EVENT(MEETING SEQ(9) AT(9) "STATUS:CANCELLED\r\n")), ITIP_IGNORED,
     "!CANCELLED"},
};

#define SERIES REQUEST(MEETING SEQ(1) AT(1) NINE WEEKLY)

static const Step series[] = {
    {"4.4.1 a series", A, SERIES, ITIP_ADDED, "RRULE:FREQ=WEEKLY"},
    {"4.4.2 one instance is changed", A,
     REQUEST(MEETING SEQ(2) AT(2) THIRD "DTSTART:19970715T130000Z\r\nDTEND:19970715T140000Z\r\n"),
     ITIP_UPDATED, "RRULE:FREQ=WEEKLY|RECURRENCE-ID:19970715T090000Z|DTSTART:19970715T130000Z"},
    {"the same once more", A,
     REQUEST(MEETING SEQ(2) AT(2) THIRD "DTSTART:19970715T140000Z\r\nDTEND:19970715T150000Z\r\n"),
     ITIP_IGNORED, "DTSTART:19970715T130000Z"},
    {"4.4.3 an instance is cancelled", A,
     MESSAGE("CANCEL", EVENT(UID("meeting") ORG BOB SEQ(2)
                                 AT(3) "RECURRENCE-ID:19970722T090000Z\r\nSTATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "EXDATE:19970722T090000Z|!STATUS"},
    {"one that there is not", A,
     MESSAGE("CANCEL", EVENT(UID("meeting") ORG BOB SEQ(2)
                                 AT(3) "RECURRENCE-ID:19970723T090000Z\r\nSTATUS:CANCELLED\r\n")),
     ITIP_IGNORED, "!0723"},
    {"the changed one is cancelled", A,
     MESSAGE("CANCEL", EVENT(UID("meeting") ORG BOB SEQ(3) AT(3) THIRD "STATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "STATUS:CANCELLED"},
    {"the cancelled one is back", A,
     REQUEST(MEETING SEQ(4) AT(4) "RECURRENCE-ID:19970722T090000Z\r\n"
                                  "DTSTART:19970722T090000Z\r\nDTEND:19970722T100000Z\r\n"),
     ITIP_UPDATED, "!EXDATE|RECURRENCE-ID:19970722T090000Z"},
    {"4.4.6 an instance more", A,
     MESSAGE("ADD",
             EVENT(MEETING SEQ(5) AT(5) "DTSTART:19971001T090000Z\r\nDTEND:19971001T100000Z\r\n")),
     ITIP_UPDATED, "RDATE:19971001T090000Z|RECURRENCE-ID:19971001T090000Z"},
    {"added again", A,
     MESSAGE("ADD",
             EVENT(MEETING SEQ(5) AT(5) "DTSTART:19971001T090000Z\r\nDTEND:19971001T100000Z\r\n")),
     ITIP_IGNORED, ""},
    {"4.4.4 the rest is cancelled", A,
     MESSAGE("CANCEL",
             EVENT(UID("meeting") ORG BOB SEQ(6) AT(
                 6) "RECURRENCE-ID;RANGE=THISANDFUTURE:19970729T090000Z\r\nSTATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "RRULE:FREQ=WEEKLY;UNTIL=19970729T085959Z"},
    {"4.4.4 all of it", A,
     MESSAGE("CANCEL", EVENT(UID("meeting") ORG BOB SEQ(7) AT(7) "STATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "SEQUENCE:7|!SEQUENCE:1"},
};

#define ZONED "DTSTART;TZID=Europe/Berlin:19970701T110000\r\nDURATION:PT1H\r\n"

static const Step series_answers[] = {
    {"4.4.2 an answer for one instance", B, REPLY(ANSWER("TENTATIVE", B) SEQ(2) AT(2) THIRD),
     ITIP_ANSWERED,
     "RECURRENCE-ID;TZID=Europe/Berlin:19970715T110000|DTSTART;TZID=Europe/Berlin:19970715T110000|"
     "DURATION:P0DT3600S|PARTSTAT=TENTATIVE;SCHEDULE-STATUS=2.0:mailto:" B},
    {"4.7.2 a bad RECURRENCE-ID", B,
     REPLY(ANSWER("DECLINED", B) SEQ(2) AT(3) "RECURRENCE-ID:19970716T090000Z\r\n"), ITIP_IGNORED,
     "!DECLINED"},
    {"an answer for all", C, REPLY(ANSWER("ACCEPTED", C) SEQ(2) AT(3)), ITIP_ANSWERED, ""},
    {"again for the one", B, REPLY(ANSWER("DECLINED", B) SEQ(2) AT(4) THIRD), ITIP_ANSWERED,
     "PARTSTAT=DECLINED|!TENTATIVE"},
    {"an answer for one and all that follow", C,
     REPLY(ANSWER("DECLINED", C) SEQ(2)
               AT(4) "RECURRENCE-ID;RANGE=THISANDFUTURE:19970708T090000Z\r\n"),
     ITIP_ANSWERED,
     "RECURRENCE-ID;TZID=Europe/Berlin;RANGE=THISANDFUTURE:19970708T110000|PARTSTAT=DECLINED;"
     "SCHEDULE-STATUS=2.0:MAILTO:Cleo@Example.COM|PARTSTAT=ACCEPTED"},
    {"4.4.10 it could not be taken", B,
     REPLY("ATTENDEE:mailto:" B "\r\nREQUEST-STATUS:3.7;Invalid calendar user\r\n" SEQ(2) AT(5)),
     ITIP_ANSWERED, "SCHEDULE-STATUS=3.7:mailto:" B},
    {"nothing said, and nothing went wrong", B,
     REPLY("ATTENDEE:mailto:" B "\r\nREQUEST-STATUS:2.0;Success\r\n" SEQ(2) AT(6)), ITIP_REFUSED,
     ""},
    {"a counter of an older version", C, MESSAGE("COUNTER", EVENT(MEETING SEQ(1) AT(3) TEN)),
     ITIP_DECLINED, ""},
    {"4.4.9 a counter for an instance", C,
     MESSAGE("COUNTER", EVENT(MEETING SEQ(2) AT(4) THIRD
                              "DTSTART:19970715T130000Z\r\nDTEND:19970715T140000Z\r\n")),
     ITIP_NOTED, ""},
};

static const Step lone[] = {
    {"invited to one instance alone", A,
     REQUEST(MEETING SEQ(1) AT(1) THIRD "DTSTART:19970715T090000Z\r\nDTEND:19970715T100000Z\r\n"),
     ITIP_ADDED, "RECURRENCE-ID:19970715T090000Z|!RRULE"},
    {"and to another", A,
     REQUEST(MEETING SEQ(1) AT(1) "RECURRENCE-ID:19970722T090000Z\r\n"
                                  "DTSTART:19970722T090000Z\r\nDTEND:19970722T100000Z\r\n"),
     ITIP_UPDATED, "19970715|19970722"},
    {"an instance is added to what is not here", A,
     MESSAGE("ADD", EVENT(MEETING SEQ(2) AT(2) "DTSTART:19971001T090000Z\r\n")), ITIP_ASKED,
     "!19971001"},
    {"then to all", A, SERIES, ITIP_UPDATED, "RRULE"},
};

/* 4.4.1 has its times in a zone, over the end of summer; 4.4.5 and 4.4.7 change and add many. */
#define NEW_YORK                                                                                   \
    "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nX-LIC-LOCATION:America/New_York\r\nBEGIN:STANDARD\r\n"        \
    "DTSTART:19971026T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\n"                        \
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n"                \
    "DTSTART:19970406T020000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\n"                        \
    "RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
#define ZONED_CALL                                                                                 \
    "DTSTART;TZID=Ours:19970701T090000\r\nDTEND;TZID=Ours:19970701T100000\r\n"                     \
    "RRULE:FREQ=WEEKLY;COUNT=30\r\n"

static const Step more_instances[] = {
    {"4.4.1 over the end of summer", A,
     MESSAGE("REQUEST", NEW_YORK EVENT(MEETING SEQ(0) AT(1) ZONED_CALL)), ITIP_ADDED,
     "BEGIN:VTIMEZONE|DTSTART;TZID=Ours:19970701T090000"},
    {"4.4.5 all that follow", A,
     MESSAGE("REQUEST",
             NEW_YORK EVENT(MEETING SEQ(1) AT(
                 2) "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Ours:19971104T090000\r\n"
                    "DTSTART;TZID=Ours:19971104T140000\r\nDTEND;TZID=Ours:19971104T150000\r\n")),
     ITIP_UPDATED, "RANGE=THISANDFUTURE|DTSTART;TZID=Ours:19971104T140000|RRULE:FREQ=WEEKLY"},
    {"the same again, older", A,
     MESSAGE("REQUEST", NEW_YORK EVENT(MEETING SEQ(1) AT(
                            1) "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Ours:19971104T090000\r\n"
                               "DTSTART;TZID=Ours:19971104T160000\r\n")),
     ITIP_IGNORED, "!T160000"},
    {"4.4.7 a series more", A,
     MESSAGE("ADD", NEW_YORK EVENT(MEETING SEQ(2) AT(
                        3) "DTSTART;TZID=Ours:19970703T150000\r\nDURATION:PT30M\r\n"
                           "RRULE:FREQ=WEEKLY;COUNT=3\r\nLOCATION:Upstairs\r\n")),
     ITIP_UPDATED,
     "RDATE;TZID=Ours:19970703T150000|RDATE;TZID=Ours:19970717T150000|DURATION:P0DT1800S|"
     "RECURRENCE-ID;TZID=Ours:19970710T150000|Upstairs|!COUNT=3\r|SEQUENCE:2"},
    {"the same again", A,
     MESSAGE("ADD", NEW_YORK EVENT(MEETING SEQ(2) AT(
                        3) "DTSTART;TZID=Ours:19970703T150000\r\nDURATION:PT30M\r\n"
                           "RRULE:FREQ=WEEKLY;COUNT=3\r\nLOCATION:Upstairs\r\n")),
     ITIP_IGNORED, ""},
    {"one without an end", A,
     MESSAGE("ADD", EVENT(MEETING SEQ(3) AT(4) "DTSTART:19970704T150000Z\r\n"
                                               "RRULE:FREQ=SECONDLY\r\n")),
     ITIP_REFUSED, "!SECONDLY"},
    {"one by its name", A,
     MESSAGE("ADD", EVENT(MEETING SEQ(3) AT(4) THIRD "DTSTART:19970704T150000Z\r\n")), ITIP_REFUSED,
     "!19970704"},
    {"one of a stranger", E,
     MESSAGE("ADD", EVENT(MEETING SEQ(3) AT(4) "DTSTART:19970704T150000Z\r\n")), ITIP_REFUSED,
     "!19970704"},
};

static const Step journals[] = {
    {"4.6.1 a journal, published", A,
     MESSAGE("PUBLISH", "BEGIN:VJOURNAL\r\nUID:log@example.com\r\n" ORG SEQ(1)
                            AT(2) "SUMMARY:Notes, again\r\nEND:VJOURNAL\r\n"),
     ITIP_UPDATED, "Notes, again"},
    {"cancelled", A,
     MESSAGE("CANCEL", "BEGIN:VJOURNAL\r\nUID:log@example.com\r\n" ORG SEQ(2)
                           AT(3) "STATUS:CANCELLED\r\nEND:VJOURNAL\r\n"),
     ITIP_CANCELLED, "STATUS:CANCELLED"},
};
#define JOURNAL                                                                                    \
    OBJECT("BEGIN:VJOURNAL\r\nUID:log@example.com\r\n" ORG SEQ(0)                                  \
               AT(1) "SUMMARY:Notes\r\nEND:VJOURNAL\r\n")

static const Step kept[] = {
    {"what is ours stays where the times do", A,
     REQUEST(MEETING SEQ(3) AT(2) NINE
             "LOCATION:Room 1\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\n"
             "TRIGGER:-PT9M\r\nSUMMARY:x\r\nDESCRIPTION:x\r\nATTENDEE:mailto:victim@example.net\r\n"
             "END:VALARM\r\n"),
     ITIP_UPDATED,
     "PARTSTAT=TENTATIVE:mailto:" B "|TRIGGER:-PT7M|!victim|TRANSP:TRANSPARENT|Room 1"},
    {"and the answer does not where they change", A, REQUEST(MEETING SEQ(4) AT(3) TEN),
     ITIP_UPDATED, "PARTSTAT=NEEDS-ACTION:mailto:" B "|TRIGGER:-PT7M"},
};
#define ANSWERED                                                                                   \
    OBJECT(EVENT(UID("meeting") ORG OWN ANSWER("TENTATIVE", B) CALLED SEQ(2) AT(1) NINE            \
                 "TRANSP:TRANSPARENT\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT7M\r\n"       \
                 "DESCRIPTION:go\r\nEND:VALARM\r\n"))

/* 4.1.5 */
static const Step whole_days[] = {
    {"4.1.5 a day of the year", A,
     REQUEST(UID("day") ORG BOB SEQ(0) AT(1) "DTSTART;VALUE=DATE:19970714\r\n"
                                             "RRULE:FREQ=YEARLY;COUNT=4\r\n"),
     ITIP_ADDED, "VALUE=DATE:19970714"},
    {"one of them falls out", A,
     MESSAGE("CANCEL",
             EVENT(UID("day") ORG BOB SEQ(1) AT(2) "RECURRENCE-ID;VALUE=DATE:19980714\r\n")),
     ITIP_CANCELLED, "EXDATE;VALUE=DATE:19980714"},
    {"and all from one on", A,
     MESSAGE("CANCEL", EVENT(UID("day") ORG BOB SEQ(2) AT(
                           3) "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:19990714\r\n")),
     ITIP_CANCELLED, "UNTIL=19990713"},
};

#define PUBLISHED "UID:party@example.com\r\n" ORG "SUMMARY:Party\r\nDTSTART:19970701T200000Z\r\n"
static const Step published[] = {
    {"4.1.2 changed", A, MESSAGE("PUBLISH", EVENT(PUBLISHED SEQ(1) AT(2) "LOCATION:Garden\r\n")),
     ITIP_UPDATED, "Garden"},
    {"by somebody else", E, MESSAGE("PUBLISH", EVENT(PUBLISHED SEQ(2) AT(3))), ITIP_REFUSED,
     "Garden"},
    {"4.1.3 cancelled", A, MESSAGE("CANCEL", EVENT(PUBLISHED SEQ(2) AT(3) "STATUS:CANCELLED\r\n")),
     ITIP_CANCELLED, "STATUS:CANCELLED"},
};

#define TASK "UID:task@example.com\r\n" ORG OWN BOB "SUMMARY:Write\r\nDUE:19970722T170000Z\r\n"
static const Step todos[] = {
    {"4.5.1 a to-do", A, MESSAGE("REQUEST", TASK_OF(TASK SEQ(0) AT(1))), ITIP_ADDED, "BEGIN:VTODO"},
    {"4.5.3 moved", A, MESSAGE("REQUEST", TASK_OF(TASK SEQ(1) AT(2) "PRIORITY:1\r\n")),
     ITIP_UPDATED, "PRIORITY:1"},
    {"an event with its UID", A, MESSAGE("REQUEST", EVENT(TASK SEQ(2) AT(3) NINE)), ITIP_REFUSED,
     "BEGIN:VTODO"},
};
static const Step todo_answers[] = {
    {"4.5.2 accepted", B,
     MESSAGE("REPLY", TASK_OF("UID:task@example.com\r\n" ORG ANSWER("ACCEPTED", B) SEQ(0) AT(2))),
     ITIP_ANSWERED, "PARTSTAT=ACCEPTED"},
    {"4.5.5 done", B,
     MESSAGE("REPLY", TASK_OF("UID:task@example.com\r\n" ORG ANSWER("COMPLETED", B) SEQ(0) AT(3))),
     ITIP_ANSWERED, "PARTSTAT=COMPLETED;SCHEDULE-STATUS=2.0:mailto:" B},
};

#define BY_CLERK "ORGANIZER;SENT-BY=\"mailto:clerk@example.com\":mailto:" A "\r\n"
#define BY_EVE   "ORGANIZER;SENT-BY=\"mailto:" E "\":mailto:" A "\r\n"
static const Step strangers[] = {
    {"no calendar has it: a REPLY", B, REPLY(ANSWER("ACCEPTED", B) SEQ(0) AT(1)), ITIP_IGNORED, ""},
    {"a CANCEL", A, MESSAGE("CANCEL", EVENT(MEETING SEQ(0) AT(1))), ITIP_IGNORED, ""},
    {"an ADD", A, MESSAGE("ADD", EVENT(MEETING SEQ(1) AT(1) NINE)), ITIP_IGNORED, ""},
    {"4.1.1 published", A, MESSAGE("PUBLISH", EVENT(PUBLISHED AT(1))), ITIP_NOTED, ""},
    {"4.3.1 free and busy", A,
     MESSAGE("REQUEST", "BEGIN:VFREEBUSY\r\n" ORG BOB AT(
                            1) "UID:f@example.com\r\nDTSTART:19970701T000000Z\r\nDTEND:"
                               "19970702T000000Z\r\nEND:VFREEBUSY\r\n"),
     ITIP_NOTED, ""},
    {"from who is not the organizer", E, FIRST_REQUEST, ITIP_REFUSED, ""},
    {"from an attendee", C, FIRST_REQUEST, ITIP_REFUSED, ""},
    {"no organizer", A, REQUEST(UID("x") BOB AT(1) NINE), ITIP_REFUSED, ""},
    {"we are not invited", A, REQUEST(UID("x") ORG CLEO AT(1) NINE), ITIP_IGNORED, ""},
    {"we are the organizer", B, REQUEST(UID("x") "ORGANIZER:mailto:" B "\r\n" BOB AT(1) NINE),
     ITIP_IGNORED, ""},
    {"no start", A, REQUEST(MEETING AT(1)), ITIP_REFUSED, ""},
    {"a method nobody knows", A, MESSAGE("EXPLODE", EVENT(MEETING AT(1) NINE)), ITIP_REFUSED, ""},
    {"no method", A, OBJECT(EVENT(MEETING AT(1) NINE)), ITIP_REFUSED, ""},
    {"two organizers", A,
     MESSAGE("REQUEST", EVENT(MEETING AT(1) NINE WEEKLY) EVENT(
                            UID("meeting") "ORGANIZER:mailto:" E "\r\n" BOB AT(1) THIRD NINE)),
     ITIP_REFUSED, ""},
    {"one instance twice", A,
     MESSAGE("REQUEST", EVENT(MEETING AT(1) THIRD NINE) EVENT(MEETING AT(1) THIRD TEN)),
     ITIP_REFUSED, ""},
    {"for the organizer, from another domain", E, REQUEST(UID("x") BY_EVE BOB AT(1) NINE),
     ITIP_REFUSED, ""},
    {"delegated to us, by nobody", E,
     REQUEST(UID("x") ORG CLEO "ATTENDEE;DELEGATED-FROM=\"mailto:" C "\":mailto:" B "\r\n" AT(1)
                 NINE),
     ITIP_REFUSED, ""},
    {"4.2.5 delegated to us", C,
     REQUEST(UID("x") ORG CLEO "ATTENDEE;DELEGATED-FROM=\"mailto:" C "\":mailto:" B "\r\n" AT(1)
                 NINE),
     ITIP_ADDED, "DELEGATED-FROM"},
};
static const Step clerk[] = {
    {"for the organizer, by his clerk", "clerk@example.com",
     REQUEST(UID("x") BY_CLERK BOB AT(1) NINE), ITIP_ADDED, "SENT-BY"},
};

static const Step alarms[] = {
    {"alarms of others stay outside", A,
     REQUEST(UID("z") ORG BOB AT(1) NINE "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT9M\r\n"
                                         "DESCRIPTION:x\r\nEND:VALARM\r\n"),
     ITIP_ADDED, "!VALARM"},
};

static const Step detail[] = {
    {"invited by an address with a detail", A,
     REQUEST(UID("x") ORG "ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob+team@example.com\r\n" AT(1) NINE),
     ITIP_ADDED, "PARTSTAT=NEEDS-ACTION:mailto:bob+team@example.com"},
    {"of another's address", A,
     REQUEST(UID("y") ORG "ATTENDEE:mailto:bobby+team@example.com\r\n"
                          "ATTENDEE:mailto:bob+x@example.org\r\n" AT(1) NINE),
     ITIP_IGNORED, ""},
};

static const Scene scenes[] = {
    {"a group event", B, NULL, group, G_N_ELEMENTS(group)},
    {"answers", A, OWN_EVENT, answers, G_N_ELEMENTS(answers)},
    {"a series", B, NULL, series, G_N_ELEMENTS(series)},
    {"answers to a series", A, OBJECT(EVENT(MEETING SEQ(2) AT(1) ZONED WEEKLY)), series_answers,
     G_N_ELEMENTS(series_answers)},
    {"instances alone", B, NULL, lone, G_N_ELEMENTS(lone)},
    {"many instances", B, NULL, more_instances, G_N_ELEMENTS(more_instances)},
    {"journals", B, JOURNAL, journals, G_N_ELEMENTS(journals)},
    {"what is ours", B, ANSWERED, kept, G_N_ELEMENTS(kept)},
    {"whole days", B, NULL, whole_days, G_N_ELEMENTS(whole_days)},
    {"published", B, OBJECT(EVENT(PUBLISHED SEQ(0) AT(1))), published, G_N_ELEMENTS(published)},
    {"to-dos", B, NULL, todos, G_N_ELEMENTS(todos)},
    {"answers to a to-do", A, OBJECT(TASK_OF(TASK SEQ(0) AT(1))), todo_answers,
     G_N_ELEMENTS(todo_answers)},
    {"strangers", B, NULL, strangers, G_N_ELEMENTS(strangers)},
    {"alarms", B, NULL, alarms, G_N_ELEMENTS(alarms)},
    {"a detail", B, NULL, detail, G_N_ELEMENTS(detail)},
    {"a clerk", B, NULL, clerk, G_N_ELEMENTS(clerk)},
};

static void examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(scenes); i++)
        play(&scenes[i]);
}

static void asked_otherwise(void **state)
{
    static const char *const bob = B;
    const ItipOwn own = {&bob, 1};
    static const struct {
        const char *what, *method;
        bool auto_add;
        ItipSeen seen;
        ItipOutcome outcome;
    } cases[] = {
        {"the part says the same", "request", true, {0, 0}, ITIP_ADDED},
        {"the part says another method", "CANCEL", true, {0, 0}, ITIP_REFUSED},
        {"nothing is added by itself", "", false, {0, 0}, ITIP_NOTED},
        {"a newer one has been seen", "", true, {1, 1}, ITIP_IGNORED},
        {"an older one has been seen", "", true, {0, 1}, ITIP_ADDED},
        {"this one has been seen", "", true, {0, 866142000}, ITIP_IGNORED},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ItipObject) message = object_of(cases[i].what, FIRST_REQUEST);
        ItipAsk ask = ask_of(&own, A);
        ask.method = cases[i].method;
        ask.auto_add = cases[i].auto_add;
        ask.seen = cases[i].seen;
        g_autoptr(ItipDecision) decision = itip_decide(message, NULL, &ask);
        if (decision->outcome != cases[i].outcome)
            fail_msg("%s: got %s (%s), want %s", cases[i].what,
                     itip_outcome_name(decision->outcome), decision->why,
                     itip_outcome_name(cases[i].outcome));
    }
}

static void too_much(void **state)
{
    g_autoptr(GString) many = g_string_new(HEAD METHOD("REQUEST") "BEGIN:VEVENT\r\n" MEETING NINE);
    g_autoptr(GError) error = NULL;
    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        g_string_append_printf(many, "ATTENDEE:mailto:a%u@b.example\r\n", i);
    g_string_append(many, "END:VEVENT\r\n" TAIL);
    IcalendarLimits limits = {.bytes_max = 64 << 20, .attendees_max = 1000};
    assert_null(itip_object_parse(many->str, many->len, &limits, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    g_clear_error(&error);
    assert_null(itip_object_parse(many->str, many->len, NULL, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    g_clear_error(&error);

    /* an endless, dense rule, and an answer for one instance far away: bounded, whatever it says */
    static const char *const ada = A;
    const ItipOwn own = {&ada, 1};
    g_autoptr(ItipObject) stored =
        object_of("dense", OBJECT(EVENT(MEETING AT(1) NINE "RRULE:FREQ=SECONDLY\r\n")));
    g_autoptr(ItipObject) answer =
        object_of("far", REPLY(ANSWER("ACCEPTED", B) AT(2) "RECURRENCE-ID:99981231T235959Z\r\n"));
    ItipAsk ask = ask_of(&own, B);
    g_autoptr(ItipDecision) decision = itip_decide(answer, stored, &ask);
    assert_true(decision->outcome == ITIP_IGNORED || decision->outcome == ITIP_ANSWERED);

    const char *two =
        MESSAGE("PUBLISH", EVENT(UID("a") ORG AT(1) NINE) EVENT(UID("b") ORG AT(1) NINE));
    assert_null(itip_object_parse(two, strlen(two), NULL, &error));
    assert_non_null(strstr(error->message, "two UIDs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(asked_otherwise),
        cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("itip", tests, NULL, NULL);
}
