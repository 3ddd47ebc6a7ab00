/* settings: every row of the role table, every refusal with its place, defaults, secrets; and the
 * manual and the example against the table. */
#include "support.h"

#include "base/limits.h"

#include "app/settings.h"
#include "app/settings_table.h"

static Settings *load(const char *text, GPtrArray *problems)
{
    return settings_load("etc/rota.toml", text, strlen(text), problems);
}

/* The role table's line of a role, or the first problem. */
static char *line_or_problem(const char *text, const char *role)
{
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = load(text, problems);
    if (!settings)
        return settings_problems_format(problems);
    g_autofree char *table = table_format(settings->table);
    g_autofree char *prefix = g_strdup_printf("%s = ", role);
    g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, prefix))
            return g_strdup(*line + strlen(prefix));
    return g_strdup("no line");
}

#define NODE "cluster.node-id = 1\n"

/* Each row of "the role table", and each case of what other systems let through. */
static const struct {
    const char *role, *input,
        *want; /* want: the nodes, or a part of the problem, which begins with its place */
} role_cases[] = {
    {"purge.stores", "[cluster.roles.purge]\nstores = [\"1,4\", \"2,3\", \"5,6\"]",
     "1,4 | 2,3 | 5,6"},
    {"purge.stores", "[cluster.roles.purge]\nstores = [\"1,2\"]", "1,2"},
    {"purge.stores", "[cluster.roles.purge]\nstores = \"1,2\"", "1,2"},
    {"purge.stores", "[cluster.roles.purge]\nstores = 1", "1"},
    {"purge.stores", "", "*"},
    {"purge.stores", "[cluster.roles.purge]\nstores = \"*\"", "*"},
    {"purge.stores", "[cluster.roles.purge]\nstores = \"none\"", "none"},
    {"purge.stores", "[cluster.roles.purge]\nstores = [\"*\"]", "*"},
    {"purge.stores", "[cluster.roles.purge]\nstores = [\"none\"]", "none"},
    {"purge.stores", "cluster.roles.purge.stores = [\"1\"]", "1"},
    {"purge.stores", "[cluster.roles]\n\"purge.stores\" = [\"1\"]", "1"},
    {"purge.stores", "[cluster.roles]\npurge = { stores = \"1\" }", "1"},
    {"fts-indexing", "[cluster.roles]\nfts-indexing = [\"1\", \"2\"]", "1 | 2"},
    {"fts-indexing", "cluster.roles.fts-indexing = [\"1\", \"2\"]", "1 | 2"},
    {"fts-indexing", "[cluster.roles.fts-indexing]\nfts-indexing = [\"1\", \"2\"]", "1 | 2"},
    {"push-notifications", "cluster.roles.push-notifications = [\"1\", \"2\"]", "1 | 2"},
    {"push-notifications",
     "[cluster.roles.push-notifications]\npush-notifications = [\"1,2\", \"3\"]", "1,2 | 3"},
    {"calendar-alerts", "cluster.roles.calendar-alerts = 5", "5"},
    {"imip-processing", "[cluster.roles.imip-processing]\nimip-processing = [\"4\"]", "4"},
    {"bayes-training", "cluster.roles.bayes-training = [\"1\"]", "1"},
    {"bayes-training", "cluster.roles.spam-training = [\"1\"]", "1"},
    {"bayes-training", "[cluster.roles.spam-training]\nspam-training = [\"1\"]", "1"},
    {"bayes-training", "[cluster.roles.bayes-training]\nspam-training = [\"1\"]", "1"},
    {"acme.renew", "[cluster.roles.acme]\nrenew = [\"10-19\"]", "10-19"},
    {"acme.renew", "[cluster.roles.acme]\nrenew = [\"1,4,10-19\"]", "1,4,10-19"},
    {"acme.renew", "[cluster.roles.acme]\nrenew = [\"1,2\", \"2,3\"]", "1,2 | 2,3"},
    {"push-notifications", "cluster.roles.push-notifications = [\"1\"]", "1"},
    {"push-notifications", "cluster.roles.push-notifications = [\"1,2\"]",
     "etc/rota.toml:2:36: cluster.roles.push-notifications: found one shard of several nodes "
     "(\"1,2\"); push-notifications must be sharded, "
     "so that nothing is sent twice: write one shard for each node: [\"1\", \"2\"]"},
    {"acme.renew", "cluster.roles.acme.renew = []",
     "etc/rota.toml:2:28: cluster.roles.acme.renew: found an empty list, which has meant every "
     "node elsewhere; write \"*\" for every node, "
     "\"none\" for no node"},
    {"acme.renew", "cluster.roles.acme.renew = [1, 4]",
     "2:28: cluster.roles.acme.renew: found bare numbers, [1, 4], which could mean one shard "
     "or several; write [\"1,4\"] for one shard of "
     "these nodes, or [\"1\", \"4\"] for a shard each"},
    {"acme.renew", "cluster.roles.acme.renew = [1]", "found the bare number [1]; write [\"1\"]"},
    {"acme.renew", "cluster.roles.acme.renew = [\"1\", 4]",
     "2:34: cluster.roles.acme.renew: found the bare number 4 among shards; write \"4\""},
    {"acme.renew", "cluster.roles.acme.renew = [\"1,1\"]",
     "2:29: cluster.roles.acme.renew: found node 1 twice in the shard \"1,1\""},
    {"acme.renew", "cluster.roles.acme.renew = [\"1\", \"\"]",
     "2:34: cluster.roles.acme.renew: found an empty shard"},
    {"acme.renew", "cluster.roles.acme.renew = \"\"",
     "2:28: cluster.roles.acme.renew: found an empty shard"},
    {"acme.renew", "cluster.roles.acme.renew = 0", "2:28: cluster.roles.acme.renew: found node 0"},
    {"acme.renew", "cluster.roles.acme.renew = -4",
     "2:28: cluster.roles.acme.renew: found the negative node \"-4\""},
    {"acme.renew", "cluster.roles.acme.renew = 2147483648",
     "2:28: cluster.roles.acme.renew: found the node \"2147483648\", which is too large"},
    {"acme.renew", "cluster.roles.acme.renew = [\"1\",\"x\",\"3\"]",
     "2:33: cluster.roles.acme.renew: found \"x\", which is no node"},
    {"acme.renew", "cluster.roles.acme.renew = [\"4-1\"]",
     "found the reversed range \"4-1\"; write \"1-4\""},
    {"acme.renew", "cluster.roles.acme.renew = [\"1\", \"*\"]",
     "found \"*\" beside other nodes or shards"},
    {"acme.renew", "cluster.roles.acme.renew = [[\"1\"], [\"2\"]]",
     "2:29: cluster.roles.acme.renew: found an array as a shard; write its nodes"},
    {"acme.renew", "cluster.roles.acme.renew = true",
     "2:28: cluster.roles.acme.renew: found a boolean; write shards of nodes"},
    {"acme.renew", "cluster.roles.acme.renew = 1.5",
     "found a number with a point; write shards of nodes"},
    {"acme.renew", "cluster.roles.acme.renew = {}", "found a table; write shards of nodes"},
    {"", "cluster.roles.acme = [\"1\"]",
     "2:15: found \"acme\" with an array; write the table [cluster.roles.acme]"},
    {"", "cluster.roles.\"fts-indexing\\u0000x\" = \"1\"",
     "2:15: found a name with a NUL; remove it"},
    {"acme.renew", "cluster.roles.acme.renew = \"1\\u0000,2\"",
     "2:28: cluster.roles.acme.renew: found a NUL in a shard"},
    {"acme.renew", "cluster.roles.acme.renew = [\"1\\u0000,2\"]",
     "2:29: cluster.roles.acme.renew: found a NUL in a shard"},
    {"", "\"lmtp\\u0000\".listen = 4", "2:1: found a name with a NUL; remove it"},
    {"", "cluster.roles = 4", "2:9: found \"cluster.roles\" with an integer"},
    {"", "cluster.roles.purge.store = \"1\"",
     "2:21: found the unknown role \"purge.store\"; did you mean \"purge.stores\"?"},
    {"", "cluster.roles.fts-index = \"1\"",
     "2:15: found the unknown role \"fts-index\"; did you mean \"fts-indexing\"?"},
    {"", "cluster.roles.coffee = \"1\"",
     "found the unknown role \"coffee\"; write one of purge.stores, purge.accounts"},
    {"", "[cluster.roles.fts-indexing]\nnodes = \"1\"",
     "3:1: found \"nodes\" in the table of the role fts-indexing; write fts-indexing = "
     "[\"1,4\"]"},
    {"", "[cluster.roles.fts-indexing]\nbayes-training = \"1\"",
     "found \"bayes-training\" in the table of the role fts-indexing"},
    {"", "cluster.roles.bayes-training = 1\ncluster.roles.spam-training = 1",
     "3:15: cluster.roles.bayes-training: found this role again, which line 2 has set"},
    {"", "[cluster.roles]\nfts-indexing = 1\n[cluster.roles.fts-indexing]\nfts-indexing = 1",
     "found \"fts-indexing\" opened as a table, but line 3 makes it an integer"},
};

