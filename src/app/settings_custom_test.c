/* settings_custom: what stands in [cluster.roles.custom.NAME], each refusal with its place, and how
 * such a role joins the ten. */
#include "support.h"

#include "base/limits.h"

#include "app/settings.h"

#define NODE   "cluster.node-id = 1\n"
#define CUSTOM "[cluster.roles.custom.x]\nevery = \"1h\"\n"

static Settings *load(const char *text, GPtrArray *problems)
{
    return settings_load("etc/rota.toml", text, strlen(text), problems);
}

static const struct {
    const char *input, *want; /* want: a part of the problems */
} refusals[] = {
    {"cluster.roles.custom = 1",
     "found \"custom\" with an integer; write the table [cluster.roles.custom.backup]"},
    {"[cluster.roles.custom]\nx = 1",
     "2:1: found \"custom.x\" with an integer; write the table [cluster.roles.custom.x]"},
    {"[cluster.roles.custom.\"a.b\"]", "found the custom role \"a.b\"; write a name of at most 40"},
    {"[cluster.roles.custom.A]", "found the custom role \"A\"; write a name"},
    {"[cluster.roles.custom.\"a\\u0000b\"]", "found the custom role \"a\"; write a name"},
    {CUSTOM, "1:23: cluster.roles.custom.x.command: found none; write the program"},
    {CUSTOM "command = \"tar -cf 'a b' x\"",
     "3:11: cluster.roles.custom.x.command: found one text; write its words as an array, command = "
     "[\"tar\", \"-cf\", \"a b\", \"x\"], or add shell = true"},
    {CUSTOM "command = \"tar 'x\"", "command = [\"tar\", \"'x\"], or add shell = true"},
    {CUSTOM "shell = true\ncommand = [\"a\", \"b\"]",
     "4:11: cluster.roles.custom.x.command: found an array with shell = true; write one text, as "
     "in "
     "\"a b\", or remove shell"},
    {CUSTOM "command = []",
     "3:11: cluster.roles.custom.x.command: found an array of another length"},
    {CUSTOM "command = 1", "command: found an integer; write the program and its arguments"},
    {CUSTOM "command = [\"\"]", "command: found an empty program"},
    {CUSTOM "command = [\"a\", 1]", "3:17: cluster.roles.custom.x.command: found an integer"},
    {CUSTOM "command = [\"a\\u0000\"]", "command: found a NUL in a text"},
    {"[cluster.roles.custom.x]\ncommand = [\"a\"]",
     "cluster.roles.custom.x.schedule: found neither schedule nor every"},
    {CUSTOM "schedule = \"0 3 * * *\"", "cluster.roles.custom.x.every: found a schedule too"},
    {"[cluster.roles.custom.x]\nschedule = \"daily\"", "which is no schedule; write five fields"},
    {CUSTOM "every = \"1h\"", "\"every\" again"},
    {"[cluster.roles.custom.x]\nevery = \"1ms\"",
     "2:9: cluster.roles.custom.x.every: found 1ms; write a value from 1s to 366d"},
    {CUSTOM "for-each = \"acount\"", "for-each: found \"acount\"; write \"account\""},
    {CUSTOM "timeout = 30", "timeout: found 30 without a unit"},
    {CUSTOM "attempts = 0", "attempts: found 0; write a value from 1 to 1000"},
    {CUSTOM "retry.min = \"2h\"", "retry.max: found a longest wait that is shorter"},
    {CUSTOM "retry.most = \"2h\"", "found the unknown setting \"retry.most\" of custom.x"},
    {CUSTOM "\"retry.min\" = \"2h\"", "found the unknown setting \"retry.min\" of custom.x"},
    {CUSTOM "comand = [\"a\"]",
     "3:1: found the unknown setting \"comand\" of custom.x; did you mean \"command\"?"},
    {CUSTOM "environment = [\"A=1\"]", "environment: found an array; write a table"},
    {CUSTOM "environment = { \"A B\" = \"1\" }", "found \"A B\"; write the name of a variable"},
    {CUSTOM "environment = { ROTA_TASK = \"1\" }", "found \"ROTA_TASK\"; write the name"},
    {CUSTOM "environment = { A = 1 }", "environment: found an integer; write a text"},
    {CUSTOM "nodes = []", "3:9: cluster.roles.custom.x: found an empty list"},
    {CUSTOM "nodes = [1, 4]", "cluster.roles.custom.x: found bare numbers"},
    {"[lane.\"custom.x\"]\nbatch = 2\n" CUSTOM "command = [\"a\"]",
     "found the unknown setting \"lane.custom.x\""},
};

