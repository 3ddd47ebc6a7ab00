/* table and shard: every row of the role table that is about nodes, known values of the hash, and
 * properties over random tables. */
#include "support.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/rand.h"

#include "roster/shard.h"
#include "roster/table.h"

static const Role roles[] = {
    {.name = "purge.stores", .setting = "purge.stores"},
    {.name = "acme.renew", .setting = "acme.renew"},
    {.name = "push-notifications",
     .setting = "push-notifications.push-notifications",
     .must_shard = true},
    {.name = "bayes-training",
     .setting = "bayes-training.bayes-training",
     .other_name = "spam-training"},
};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};

/* The table with `shards`, '|' between them, for a role; NULL and *error if one is refused. */
static RoleTable *build(const Role *role, const char *shards, GError **error)
{
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    for (const char *at = shards; at;) {
        const char *end = strchr(at, '|');
        g_autofree char *item = end ? g_strndup(at, (gsize)(end - at)) : g_strdup(at);
        if (!table_builder_add_shard(builder, role, item, error))
            return NULL;
        at = end ? end + 1 : NULL;
    }
    return table_builder_check(builder, role, error) ? table_builder_seal(builder) : NULL;
}

static void shards_are_read_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input, *want; /* want: the line, or a part of the refusal */
        bool refused;
    } cases[] = {
        {"the seed", "1,4|2,3|5,6", "purge.stores = 1,4 | 2,3 | 5,6\n", false},
        {"one shard", "1,2", "purge.stores = 1,2\n", false},
        {"range", "10-19", "purge.stores = 10-19\n", false},
        {"mixed", "1,4,10-19", "purge.stores = 1,4,10-19\n", false},
        {"blanks and order", " 4 , 1 | 3,2", "purge.stores = 1,4 | 2,3\n", false},
        {"neighbours join", "3,1,2", "purge.stores = 1-3\n", false},
        {"ranges that touch join", "10-12,13-19", "purge.stores = 10-19\n", false},
        {"a range of one", "4-4", "purge.stores = 4\n", false},
        {"a node in two shards", "1,2|2,3", "purge.stores = 1,2 | 2,3\n", false},
        {"the largest", "2147483647", "purge.stores = 2147483647\n", false},
        {"everybody by number", "1-2147483647", "purge.stores = *\n", false},
        {"empty", "", "found an empty shard; write its nodes (\"1,4\")", true},
        {"blank", "  ", "found an empty shard", true},
        {"empty item", "1,,2", "found an empty item in the shard \"1,,2\"", true},
        {"comma at the end", "1,", "found an empty item", true},
        {"zero", "0", "found node 0 in \"0\"; nodes count from 1", true},
        {"zero in a range", "0-4", "found node 0", true},
        {"negative", "-3", "found the negative node \"-3\"", true},
        {"too large", "2147483648", "found the node \"2147483648\", which is too large", true},
        {"much too large", "99999999999999999999999999", "which is too large", true},
        {"twice", "1,4,1", "found node 1 twice in the shard \"1,4,1\"", true},
        {"twice by a range", "1-5,3", "found node 3 twice", true},
        {"reversed", "5-3", "found the reversed range \"5-3\"; write \"3-5\"", true},
        {"open range", "5-", "found the range \"5-\" without an end; write for example \"5-14\"",
         true},
        {"a word", "x", "found \"x\", which is no node", true},
        {"a word among nodes", "1|x|3", "found \"x\", which is no node", true},
        {"two dashes", "1-4-6", "found \"1-4-6\", which is no node", true},
        {"a point", "1.5", "found \"1.5\", which is no node", true},
        {"a plus", "+1", "found \"+1\", which is no node", true},
        {"star beside", "1|*", "found \"*\" beside other nodes or shards; write it alone: \"*\"",
         true},
        {"semicolon", "1;2", "found \"1;2\", which is no node", true},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(RoleTable) table = build(&roles[0], cases[i].input, &error);
        if ((table == NULL) != cases[i].refused)
            fail_msg("%s: %s", cases[i].name, error ? error->message : "accepted");
        g_autofree char *text = table ? table_format(table) : g_strdup(error->message);
        if (!strstr(text, cases[i].want))
            fail_msg("%s\ngot  %s\nwant %s", cases[i].name, text, cases[i].want);
    }
}

