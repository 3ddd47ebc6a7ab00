/* imip_processing_test: invitations that came change the calendar once, or the log says why not;
 * what a change sends goes out once to each, through refusals of all kinds.
 */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"
#include "purge_support.h"
#include "relay_support.h"

#include "base/limits_imip.h"
#include "remote/smtp.h"

#define ADA  "ada@example.org"
#define BOB  "bob@example.com"
#define CLEO "cleo@example.com"
#define DORA "dora@example.net"

#define CAL(method, body)                                                                          \
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n" method "BEGIN:VEVENT\r\n" body         \
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
#define BY_BOB "UID:b1\r\nORGANIZER:mailto:" BOB "\r\nATTENDEE;RSVP=TRUE:mailto:" ADA "\r\n"
#define BY_ADA                                                                                     \
    "UID:a1\r\nDTSTAMP:20260101T000000Z\r\nORGANIZER;CN=Ada:mailto:" ADA "\r\n"                    \
    "ATTENDEE:mailto:" BOB "\r\nSUMMARY:Plan\r\n"
#define NINE    "DTSTART:20360301T090000Z\r\nDTEND:20360301T100000Z\r\n"
#define TEN     "DTSTART:20360301T100000Z\r\nDTEND:20360301T110000Z\r\n"
#define SEQ(n)  "SEQUENCE:" #n "\r\nDTSTAMP:2026010" #n "T000000Z\r\n"
#define FOR(x)  "ATTENDEE:mailto:" x "\r\n"
#define SAYS(x) "ATTENDEE;PARTSTAT=" x ":mailto:" BOB "\r\n"

static const DutySettings plain = {.scheduling = true,
                                   .scheduling_auto_add = true,
                                   .scheduling_max_size = 100000,
                                   .scheduling_max_recipients = 10,
                                   .history_retention_ms = 1000};

