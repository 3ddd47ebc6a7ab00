/* api_fuzz: any method, path, query and body as an administrator's request to the admin API, on a
 * store in memory with two accounts and a task: the first line is "METHOD TARGET", what follows it
 * is the body.
 *
 * Besides memory errors it looks for broken promises: an answer has a status, and its JSON can be
 * read; no GET changes the store.
 */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "db/migrate.h"
#include "front/api.h"
#include "front/http_auth.h"
#include "model/account.h"
#include "roster/task.h"

#define ADMIN "Basic YWRtaW5AZXhhbXBsZS5vcmc6cmlnaHQ=" /* admin@example.org:right */

static const Role roles[] = {{.name = "mail", .unit = ROLE_BY_ACCOUNT}};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};
static ClockManual manual;

/* The settings are app/'s, and have a fuzzer of their own. */
static RoleTable *read_table(const char *text, size_t size, void *data, GError **error)
{
    (void)text;
    (void)size;
    (void)data;
    fail(error, ERROR_REJECT, "no table");
    return NULL;
}

static HttpHouse house = {.routes = api_routes, .roles = &set, .read_table = read_table};

static Db *make_store(void)
{
    int64_t id;
    unsigned applied;
    Db *db = db_open(&(DbConfig){.kind = DB_SQLITE, .path = ":memory:"}, NULL);
    MUST(db && migrate_upgrade(db, &applied, NULL));
    MUST(account_add(db, "admin@example.org", "", 0, &id, NULL));
    MUST(account_add(db, "ada@example.org", "", 100, &id, NULL));
    MUST(account_set_password(db, "admin@example.org", "right", NULL));
    MUST(account_set_admin(db, "admin@example.org", true, NULL));
    TaskNew task = {.role = "mail", .key = "7", .payload = "", .due_at = 1};
    MUST(db_begin(db, DB_WRITE, NULL) && task_add(db, &task, NULL));
    MUST(db_commit(db, NULL) == DB_DONE);
    return db;
}

static const char *find_header(const char *name, void *data)
{
    if (strcmp(name, "Authorization") == 0)
        return ADMIN;
    return strcmp(name, "Content-Type") == 0 ? data : NULL;
}

static int64_t changes(Db *db)
{
    static const DbSql sql = {"SELECT total_changes()", NULL};
    int64_t count;
    MUST(db_begin(db, DB_READ, NULL) && db_query_int(db, &sql, DB_NO_ARGS, &count, NULL) > 0);
    db_rollback(db);
    return count;
}

static unsigned ask(Db *db, char *head, char *body)
{
    char *target = strchr(head, ' ');
    if (!target)
        return 0;
    *target++ = '\0';
    HttpRequest request = {.method = head,
                           .target = target,
                           .header = find_header,
                           .data = (void *)(uintptr_t)(g_str_has_prefix(target, "/api/plan")
                                                           ? "application/toml"
                                                           : "application/json"),
                           .peer = "192.0.2.1",
                           .body = body,
                           .body_size = strlen(body)};
    g_auto(HttpAnswer) answer;
    http_answer_init(&answer);
    g_autoptr(HttpCall) call = http_call_new(&house, &request, &answer);
    if (call)
        http_call_run(call, http_call_store(call) == HTTP_STORE_NOT ? NULL : db);
    MUST(answer.status >= 200 && answer.status <= 599);
    if (answer.body->len > 0) {
        json_t *json = json_loadb(answer.body->str, answer.body->len, JSON_DECODE_ANY, NULL);
        MUST(json);
        json_decref(json);
    }
    return answer.status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static Db *db;
    if (!house.logins) {
        clock_manual_init(&manual, 1000);
        house.clock = &manual.clock;
        house.logins = http_logins_new(house.clock);
    }
    if (!db)
        db = make_store();
    g_autofree char *text = g_strndup((const char *)bytes, size);
    char *body = strchr(text, '\n');
    if (body)
        *body++ = '\0';
    int64_t before = changes(db);
    bool get = g_str_has_prefix(text, "GET ");
    unsigned status = ask(db, text, body ? body : text + strlen(text));
    MUST(!get || changes(db) == before);
    /* The administrator has taken the mark or the account from himself. */
    if (status == 401 || status == 403) {
        g_clear_pointer(&db, db_close);
        http_logins_free(house.logins);
        house.logins = NULL;
    }
    return 0;
}