static void role_table_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(role_cases); i++) {
        g_autofree char *text = g_strconcat(NODE, role_cases[i].input, "\n", NULL);
        g_autofree char *got = line_or_problem(text, role_cases[i].role);
        bool problem = strstr(got, "rota.toml") != NULL;
        if (problem ? !strstr(got, role_cases[i].want) : strcmp(got, role_cases[i].want) != 0)
            fail_msg("%s\ngot  %s\nwant %s", role_cases[i].input, got, role_cases[i].want);
    }
}

static const struct {
    const char *input, *want;
} refused_cases[] = {
    {"[lmtp]\nlisen = []", "etc/rota.toml:2:1: found the unknown setting \"lmtp.lisen\"; did "
                           "you mean \"lmtp.listen\"?"},
    {"[lmpt]\nlisten = []", "1:2: found the unknown setting \"lmpt\"; did you mean \"lmtp\"?"},
    {"\"lmtp.listen\" = []",
     "1:1: found \"lmtp.listen\" in quotes; write lmtp.listen without them"},
    {"zzzzzz = 1",
     "1:1: found the unknown setting \"zzzzzz\"; write one of cluster, acme, storage, store"},
    {"lmtp = 3", "1:1: found \"lmtp\" with an integer; write the table [lmtp]"},
    {"lmtp.listen = {}", "1:15: lmtp.listen: found a table; write a list"},
    {"lmtp.listen = \"x\"", "found a string; write a list"},
    {"lmtp.listen = [\"localhost\"]", "found \"localhost\", which is no address"},
    {"lmtp.listen = [\"1.2.3.4:70000\"]", "which is no address"},
    {"lmtp.listen = [\"::1:25\"]", "which is no address"},
    {"lmtp.listen = [\"unix:x\"]", "which is no address"},
    {"lmtp.listen = [7]", "found an integer; write a text between quotes"},
    {"lmtp.max-message-size = \"1b\"", "found 1b; write a value from 1kb to 200mib"},
    {"lmtp.max-message-size = -1", "found a negative size"},
    {"lmtp.max-sessions = 0", "found 0; write a value from 1 to 10000"},
    {"lmtp.max-sessions = \"5\"", "found a string; write a whole number from 1 to 10000"},
    {"lmtp.timeout = 30", "found 30 without a unit; write \"30s\" for seconds"},
    {"lmtp.timeout = \"2h\"", "found 2h; write a value from 1s to 1h"},
    {"cluster.lease = \"3s\"",
     "1:17: cluster.lease: found 3000 ms, less than 3 heartbeats of 2000 ms"},
    {"cluster.heartbeat = \"5s\"",
     "1:21: cluster.lease: found 6000 ms, less than 3 heartbeats of 5000 ms"},
    {"cluster.name = \"a cluster whose name is so long that it fits no line of any message that we "
     "would like to show to a person\"",
     "found 106 bytes; write a name of at most 100"},
    {"cluster.takeover = \"5s\"",
     "1:20: cluster.takeover: found 5000 ms, less than 2 leases of 6000 ms"},
    {"cluster.node-id = 0", "1:19: cluster.node-id: found 0; write a number from 1 to 2147483647"},
    {"cluster.node-id = 2147483648", "found 2147483648; write a number from 1 to 2147483647"},
    {"cluster.node-id = \"four\"",
     "found \"four\"; write a number from 1 to 2147483647, or \"hostname\""},
    {"cluster.roles.purge.stores = \"1\"",
     "etc/rota.toml: cluster.node-id: found none, but [cluster.roles] names nodes"},
    {"[store.data]\ntype = \"postgresql\"\nurl = \"host=x\"",
     "cluster.node-id: found none, but nodes may share a PostgreSQL store"},
    {"[store.data]\ntype = \"postgresql\"",
     "2:8: store.data.url: found none, but the type is \"postgresql\""},
    {"[store.data]\nurl = \"host=x\"",
     "2:7: store.data.url: found one, but the type is \"sqlite\""},
    {"[store.data]\npath = \"\"", "store.data.path: found an empty path"},
    {"[store.data]\ntype = \"mysql\"",
     "2:8: store.data.type: found \"mysql\"; write \"sqlite\" or \"postgresql\""},
    {"[store.blobs]\ntype = \"sqlite\"",
     "found the unknown setting \"store.blobs\"; write one of data"},
    {"account.purge.frequency = \"@daily\"", "which is no schedule; write five fields"},
    {"server.time-zone = \"Mars/Base\"", "which is no time zone"},
    {"server.time-zone = \"../../../etc/passwd\"", "which is no time zone"},
    {"server.time-zone = \"/etc/localtime\"", "which is no time zone"},
    {"server.time-zone = \"\"", "which is no time zone"},
    {"log.level = \"warn\"", "found \"warn\"; write \"warning\""},
    {"spam-filter.enabled = 1", "found an integer; write true or false"},
    {"spam-filter.score.spam = 1.5", "found a number out of range; write a number from 0 to 1"},
    {"spam-filter.score.spam = nan", "write a number from 0 to 1"},
    {"[lane.fts-indexing]\nretry.min = \"1h\"",
     "2:13: lane.fts-indexing.retry.max: found a longest wait that is shorter"},
    {"[lane.purge.stores]\nbatch=1\n[lane.\"purge.stores\"]\nbatch=2",
     "4:1: found \"lane.purge.stores.batch\" again, which line 2 has set"},
    {"[lane.fts]\nbatch=1",
     "1:7: found the unknown setting \"lane.fts\"; did you mean \"lane.fts-indexing\"?"},
    {"store.data.url = \"%{env:ROTA_TEST_MISSING}%\"",
     "found %{env:ROTA_TEST_MISSING}%, but the environment has no such variable"},
    {"store.data.url = \"%{file:/nowhere/at/all}%\"",
     "found %{file:/nowhere/at/all}%, but there is no such file"},
    {"store.data.url = \"%{vault:x}%\"", "found %{vault:x}%; write %{env:NAME}% or %{file:PATH}%"},
    {"store.data.url = \"%{env:X\"", "found \"%{\" without its end"},
    {"lmtp.hostname = \"a\\u0000b\"", "found a NUL in a text"},
    {"a = x\nlmtp.max-sessions = 0", "1:5: found \"x\"; write a text between quotes: \"x\""},
    {"a = x\nlmtp.max-sessions = 0", "2:21: lmtp.max-sessions: found 0"},
};