static void steps(DutyLane *lane, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        duty_lane_step(lane);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lines in the order of their letters: several may have one time. The caller's. */
static char *sorted(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    qsort(lines, g_strv_length(lines), sizeof *lines, by_text);
    return g_strjoinv("\n", lines);
}

static void check_log(Db *db, int64_t account, const char *want)
{
    g_autofree char *log = imip_log_text(db, account);
    g_autofree char *got = sorted(log), *wanted = sorted(want);
    if (strcmp(got, wanted) != 0)
        fail_msg("the log: got\n%s\nwant\n%s", got, wanted);
}

/* ---- in */

static void letters_are_taken(void **state)
{
    static const struct {
        const char *what, *sender, *method, *calendar, *log, *has;
    } letters[] = {
        {"a request", "Bob <" BOB ">", "REQUEST", CAL("METHOD:REQUEST\r\n", BY_BOB SEQ(1) NINE),
         "in REQUEST added: ", "T090000Z"},
        {"an update", "Bob <" BOB ">", "REQUEST", CAL("METHOD:REQUEST\r\n", BY_BOB SEQ(2) TEN),
         "in REQUEST updated: 1 of 1 components are newer", "T100000Z"},
        {"the old one again", "Bob <" BOB ">", "REQUEST",
         CAL("METHOD:REQUEST\r\n", BY_BOB SEQ(1) NINE),
         "in REQUEST ignored: a newer one from this sender has come before", "T100000Z"},
        {"a forged cancel", DORA, "CANCEL", CAL("METHOD:CANCEL\r\n", BY_BOB SEQ(3)),
         "in CANCEL refused: it is from " DORA ", the organizer is " BOB, "T100000Z"},
        {"a forged answer", DORA, "REPLY",
         CAL("METHOD:REPLY\r\n", "UID:b1\r\nORGANIZER:mailto:" BOB "\r\n" SAYS("DECLINED") SEQ(3)),
         "in REPLY refused: this account is not the organizer", "!DECLINED"},
        {"two senders", BOB ", " DORA, "CANCEL", CAL("METHOD:CANCEL\r\n", BY_BOB SEQ(3)),
         "in CANCEL refused: the mail has not one sender", "T100000Z"},
        {"no calendar at all", BOB, "REQUEST", "hello", "in  refused: this is not one VCALENDAR",
         "T100000Z"},
        {"cancelled", BOB, "CANCEL", CAL("METHOD:CANCEL\r\n", BY_BOB SEQ(3)),
         "in CANCEL cancelled: ", "STATUS:CANCELLED"},
    };
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    g_autoptr(GString) log = g_string_new(NULL);
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    for (size_t i = 0; i < G_N_ELEMENTS(letters); i++) {
        imip_deliver(store->db, account, letters[i].sender, letters[i].method, letters[i].calendar);
        duty_lane_work(&lane, IMIP_ROLE, 50);
        g_autofree char *stored = imip_stored(store->db, account, "b1");
        bool no = letters[i].has[0] == '!';
        if (!stored || (strstr(stored, letters[i].has + no) != NULL) == no)
            fail_msg("%s: got\n%s", letters[i].what, stored ? stored : "nothing");
        if (i == 5 || i == 6) /* neither method nor UID is known of these */
            g_string_append_printf(log, "in  refused: %s\n", strchr(letters[i].log, ':') + 2);
        else
            g_string_append_printf(log, "%s\n", letters[i].log);
    }
    check_log(store->db, account, log->str);
    model_check(store->db);
    duty_lane_clear(&lane);
}

/* A floating time is one of the person's own zone, also where a letter moved the event. */
static void floating_times(void **state)
{
    static const struct {
        const char *zone, *otherwise;
        int64_t alarm; /* UTC seconds: five minutes before 20360301T100000 there */
    } cases[] = {
        {"", NULL, 2087978100},
        {"", "Europe/Berlin", 2087978100 - 3600},
        {"America/New_York", "Europe/Berlin", 2087978100 + 5 * 3600},
    };
    TestStore *store = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *address = g_strdup_printf("p%zu@example.org", i);
        g_autofree char *people =
            g_strdup_printf("UID:f\r\nORGANIZER:mailto:" BOB "\r\nATTENDEE:mailto:%s\r\n", address);
        g_autofree char *own = g_strdup_printf(
            CAL("", "%s" SEQ(1) "DTSTART:20360301T090000\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n"
                                "DESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"),
            people);
        g_autofree char *moved = g_strdup_printf(
            CAL("METHOD:REQUEST\r\n", "%s" SEQ(2) "DTSTART:20360301T100000\r\n"), people);
        int64_t account = model_account(store->db, address, 0);
        imip_client_puts(store->db, account, "f.ics", own);
        purge_exec(store->db, "UPDATE calendar SET zone = '%s' WHERE account = %d", cases[i].zone,
                   (int)account);
        DutySettings settings = plain;
        settings.time_zone = cases[i].otherwise;
        DutyLane lane;
        duty_lane_init(&lane, store, IMIP_ROLE, &settings);
        imip_deliver(store->db, account, BOB, "REQUEST", moved);
        duty_lane_work(&lane, IMIP_ROLE, 50);
        g_autofree char *sql = g_strdup_printf(
            "SELECT alert_at FROM calendar_object WHERE account = %d", (int)account);
        assert_int_equal(model_count(store->db, sql), cases[i].alarm * 1000);
        duty_lane_clear(&lane);
    }
}

static void many_at_once(void **state)
{
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    for (unsigned i = 0; i < 3 * IMIP_BATCH_LETTERS; i++) {
        g_autofree char *calendar =
            g_strdup_printf(CAL("METHOD:REQUEST\r\n",
                                "UID:many%u\r\nORGANIZER:mailto:" BOB "\r\n" FOR(ADA) SEQ(1) NINE),
                            i / 2);
        imip_deliver(store->db, account, BOB, "REQUEST", calendar);
    }
    duty_lane_work(&lane, IMIP_ROLE, 50);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM calendar_object"),
                     3 * IMIP_BATCH_LETTERS / 2);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM imip_in WHERE outcome = 'added'"),
                     3 * IMIP_BATCH_LETTERS / 2);
    assert_int_equal(
        model_count(store->db, "SELECT count(*) FROM imip_in WHERE outcome = 'ignored'"),
        3 * IMIP_BATCH_LETTERS / 2);
    duty_lane_clear(&lane);
}

/* Nothing is decided for who is being removed, however much waits. */
static void of_a_leaver(void **state)
{
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    imip_deliver(store->db, account, BOB, "REQUEST", CAL("METHOD:REQUEST\r\n", BY_BOB SEQ(1) NINE));
    for (unsigned i = 0; i < 2 * IMIP_BATCH_LETTERS; i++)
        purge_exec(
            store->db,
            "INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence,"
            " sequence, stamp, sender, why) VALUES (%d, %u, 0, '', '', '', '', 0, 0, '', '')",
            (int)account, 1000 + i);
    purge_exec(store->db, "UPDATE account SET deleted_at = -1 WHERE id = %d", (int)account);
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &plain);
    duty_lane_work(&lane, IMIP_ROLE, 50);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM imip_in WHERE outcome = ''"),
                     1 + 2 * IMIP_BATCH_LETTERS);
    duty_lane_clear(&lane);
}

