/* jmap_push_test: PushSubscription/get and /set, by their words. */
#include "model_support.h"

#include <string.h>

#include "front/jmap_push.h"

#define P256DH                                                                                     \
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH  "BTBZMqHH6r4Tts7J_aSIgg"
#define URL   "https://push.example.net/"
#define BASIC "'deviceClientId': 'phone', 'url': '" URL "1'"

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
    json_error_t error;
    json_t *value = json_loads(quoted, 0, &error);
    if (!value)
        fail_msg("%s: %s", quoted, error.text);
    return value;
}

static json_t *call(const JmapPush *push, bool set, const char *text)
{
    json_t *arguments = parse(text), *error = NULL;
    json_t *response =
        set ? jmap_push_set(push, arguments, NULL, &error) : jmap_push_get(push, arguments, &error);
    assert_true(!response == !!error);
    json_decref(arguments);
    return response ? response : error;
}

/* The text at a path of names, "a/b/c"; NULL: nothing is there. */
static const char *text_at(json_t *value, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    for (char **name = names; *name; name++)
        value = json_is_array(value)
                    ? json_array_get(value, (size_t)g_ascii_strtoull(*name, NULL, 10))
                    : json_object_get(value, *name);
    return json_is_string(value) ? json_string_value(value) : json_is_null(value) ? "null" : NULL;
}

static void expect(json_t *value, const char *path, const char *want)
{
    const char *got = text_at(value, path);
    if (g_strcmp0(got, want) != 0) {
        g_autofree char *all = json_dumps(value, JSON_COMPACT);
        fail_msg("%s: got %s, want %s in %s", path, got ? got : "nothing", want, all);
    }
}

static char *make(const JmapPush *push, const char *properties)
{
    g_autofree char *text = g_strdup_printf("{'create': {'a': {%s}}}", properties);
    json_t *response = call(push, true, text);
    char *id = g_strdup(text_at(response, "created/a/id"));
    assert_non_null(id);
    assert_non_null(text_at(response, "created/a/expires"));
    expect(response, "notCreated", "null");
    json_decref(response);
    return id;
}

static void a_life(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    JmapPush push = {.db = db, .account = model_account(db, "ada@example.org", 0)};
    g_autofree char *id = make(&push, BASIC ", 'types': ['Email'], 'keys': {'p256dh': '" P256DH
                                            "', 'auth': '" AUTH "'}");
    json_t *got = call(&push, false, "{}");
    expect(got, "list/0/id", id);
    expect(got, "list/0/deviceClientId", "phone");
    expect(got, "list/0/verificationCode", "null");
    expect(got, "list/0/types/0", "Email");
    assert_null(text_at(got, "list/0/url"));
    assert_null(text_at(got, "list/0/x-rota-delivery"));
    json_decref(got);
    int64_t now = 0;
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GPtrArray) list = subscription_read(db, push.account, &now, NULL);
    db_rollback(db);
    const Subscription *one = g_ptr_array_index(list, 0);
    assert_true(one->encrypted);
    g_autofree char *verify =
        g_strdup_printf("{'update': {'%s': {'verificationCode': '%s', 'types': null, "
                        "'expires': '2099-01-01T00:00:00Z'}}}",
                        id, one->code);
    json_t *updated = call(&push, true, verify);
    g_autofree char *path = g_strdup_printf("updated/%s/expires", id);
    assert_true(g_str_has_suffix(text_at(updated, path), "Z"));
    assert_true(strcmp(text_at(updated, path), "2099") < 0); /* shorter than it was asked for */
    json_decref(updated);
    g_autofree char *ask =
        g_strdup_printf("{'ids': ['%s', 'P1', '%s'], 'properties': ['types', 'verificationCode', "
                        "'x-rota-delivery']}",
                        id, id);
    got = call(&push, false, ask);
    expect(got, "list/0/verificationCode", one->code);
    expect(got, "list/0/types", "null");
    expect(got, "list/0/x-rota-delivery/stage", "verified");
    expect(got, "list/0/x-rota-delivery/lastAt", "null");
    expect(got, "notFound/0", "P1");
    assert_int_equal(json_array_size(json_object_get(got, "list")), 1);
    json_decref(got);
    g_autofree char *destroy = g_strdup_printf("{'destroy': ['%s', 'P1']}", id);
    got = call(&push, true, destroy);
    expect(got, "destroyed/0", id);
    expect(got, "notDestroyed/P1/type", "notFound");
    json_decref(got);
}

static const struct {
    const char *create, *type, *property;
} creations[] = {
    {"'url': '" URL "'", "invalidProperties", "deviceClientId"},
    {"'deviceClientId': 'a'", "invalidProperties", "url"},
    {"'deviceClientId': 1, 'url': '" URL "'", "invalidProperties", "deviceClientId"},
    {"'deviceClientId': '', 'url': '" URL "'", "invalidProperties", "deviceClientId"},
    {"'deviceClientId': 'a', 'url': 'http://a/'", "invalidProperties", "url"},
    {"'deviceClientId': 'a', 'url': 'https://a b/'", "invalidProperties", "url"},
    {BASIC ", 'id': 'P7'", "invalidProperties", NULL},
    {BASIC ", 'colour': 'red'", "invalidProperties", NULL},
    {BASIC ", 'verificationCode': 'x'", "invalidProperties", "verificationCode"},
    {BASIC ", 'types': 'Email'", "invalidProperties", "types"},
    {BASIC ", 'types': [1]", "invalidProperties", "types"},
    {BASIC ", 'types': ['a b']", "invalidProperties", "types"},
    {BASIC ", 'expires': 'tomorrow'", "invalidProperties", "expires"},
    {BASIC ", 'expires': '2001-01-01T00:00:00Z'", "invalidProperties", "expires"},
    {BASIC ", 'expires': '2099-01-01T00:00:00+01:00'", "invalidProperties", "expires"},
    {BASIC ", 'keys': {}", "invalidProperties", "keys"},
    {BASIC ", 'keys': {'p256dh': 'AAAA', 'auth': '" AUTH "'}", "invalidProperties", "keys"},
    {BASIC ", 'keys': {'p256dh': '" P256DH "', 'auth': 'AAAA'}", "invalidProperties", "keys"},
};

