/* calendar_alerts_test: reminders go out once, those that the relay does not want now wait alone,
 * and what is near, missed or over is left out.
 *
 * Alarms of 2020 for events of 2036: all are due, and nothing is over.
 */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"
#include "purge_support.h"
#include "relay_support.h"

#include "base/limits_calendar.h"
#include "model/calendar_alert.h"
#include "remote/smtp.h"
#include "roster/task.h"

#define ROLE CALENDAR_ALERTS_ROLE
#define AT(second)                                                                                 \
    "BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER;VALUE=DATE-TIME:20200101T0000" second                 \
    "Z\r\nDESCRIPTION:x\r\n"
#define MAIL(second) AT(second) "END:VALARM\r\n"
#define SHOW                                                                                       \
    "BEGIN:VALARM\r\nACTION:DISPLAY\r\nUID:bell\r\nTRIGGER;VALUE=DATE-TIME:"                       \
    "20200101T000000Z\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"

typedef struct {
    TestStore *store;
    Db *db;
    Relay relay;
    char *url;
    SmtpConfig smtp;
    DutySettings settings;
    DutyLane lane;
} Scene;

static void scene_start(Scene *scene, void *state, const RelayScript *script)
{
    memset(scene, 0, sizeof *scene);
    scene->store = state;
    scene->db = scene->store->db;
    scene->url = relay_start(&scene->relay, script);
    scene->smtp = (SmtpConfig){.relay = scene->url,
                               .user = "",
                               .secret = "",
                               .ca_file = "",
                               .hello = "test",
                               .tls = SMTP_TLS_NEVER};
    scene->settings = (DutySettings){
        .smtp = &scene->smtp, .calendar_max_expansions = 100, .alarm_interval_ms = 60000};
    duty_lane_init(&scene->lane, scene->store, ROLE, &scene->settings);
}

static void scene_stop(Scene *scene)
{
    duty_lane_clear(&scene->lane);
    relay_stop(&scene->relay);
    relay_clear(&scene->relay);
    g_free(scene->url);
}

/* An event of a person, "ada%u", with these alarms; the account. */
static int64_t put(Scene *scene, unsigned person, const char *name, const char *lines)
{
    g_autofree char *address = g_strdup_printf("ada%u@example.org", person);
    g_autofree char *sql =
        g_strdup_printf("SELECT coalesce(max(id), 0) FROM account WHERE address = '%s'", address);
    int64_t account = model_count(scene->db, sql);
    if (!account)
        account = model_account(scene->db, address, 0);
    g_autofree char *text = g_strdup_printf(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\n"
        "DTSTART:20360101T000000Z\r\nSUMMARY:Tea\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n",
        name, lines);
    imip_client_puts(scene->db, account, name, text);
    return account;
}

static unsigned mails(Scene *scene, unsigned person)
{
    g_autofree char *address = g_strdup_printf("ada%u@example.org", person);
    return relay_count(&scene->relay, address, NULL);
}

static void steps(Scene *scene, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        duty_lane_step(&scene->lane);
}

/* Each once, by one run for all; also when an object is asked for again as if it had not rung. */
static void each_goes_out_once(void **state)
{
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){0});
    for (unsigned i = 0; i < 5; i++)
        put(&scene, i, "a.ics", MAIL("00") MAIL("00"));
    duty_lane_work(&scene.lane, ROLE, 50);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(mails(&scene, i), 1);
        assert_int_equal(model_count(scene.db, "SELECT count(*) FROM calendar_alert WHERE state = 2"
                                               " AND tries = 1 AND due_at = 1577836800000"),
                         5);
        purge_exec(scene.db, "UPDATE calendar_object SET alerted_at = 1");
        for (unsigned i = 0; i < 5; i++) {
            g_autofree char *address = g_strdup_printf("ada%u@example.org", i);
            g_autofree char *sql =
                g_strdup_printf("SELECT id FROM account WHERE address = '%s'", address);
            char account_key[ACCOUNT_KEY_BYTES];
            unsigned bucket = account_bucket(model_count(scene.db, sql), account_key);
            g_autofree char *key = g_strdup_printf("%s.2", account_key);
            assert_true(db_begin(scene.db, DB_WRITE, NULL));
            task_add(scene.db, &(TaskNew){.role = ROLE, .bucket = bucket, .key = key}, NULL);
            assert_int_equal(db_commit(scene.db, NULL), DB_DONE);
        }
        duty_lane_work(&scene.lane, ROLE, 50);
    }
    scene_stop(&scene);
}

static const char *not_for_two(const char *recipient, void *data)
{
    const char *answer = *(const char *const *)data;
    return g_str_has_prefix(recipient, "ada2@") ? answer : "250 ok";
}

/* The others of the batch are not sent again with it. */
static void one_that_is_put_off_waits_alone(void **state)
{
    const char *answer = "451 later";
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){.rcpt_of = not_for_two, .data_of = &answer});
    for (unsigned i = 0; i < 5; i++)
        put(&scene, i, "a.ics", MAIL("00"));
    steps(&scene, 20);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(mails(&scene, i), i != 2);
    assert_int_equal(model_count(scene.db, "SELECT count(*) FROM calendar_alert WHERE state = 0 AND"
                                           " error = '451 later' AND uncertain = 0"),
                     1);
    answer = "250 ok";
    purge_exec(scene.db, "UPDATE task SET due_at = 0");
    duty_lane_work(&scene.lane, ROLE, 50);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(mails(&scene, i), 1);
    put(&scene, 6, "a.ics", MAIL("00"));
    answer = "550 never";
    put(&scene, 2, "b.ics", MAIL("00"));
    duty_lane_work(&scene.lane, ROLE, 50);
    assert_int_equal(mails(&scene, 2), 1);
    assert_int_equal(mails(&scene, 6), 1);
    assert_int_equal(model_count(scene.db, "SELECT count(*) FROM calendar_alert WHERE state = 3 AND"
                                           " error = '550 never'"),
                     1);
    scene_stop(&scene);
}