static void settings_are_refused_with_their_place(void **state)
{
    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(refused_cases); i++) {
        g_autofree char *got = line_or_problem(refused_cases[i].input, "");
        if (!strstr(got, refused_cases[i].want))
            fail_msg("%s\ngot  %s\nwant %s", refused_cases[i].input, got, refused_cases[i].want);
    }
}

static void nothing_is_a_whole_system(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) none = settings_default(problems);
    g_autoptr(Settings) empty = load("", problems);
    assert_non_null(none);
    assert_non_null(empty);
    assert_int_equal(problems->len, 0);
    assert_string_equal(none->data.db.path, "var/rota.db");
    assert_string_equal(empty->data.db.path, "etc/var/rota.db");
    assert_int_equal(none->data.db.kind, DB_SQLITE);
    assert_int_equal(none->node_id, 1);
    assert_int_equal(none->lease_ms, 6000);
    assert_int_equal(none->duty.purge_pause_us, 10000);
    assert_int_equal(none->duty.account_retention_ms, 30ll * 86400000);
    assert_string_equal(none->lmtp.listen[0], "127.0.0.1:11024");
    assert_string_equal(none->lmtp.host_name, g_get_host_name());
    assert_string_equal(settings_schedule(none, role_find(&duty_roles, "purge.stores")),
                        "0 3 * * *");
    assert_string_equal(settings_schedule(none, role_find(&duty_roles, "purge.accounts")),
                        "0 0 * * *");
    for (size_t i = 0; i < duty_roles.count; i++)
        assert_int_equal(settings_lane(none, &duty_roles.roles[i])->batch,
                         duty_roles.roles[i].batch);
}

