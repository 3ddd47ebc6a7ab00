/* compose_test: what is written is read back the same, and nothing gets out of its place.
 */
#include "support.h"

#include <string.h>

#include "content/compose.h"
#include "content/message.h"
#include "content/message_body.h"

#define CHANCE "0123456789abcdef"

static GBytes *bytes_of(const char *text)
{
    return g_bytes_new(text, strlen(text));
}

static char *text_of(GBytes *bytes)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    return g_strndup(data, size);
}

static ComposePart *leaf(const char *type, const char *text, bool exact)
{
    g_autoptr(GBytes) bytes = bytes_of(text);
    ComposePart *part = compose_leaf_new(type, bytes);
    part->exact = exact;
    return part;
}

static void a_plain_mail(void **state)
{
    (void)state;
    g_autoptr(GArray) fields = compose_fields_new();
    g_autoptr(ComposePart) root = leaf("text/plain", "Hello\r\n", false);
    g_autofree char *from = compose_address("Ada Example", "ada@example.org");
    root->charset = g_strdup("utf-8");
    compose_field_add(fields, "From", from, false);
    compose_field_add(fields, "Subject", "Hello", false);
    compose_field_add(fields, "X-Raw", " as it\r\n\tis", true);
    g_autoptr(GBytes) bytes = compose_mail(fields, root, CHANCE);
    g_autofree char *text = text_of(bytes);
    assert_string_equal(text, "From: Ada Example <ada@example.org>\r\nSubject: Hello\r\n"
                              "X-Raw: as it\r\n\tis\r\n"
                              "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n");
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    static const char long_name[] = "Ädä, \"the\" Éxample of a name that is far too long for one "
                                    "line and has to be folded somewhere (or so)";
    g_autoptr(GArray) fields = compose_fields_new();
    g_autofree char *from = compose_address(long_name, "ada@example.org");
    g_autofree char *to = compose_address(NULL, "bob@example.org");
    g_autofree char *group = compose_group("Grüße", to);
    compose_field_add(fields, "From", from, false);
    compose_field_add(fields, "To", group, false);
    compose_field_add(fields, "Subject", "Kirschen süß 🍒", false);
    compose_field_add(fields, "References", "<a@example.org> <b@example.org>", false);
    g_autoptr(ComposePart) root = compose_multipart_new("multipart/mixed");
    ComposePart *both = compose_multipart_new("multipart/alternative");
    g_ptr_array_add(root->children, both);
    g_ptr_array_add(both->children, leaf("text/plain", "süß\r\nFrom here\r\n.\r\n", false));
    g_ptr_array_add(both->children, leaf("text/html", "<p>süß</p>", false));
    for (unsigned i = 0; i < 2; i++)
        ((ComposePart *)both->children->pdata[i])->charset = g_strdup("utf-8");
    ComposePart *file = leaf("image/png", "\x89PNG\n\r\n--=_\n", true);
    file->name = g_strdup("Kirsche ü.png");
    file->disposition = g_strdup("attachment");
    file->content_id = g_strdup("c@example.org");
    g_ptr_array_add(root->children, file);
    g_autoptr(GBytes) bytes = compose_mail(fields, root, CHANCE);
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);

    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    assert_string_equal(message->subject, "Kirschen süß 🍒");
    assert_string_equal(g_array_index(message->from, MessageAddress, 0).name, long_name);
    assert_string_equal(g_array_index(message->to, MessageAddress, 0).address, "bob@example.org");
    assert_int_equal(message->references->len, 2);
    assert_true(message->has_attachment);
    g_autoptr(MessagePart) body = message_body_parse(data, size);
    g_autofree char *text = message_part_text(message_part_find(body, "1"));
    g_autofree char *html = message_part_text(message_part_find(body, "2"));
    assert_string_equal(text, "süß\nFrom here\n.\n");
    assert_string_equal(html, "<p>süß</p>");
    const MessagePart *picture = message_part_find(body, "3");
    g_autofree char *got = text_of(picture->bytes);
    assert_string_equal(got, "\x89PNG\n\r\n--=_\n");
    assert_string_equal(picture->name, "Kirsche ü.png");
    assert_string_equal(picture->content_id, "c@example.org");
    for (const char *at = data, *end; (end = memchr(at, '\n', size - (size_t)(at - data)));
         at = end + 1)
        assert_true(end - at < 200 && end[-1] == '\r');
}

static void what_may_stand(void **state)
{
    (void)state;
    static const struct {
        bool (*is)(const char *);
        const char *text;
        bool want;
    } rows[] = {
        {compose_is_field_name, "X-Colour", true},
        {compose_is_field_name, "", false},
        {compose_is_field_name, "X Y", false},
        {compose_is_field_name, "X:", false},
        {compose_is_field_name, "X\r\nY", false},
        {compose_is_field_name, "Ü", false},
        {compose_is_type, "text/plain", true},
        {compose_is_type, "text", false},
        {compose_is_type, "text/plain; x=y", false},
        {compose_is_type, "/x", false},
        {compose_is_type, "text/", false},
        {compose_is_type, "text/a/b", false},
        {compose_is_line, "süß\tx", true},
        {compose_is_line, "a\r\nb", false},
        {compose_is_line, "a\nb", false},
        {compose_is_line, "a\x7f", false},
        {compose_is_raw, " a\r\n b", true},
        {compose_is_raw, "a\r\nb", false},
        {compose_is_raw, "a\n b", false},
        {compose_is_raw, "a\r\n \r\n b", false},
        {compose_is_raw, "a\r\n ", false},
        {compose_is_raw, "süß", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is(rows[i].text) != rows[i].want)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_mail),
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(what_may_stand),
    };
    return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
