/* push_alerts_test: an alarm that is to be shown reaches each device that asks for it, once. */
#include "support.h"
#include "duty_support.h"
#include "imip_support.h"
#include "purge_support.h"
#include "push_support.h"

#include "duty/push_wire.h"

#define MINUTE 60000
#define ALARM                                                                                      \
    "BEGIN:VALARM\r\nUID:bell\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER;VALUE=DATE-TIME:"      \
    "20200101T000000Z\r\nEND:VALARM\r\n"

typedef struct {
    TestStore *store;
    PushService service;
    DutySettings settings;
    Db *db;
    int64_t account;
} Scene;

/* A device that asks for all types. */
static void scene_start(Scene *scene, void *state)
{
    *scene = (Scene){.store = state};
    scene->db = scene->store->db;
    push_service_start(&scene->service);
    scene->settings = (DutySettings){.push_attempts = 3,
                                     .push_attempts_interval_ms = MINUTE,
                                     .push_retry_interval_ms = 60 * MINUTE,
                                     .calendar_max_expansions = 100};
    scene->settings.push = push_wire_new(&(PushWireConfig){.allow_private = true, .contact = ""});
    scene->account = model_account(scene->db, "ada@example.org", 0);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/ada", scene->service.port);
    push_subscribe(scene->db, scene->account, url, NULL);
    purge_exec(scene->db, "DELETE FROM task");
}

static void scene_stop(Scene *scene)
{
    push_wire_free(scene->settings.push);
    push_service_stop(&scene->service);
}

/* It rings: the event of a day, or of each day. */
static void ring(Scene *scene, const char *uid, const char *lines)
{
    g_autofree char *text = g_strdup_printf(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\n"
        "DTSTART;TZID=Europe/Berlin:20360101T090000\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n",
        uid, lines);
    imip_client_puts(scene->db, scene->account, uid, text);
    DutyLane lane;
    duty_lane_init(&lane, scene->store, CALENDAR_ALERTS_ROLE, &scene->settings);
    for (unsigned i = 0; i < 5; i++)
        duty_lane_step(&lane);
    duty_lane_clear(&lane);
}

static void push(Scene *scene)
{
    DutyLane lane;
    purge_exec(scene->db, "UPDATE push_alert SET next_at = 0, sending_at = CASE WHEN sending_at = 0"
                          " THEN 0 ELSE 1 END");
    purge_exec(scene->db, "UPDATE push_subscription SET next_at = 0");
    purge_exec(scene->db, "UPDATE task SET due_at = 0 WHERE role = 'push-notifications'");
    duty_lane_init(&lane, scene->store, "push-notifications", &scene->settings);
    for (unsigned i = 0; i < 3; i++)
        duty_lane_step(&lane);
    duty_lane_clear(&lane);
}

static int64_t waiting(Scene *scene)
{
    return model_count(scene->db, "SELECT count(*) FROM push_alert");
}

static void each_is_shown_once(void **state)
{
    static const struct {
        const char *uid, *lines, *recurrence;
    } cases[] = {
        {"single", ALARM, "null"},
        {"series", "RRULE:FREQ=DAILY;COUNT=3\r\n" ALARM, "null"}, /* absolute: of all of it */
    };
    Scene scene;
    scene_start(&scene, *state);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        ring(&scene, cases[i].uid, cases[i].lines);
        assert_int_equal(waiting(&scene), 1);
        push(&scene);
        push(&scene);
        assert_int_equal(waiting(&scene), 0);
        assert_int_equal(push_service_count(&scene.service), i + 1);
        g_autofree char *got = push_service_last(&scene.service);
        g_autofree char *want = g_strdup_printf(
            "\r\n\r\n{\"@type\":\"CalendarAlert\",\"accountId\":\"a%d\",\"calendarEventId\":\"%u\","
            "\"uid\":\"%s\",\"recurrenceId\":%s,\"alertId\":\"bell\"}",
            (int)scene.account, i + 2, cases[i].uid, cases[i].recurrence);
        if (!strstr(got, want) || !strstr(got, "\r\nUrgency: high\r\n") ||
            !strstr(got, "\r\nTTL: 86"))
            fail_msg("%s: got\n%s\nwant\n%s", cases[i].uid, got, want);
    }
    /* As if it had not rung: the ledger knows better. */
    purge_exec(scene.db, "UPDATE calendar_object SET alerted_at = 1");
    ring(&scene, "other", "");
    push(&scene);
    assert_int_equal(push_service_count(&scene.service), 2);
    scene_stop(&scene);
}