static void values_arrive(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings =
        load("cluster.node-id = 7\ncluster.lease = \"30s\"\n[store.data]\ntype = "
             "\"postgresql\"\nurl = \"host=a\"\n"
             "purge.frequency = \"every 6h\"\n[storage]\npurge-pause = 0\n[email]\nauto-expunge = "
             "0\n[lmtp]\n"
             "listen = [\"[::1]:24\", \"unix:/run/rota/lmtp\"]\nhostname = "
             "\"mx.example.org\"\nmax-message-size = \"10mib\"\n"
             "[lane.spam-training]\nbatch = 9\n[log]\nlevel = \"debug\"\nformat = "
             "\"json\"\n[spam-filter]\nscore.spam = 1\n"
             "enabled = false\n[server]\ntime-zone = \"Europe/Berlin\"\n",
             problems);
    g_autofree char *text = settings_problems_format(problems);
    assert_string_equal(text, "");
    assert_int_equal(settings->node_id, 7);
    assert_int_equal(settings->lease_ms, 30000);
    assert_int_equal(settings->data.db.kind, DB_POSTGRESQL);
    assert_string_equal(settings->data.db.url, "host=a");
    assert_null(settings->data.db.path);
    assert_string_equal(settings->data.purge_schedule, "every 6h");
    assert_int_equal(settings->duty.purge_pause_us, 0);
    assert_int_equal(settings->duty.auto_expunge_ms, 0);
    assert_string_equal(settings->lmtp.listen[1], "unix:/run/rota/lmtp");
    assert_null(settings->lmtp.listen[2]);
    assert_string_equal(settings->lmtp.host_name, "mx.example.org");
    assert_int_equal(settings->lmtp.message_bytes_max, 10 << 20);
    assert_int_equal(settings_lane(settings, role_find(&duty_roles, "bayes-training"))->batch, 9);
    assert_int_equal(settings->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(settings->log_format, LOG_FORMAT_JSON);
    assert_true(settings->spam.score_spam >= 1.0);
    assert_false(settings->spam.enabled);
}

static void secrets_are_filled_in(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("rota-settings-XXXXXX", NULL);
    g_autofree char *secret = g_build_filename(folder, "password", NULL);
    g_autofree char *file = g_build_filename(folder, "rota.toml", NULL);
    assert_true(g_file_set_contents(secret, "s3cret %{env:NOT_AGAIN}%\n", -1, NULL));
    g_setenv("ROTA_TEST_HOST", "db1", TRUE);
    const char *text = "lmtp.hostname = \"%{env:ROTA_TEST_HOST}%/%{file:password}%.\"\n";
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = settings_load(file, text, strlen(text), problems);
    assert_non_null(settings);
    assert_string_equal(settings->lmtp.host_name, "db1/s3cret %{env:NOT_AGAIN}%.");
    g_unsetenv("ROTA_TEST_HOST");
    remove(secret);
    rmdir(folder);
}

static void node_of_host_and_environment(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int64_t want; /* 0: refused */
    } cases[] = {
        {"mail-3", 3},
        {"mail-12.example.org", 12},
        {"mail3", 3},
        {"7", 7},
        {"mail", 0},
        {"mail-0", 0},
        {"3mail", 0},
        {"mail.3", 0},
        {"mail-99999999999999999999", 0},
        {"", 0},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t node = 0;
        g_autofree char *problem = NULL;
        bool good = setting_node_of_host(cases[i].host, &node, &problem);
        if (good != (cases[i].want > 0) || node != cases[i].want)
            fail_msg("%s: %lld", cases[i].host, (long long)node);
        assert_int_equal(good, problem == NULL);
    }
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_setenv("ROTA_NODE_ID", "12", TRUE);
    g_autoptr(Settings) settings = load("cluster.node-id = 7\n", problems);
    g_setenv("ROTA_NODE_ID", "twelve", TRUE);
    g_autoptr(Settings) wrong = load("cluster.node-id = 7\n", problems);
    g_unsetenv("ROTA_NODE_ID");
    assert_int_equal(settings->node_id, 12);
    assert_null(wrong);
}

