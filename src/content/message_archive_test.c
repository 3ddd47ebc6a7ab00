/* message_archive_test: our reading of other people's test mails beside the reading that another
 * parser (Stalwart's mail-parser) keeps as right.
 *
 * Compared are the subject, the addresses of From and the file names, with white space folded.
 * Where we differ on purpose the mail stands in DIFFERENT with the reason.
 */
#include "support.h"

#include <string.h>

#include <jansson.h>

#include "content/message.h"

static const struct {
    const char *file, *what, *why;
} DIFFERENT[] = {
    {"mail-parser-0720cbc1", "names",
     "files that are uuencoded inside the text count as attachments"},
    {"mail-parser-8aaf8745", "from", "a From without an address: what is there is kept"},
    {"mail-parser-04121e20", "subject",
     "8-bit letters without a charset are read as windows-1252, not given up"},
    {"mail-parser-5567362e", "subject", "the same"},
    {"mail-parser-7a1cf190", "subject", "the same"},
};

static char *fold_space(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t\r\n", -1);
    GString *out = g_string_new(NULL);
    for (size_t i = 0; words[i]; i++)
        if (*words[i])
            g_string_append_printf(out, "%s%s", out->len ? " " : "", words[i]);
    return g_string_free(out, FALSE);
}

static json_t *header(json_t *part, const char *name)
{
    size_t index;
    json_t *each;
    json_array_foreach(json_object_get(part, "headers"), index, each)
    {
        const char *got = json_string_value(json_object_get(each, "name"));
        if (got && strcmp(got, name) == 0)
            return json_object_get(each, "value");
    }
    return NULL;
}

static const char *attribute(json_t *value, const char *name)
{
    size_t index;
    json_t *each;
    json_array_foreach(json_object_get(json_object_get(value, "ContentType"), "attributes"), index,
                       each)
    {
        const char *got = json_string_value(json_object_get(each, "name"));
        if (got && strcmp(got, name) == 0)
            return json_string_value(json_object_get(each, "value"));
    }
    return NULL;
}

/* File names of all parts, attached messages' too, one a line. */
static void add_names(json_t *message, GString *out)
{
    size_t index;
    json_t *part;
    json_array_foreach(json_object_get(message, "parts"), index, part)
    {
        const char *name = attribute(header(part, "content_disposition"), "filename");
        if (!name)
            name = attribute(header(part, "content_type"), "name");
        if (name) {
            g_autofree char *folded = fold_space(name);
            g_string_append_printf(out, "%s\n", folded);
        }
        add_names(json_object_get(json_object_get(part, "body"), "Message"), out);
    }
}

static void add_address(json_t *address, GString *out)
{
    const char *text = json_string_value(json_object_get(address, "address"));
    if (text)
        g_string_append_printf(out, "%s\n", text);
}

static void add_from(json_t *message, GString *out)
{
    json_t *address = json_object_get(
        header(json_array_get(json_object_get(message, "parts"), 0), "from"), "Address");
    size_t index, member;
    json_t *each, *inner;
    json_array_foreach(json_object_get(address, "List"), index, each) add_address(each, out);
    json_array_foreach(json_object_get(address, "Group"), index, each)
        json_array_foreach(json_object_get(each, "addresses"), member, inner)
            add_address(inner, out);
}

static bool is_different(const char *file, const char *what)
{
    for (size_t i = 0; i < G_N_ELEMENTS(DIFFERENT); i++)
        if (g_str_has_prefix(file, DIFFERENT[i].file) && strcmp(DIFFERENT[i].what, what) == 0)
            return true;
    return false;
}

static unsigned compare(const char *file, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) == 0 || is_different(file, what))
        return 0;
    print_error("# %s: %s: got \"%s\", want \"%s\"\n", file, what, got, want);
    return 1;
}

static unsigned compare_mail(const char *file, const Message *message, json_t *expected)
{
    g_autoptr(GString) names = g_string_new(NULL), from = g_string_new(NULL),
                       got_names = g_string_new(NULL), got_from = g_string_new(NULL);
    add_names(expected, names);
    add_from(expected, from);
    for (unsigned i = 0; i < message->attachments->len; i++)
        g_string_append_printf(got_names, "%s\n",
                               (const char *)g_ptr_array_index(message->attachments, i));
    for (unsigned i = 0; i < message->from->len; i++)
        if (*g_array_index(message->from, MessageAddress, i).address)
            g_string_append_printf(got_from, "%s\n",
                                   g_array_index(message->from, MessageAddress, i).address);
    json_t *subject = header(json_array_get(json_object_get(expected, "parts"), 0), "subject");
    g_autofree char *want_subject = fold_space(json_string_value(json_object_get(subject, "Text"))),
                    *got_subject = fold_space(message->subject);
    return compare(file, "subject", got_subject, want_subject) +
           compare(file, "from", got_from->str, from->str) +
           compare(file, "names", got_names->str, names->str);
}

static void reads_as_another_parser_does(void **state)
{
    (void)state;
    g_autofree char *archive = test_archive("mime");
    if (!archive)
        return;
    g_autofree char *folder = g_build_filename(archive, "dev", "expected", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    assert_non_null(dir);
    unsigned mails = 0, wrong = 0;
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *json_path = g_build_filename(folder, name, NULL),
                        *mail_name = g_strndup(name, strlen(name) - strlen(".json")),
                        *mail_path = g_build_filename(archive, "dev", mail_name, NULL),
                        *bytes = NULL;
        gsize size = 0;
        json_t *expected = json_load_file(json_path, JSON_ALLOW_NUL, NULL);
        assert_non_null(expected);
        assert_true(g_file_get_contents(mail_path, &bytes, &size, NULL));
        g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
        wrong += compare_mail(mail_name, message, expected);
        json_decref(expected);
        mails++;
    }
    assert_true(mails >= 40);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_as_another_parser_does)};
    return cmocka_run_group_tests_name("message_archive", tests, NULL, NULL);
}
