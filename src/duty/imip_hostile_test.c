/* imip_hostile_test: letters that nobody's program writes: each is decided within bounds, the log
 * says what and why, the calendar has what it had, and the letter after it is taken in.
 */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"
#include "purge_support.h"

#include "model/email.h"

#define ADA "ada@example.org"
#define BOB "bob@example.com"
#define EVE "eve@example.net"

#define CAL(method, body)                                                                          \
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nMETHOD:" method "\r\n" body              \
    "END:VCALENDAR\r\n"
#define EVENT(x) "BEGIN:VEVENT\r\n" x "END:VEVENT\r\n"
#define MEMBERS  "ORGANIZER:mailto:" BOB "\r\nATTENDEE:mailto:" ADA "\r\n"
#define HERS     "UID:hers\r\nORGANIZER:mailto:" ADA "\r\n"
#define HIS(n)   "UID:his\r\n" MEMBERS "SEQUENCE:" #n "\r\nDTSTAMP:2026010" #n "T000000Z\r\n"
#define AT(n)    "SEQUENCE:" #n "\r\nDTSTAMP:2026010" #n "T000000Z\r\n"
#define NEW      "UID:new\r\n" MEMBERS AT(1)
#define NINE     "DTSTART:20360301T090000Z\r\nDTEND:20360301T100000Z\r\n"

static const DutySettings plain = {.scheduling = true,
                                   .scheduling_auto_add = true,
                                   .scheduling_max_size = 3 << 20,
                                   .scheduling_max_recipients = 10,
                                   .calendar_max_size = 512 << 10,
                                   .calendar_max_attendees = 1000,
                                   .calendar_max_expansions = 3000};

/* So often what is repeated. */
static char *repeated(const char *before, const char *what, unsigned count, const char *after)
{
    g_autoptr(GString) text = g_string_new(before);
    for (unsigned i = 0; i < count; i++)
        g_string_append(text, what);
    g_string_append(text, after);
    return g_strdup(text->str);
}

typedef struct {
    const char *what, *sender, *method;
    const char *calendar; /* `again` so often where it has a '~' */
    const char *again;
    unsigned count;
    const char *log;   /* in the log's line of it */
    const char *added; /* UID of what is new then; NULL: nothing */
} Case;