static void wrong_objects_are_refused(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    JmapPush push = {.db = db, .account = model_account(db, "ada@example.org", 0)};
    for (size_t i = 0; i < G_N_ELEMENTS(creations); i++) {
        g_autofree char *text =
            g_strdup_printf("{'create': {'x': {%s}, 'good': {" BASIC "}}}", creations[i].create);
        json_t *got = call(&push, true, text);
        expect(got, "notCreated/x/type", creations[i].type);
        if (creations[i].property)
            expect(got, "notCreated/x/properties/0", creations[i].property);
        assert_non_null(text_at(got, "created/good/id"));
        json_decref(got);
    }
    g_autofree char *id = make(&push, BASIC);
    static const char *const patches[] = {
        "{'url': 'https://b/'}",
        "{'deviceClientId': 'b'}",
        "{'types/0': 'Email'}",
        "{'verificationCode': 'no'}",
        "{'verificationCode': null}",
        "{'types': {}}",
        "{'expires': 7}",
        "7",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autofree char *text = g_strdup_printf("{'update': {'%s': %s}}", id, patches[i]);
        g_autofree char *path = g_strdup_printf("notUpdated/%s/type", id);
        json_t *got = call(&push, true, text);
        expect(got, path, "invalidProperties");
        json_decref(got);
    }
    json_t *gone = call(&push, true, "{'update': {'P1': {}, '#none': {}}, 'destroy': ['#none']}");
    expect(gone, "notUpdated/P1/type", "notFound");
    expect(gone, "notUpdated/#none/type", "notFound");
    expect(gone, "notDestroyed/#none/type", "notFound");
    json_decref(gone);
}

static const struct {
    bool set;
    const char *arguments, *type;
} calls[] = {
    {false, "[]", "invalidArguments"},
    {false, "{'accountId': 'a'}", "invalidArguments"},
    {false, "{'ids': 'a'}", "invalidArguments"},
    {false, "{'ids': [1]}", "invalidArguments"},
    {false, "{'properties': ['colour']}", "invalidArguments"},
    {false, "{'properties': ['url']}", "forbidden"},
    {false, "{'properties': ['keys']}", "forbidden"},
    {false, "{'ids': ['a', 'b', 'c', 'd']}", "requestTooLarge"},
    {true, "[]", "invalidArguments"},
    {true, "{'ifInState': '1'}", "invalidArguments"},
    {true, "{'create': []}", "invalidArguments"},
    {true, "{'update': 1}", "invalidArguments"},
    {true, "{'destroy': {}}", "invalidArguments"},
    {true, "{'destroy': [null]}", "invalidArguments"},
    {true, "{'destroy': ['a', 'b'], 'create': {'x': {}, 'y': {}}}", "requestTooLarge"},
};

static void wrong_calls_are_refused(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    JmapPush push = {
        .db = db, .account = model_account(db, "ada@example.org", 0), .objects_max = 3};
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        json_t *got = call(&push, calls[i].set, calls[i].arguments);
        expect(got, "type", calls[i].type);
        json_decref(got);
    }
}

static void what_is_anothers_is_not_found(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    JmapPush ada = {.db = db, .account = model_account(db, "ada@example.org", 0)};
    JmapPush bob = {.db = db, .account = model_account(db, "bob@example.org", 0)};
    g_autofree char *id = make(&ada, BASIC);
    g_autofree char *get = g_strdup_printf("{'ids': ['%s']}", id);
    g_autofree char *set =
        g_strdup_printf("{'update': {'%s': {'types': null}}, 'destroy': ['%s']}", id, id);
    json_t *got = call(&bob, false, get);
    expect(got, "notFound/0", id);
    json_decref(got);
    got = call(&bob, true, set);
    g_autofree char *path = g_strdup_printf("notUpdated/%s/type", id);
    expect(got, path, "notFound");
    expect(got, "destroyed", "null");
    json_decref(got);
}

static void creation_ids_are_known(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    JmapPush push = {.db = db, .account = model_account(db, "ada@example.org", 0)};
    json_t *arguments = parse("{'create': {'k': {" BASIC "}}, 'update': {'#k': {'types': []}}, "
                              "'destroy': ['#k']}");
    json_t *ids = json_object(), *error = NULL;
    json_t *got = jmap_push_set(&push, arguments, ids, &error);
    expect(got, "destroyed/0", "#k");
    expect(ids, "k", text_at(got, "created/k/id"));
    json_decref(got);
    json_decref(ids);
    json_decref(arguments);
}

static void the_key_is_told(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    const Seal none = {.count = 0};
    json_t *one = jmap_push_capability(db, &none, NULL);
    json_t *two = jmap_push_capability(db, &none, NULL);
    assert_int_equal(strlen(text_at(one, "applicationServerKey")), 87);
    assert_true(json_equal(one, two));
    json_decref(one);
    json_decref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(wrong_objects_are_refused),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(what_is_anothers_is_not_found),
        cmocka_unit_test(creation_ids_are_known),
        cmocka_unit_test(the_key_is_told),
    };
    return test_on_both_stores("jmap_push", tests, G_N_ELEMENTS(tests));
}
