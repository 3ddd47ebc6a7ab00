/* calendar_test: calendars and what is in them, on both stores. */
#include <string.h>

#include "model_support.h"

#include "base/error.h"
#include "base/limits_calendar.h"
#include "model/account.h"
#include "model/calendar_object.h"
#include "model/change.h"
#include "model/check.h"
#include "roster/task.h"

#define NOW INT64_C(1767225600000) /* 2026-01-01 */

static char *event(const char *uid, const char *lines)
{
    return g_strdup_printf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:%s\r\n"
                           "%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                           uid, lines);
}

static CalendarDraft *draft(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    CalendarDraftAsk ask = {.zone = zone_utc(), .now = NOW};
    CalendarDraft *made = calendar_draft_new(bytes, &ask, &error);
    assert_no_error(error);
    return made;
}

static CalendarEnd put(Db *db, const Calendar *calendar, CalendarPut *how, const char *text)
{
    g_autoptr(CalendarDraft) made = draft(text);
    CalendarEnd end = CALENDAR_FULL;
    IN_TX(db, calendar_object_put(db, calendar, how, made, &end, why));
    return end;
}

static CalendarEnd put_simple(Db *db, const Calendar *calendar, const char *name, const char *lines)
{
    g_autofree char *text = event(name, lines);
    CalendarPut how = {.name = name};
    CalendarEnd end = put(db, calendar, &how, text);
    g_free(how.ret_taken);
    return end;
}

static Calendar *make(Db *db, int64_t *ret_account)
{
    g_autoptr(GError) error = NULL;
    Calendar *calendar;
    assert_true(account_add(db, "ada@example.org", "Ada", 0, ret_account, &error));
    IN_TX(db, calendar_ensure(db, *ret_account, NULL, why));
    assert_true(db_begin(db, DB_READ, &error));
    calendar = calendar_find(db, *ret_account, CALENDAR_DEFAULT, &error);
    db_rollback(db);
    assert_no_error(error);
    return calendar;
}

static CalendarObject *find(Db *db, const Calendar *calendar, const char *name)
{
    assert_true(db_begin(db, DB_READ, NULL));
    CalendarObject *object = calendar_object_find(db, calendar->account, calendar->id, name, NULL);
    db_rollback(db);
    return object;
}

static void found(const char *rule, const char *text, void *data)
{
    (void)data;
    print_message("# %s: %s\n", rule, text);
}

static void whole(Db *db)
{
    static const CheckWatch watch = {.found = found};
    g_autoptr(GError) error = NULL;
    CheckResult result;
    assert_true(check_store(db, true, &watch, &result, &error));
    assert_int_equal(result.findings, 0);
}

#define START "DTSTART:20260301T090000Z\r\nDURATION:PT1H"
#define ALARM "\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT15M\r\nEND:VALARM"

static void stores_and_finds(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    g_autofree char *text = event("a", START);
    CalendarPut how = {.name = "a.ics"};
    assert_int_equal(put(store->db, calendar, &how, text), CALENDAR_CREATED);
    g_autoptr(CalendarObject) object = find(store->db, calendar, "a.ics");
    assert_string_equal(object->uid, "a");
    assert_int_equal(object->size, strlen(text));
    assert_memory_equal(g_bytes_get_data(object->data, NULL), text, strlen(text));
    assert_int_equal(object->first_at, INT64_C(1772355600000));
    assert_int_equal(object->last_at, INT64_C(1772359200000));
    assert_int_equal(model_count(store->db, "SELECT used_bytes FROM account"), strlen(text));
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM task WHERE role = "
                                            "'calendar-alerts'"),
                     0);
    whole(store->db);
}