static void each_refusal_has_its_place(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(refusals[i].input, problems);
        g_autofree char *got = settings_problems_format(problems);
        if (settings || !strstr(got, refusals[i].want))
            fail_msg("%s\ngot: %s\nwant: %s", refusals[i].input, got, refusals[i].want);
    }
}

static void custom_roles_join_the_ten(void **state)
{
    (void)state;
    g_setenv("HOME", "/home", TRUE);
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = load(
        NODE
        "[cluster.roles.custom]\n"
        "backup = { nodes = [\"1,4\", \"2\"], command = [\"bin/save\", \"a b\"], every = \"90s\","
        " retry = { min = \"5s\" }, concurrency = 3, timeout = \"2m\", directory = \"sub\","
        " environment = { A = \"1 2\", HOME = \"/x\" } }\n"
        "[cluster.roles.custom.per-mailbox]\ncommand = \"echo $ROTA_ADDRESS\"\nshell = true\n"
        "for-each = \"account\"\nschedule = \"0 3 * * *\"\nattempts = 7\n",
        problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_string_equal(told, "");
    assert_int_equal(settings->roles.count, duty_roles.count + 2);
    const Role *backup = role_find(&settings->roles, "custom.backup"),
               *per = role_find(&settings->roles, "custom.per-mailbox");
    assert_string_equal(settings_schedule(settings, backup), "every 90s");
    assert_string_equal(settings_schedule(settings, per), "0 3 * * *");
    assert_int_equal(table_shards(settings->table, "custom.backup"), 2);
    assert_true(table_role_is_all(settings->table, "custom.per-mailbox"));
    assert_int_equal(settings_lane(settings, backup)->concurrency, 3);
    assert_int_equal(settings_lane(settings, backup)->batch, 1);
    assert_int_equal(settings_lane(settings, backup)->retry_min_ms, 5000);
    assert_int_equal(settings_lane(settings, per)->attempts, 7);
    const CustomDuty *duty = settings->duty.customs;
    g_autofree char *program = g_canonicalize_filename("etc/bin/save", NULL);
    assert_string_equal(duty[0].command[0], program);
    assert_string_equal(duty[0].command[1], "a b");
    assert_true(g_str_has_suffix(duty[0].directory, "/etc/sub"));
    assert_string_equal(g_environ_getenv(duty[0].environment, "A"), "1 2");
    assert_string_equal(g_environ_getenv(duty[0].environment, "HOME"), "/x");
    assert_string_equal(g_environ_getenv(duty[1].environment, "HOME"), "/home");
    assert_non_null(g_environ_getenv(duty[1].environment, "PATH"));
    assert_string_equal(duty[1].command[0], "/bin/sh");
    assert_string_equal(duty[1].command[2], "echo $ROTA_ADDRESS");
    g_autoptr(GArray) rounds = settings_rounds(settings);
    assert_ptr_equal(g_array_index(rounds, Round, rounds->len - 1).role, per);
}

static void there_is_an_end_to_custom_roles(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(GString) text = g_string_new(NODE "[cluster.roles.custom]\n");
    for (unsigned i = 0; i <= CUSTOM_ROLES_MAX; i++)
        g_string_append_printf(text, "r%u = { command = [\"true\"], every = \"1h\" }\n", i);
    g_autoptr(Settings) settings = load(text->str, problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_null(settings);
    assert_non_null(strstr(told, "found more than 20 custom roles"));
}

int main(void)
{
    g_unsetenv("ROTA_NODE_ID");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_its_place),
        cmocka_unit_test(custom_roles_join_the_ten),
        cmocka_unit_test(there_is_an_end_to_custom_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