static void push_must_be_sharded(void **state)
{
    (void)state;
    static const struct {
        const char *input, *want;
    } cases[] = {
        {"1,2", "write one shard for each node: [\"1\", \"2\"]"},
        {"10-19", "[\"10\", \"11\", \"12\", \"13\", \"14\", \"15\", \"16\", \"17\", and so on]"},
        {"1", NULL},
        {"1,2|3,4", NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(RoleTable) table = build(&roles[2], cases[i].input, &error);
        assert_int_equal(table == NULL, cases[i].want != NULL);
        if (cases[i].want)
            assert_non_null(strstr(error->message, cases[i].want));
    }
}

static void defaults_all_and_none(void **state)
{
    (void)state;
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    table_builder_set_none(builder, &roles[1]);
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    g_autofree char *text = table_format(table);
    assert_string_equal(
        text, "acme.renew = none\nbayes-training = *\npurge.stores = *\npush-notifications = *\n");
    assert_true(table_role_is_none(table, "acme.renew"));
    assert_int_equal(table_shards(table, "acme.renew"), 1);
    assert_int_equal(table_nodes(table, "acme.renew", 1).count, 0);
    assert_false(table_may(table, "acme.renew", 1, 1));
    assert_true(table_role_is_all(table, "purge.stores"));
    assert_true(table_may(table, "purge.stores", 1, NODE_ID_MAX));
    assert_true(table_may(table, "unknown", 1, 77));
    assert_int_equal(table_shards(table, "unknown"), 1);
    assert_true(role_find(&set, "spam-training") == &roles[3]);
    assert_null(role_find(&set, "purge"));
}

static void a_node_of_two_shards_serves_both(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = build(&roles[0], "1,2|2,10-19|5", &error);
    assert_no_error(error);
    g_autoptr(GArray) shards = table_shards_of_node(table, "purge.stores", 2);
    assert_int_equal(shards->len, 2);
    assert_int_equal(g_array_index(shards, unsigned, 0), 1);
    assert_int_equal(g_array_index(shards, unsigned, 1), 2);
    assert_true(table_may(table, "purge.stores", 2, 15));
    assert_false(table_may(table, "purge.stores", 2, 20));
    assert_false(table_may(table, "purge.stores", 3, 15));
    assert_false(table_may(table, "purge.stores", 4, 5));
    assert_false(table_may(table, "purge.stores", 0, 5));
}

static void text_reads_back(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = build(&roles[0], "1,4|2-9|5,6", &error);
    g_autofree char *text = table_format(table);
    g_autoptr(RoleTable) again = table_parse(&set, text, &error);
    assert_no_error(error);
    assert_string_equal(table_digest(table), table_digest(again));
    static const char *const strange = "newer.role = 7 | 8\npurge.stores = 1\n";
    g_autoptr(RoleTable) newer = table_parse(&set, strange, &error);
    assert_no_error(error);
    g_autofree char *kept = table_format(newer);
    assert_string_equal(kept, strange);
    assert_int_equal(table_shards(newer, "newer.role"), 2);
    static const char *const wrong[] = {"purge.stores",     "purge.stores = 4,1\n",
                                        "purge.stores = 1", "purge.stores = \n",
                                        "x = x\n",          "b = *\na = *\n"};
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) refusal = NULL;
        g_autoptr(RoleTable) none = table_parse(&set, wrong[i], &refusal);
        assert_null(none);
        assert_int_equal(error_kind(refusal), ERROR_REJECT);
    }
}

/* Writes a set of nodes in one of its many spellings: order, blanks, ranges cut anywhere. */
static char *spell(const bool *in, unsigned count, Rand *rand)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);
    for (unsigned node = 1; node < count; node++) {
        if (!in[node])
            continue;
        unsigned last = node;
        while (last + 1 < count && in[last + 1] && rand_below(rand, 3) > 0)
            last++;
        g_ptr_array_add(items, last > node || rand_below(rand, 8) == 0
                                   ? g_strdup_printf("%u-%u", node, last)
                                   : g_strdup_printf("%u", node));
        node = last;
    }
    GString *text = g_string_new(NULL);
    while (items->len > 0) {
        g_autofree char *item = g_ptr_array_steal_index(items, (guint)rand_below(rand, items->len));
        g_string_append_printf(text, "%s%s%s%s", text->len ? "," : "",
                               rand_below(rand, 2) ? " " : "", item,
                               rand_below(rand, 2) ? " " : "");
    }
    return g_string_free(text, FALSE);
}