/* Whoever died with a mail under way: it is sent again, and counted. */
static void an_unknown_fate_is_counted(void **state)
{
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){.end = ""});
    put(&scene, 1, "a.ics", MAIL("00"));
    steps(&scene, 5);
    assert_true(mails(&scene, 1) >= 1); /* it hung up instead of the last answer */
    unsigned before = mails(&scene, 1);
    scene.relay.script.end = NULL;
    purge_exec(scene.db, "UPDATE task SET due_at = 0");
    duty_lane_work(&scene.lane, ROLE, 50);
    unsigned ids;
    assert_int_equal(relay_count(&scene.relay, "ada1@example.org", &ids), before + 1);
    assert_int_equal(ids, 1);
    assert_int_equal(model_count(scene.db, "SELECT uncertain FROM calendar_alert WHERE state = 2"),
                     before);
    scene_stop(&scene);
}

static void near_and_missed_ones_are_left_out(void **state)
{
    static const struct {
        const char *name, *lines;
        unsigned interval_s, mails;
    } cases[] = {
        {"half a minute", MAIL("00") MAIL("30"), 60, 1},
        {"all", MAIL("00") MAIL("30"), 0, 2},
        {"as long as it says", MAIL("00") MAIL("30"), 30, 2},
        {"the first and the third", MAIL("00") MAIL("20") MAIL("40"), 40, 2},
        {"repetitions that were missed", AT("00") "REPEAT:5\r\nDURATION:PT10M\r\nEND:VALARM\r\n",
         60, 1},
        {"one that is shown is no mail", MAIL("00") SHOW, 60, 1},
    };
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){0});
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        scene.settings.alarm_interval_ms = cases[i].interval_s * 1000;
        put(&scene, i, "a.ics", cases[i].lines);
        duty_lane_work(&scene.lane, ROLE, 50);
        if (mails(&scene, i) != cases[i].mails)
            fail_msg("%s: got %u mails, want %u", cases[i].name, mails(&scene, i), cases[i].mails);
    }
    scene_stop(&scene);
}

/* A day before it rings it is looked at once more; nothing goes out then. */
static void zones_are_read_again(void **state)
{
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){0});
    put(&scene, 1, "a.ics",
        "BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:PT0S\r\nDESCRIPTION:x\r\nEND:VALARM\r\n");
    int64_t at = INT64_C(2082758400000); /* 2036-01-01 */
    assert_int_equal(model_count(scene.db, "SELECT alert_at FROM calendar_object"), at);
    assert_int_equal(model_count(scene.db, "SELECT due_at FROM task"), at - ALARM_LOOK_AGAIN_MS);
    assert_int_equal(calendar_alert_due_at(at, at - ALARM_LOOK_AGAIN_MS), at);
    purge_exec(scene.db, "UPDATE task SET due_at = 0");
    steps(&scene, 3);
    assert_int_equal(mails(&scene, 1), 0);
    assert_int_equal(model_count(scene.db, "SELECT due_at FROM task"), at - ALARM_LOOK_AGAIN_MS);
    /* Its zone has new rules, by which it rings an hour earlier than was reckoned. */
    purge_exec(scene.db, "UPDATE calendar_object SET alert_at = alert_at + 3600000");
    purge_exec(scene.db, "UPDATE task SET due_at = 0");
    steps(&scene, 3);
    assert_int_equal(model_count(scene.db, "SELECT alert_at FROM calendar_object"), at);
    scene_stop(&scene);
}

/* Who has many at one time does not stand before others. */
static void accounts_get_their_turn(void **state)
{
    Scene scene;
    scene_start(&scene, *state, &(RelayScript){0});
    for (unsigned i = 0; i < 80; i++) {
        g_autofree char *name = g_strdup_printf("%u.ics", i);
        put(&scene, 0, name, MAIL("00"));
    }
    for (unsigned i = 1; i < 5; i++)
        put(&scene, i, "a.ics", MAIL("00"));
    duty_lane_clear(&scene.lane); /* its lease may have run out meanwhile */
    duty_lane_init(&scene.lane, scene.store, ROLE, &scene.settings);
    for (unsigned step = 0; step < 100 && mails(&scene, 0) < 48; step++)
        duty_lane_step(&scene.lane);
    assert_in_range(mails(&scene, 0), 48, 79);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(mails(&scene, i), 1);
    scene_stop(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_goes_out_once),
        cmocka_unit_test(one_that_is_put_off_waits_alone),
        cmocka_unit_test(an_unknown_fate_is_counted),
        cmocka_unit_test(near_and_missed_ones_are_left_out),
        cmocka_unit_test(zones_are_read_again),
        cmocka_unit_test(accounts_get_their_turn),
    };
    return test_on_both_stores("calendar-alerts", tests, G_N_ELEMENTS(tests));
}