static void not_everything(void **state)
{
    TestStore *store = *state;
    int64_t account = model_account(store->db, ADA, 0);
    static const char text[] = "From: " BOB "\r\nContent-Type: text/calendar\r\n\r\nx";
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(Letter) letter = letter_new(text, strlen(text));
        letter->junk = i == 0;
        Delivery delivery = {
            .letter = letter, .account = account, .key = i ? "import" : "junk", .import = i == 1};
        Delivered delivered;
        assert_true(deliver_many(store->db, &delivery, 1, &delivered, NULL));
        assert_int_equal(delivered.result, DELIVER_STORED);
    }
    Delivered delivered;
    g_autoptr(Letter) letter = model_letter("1@x", NULL, "no invitation", "text");
    Delivery delivery = {.letter = letter, .account = account, .key = "text"};
    assert_true(deliver_many(store->db, &delivery, 1, &delivered, NULL));
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM imip_in"), 0);
    assert_int_equal(
        model_count(store->db, "SELECT count(*) FROM task WHERE role = '" IMIP_ROLE "'"), 0);

    DutySettings off = plain;
    off.scheduling = false;
    DutyLane lane;
    duty_lane_init(&lane, store, IMIP_ROLE, &off);
    imip_deliver(store->db, account, BOB, "REQUEST", CAL("METHOD:REQUEST\r\n", BY_BOB SEQ(1) NINE));
    imip_client_puts(store->db, account, "a", CAL("", BY_ADA NINE));
    duty_lane_work(&lane, IMIP_ROLE, 50);
    check_log(store->db, account,
              "in REQUEST noted: calendar.scheduling.enable is off\nout REQUEST failed " BOB "\n");
    duty_lane_clear(&lane);
}

/* ---- out */

typedef struct {
    const char *refuses, *delays; /* who is refused, and for now */
} Moods;

static const char *rcpt_of(const char *recipient, void *data)
{
    const Moods *moods = data;
    if (g_strcmp0(recipient, moods->refuses) == 0)
        return "550 5.1.1 no such person";
    return g_strcmp0(recipient, moods->delays) == 0 ? "450 4.2.0 greylisted" : NULL;
}

typedef struct {
    TestStore *store;
    int64_t account;
    DutyLane lane;
    Relay relay;
    Moods moods;
    DutySettings settings;
    SmtpConfig smtp;
    char *url;
} Post;

static void post_start(Post *post, TestStore *store, const RelayScript *script)
{
    post->store = store;
    post->account = model_account(store->db, ADA, 0);
    RelayScript own = script ? *script : (RelayScript){.rcpt_of = rcpt_of, .data_of = &post->moods};
    post->url = relay_start(&post->relay, &own);
    post->smtp = (SmtpConfig){post->url, "", "", "", "test", SMTP_TLS_TRY};
    post->settings = plain;
    post->settings.smtp = &post->smtp;
    duty_lane_init(&post->lane, store, IMIP_ROLE, &post->settings);
}

static void post_end(Post *post)
{
    duty_lane_clear(&post->lane);
    relay_stop(&post->relay);
    relay_clear(&post->relay);
    g_free(post->url);
}

static void all_is_due(Post *post)
{
    purge_exec(post->store->db, "UPDATE imip_out SET due_at = 0");
    purge_exec(post->store->db, "UPDATE task SET due_at = 0");
}

