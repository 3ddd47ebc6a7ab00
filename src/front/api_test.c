/* api_test: who may, what it tells and changes, on both stores. */
#include <string.h>

#include "base/limits_http.h"
#include "front/api.h"
#include "front/certificate_read.h"
#include "front/http_auth.h"
#include "model_support.h"
#include "roster/shard.h"
#include "roster/task.h"
#include "support.h"

#define ADMIN "Basic YWRtaW5AZXhhbXBsZS5vcmc6cmlnaHQ=" /* admin@example.org:right */
#define ADA   "Basic YWRhQGV4YW1wbGUub3JnOnJpZ2h0"     /* ada@example.org:right */
#define WRONG "Basic YWRtaW5AZXhhbXBsZS5vcmc6d3Jvbmc=" /* admin@example.org:wrong */
#define JSON  "application/json"

static const Role roles[] = {{.name = "mail", .unit = ROLE_BY_ACCOUNT}};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};

typedef struct {
    Db *db;
    ClockManual clock;
    HttpHouse house;
} Fixture;

static void make(Fixture *fixture, TestStore *store)
{
    *fixture = (Fixture){.db = store->db};
    clock_manual_init(&fixture->clock, 1000);
    fixture->house = (HttpHouse){.routes = api_routes,
                                 .roles = &set,
                                 .clock = &fixture->clock.clock,
                                 .logins = http_logins_new(&fixture->clock.clock)};
    model_account(store->db, "admin@example.org", 0);
    model_account(store->db, "ada@example.org", 0);
    assert_true(account_set_password(store->db, "admin@example.org", "right", NULL));
    assert_true(account_set_password(store->db, "ada@example.org", "right", NULL));
    assert_true(account_set_admin(store->db, "admin@example.org", true, NULL));
}

static void clear(Fixture *fixture)
{
    http_logins_free(fixture->house.logins);
}

typedef struct {
    const char *method, *target;
    unsigned status;
    const char *login; /* NULL: none; the fields below likewise */
    const char *type, *origin, *site, *body;
} Ask;

static const char *ask_header(const char *name, void *data)
{
    const Ask *ask = data;
    if (strcmp(name, "Authorization") == 0)
        return ask->login;
    if (strcmp(name, "Content-Type") == 0)
        return ask->type;
    if (strcmp(name, "Origin") == 0)
        return ask->origin;
    if (strcmp(name, "Sec-Fetch-Site") == 0)
        return ask->site;
    return strcmp(name, "Host") == 0 ? "mail.example.org:11080" : NULL;
}