static void warnings_do_not_break(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = load("cluster.roles.fts-indexing = \"none\"\n", problems);
    assert_non_null(settings);
    g_autofree char *text = settings_problems_format(problems);
    assert_string_equal(text, "warning: etc/rota.toml:1:30: cluster.roles.fts-indexing: \"none\": "
                              "no node does this role, its work waits");
    assert_int_equal(settings->role_lines[6], 1);
}

static void seed_example_is_read(void **state)
{
    (void)state;
    g_autofree char *path = test_data("seed.toml");
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings = settings_read(path, problems);
    assert_non_null(settings);
    assert_int_equal(problems->len, 0);
    g_autofree char *table = table_format(settings->table);
    assert_string_equal(table, "acme.renew = 5\nbayes-training = 1\ncalendar-alerts = "
                               "5\nfts-indexing = 2,3\nimip-processing = 4\n"
                               "metrics.calculate = 3,4\nmetrics.push = 4\npurge.accounts = "
                               "1,4\npurge.stores = 1,4 | 2,3 | 5,6\n"
                               "push-notifications = 1,2 | 3,4\n");
}

/* The node-id may be added to the example before it or after it, in any of TOML's ways. */
static void seed_example_bears_a_node_id_anywhere(void **state)
{
    (void)state;
    g_autofree char *path = test_data("seed.toml");
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *example = strstr(text, "[cluster.roles.purge]");
    assert_non_null(example);
    static const char *const ways[][2] = {
        {"cluster.node-id = 4\n", ""},
        {"[cluster]\nnode-id = 4\n", ""},
        {"", "\n[cluster]\nnode-id = 4\n"},
        {"cluster = {node-id = 4}\n",
         NULL}, /* an inline table is closed: TOML refuses what follows */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *whole = g_strconcat(ways[i][0], example, ways[i][1], NULL);
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(whole, problems);
        assert_int_equal(settings != NULL, ways[i][1] != NULL);
        if (settings)
            assert_int_equal(settings->node_id, 4);
    }
}