static void refusals(void **state)
{
    Post post = {.moods = {CLEO, DORA}};
    post_start(&post, *state, NULL);
    Db *db = post.store->db;
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA FOR(CLEO) FOR(DORA) SEQ(0) NINE));
    steps(&post.lane, 20);
    check_log(db, post.account,
              "out REQUEST waiting " DORA "\nout REQUEST failed " CLEO "\nout REQUEST sent " BOB
              "\n");
    g_autofree char *stored = imip_stored(db, post.account, "a1");
    assert_non_null(strstr(stored, "ATTENDEE;SCHEDULE-STATUS=5.1:mailto:" CLEO));
    assert_non_null(strstr(stored, "ATTENDEE:mailto:" BOB));
    steps(&post.lane, 20); /* not before its time */
    assert_int_equal(relay_count(&post.relay, BOB, NULL), 1);
    assert_int_equal(relay_count(&post.relay, DORA, NULL), 0);
    post.moods.delays = NULL;
    all_is_due(&post);
    steps(&post.lane, 20);
    assert_int_equal(relay_count(&post.relay, DORA, NULL), 1);
    assert_int_equal(relay_count(&post.relay, BOB, NULL), 1);
    assert_int_equal(model_count(db, "SELECT count(*) FROM imip_out WHERE state = 2"), 2);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task WHERE role = '" IMIP_ROLE "'"), 0);
    const RelayMail *mail = post.relay.mails->pdata[0];
    assert_non_null(strstr(mail->text, "From: Ada\r\n <" ADA ">\r\nTo: <" BOB ">\r\n"
                                       "Subject: Invitation: Plan\r\n"));
    assert_non_null(strstr(mail->text, "method=REQUEST;\r\n component=VEVENT"));

    /* the answer comes back; the change after that goes out; then it is deleted */
    imip_deliver(
        db, post.account, BOB, "REPLY",
        CAL("METHOD:REPLY\r\n", "UID:a1\r\nORGANIZER:mailto:" ADA "\r\n" SAYS("ACCEPTED") SEQ(1)));
    steps(&post.lane, 20);
    g_autofree char *answered = imip_stored(db, post.account, "a1");
    assert_non_null(strstr(answered, "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:" BOB));
    assert_int_equal(relay_count(&post.relay, BOB, NULL), 1);
    assert_int_equal(model_count(db, "SELECT schedule_tag FROM calendar_object"), 1);
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA SEQ(1) TEN));
    imip_client_puts(db, post.account, "a", NULL);
    steps(&post.lane, 20);
    unsigned ids;
    assert_int_equal(relay_count(&post.relay, BOB, &ids), 3);
    assert_int_equal(ids, 3);
    assert_int_equal(relay_count(&post.relay, DORA, NULL), 2); /* the request, the cancel */
    model_check(db);
    post_end(&post);
}

static void fate_unknown(void **state)
{
    Post post = {0};
    static const RelayScript hangs_up = {.end = ""};
    post_start(&post, *state, &hangs_up);
    Db *db = post.store->db;
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA SEQ(0) NINE));
    steps(&post.lane, 20);
    assert_int_equal(model_count(db, "SELECT count(*) FROM imip_out WHERE state = 1"), 1);
    assert_int_equal(relay_count(&post.relay, BOB, NULL), 1);
    post.relay.script.end = NULL;
    all_is_due(&post);
    steps(&post.lane, 20);
    unsigned ids;
    assert_int_equal(relay_count(&post.relay, BOB, &ids), 2);
    assert_int_equal(ids, 1); /* so that the receiver knows it */
    assert_int_equal(
        model_count(db, "SELECT count(*) FROM imip_out WHERE state = 2 AND uncertain = 1"), 1);
    post_end(&post);
}

static void relay_away(void **state)
{
    Post post = {0};
    post_start(&post, *state, NULL);
    Db *db = post.store->db;
    post.smtp.relay = "smtp://127.0.0.1:1";
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA FOR(CLEO) FOR(DORA) SEQ(0) NINE));
    steps(&post.lane, 20);
    assert_int_equal(model_count(db, "SELECT count(*) FROM imip_out WHERE state = 0"), 3);
    assert_int_equal(model_count(db, "SELECT sum(attempts) FROM imip_out"), 1);
    post.smtp.relay = post.url;
    all_is_due(&post);
    steps(&post.lane, 20);
    assert_int_equal(model_count(db, "SELECT count(*) FROM imip_out WHERE state = 2"), 3);
    assert_int_equal(post.relay.mails->len, 3);

    /* after two days nobody needs it any more */
    post.smtp.relay = "smtp://127.0.0.1:1";
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA FOR(CLEO) FOR(DORA) SEQ(1) TEN));
    purge_exec(db, "UPDATE imip_out SET at = at - 172800000, due_at = 0 WHERE state = 0");
    steps(&post.lane, 20);
    assert_int_equal(model_count(db, "SELECT count(*) FROM imip_out WHERE state = 3"), 1);
    post_end(&post);
}

