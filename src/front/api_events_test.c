/* api_events_test: what a stream of the status says as time goes by, on both stores. */
#include <string.h>

#include "front/api_events.h"
#include "front/http_stream.h"
#include "support.h"

static const Handler handler = {.run = NULL};
static const Role roles[] = {{.name = "work", .setting = "work.work", .handler = &handler}};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};

typedef struct {
    ClockManual clock;
    ApiEvents *events;
    HttpHouse house;
} Fixture;

static void make(Fixture *fixture)
{
    *fixture = (Fixture){0};
    clock_manual_init(&fixture->clock, 1000);
    fixture->events = api_events_new(&set, &fixture->clock.clock);
    fixture->house = (HttpHouse){.events = fixture->events};
}

static void pass(Fixture *fixture, int64_t ms)
{
    clock_manual_advance(&fixture->clock, ms * 1000);
}

static void open_stream(Fixture *fixture, HttpAnswer *answer)
{
    g_autoptr(GHashTable) query = g_hash_table_new(g_str_hash, g_str_equal);
    HttpCall call = {.house = &fixture->house, .query = query, .answer = answer};
    http_answer_init(answer);
    http_route_api_events.run(&call);
    assert_int_equal(answer->status, 200);
    assert_non_null(answer->stream);
}

/* What the stream says now, which must be an event of this kind. Caller frees. */
static char *hear(const HttpAnswer *answer, Db *db, const char *kind, HttpStreamNext next)
{
    GString *out = g_string_new(NULL);
    HttpStream *stream = answer->stream;
    assert_int_equal(stream->write(stream->state, HTTP_STREAM_EVERY, db, out), next);
    g_autofree char *head = g_strdup_printf("event: %s\ndata: {", kind);
    if (!g_str_has_prefix(out->str, head))
        fail_msg("got \"%.100s\", want a %s", out->str, kind);
    return g_string_free(out, FALSE);
}

static void check(const HttpAnswer *answer, Db *db, const char *kind)
{
    g_free(hear(answer, db, kind, HTTP_STREAM_GOES_ON));
}

/* A change that a report tells. */
static void change(Db *db)
{
    static const DbSql sql = {"UPDATE cluster SET epoch = 7, role_table = $1, digest = 'x'", NULL};
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    assert_int_equal(db_exec(db, &sql, DB_ARGS(db_text("work = *\n")), &error), 1);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

static void tells_what_has_changed(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Fixture fixture;
    make(&fixture);
    g_auto(HttpAnswer) answer;
    open_stream(&fixture, &answer);
    check(&answer, db, "status"); /* who comes is told at once */
    for (unsigned second = 1; second < 10; second++) {
        pass(&fixture, 1000);
        check(&answer, db, "alive");
    }
    pass(&fixture, 1000);
    check(&answer, db, "status"); /* of loads and leases, though nothing else is new */
    pass(&fixture, 1000);
    check(&answer, db, "alive");
    change(db);
    pass(&fixture, 1000);
    g_autofree char *told = hear(&answer, db, "status", HTTP_STREAM_GOES_ON);
    assert_non_null(strstr(told, "\"epoch\":7"));
    pass(&fixture, 1000);
    check(&answer, db, "alive");
    api_events_free(fixture.events);
}

/* Many pages cost the store what one does. */
static void one_report_a_second_for_all(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Fixture fixture;
    make(&fixture);
    g_auto(HttpAnswer) first, second;
    open_stream(&fixture, &first);
    open_stream(&fixture, &second);
    check(&first, db, "status");
    change(db);
    pass(&fixture, 400);
    g_autofree char *same = hear(&second, db, "status", HTTP_STREAM_GOES_ON);
    assert_null(strstr(same, "\"epoch\":7"));
    pass(&fixture, 600);
    check(&first, db, "status");
    pass(&fixture, 400);
    g_autofree char *other = hear(&second, db, "status", HTTP_STREAM_GOES_ON);
    assert_non_null(strstr(other, "\"epoch\":7"));
    api_events_free(fixture.events);
}

static void tells_of_trouble_and_ends(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    Fixture fixture;
    make(&fixture);
    g_auto(HttpAnswer) answer;
    open_stream(&fixture, &answer);
    check(&answer, db, "status");
    pass(&fixture, 1000);
    g_autofree char *trouble = hear(&answer, NULL, "trouble", HTTP_STREAM_AGAIN);
    assert_non_null(strstr(trouble, "the store cannot be reached"));
    pass(&fixture, 1000);
    check(&answer, db, "alive"); /* nothing has changed meanwhile */
    pass(&fixture, 600000);
    g_free(hear(&answer, db, "status", HTTP_STREAM_ENDS));
    api_events_free(fixture.events);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_has_changed),
        cmocka_unit_test(one_report_a_second_for_all),
        cmocka_unit_test(tells_of_trouble_and_ends),
    };
    return test_on_both_stores("api_events", tests, G_N_ELEMENTS(tests));
}