/* What is told is bounded, and so is what it costs to tell it. */
static void a_wholly_wrong_file_is_read_in_bounds(void **state)
{
    (void)state;
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < 200000; i++)
        g_string_append_printf(text, "a-long-setting-name-%u = 1\n", i);
    g_string_append(text, "[cluster.roles]\n");
    for (unsigned i = 0; i < 10000; i++)
        g_string_append_printf(text, "a-long-role-name-%u = 1\n", i);
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings =
        settings_load("rota.toml", text->str, MIN(text->len, SETTINGS_BYTES_MAX), problems);
    assert_null(settings);
    assert_int_equal(problems->len, SETTINGS_PROBLEMS_MAX);
    const SettingsProblem *last = g_ptr_array_index(problems, problems->len - 1);
    assert_non_null(strstr(last->text, "more problems than are shown"));
}

/* Every spelling of a role's place and of its shards gives one digest. */
static void same_meaning_same_digest(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "[cluster.roles.purge]\nstores = [\"1,4\", "
        "\"2,3\"]\n[cluster.roles.bayes-training]\nbayes-training = [\"7\"]\n",
        "[cluster.roles]\nspam-training = 7\npurge = {stores = ['4 , 1', '2-3']}\n",
        "cluster.roles.bayes-training = \"7-7\"\ncluster.roles.purge.stores = [\"1,4\",\n  "
        "\"3,2\", # a comment\n]\n",
        "[cluster.roles.spam-training]\nspam-training = ['7']\n[cluster.roles.purge]\nstores = [ "
        "\"4,1\", \"2,3\" ]\naccounts = \"*\"\n",
    };
    g_autofree char *digest = NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(spellings); i++) {
        g_autofree char *text = g_strconcat(NODE, spellings[i], NULL);
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(text, problems);
        assert_non_null(settings);
        if (digest)
            assert_string_equal(table_digest(settings->table), digest);
        else
            digest = g_strdup(table_digest(settings->table));
    }
}