static const Case cases[] = {
    {"100,000 attendees", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "~")),
     "ATTENDEE:mailto:a@b.example\r\n", 100000, "or 100000 lines", NULL},
    {"1,001 attendees", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "~")),
     "ATTENDEE:mailto:a@b.example\r\n", 1000, "a component has more than 1000", NULL},
    {"more bytes than are read", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "~")),
     "COMMENT:Nothing in particular, and much of it\r\n", 80000, "is over the limit", NULL},
    {"more bytes than are stored", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "COMMENT:~\r\n")),
     "Nothing in particular ", 30000, "in REQUEST refused: a calendar object of", NULL},
    {"a component in a component", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "~")),
     "BEGIN:VALARM\r\n", 5000, "nested deeper", NULL},
    {"100,000 instances", BOB, "CANCEL", CAL("CANCEL", "~"),
     EVENT(HIS(3) "RECURRENCE-ID:20360308T090000Z\r\n"), 3000, "in ", NULL},
    {"many parameters", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "X-A~:x\r\n")), ";B=c", 50000,
     "more than", NULL},
    {"each second, for ever", BOB, "REQUEST",
     CAL("REQUEST", EVENT("UID:dense\r\n" MEMBERS AT(1) NINE "RRULE:FREQ=SECONDLY\r\n")), "", 0,
     "in REQUEST added", "dense"},
    {"an instance of that, far away", BOB, "CANCEL",
     CAL("CANCEL", EVENT("UID:dense\r\n" MEMBERS AT(2) "RECURRENCE-ID:99980101T000000Z\r\n")), "",
     0, "in CANCEL ", NULL},
    {"a rule of nothing", BOB, "REQUEST",
     CAL("REQUEST",
         EVENT("UID:never\r\n" MEMBERS AT(1) NINE "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31\r\n")),
     "", 0, "in REQUEST added", "never"},
    {"the year 1", BOB, "REQUEST",
     CAL("REQUEST",
         EVENT("UID:one\r\n" MEMBERS AT(1) "DTSTART:00010101T000000Z\r\n"
                                           "DTEND:00010101T010000Z\r\nRRULE:FREQ=DAILY\r\n")),
     "", 0, "in REQUEST added", "one"},
    {"the year 9999", BOB, "REQUEST",
     CAL("REQUEST", EVENT("UID:last\r\n" MEMBERS AT(1) "DTSTART:99991231T235959Z\r\n"
                                                       "DURATION:P9999W\r\nRRULE:FREQ=DAILY\r\n")),
     "", 0, "in REQUEST added", "last"},
    {"the 31st of February", BOB, "REQUEST",
     CAL("REQUEST", EVENT(NEW "DTSTART:20360231T090000Z\r\n")), "", 0,
     "in REQUEST refused: an event in it has no start", NULL},
    {"a zone that nobody knows", BOB, "REQUEST",
     CAL("REQUEST",
         EVENT("UID:zone\r\n" MEMBERS AT(1) "DTSTART;TZID=Nowhere/Atlantis:20360301T090000\r\n")),
     "", 0, "in REQUEST added", "zone"},
    {"two events of one UID", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE) EVENT(NEW NINE)), "",
     0, "two components have the UID", NULL},
    {"two UIDs", BOB, "REQUEST",
     CAL("REQUEST", EVENT(NEW NINE) EVENT("UID:other\r\n" MEMBERS NINE)), "", 0, "two UIDs", NULL},
    {"no UID", BOB, "REQUEST", CAL("REQUEST", EVENT(MEMBERS AT(1) NINE)), "", 0, "has no UID",
     NULL},
    {"a UID without end", BOB, "REQUEST", CAL("REQUEST", EVENT("UID:~\r\n" MEMBERS NINE)), "u",
     100000, "a UID is longer", NULL},
    {"a control character", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "SUMMARY:\a\r\n")), "", 0,
     "control character", NULL},
    {"what is no UTF-8", BOB, "REQUEST", CAL("REQUEST", EVENT(NEW NINE "SUMMARY:\xff\r\n")), "", 0,
     "in ", "new"},
    {"nothing", BOB, "REQUEST", "", "", 0, "in  refused", NULL},
    {"a forged CANCEL", EVE, "CANCEL", CAL("CANCEL", EVENT(HIS(9))), "", 0,
     "in CANCEL refused: it is from " EVE, NULL},
    {"a forged REQUEST", EVE, "REQUEST", CAL("REQUEST", EVENT(HIS(9) NINE)), "", 0,
     "in REQUEST refused: it is from " EVE, NULL},
    {"a forged REPLY", EVE, "REPLY",
     CAL("REPLY", EVENT(HERS AT(9) "ATTENDEE;PARTSTAT=DECLINED:mailto:" BOB "\r\n")), "", 0,
     "in REPLY refused: it is from " EVE ", the answer of " BOB, NULL},
    {"a REPLY of somebody nobody invited", EVE, "REPLY",
     CAL("REPLY", EVENT(HERS AT(9) "ATTENDEE;PARTSTAT=ACCEPTED:mailto:" EVE "\r\n")), "", 0,
     "in REPLY refused: " EVE " is not among the attendees", NULL},
    {"another organizer", EVE, "REQUEST",
     CAL("REQUEST",
         EVENT("UID:his\r\nORGANIZER:mailto:" EVE "\r\nATTENDEE:mailto:" ADA "\r\n" AT(9) NINE)),
     "", 0, "in REQUEST refused: it is from " EVE ", the organizer is " BOB, NULL},
    {"a clerk of another house", EVE, "CANCEL",
     CAL("CANCEL",
         EVENT("UID:his\r\nORGANIZER;SENT-BY=\"mailto:" EVE "\":mailto:" BOB "\r\n" AT(9))),
     "", 0, "in CANCEL refused: it is from " EVE, NULL},
    {"one who makes us the organizer", BOB, "REQUEST",
     CAL("REQUEST",
         EVENT("UID:gift\r\nORGANIZER:mailto:" ADA "\r\nATTENDEE:mailto:" BOB "\r\n" AT(1) NINE)),
     "", 0, "in REQUEST ignored: this account is the organizer", NULL},
    {"the wrong method", BOB, "REQUEST", CAL("CANCEL", EVENT(HIS(9))), "", 0,
     "the mail's part says method REQUEST, what is in it CANCEL", NULL},
};

