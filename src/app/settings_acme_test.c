/* settings_acme_test: [acme.NAME]: what is refused with its place, and what arrives. */
#include <string.h>

#include "app/settings.h"
#include "support.h"

#define NODE "[cluster]\nnode-id = 1\n"
#define ACME "[storage]\nsecret-key = \"0123456789abcdef0123456789abcdef\"\n[acme.mail]\n"

static Settings *load(const char *text, GPtrArray *problems)
{
    return settings_load("etc/rota.toml", text, strlen(text), problems);
}

static void is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"[acme.mail]\ndomains = [\"a.example.org\"]",
         "storage.secret-key: found none, but [acme.mail] keeps private keys in the store"},
        {ACME "domains = []", "acme.mail.domains: found none"},
        {ACME "domains = [\"*.example.org\"]", "acme.mail.domains: found a wildcard"},
        {ACME "domains = [\"a,DNS:b\"]", "acme.mail.domains: found \"a,DNS:b\"; write a DNS name"},
        {ACME "domains = [\"a.example.org\"]\nchallenge = \"dns-01\"",
         "acme.mail.host: found none, but the challenge is dns-01"},
        {ACME "domains = [\"a.example.org\"]\neab.kid = \"a\"", "acme.mail.eab: found kid or"},
        {ACME "domains = [\"a.example.org\"]\nchalenge = \"x\"",
         "unknown setting \"chalenge\" of acme.mail; did you mean \"challenge\"?"},
        {ACME "domains = [\"a.example.org\"]\ndirectory = \"http://ca\"",
         "acme.mail.directory: found no https:// URL"},
        {ACME "domains = [\"a.example.org\"]\ndeploy-hook = [\"true\"]",
         "acme.mail.deploy-hook: found one, but no export"},
        {"[storage]\nsecret-key = \"short\"",
         "storage.secret-key: found 5 bytes; write at least 32"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) problems = settings_problems_new();
        g_autoptr(Settings) settings = load(cases[i].text, problems);
        g_autofree char *told = settings_problems_format(problems);
        if (settings || !strstr(told, cases[i].want))
            fail_msg("%s\ngot  %s\nwant %s", cases[i].text, told, cases[i].want);
    }
}

/* The example of the annotated settings: where it says "default", it is one. */
static char *read_example(void)
{
    g_autofree char *data = test_data("");
    g_autofree char *path = g_build_filename(data, "..", "..", "examples", "rota.toml", NULL);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *start = strstr(text, "# [acme."), *end = strstr(start, "\n\n");
    g_autofree char *part = g_strndup(start, (gsize)(end - start));
    g_autoptr(GRegex) mark = g_regex_new("^# ", G_REGEX_MULTILINE, 0, NULL);
    return g_regex_replace(mark, part, -1, 0, "", 0, NULL);
}

static void example_is_defaults(void **state)
{
    (void)state;
    g_autofree char *example = read_example();
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autofree char *whole = g_strconcat(
        NODE "[storage]\nsecret-key = \"0123456789abcdef0123456789abcdef\"\n", example, NULL);
    g_autoptr(Settings) own = load(whole, problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_string_equal(told, "");
    g_autoptr(Settings) plain =
        load(NODE "[storage]\nsecret-key = \"0123456789abcdef0123456789abcdef\"\n"
                  "[acme.mail]\ndomains = [\"mail.example.org\"]\n",
             problems);
    const AcmeDuty *got = own->acme.duties, *want = plain->acme.duties;
    assert_int_equal(own->acme.count, 1);
    assert_string_equal(got->directory, want->directory);
    assert_string_equal(got->issuer, want->issuer);
    assert_string_equal(got->export_folder, want->export_folder);
    assert_int_equal(got->challenge, want->challenge);
    assert_int_equal(got->renew_before_ms, want->renew_before_ms);
    assert_int_equal(got->key_type, want->key_type);
    assert_int_equal(got->account_key, want->account_key);
    assert_int_equal(got->reuse_key, want->reuse_key);
    assert_int_equal(got->is_default, want->is_default);
    assert_int_equal(got->port, want->port);
    assert_int_equal(got->protocol, want->protocol);
    assert_int_equal(got->tsig_algorithm, want->tsig_algorithm);
    assert_string_equal(got->contact[0], "mailto:ada@example.org");
    assert_string_equal(got->domains[0], "imap.example.org");
    assert_string_equal(own->duty.certificates[0].name, "mail");
}

static void names_are_as_the_ca_has_them(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autoptr(Settings) settings =
        load(NODE ACME "domains = [\"WWW.example.org\", \"*.example.org\", \"www.example.org\"]\n"
                       "challenge = \"dns-01\"\nhost = \"ns.example.org\"\nexport = "
                       "\"certs\"\nexport-nodes = [\"01\", \"3\"]\n"
                       "default = true\n[acme.other]\ndomains = [\"a.example.com\"]\n",
             problems);
    g_autofree char *told = settings_problems_format(problems);
    assert_string_equal(told, "");
    const AcmeDuty *duty = settings->duty.certificates;
    assert_int_equal(settings->duty.certificate_count, 2);
    g_autofree char *names = g_strjoinv(" ", duty->domains);
    assert_string_equal(names, "*.example.org www.example.org");
    assert_string_equal(duty->export_nodes[0], "1");
    assert_string_equal(duty->export_nodes[1], "3");
    assert_true(g_path_is_absolute(duty->export_folder) || strstr(duty->export_folder, "etc"));
    assert_true(duty->is_default && !duty[1].is_default);
    assert_int_equal(settings->duty.seal.count, 1);
}

int main(void)
{
    g_unsetenv("ROTA_NODE_ID");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_refused),
        cmocka_unit_test(example_is_defaults),
        cmocka_unit_test(names_are_as_the_ca_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