/* The example of a table with a name of one's own, which is no default and so stays switched off;
 * caller frees. */
static char *named_example(const char *text, const char *head)
{
    const char *start = strstr(text, head), *end = strstr(start, "\n\n");
    assert_non_null(start);
    g_autofree char *part = g_strndup(start, (gsize)(end - start));
    g_autoptr(GRegex) mark = g_regex_new("^# ", G_REGEX_MULTILINE, 0, NULL);
    return g_regex_replace(mark, part, -1, 0, "", 0, NULL);
}

/* The names below a table as the rows have them: roles become "*". */
static void flatten(const TomlValue *table, const char *path, GHashTable *names)
{
    for (unsigned i = 0; i < table->table.entries->len; i++) {
        const TomlEntry *entry = g_ptr_array_index(table->table.entries, i);
        g_autofree char *name =
            *path ? g_strdup_printf("%s.%s", path, entry->name.data) : g_strdup(entry->name.data);
        if (strcmp(path, "acme") == 0 && entry->value->type == TOML_TABLE)
            flatten(entry->value, "acme.*", names);
        else if (strcmp(path, "cluster.roles.custom") == 0)
            flatten(entry->value, "cluster.roles.custom.*", names);
        else if (strcmp(name, "cluster.roles.custom") == 0)
            flatten(entry->value, name, names);
        else if (strcmp(name, "cluster.roles.custom.*.environment") == 0)
            g_hash_table_add(names, g_strdup(name));
        else if (strcmp(path, "cluster.roles") == 0)
            g_hash_table_add(names, g_strdup("cluster.roles.*"));
        else if (strcmp(path, "lane") == 0)
            flatten(entry->value, "lane.*", names);
        else if (entry->value->type == TOML_TABLE)
            flatten(entry->value, name, names);
        else
            g_hash_table_add(names, g_strdup(name));
    }
}

static char *read_project_file(const char *folder, const char *name)
{
    g_autofree char *data = test_data("");
    g_autofree char *path = g_build_filename(data, "..", "..", folder, name, NULL);
    char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* Where the example says "default", it is one. */
static void check_custom_defaults(const Settings *own)
{
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) plain = load(NODE "[cluster.roles.custom.backup]\nevery = \"1h\"\n"
                                          "command = [\"true\"]\n",
                                     problems);
    const CustomDuty *got = own->customs, *want = plain->customs;
    assert_int_equal(got->shell, want->shell);
    assert_int_equal(got->each, want->each);
    assert_int_equal(got->timeout_ms, want->timeout_ms);
    assert_int_equal(got->attempts, want->attempts);
    assert_int_equal(got->retry_min_ms, want->retry_min_ms);
    assert_int_equal(got->retry_max_ms, want->retry_max_ms);
    assert_int_equal(got->concurrency, want->concurrency);
    assert_string_equal(got->directory, want->directory);
}