static void same_meaning_same_digest(void **state)
{
    (void)state;
    Rand rand;
    rand_init(&rand, 20);
    for (unsigned round = 0; round < 2000; round++) {
        bool in[3][24] = {{false}}, changed = rand_below(&rand, 2);
        unsigned shards = 1 + (unsigned)rand_below(&rand, 3);
        g_autoptr(RoleTableBuilder) one = table_builder_new(&set), other = table_builder_new(&set);
        for (unsigned shard = 0; shard < shards; shard++) {
            in[shard][1 + rand_below(&rand, 23)] = true;
            for (unsigned node = 1; node < 24; node++)
                in[shard][node] |= rand_below(&rand, 3) == 0;
            g_autofree char *first = spell(in[shard], 24, &rand);
            if (changed && shard == 0) /* another node in or out: another meaning */
                in[0][23] = !in[0][23], in[0][22] = true;
            g_autofree char *second = spell(in[shard], 24, &rand);
            g_autoptr(GError) error = NULL;
            assert_true(table_builder_add_shard(one, &roles[0], first, &error));
            assert_true(table_builder_add_shard(other, &roles[0], second, &error));
        }
        g_autoptr(RoleTable) a = table_builder_seal(one), b = table_builder_seal(other);
        assert_int_equal(strcmp(table_digest(a), table_digest(b)) == 0, !changed);
        for (unsigned shard = 0; shard < shards; shard++)
            for (unsigned node = 1; node < 24; node++)
                assert_int_equal(table_may(b, "purge.stores", shard + 1, node), in[shard][node]);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&set);
    for (unsigned i = 0; i < SHARDS_MAX; i++)
        assert_true(table_builder_add_shard(builder, &roles[0], "1", &error));
    assert_false(table_builder_add_shard(builder, &roles[0], "1", &error));
    assert_non_null(strstr(error->message, "more than 1024 shards"));
    g_autoptr(GString) long_shard = g_string_new("1");
    for (unsigned i = 0; i < SHARD_RANGES_MAX; i++)
        g_string_append_printf(long_shard, ",%u", 3 + 2 * i);
    g_autoptr(GError) too_long = NULL;
    assert_false(table_builder_add_shard(builder, &roles[1], long_shard->str, &too_long));
    assert_non_null(strstr(too_long->message, "more than 4096 items"));
}

/* While nodes restart one by one, one that has a new custom role works by a table without it. */
static void a_custom_role_that_it_lacks_has_no_nodes(void **state)
{
    (void)state;
    g_autoptr(RoleTable) table = table_parse(&set, "custom.old = 1\n", NULL);
    assert_non_null(table);
    assert_true(table_may(table, "custom.old", 1, 1));
    assert_false(table_may(table, "custom.new", 1, 1));
    assert_true(table_role_is_none(table, "custom.new"));
    assert_int_equal(table_shards(table, "custom.new"), 1);
    assert_true(table_may(table, "purge.stores", 1, 1));
    assert_true(table_role_is_all(table, "purge.stores"));
}

/* printf KEY | sha256sum; the first 16 digits modulo 1024. */
static void buckets_have_known_values(void **state)
{
    (void)state;
    assert_int_equal(bucket_of(""), 0xe3b0c44298fc1c14u % 1024);
    assert_int_equal(bucket_of("17"), 0x4523540f1504cd17u % 1024);
    assert_int_equal(bucket_of("17"), 279);
    assert_int_equal(shard_of_bucket(279, 1), 1);
    assert_int_equal(shard_of_bucket(279, 3), 1);
    assert_int_equal(shard_of_bucket(1023, 1024), 1024);
    unsigned counts[3] = {0};
    for (unsigned i = 0; i < 3000; i++) {
        g_autofree char *key = g_strdup_printf("%u", i);
        counts[shard_of_bucket(bucket_of(key), 3) - 1]++;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(counts[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_read_as_written),
        cmocka_unit_test(push_must_be_sharded),
        cmocka_unit_test(defaults_all_and_none),
        cmocka_unit_test(a_node_of_two_shards_serves_both),
        cmocka_unit_test(text_reads_back),
        cmocka_unit_test(same_meaning_same_digest),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_custom_role_that_it_lacks_has_no_nodes),
        cmocka_unit_test(buckets_have_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