/* The answer's body, which must be JSON; the caller frees it. */
static json_t *ask(Fixture *fixture, const Ask *what)
{
    HttpRequest request = {.method = what->method,
                           .target = what->target,
                           .header = ask_header,
                           .data = (Ask *)(uintptr_t)what,
                           .peer = "192.0.2.1",
                           .body = what->body,
                           .body_size = what->body ? strlen(what->body) : 0};
    g_auto(HttpAnswer) answer;
    http_answer_init(&answer);
    g_autoptr(HttpCall) call = http_call_new(&fixture->house, &request, &answer);
    if (call)
        http_call_run(call, http_call_store(call) == HTTP_STORE_NOT ? NULL : fixture->db);
    if (answer.status != what->status)
        fail_msg("%s %s: got %u %s, want %u", what->method, what->target, answer.status,
                 answer.body->str, what->status);
    json_t *json = json_loadb(answer.body->str, answer.body->len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    return json;
}

static void add_task(Db *db, const char *key)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    TaskNew task = {.role = "mail",
                    .key = key,
                    .payload = "",
                    .bucket = bucket_of(key),
                    .due_at = INT64_MAX / 2};
    assert_true(task_add(db, &task, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void only_administrators_may(void **state)
{
    Fixture fixture;
    make(&fixture, *state);
    static const Ask asks[] = {
        {"GET", "/api/status", 401, NULL, NULL, NULL, NULL, NULL},
        {"GET", "/api/status", 401, "Bearer x", NULL, NULL, NULL, NULL},
        {"GET", "/api/status", 401, WRONG, NULL, NULL, NULL, NULL},
        {"GET", "/api/status", 403, ADA, NULL, NULL, NULL, NULL},
        {"GET", "/api/status", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 401, NULL, JSON, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 403, ADA, JSON, NULL, NULL, NULL},
        {"GET", "/api/openapi.json", 200, NULL, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(asks); i++)
        json_decref(ask(&fixture, &asks[i]));
    clear(&fixture);
}

static void change(Db *db, const DbSql *sql)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_exec(db, sql, DB_NO_ARGS, NULL) >= 0);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

/* Who was let in is not asked again, until the time is over; and then the mark is seen. */
static void a_login_is_remembered_for_a_time(void **state)
{
    Fixture fixture;
    make(&fixture, *state);
    static const DbSql many = {"UPDATE expiring SET value = '20' WHERE account = 0", NULL};
    static const DbSql forget = {"DELETE FROM expiring WHERE account = 0", NULL};
    static const Ask right = {"GET", "/api/roles", 200, ADMIN, NULL, NULL, NULL, NULL};
    static const Ask wrong = {"GET", "/api/roles", 401, WRONG, NULL, NULL, NULL, NULL};
    static const Ask slow = {"GET", "/api/roles", 429, WRONG, NULL, NULL, NULL, NULL};
    static const Ask ended = {"GET", "/api/roles", 403, ADMIN, NULL, NULL, NULL, NULL};
    json_decref(ask(&fixture, &right));
    for (unsigned i = 0; i <= LOGIN_FREE; i++)
        json_decref(ask(&fixture, &wrong));
    /* So many that no test depends on how fast it runs. */
    change(fixture.db, &many);
    json_decref(ask(&fixture, &slow));
    assert_true(account_set_admin(fixture.db, "admin@example.org", false, NULL));
    json_decref(ask(&fixture, &right)); /* another's guesses do not shut it out */
    clock_manual_advance(&fixture.clock, LOGIN_CACHE_MS * 1000);
    change(fixture.db, &forget);
    json_decref(ask(&fixture, &ended));
    clear(&fixture);
}

static void tells_and_changes_tasks(void **state)
{
    Fixture fixture;
    make(&fixture, *state);
    add_task(fixture.db, "1");
    add_task(fixture.db, "a/b c");
    static const Ask asks[] = {
        {"GET", "/api/tasks", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks?limit=1&state=waiting&role=mail", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks?limit=0", 400, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks?limit=1001", 400, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks?state=lost", 400, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks?states=due", 400, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks/mail:1", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks/mail:2", 404, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks/mail", 400, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks/mail:a%2Fb%20c/why", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"GET", "/api/tasks/mail:1/drop", 405, ADMIN, NULL, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 415, ADMIN, NULL, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 415, ADMIN, "text/plain", NULL, NULL, "{}"},
        {"POST", "/api/tasks/mail:1/drop", 400, ADMIN, JSON, NULL, NULL, "[]"},
        {"POST", "/api/tasks/mail:1/drop", 400, ADMIN, JSON, NULL, NULL, "{\"a\":1}"},
        {"POST", "/api/tasks/mail:1/drop", 403, ADMIN, JSON, "https://evil.example", NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 403, ADMIN, JSON, "null", NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 403, ADMIN, JSON, NULL, "cross-site", NULL},
        {"POST", "/api/tasks/mail:1/drop", 403, ADMIN, JSON, NULL, "same-site", NULL},
        {"GET", "/api/tasks/mail:1", 200, ADMIN, NULL, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/retry", 200, ADMIN, JSON, "http://mail.example.org:11080",
         "same-origin", "{}"},
        {"POST", "/api/tasks/mail:1/drop", 200, ADMIN, JSON, NULL, NULL, NULL},
        {"POST", "/api/tasks/mail:1/drop", 404, ADMIN, JSON, NULL, NULL, NULL},
        {"POST", "/api/nodes/7/drain", 404, ADMIN, JSON, NULL, NULL, NULL},
        {"POST", "/api/nodes/0/drain", 400, ADMIN, JSON, NULL, NULL, NULL},
        {"POST", "/api/nodes/x/reload", 400, ADMIN, JSON, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(asks); i++)
        json_decref(ask(&fixture, &asks[i]));
    json_t *left = ask(&fixture, &asks[0]);
    assert_int_equal(json_array_size(json_object_get(left, "tasks")), 1);
    json_decref(left);
    clear(&fixture);
}

static void metrics_are_drawn_from_what_was_kept(void **state)
{
    Fixture fixture;
    make(&fixture, *state);
    static const DbSql samples = {
        "INSERT INTO metric_sample (step, series, at, label, shard, count, total, greatest) VALUES"
        " (60000, 'messages', 60000, '', 1, 1, 5, 5), (60000, 'messages', 60000, '', 2, 1, 7, 7),"
        " (60000, 'messages', 120000, '', 1, 1, 6, 6), (60000, 'lag_ms', 60000, 'mail', 1, 1, 5, "
        "5),"
        " (60000, 'lag_ms', 60000, 'mail', 2, 1, 9, 9), (60000, 'lag_ms', 60000, 'a', 1, 1, 1, 1),"
        " (3600000, 'tasks_done', 0, 'mail', 1, 60, 120, 4),"
        " (3600000, 'bytes', 0, '', 1, 60, 120, 4)",
        NULL};
    static const struct {
        const char *query, *want;
    } table[] = {
        {"from=0&to=180000&step=60000", "messages//60000=12 messages//120000=6 "},
        {"from=60001&to=180000&step=60000", "messages//120000=6 "},
        {"from=0&to=120000&step=60000&series=messages", "messages//60000=12 "},
        {"from=0&to=180000&step=60000&series=lag_ms", "lag_ms/a/60000=1 lag_ms/mail/60000=9 "},
        {"from=0&to=180000&step=3600000&series=tasks_done", "tasks_done/mail/0=120 "},
        {"from=0&to=180000&step=3600000&series=bytes", "bytes//0=2 "},
        {"from=0&to=180000&step=60000&series=bytes", ""},
    };
    static const char *const bad[] = {"step=1",
                                      "from=x",
                                      "from=-1",
                                      "from=2&to=1",
                                      "series=no",
                                      "what=1",
                                      "to=99999999999999999999"};
    change(fixture.db, &samples);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *target = g_strconcat("/api/metrics/history?", table[i].query, NULL);
        json_t *answer = ask(&fixture, &(Ask){"GET", target, 200, ADMIN, NULL, NULL, NULL, NULL});
        json_t *series, *point;
        size_t one, at;
        g_autoptr(GString) got = g_string_new("");
        json_array_foreach(json_object_get(answer, "series"), one, series)
            json_array_foreach(json_object_get(series, "points"), at, point)
                g_string_append_printf(got, "%s/%s/%d=%g ",
                                       json_string_value(json_object_get(series, "name")),
                                       json_string_value(json_object_get(series, "value")),
                                       (int)json_integer_value(json_array_get(point, 0)),
                                       json_number_value(json_array_get(point, 1)));
        if (strcmp(got->str, table[i].want) != 0)
            fail_msg("%s: got %s, want %s", table[i].query, got->str, table[i].want);
        json_decref(answer);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *target = g_strconcat("/api/metrics/history?", bad[i], NULL);
        json_decref(ask(&fixture, &(Ask){"GET", target, 400, ADMIN, NULL, NULL, NULL, NULL}));
    }
    clear(&fixture);
}

/* Those of the store, with what its CA has said, whole; and those that were never begun. */
static void certificates_are_all_told(void **state)
{
    static char *names[] = {"mail.example.org", NULL};
    static const CertificateWanted wanted[] = {{"mail", names}, {"web", names}};
    static const CertificateHouse certificates = {.wanted = wanted, .count = 2, .file = ""};
    static const DbSql failing = {
        "UPDATE certificate SET failures = 3, problem = '{\"type\":\"a:b\",\"detail\":\"c\","
        "\"subproblems\":[{\"detail\":\"d\"}]}'",
        NULL};
    static const char *const order[] = {"mail", "old", "web"};
    Fixture fixture;
    make(&fixture, *state);
    fixture.house.certificates = &certificates;
    assert_true(db_begin(fixture.db, DB_WRITE, NULL));
    assert_true(certificate_set_wish(fixture.db, "mail", "renew", NULL));
    assert_true(certificate_set_wish(fixture.db, "old", "renew", NULL));
    assert_int_equal(db_commit(fixture.db, NULL), DB_DONE);
    change(fixture.db, &failing);
    json_t *answer =
        ask(&fixture, &(Ask){"GET", "/api/certificates", 200, ADMIN, NULL, NULL, NULL, NULL});
    const json_t *all = json_object_get(answer, "certificates");
    assert_int_equal(json_array_size(all), G_N_ELEMENTS(order));
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        const json_t *one = json_array_get(all, i), *problem = json_object_get(one, "problem");
        bool is_wanted = json_array_size(json_object_get(one, "wanted")) == 1;
        assert_string_equal(json_string_value(json_object_get(one, "name")), order[i]);
        assert_string_equal(json_string_value(json_object_get(one, "state")), "none");
        assert_int_equal(is_wanted, strcmp(order[i], "old") != 0);
        assert_int_equal(json_array_size(json_object_get(problem, "subproblems")),
                         strcmp(order[i], "web") != 0);
    }
    json_decref(answer);
    clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_administrators_may),
        cmocka_unit_test(a_login_is_remembered_for_a_time),
        cmocka_unit_test(tells_and_changes_tasks),
        cmocka_unit_test(metrics_are_drawn_from_what_was_kept),
        cmocka_unit_test(certificates_are_all_told),
    };
    return test_on_both_stores("api", tests, G_N_ELEMENTS(tests));
}