static void example_holds_every_setting(void **state)
{
    (void)state;
    g_autofree char *text = read_project_file("examples", "rota.toml");
    /* as it stands, and with every setting switched on, it is all defaults */
    g_autoptr(GRegex) off = g_regex_new("^#(?=[a-z])", G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *on = g_regex_replace(off, text, -1, 0, "", 0, NULL);
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) standing = load(text, problems), switched = load(on, problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_string_equal(told, "");
    g_autoptr(Settings) none = load("", problems);
    assert_string_equal(table_digest(none->table), table_digest(switched->table));
    assert_memory_equal(&none->duty, &switched->duty, offsetof(DutySettings, customs));
    assert_memory_equal(none->lanes, switched->lanes, duty_roles.count * sizeof(*none->lanes));
    assert_int_equal(none->lmtp.message_bytes_max, switched->lmtp.message_bytes_max);
    assert_non_null(standing);
    for (size_t i = 0; i < duty_roles.count; i++)
        if (!switched->role_lines[i])
            fail_msg("examples/rota.toml does not have the role %s", duty_roles.roles[i].name);
    g_autoptr(GPtrArray) mistakes = toml_problems_new();
    g_autoptr(TomlValue) root = toml_parse(on, strlen(on), mistakes);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    flatten(root, "", names);
    g_autofree char *custom = named_example(text, "# [cluster.roles.custom.");
    g_autofree char *acme = named_example(text, "# [acme."); /* settings_acme_test.c reads it */
    g_autoptr(TomlValue) acme_root = toml_parse(acme, strlen(acme), mistakes);
    flatten(acme_root, "", names);
    g_autofree char *custom_node = g_strconcat(NODE, custom, NULL);
    g_autoptr(Settings) own = load(custom_node, problems);
    g_autofree char *custom_told = settings_problems_format(problems);
    assert_string_equal(custom_told, "");
    g_autoptr(TomlValue) custom_root = toml_parse(custom, strlen(custom), mistakes);
    flatten(custom_root, "", names);
    /* the one that stands for the other */
    assert_non_null(strstr(custom, "or: every = "));
    g_hash_table_add(names, g_strdup("cluster.roles.custom.*.every"));
    check_custom_defaults(own);
    for (unsigned i = 0; i < setting_row_count; i++)
        if (!g_hash_table_contains(names, setting_rows[i].name))
            fail_msg("examples/rota.toml does not have %s", setting_rows[i].name);
}

static void manual_holds_every_setting(void **state)
{
    (void)state;
    g_autofree char *text = read_project_file("docs", "settings.md");
    g_autoptr(GString) wrong = g_string_new(NULL);
    unsigned lines = 0;
    const char *list = strstr(text, "\n## All settings\n");
    assert_non_null(list);
    for (const char *at = list; (at = strstr(at, "\n| `")); at++)
        lines++;
    for (unsigned i = 0; i < setting_row_count; i++) {
        const SettingRow *row = &setting_rows[i];
        g_autofree char *line = g_strdup_printf(
            "\n| `%s` | %s%s%s | %s |\n", row->name, row->fallback ? "`" : "",
            row->fallback ? row->fallback : "", row->fallback ? "`" : "", row->summary);
        if (!strstr(text, line))
            g_string_append(wrong, line + 1);
    }
    if (wrong->len > 0)
        fail_msg("docs/settings.md should have the lines\n%s", wrong->str);
    assert_int_equal(lines, setting_row_count);
}

int main(void)
{
    g_unsetenv("ROTA_NODE_ID");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_table_rows),
        cmocka_unit_test(settings_are_refused_with_their_place),
        cmocka_unit_test(nothing_is_a_whole_system),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(secrets_are_filled_in),
        cmocka_unit_test(node_of_host_and_environment),
        cmocka_unit_test(warnings_do_not_break),
        cmocka_unit_test(seed_example_is_read),
        cmocka_unit_test(seed_example_bears_a_node_id_anywhere),
        cmocka_unit_test(a_wholly_wrong_file_is_read_in_bounds),
        cmocka_unit_test(same_meaning_same_digest),
        cmocka_unit_test(example_holds_every_setting),
        cmocka_unit_test(manual_holds_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