static void check_case(TestStore *store, DutyLane *lane, int64_t account, const Case *c, unsigned n)
{
    Db *db = store->db;
    g_autofree char *his = imip_stored(db, account, "his"),
                    *hers = imip_stored(db, account, "hers");
    int64_t had = model_count(db, "SELECT count(*) FROM calendar_object");
    const char *mark = strchr(c->calendar, '~');
    g_autofree char *before = mark ? g_strndup(c->calendar, (gsize)(mark - c->calendar)) : NULL;
    g_autofree char *calendar =
        mark ? repeated(before, c->again, c->count, mark + 1) : g_strdup(c->calendar);
    imip_deliver(db, account, c->sender, c->method, calendar);
    g_autofree char *uid = g_strdup_printf("after%u", n);
    g_autofree char *good =
        g_strdup_printf(CAL("REQUEST", EVENT("UID:%s\r\n" MEMBERS AT(1) NINE)), uid);
    imip_deliver(db, account, BOB, "REQUEST", good);
    duty_lane_work(lane, IMIP_ROLE, 50);
    g_autofree char *log = imip_log_text(db, account), *after = imip_stored(db, account, uid);
    g_autofree char *his_now = imip_stored(db, account, "his");
    g_autofree char *hers_now = imip_stored(db, account, "hers");
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    unsigned count = g_strv_length(lines);
    if (!strstr(lines[count - 3], c->log))
        fail_msg("%s: the log has \"%s\", want \"%s\"", c->what, lines[count - 3], c->log);
    if (!after)
        fail_msg("%s: the next letter is not taken in: %s", c->what, lines[count - 2]);
    if (g_strcmp0(his, his_now) != 0 || g_strcmp0(hers, hers_now) != 0)
        fail_msg("%s: the calendar has\n%s\nand\n%s", c->what, his_now, hers_now);
    g_autofree char *added = c->added ? imip_stored(db, account, c->added) : NULL;
    if ((c->added && !added) ||
        model_count(db, "SELECT count(*) FROM calendar_object") != had + 1 + (c->added != NULL))
        fail_msg("%s: not what is to be there", c->what);
}

static void each(void **state)
{
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    imip_deliver(store->db, account, BOB, "REQUEST",
                 CAL("REQUEST", EVENT(HIS(1) NINE "RRULE:FREQ=WEEKLY\r\n")));
    imip_client_puts(store->db, account, "hers.ics",
                     "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n" EVENT(
                         HERS AT(1) "ATTENDEE:mailto:" BOB "\r\n" NINE) "END:VCALENDAR\r\n");
    duty_lane_work(&lane, IMIP_ROLE, 50);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
        check_case(store, &lane, account, &cases[i], i);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM dead_letter"), 0);
    model_check(store->db);
    duty_lane_clear(&lane);
}

/* Before it is looked at. */
static void gone(void **state)
{
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    int64_t letter = imip_deliver(store->db, account, BOB, "REQUEST", "x");
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(email_destroy(store->db, account, letter, NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    duty_lane_work(&lane, IMIP_ROLE, 50);
    g_autofree char *log = imip_log_text(store->db, account);
    assert_string_equal(log, "in  refused: the letter is gone, or damaged\n");
    duty_lane_clear(&lane);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(each), cmocka_unit_test(gone)};
    return test_on_both_stores("imip_hostile", tests, G_N_ELEMENTS(tests));
}