static void preconditions(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    g_autofree char *one = event("a", START), *two = event("a", START "\r\nSUMMARY:x");
    g_autofree char *other = event("b", START);
    const char *const whatever[] = {"*", NULL};
    CalendarPut none = {.name = "a", .match.if_none = whatever};
    CalendarPut any = {.name = "a", .match.if_match = whatever};
    assert_int_equal(put(store->db, calendar, &any, one), CALENDAR_UNMET);
    assert_int_equal(put(store->db, calendar, &none, one), CALENDAR_CREATED);
    assert_int_equal(put(store->db, calendar, &none, one), CALENDAR_UNMET);
    g_autoptr(CalendarObject) first = find(store->db, calendar, "a");
    const char *const tags[] = {"else", first->etag, NULL}, *const odd[] = {"else", NULL};
    CalendarMatch known = {.if_match = tags};
    CalendarPut match = {.name = "a", .match = known};
    CalendarPut changed = {.name = "a", .match.if_none = tags};
    CalendarPut strange = {.name = "a", .match.if_match = odd};
    CalendarPut schedule = {.name = "a", .match.schedule_tag = "7"};
    assert_int_equal(put(store->db, calendar, &changed, two), CALENDAR_UNMET);
    assert_int_equal(put(store->db, calendar, &strange, two), CALENDAR_UNMET);
    assert_int_equal(put(store->db, calendar, &schedule, two), CALENDAR_UNMET);
    assert_int_equal(put(store->db, calendar, &match, two), CALENDAR_UPDATED);
    assert_int_equal(put(store->db, calendar, &match, one), CALENDAR_UNMET); /* another was first */
    assert_int_equal(put(store->db, calendar, &any, other), CALENDAR_UID_TAKEN);
    CalendarPut twin = {.name = "twin"};
    assert_int_equal(put(store->db, calendar, &twin, one), CALENDAR_UID_TAKEN);
    assert_string_equal(twin.ret_taken, "a");
    g_free(twin.ret_taken);
    CalendarEnd end;
    IN_TX(store->db, calendar_object_remove(store->db, calendar, "a", &known, &end, why));
    assert_int_equal(end, CALENDAR_UNMET);
    IN_TX(store->db, calendar_object_remove(store->db, calendar, "a", NULL, &end, why));
    assert_int_equal(end, CALENDAR_UPDATED);
    IN_TX(store->db, calendar_object_remove(store->db, calendar, "a", NULL, &end, why));
    assert_int_equal(end, CALENDAR_MISSING);
    assert_int_equal(model_count(store->db, "SELECT used_bytes FROM account"), 0);
    whole(store->db);
}

/* An alarm that is due and has not rung goes with its object to another calendar. */
static void moves_with_its_alarm(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    g_autofree char *text = event("a", START);
    CalendarPut moved = {.name = "a", .pending_since = NOW - 60000};
    assert_int_equal(put(store->db, calendar, &moved, text), CALENDAR_CREATED);
    g_autoptr(CalendarObject) object = find(store->db, calendar, "a");
    assert_int_equal(object->alerted_at, NOW - 60000);
    assert_int_equal(object->alert_at, NOW);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM task WHERE role = "
                                            "'calendar-alerts'"),
                     1);
    whole(store->db);
}

static void quota(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    assert_true(account_set_quota(store->db, "ada@example.org", 200, NULL));
    assert_int_equal(put_simple(store->db, calendar, "a", START), CALENDAR_CREATED);
    assert_int_equal(put_simple(store->db, calendar, "b", START), CALENDAR_OVER_QUOTA);
    assert_int_equal(put_simple(store->db, calendar, "a", START), CALENDAR_UPDATED);
    whole(store->db);
}

/* What a client that knows `since` is told: "name" or "-name". */
static char *changes(Db *db, const Calendar *calendar, int64_t since)
{
    GString *out = g_string_new(NULL);
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GPtrArray) list =
        calendar_object_changes(db, calendar->account, calendar->id, since, 100, NULL);
    db_rollback(db);
    for (unsigned i = 0; i < list->len; i++) {
        const CalendarChange *change = list->pdata[i];
        g_string_append_printf(out, "%s%s ", change->gone ? "-" : "", change->name);
    }
    return g_string_free(out, FALSE);
}

static void synchronises(void **state)
{
    TestStore *store = *state;
    int64_t account, now, floor;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    put_simple(store->db, calendar, "a", START);
    put_simple(store->db, calendar, "b", START);
    assert_true(db_begin(store->db, DB_READ, NULL));
    assert_true(calendar_state(store->db, account, &now, &floor, NULL));
    db_rollback(store->db);
    CalendarEnd end;
    put_simple(store->db, calendar, "c", START);
    put_simple(store->db, calendar, "a", START "\r\nSUMMARY:y");
    IN_TX(store->db, calendar_object_remove(store->db, calendar, "b", NULL, &end, why));
    g_autofree char *all = changes(store->db, calendar, 0);
    g_autofree char *since = changes(store->db, calendar, now);
    assert_string_equal(all, "c a "); /* who begins is not told what he never had */
    assert_string_equal(since, "c a -b ");
    IN_TX(store->db, change_trim(store->db, account, 0, 100, why) >= 0);
    g_autofree char *trimmed = changes(store->db, calendar, now);
    assert_string_equal(trimmed, "c a ");
    whole(store->db);
}