/* An instance is named as the series' own zone has it. */
static void instances_are_named(void **state)
{
    Scene scene;
    scene_start(&scene, *state);
    ring(&scene, "series",
         "RRULE:FREQ=YEARLY;INTERVAL=60;COUNT=2\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:"
         "x\r\n"
         "TRIGGER:-P8000D\r\nEND:VALARM\r\n");
    push(&scene);
    g_autofree char *got = push_service_last(&scene.service);
    assert_non_null(got);
    if (!strstr(got, "\"recurrenceId\":\"2036-01-01T09:00:00\",\"alertId\":\"1\""))
        fail_msg("got\n%s", got);
    scene_stop(&scene);
}

static void who_does_not_ask_gets_none(void **state)
{
    Scene scene;
    scene_start(&scene, *state);
    purge_exec(scene.db, "UPDATE push_subscription SET types = ' Email '");
    ring(&scene, "a", ALARM);
    assert_int_equal(waiting(&scene), 0);
    purge_exec(scene.db, "UPDATE push_subscription SET types = ' Email CalendarAlert '");
    ring(&scene, "b", ALARM);
    assert_int_equal(waiting(&scene), 1);
    scene_stop(&scene);
}

static void each_answer_has_its_end(void **state)
{
    static const struct {
        const char *answer;
        int64_t waiting, subscriptions, repeats;
    } cases[] = {
        {"503 Later", 1, 1, 0},
        {"die", 1, 1, 1}, /* perhaps it had it: counted when it is sent again */
        {"201 Created", 0, 1, 1},
        {"410 Gone", 0, 0, 0},
    };
    Scene scene;
    scene_start(&scene, *state);
    ring(&scene, "a", ALARM);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (i == 3)
            ring(&scene, "b", ALARM);
        push_service_answer(&scene.service, cases[i].answer);
        push(&scene);
        if (cases[i].repeats && i == 1)
            push(&scene);
        assert_int_equal(waiting(&scene), cases[i].waiting);
        assert_int_equal(model_count(scene.db, "SELECT count(*) FROM push_subscription"),
                         cases[i].subscriptions);
        if (i < 2)
            assert_int_equal(model_count(scene.db, "SELECT repeats FROM push_subscription"),
                             cases[i].repeats);
    }
    scene_stop(&scene);
}

/* What nobody fetched in time is not pushed any more, and goes. */
static void late_ones_go(void **state)
{
    Scene scene;
    scene_start(&scene, *state);
    ring(&scene, "a", ALARM);
    purge_exec(scene.db, "UPDATE push_alert SET expires_at = 1");
    push(&scene);
    assert_int_equal(push_service_count(&scene.service), 0);
    DutyLane lane;
    purge_ask_round(scene.db, "purge.stores", NULL);
    duty_lane_init(&lane, scene.store, "purge.stores", &scene.settings);
    purge_round(&lane, "purge.stores");
    duty_lane_clear(&lane);
    assert_int_equal(waiting(&scene), 0);
    scene_stop(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_shown_once),
        cmocka_unit_test(instances_are_named),
        cmocka_unit_test(who_does_not_ask_gets_none),
        cmocka_unit_test(each_answer_has_its_end),
        cmocka_unit_test(late_ones_go),
    };
    return test_on_both_stores("push_alerts", tests, G_N_ELEMENTS(tests));
}