static void too_many(void **state)
{
    Post post = {0};
    post_start(&post, *state, NULL);
    g_autoptr(GString) people = g_string_new(NULL);
    for (unsigned i = 0; i < 11; i++)
        g_string_append_printf(people, "ATTENDEE:mailto:p%u@example.com\r\n", i);
    g_autofree char *text =
        g_strdup_printf(CAL("", "UID:big\r\nORGANIZER:mailto:" ADA "\r\n%s" NINE), people->str);
    imip_client_puts(post.store->db, post.account, "big", text);
    duty_lane_work(&post.lane, IMIP_ROLE, 50);
    assert_int_equal(post.relay.mails->len, 0);
    assert_int_equal(model_count(post.store->db, "SELECT count(*) FROM imip_out WHERE state = 3"),
                     11);
    post_end(&post);
}

static void asked_for(void **state)
{
    Post post = {0};
    post_start(&post, *state, NULL);
    Db *db = post.store->db;
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA SEQ(0) NINE));
    steps(&post.lane, 20);
    imip_deliver(
        db, post.account, BOB, "REFRESH",
        CAL("METHOD:REFRESH\r\n", "UID:a1\r\nORGANIZER:mailto:" ADA "\r\n" FOR(BOB) SEQ(1)));
    imip_deliver(
        db, post.account, DORA, "REFRESH",
        CAL("METHOD:REFRESH\r\n", "UID:a1\r\nORGANIZER:mailto:" ADA "\r\n" FOR(DORA) SEQ(1)));
    duty_lane_work(&post.lane, IMIP_ROLE, 50);
    assert_int_equal(relay_count(&post.relay, BOB, NULL), 2);
    assert_int_equal(relay_count(&post.relay, DORA, NULL), 0);
    assert_int_equal(model_count(db, "SELECT count(DISTINCT stamp) FROM imip_letter"), 2);
    post_end(&post);
}

/* What a letter asks for is said back: once, and to nobody else. */
static void told_back(void **state)
{
    Post post = {0};
    post_start(&post, *state, NULL);
    Db *db = post.store->db;
    imip_client_puts(db, post.account, "a", CAL("", BY_ADA SEQ(2) TEN));
    steps(&post.lane, 20);
    const char *stale =
        CAL("METHOD:COUNTER\r\n", "UID:a1\r\nORGANIZER:mailto:" ADA "\r\n" FOR(BOB) SEQ(1) NINE);
    const char *add = CAL("METHOD:ADD\r\n", BY_BOB SEQ(2) TEN);
    imip_deliver(db, post.account, BOB, "COUNTER", stale);
    imip_deliver(db, post.account, BOB, "COUNTER", stale);
    imip_deliver(db, post.account, DORA, "COUNTER", stale);
    imip_deliver(db, post.account, BOB, "ADD", add); /* there is nothing to add it to */
    imip_deliver(
        db, post.account, BOB, "REQUEST",
        CAL("METHOD:REQUEST\r\n", BY_BOB "RECURRENCE-ID:20360301T090000Z\r\n" SEQ(1) NINE));
    imip_deliver(db, post.account, BOB, "ADD", add);
    imip_deliver(db, post.account, BOB, "ADD", add);
    steps(&post.lane, 30);
    check_log(db, post.account,
              "out REQUEST sent " BOB "\n"
              "in COUNTER declined: it is about an older version, SEQUENCE 1 of 2\n"
              "in COUNTER ignored: it has come before\n"
              "in COUNTER refused: " DORA " is not among the attendees\n"
              "in ADD ignored: the calendar has no event that it could be added to\n"
              "in REQUEST added: \n"
              "in ADD asked: the series is not here: its organizer is asked for it\n"
              "in ADD ignored: it has come before\n"
              "out DECLINECOUNTER sent " BOB "\nout REFRESH sent " BOB "\n");
    assert_int_equal(relay_count(&post.relay, DORA, NULL), 0);
    post_end(&post);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_taken), cmocka_unit_test(floating_times),
        cmocka_unit_test(many_at_once),      cmocka_unit_test(not_everything),
        cmocka_unit_test(refusals),          cmocka_unit_test(fate_unknown),
        cmocka_unit_test(relay_away),        cmocka_unit_test(too_many),
        cmocka_unit_test(asked_for),         cmocka_unit_test(told_back),
        cmocka_unit_test(of_a_leaver),
    };
    return test_on_both_stores("imip_processing", tests, G_N_ELEMENTS(tests));
}