static void lists_by_time(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    put_simple(store->db, calendar, "once", START);
    put_simple(store->db, calendar, "series", START "\r\nRRULE:FREQ=DAILY");
    put_simple(store->db, calendar, "ended", START "\r\nRRULE:FREQ=DAILY;COUNT=2");
    assert_true(db_begin(store->db, DB_READ, NULL));
    CalendarAsk ask = {.calendar = calendar->id,
                       .from = INT64_C(1772928000000) /* 8 March */,
                       .to = INT64_C(1773014400000),
                       .limit = 10,
                       .with_data = true};
    g_autoptr(GPtrArray) found = calendar_object_list(store->db, account, &ask, NULL);
    db_rollback(store->db);
    assert_int_equal(found->len, 1);
    assert_string_equal(((CalendarObject *)found->pdata[0])->name, "series");
}

/* The task comes with the object, some time before the alarm's, and earlier when that moves. */
static void alarm_tasks(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) calendar = make(store->db, &account);
    put_simple(store->db, calendar, "a", "DTSTART:20360301T090000Z" ALARM);
    const char *due = "SELECT due_at FROM task WHERE role = 'calendar-alerts'";
    assert_int_equal(model_count(store->db, due), INT64_C(2087973900000) - ALARM_LOOK_AGAIN_MS);
    put_simple(store->db, calendar, "a", "DTSTART:20360201T090000Z" ALARM);
    assert_int_equal(model_count(store->db, due), INT64_C(2085468300000) - ALARM_LOOK_AGAIN_MS);
    int64_t of_key, object;
    assert_true(calendar_alert_parse_key("7.12", &of_key, &object));
    assert_int_equal(of_key, 7);
    assert_int_equal(object, 12);
    assert_false(calendar_alert_parse_key("7", &of_key, &object));
    assert_false(calendar_alert_parse_key("7.x", &of_key, &object));
}

static void calendars(void **state)
{
    TestStore *store = *state;
    int64_t account;
    g_autoptr(Calendar) first = make(store->db, &account);
    g_autoptr(Calendar) second = calendar_new("work");
    g_autoptr(GError) error = NULL;
    second->account = account;
    IN_TX(store->db, calendar_add(store->db, second, why));
    g_free(second->color);
    second->color = g_strdup("#ff0000");
    IN_TX(store->db, calendar_set(store->db, second, why));
    put_simple(store->db, second, "a", START);
    put_simple(store->db, first, "a", START); /* a UID is unique in its calendar */
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_false(calendar_add(store->db, second, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    db_rollback(store->db);
    calendar_wake();
    const Zone *zone = calendar_zone(second, "Europe/Berlin");
    assert_string_equal(zone_name(zone), "Europe/Berlin");
    zone_unref(zone);
    assert_true(db_begin(store->db, DB_READ, NULL));
    g_autoptr(GPtrArray) list = calendar_list(store->db, account, NULL);
    assert_int_equal(list->len, 2);
    g_autoptr(Calendar) again = calendar_get(store->db, account, second->id, NULL);
    assert_string_equal(again->color, "#ff0000");
    g_autoptr(GPtrArray) both = calendar_object_by_uid(store->db, account, "a", NULL);
    assert_int_equal(both->len, 2);
    const CalendarObject *one = both->pdata[0];
    g_autoptr(CalendarObject) same = calendar_object_get(store->db, account, one->id, NULL);
    assert_string_equal(same->etag, one->etag);
    db_rollback(store->db);
    IN_TX(store->db, calendar_destroy(store->db, account, second->id, why));
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM calendar_object"), 1);
    bool made = true;
    IN_TX(store->db, calendar_ensure(store->db, account, &made, why));
    assert_false(made);
    whole(store->db);
}

/* It was stored when calendar.max-attendees-per-instance was more than it is now. */
static void what_is_stored_is_read(void **state)
{
    (void)state;
    g_autoptr(GString) lines = g_string_new(START);
    for (unsigned i = 0; i <= CALENDAR_ATTENDEES_MAX; i++)
        g_string_append_printf(lines, "\r\nATTENDEE:mailto:a%u@example.org", i);
    g_autofree char *text = event("a", lines->str);
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    assert_null(icalendar_parse(text, strlen(text), NULL, NULL));
    g_autoptr(Icalendar) parsed = calendar_object_parse(&(CalendarObject){.data = bytes});
    assert_non_null(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_and_finds),
        cmocka_unit_test(preconditions),
        cmocka_unit_test(moves_with_its_alarm),
        cmocka_unit_test(quota),
        cmocka_unit_test(synchronises),
        cmocka_unit_test(lists_by_time),
        cmocka_unit_test(alarm_tasks),
        cmocka_unit_test(calendars),
        cmocka_unit_test(what_is_stored_is_read),
    };
    return test_on_both_stores("calendar", tests, G_N_ELEMENTS(tests));
}
