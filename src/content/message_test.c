/* message_test: what people see of a mail, for hand-made mails and for the archive of broken ones.
 */
#include "support.h"

#include <string.h>

#include "base/limits.h"
#include "content/html.h"
#include "content/message.h"

static char *names_join(const GPtrArray *names)
{
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < names->len; i++)
        g_string_append_printf(out, "%s%s", i ? "|" : "",
                               (const char *)g_ptr_array_index(names, i));
    return g_string_free(out, FALSE);
}

static void assert_utf8(const char *file, const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        fail_msg("%s: not UTF-8: %s", file, text);
}

static void check_addresses(const char *file, const GArray *addresses)
{
    for (unsigned i = 0; i < addresses->len; i++) {
        const MessageAddress *each = &g_array_index(addresses, MessageAddress, i);
        assert_utf8(file, each->name);
        assert_utf8(file, each->address);
    }
}

/* What holds for every mail. */
static void check_promises(const char *file, const Message *message)
{
    const char *texts[] = {message->subject, message->message_id, message->list_id,
                           message->preview, message->text->str};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_utf8(file, texts[i]);
    assert_int_equal(strlen(message->text->str), message->text->len);
    assert_true(message->text->len <= MESSAGE_TEXT_BYTES_MAX);
    assert_true(message->parts <= MESSAGE_PARTS_MAX);
    assert_true(g_utf8_strlen(message->preview, -1) <= 256);
    const GArray *addresses[] = {message->from, message->to, message->cc, message->bcc,
                                 message->reply_to};
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++)
        check_addresses(file, addresses[i]);
    for (unsigned i = 0; i < message->attachments->len; i++)
        assert_utf8(file, g_ptr_array_index(message->attachments, i));
}

static void assert_same(const Message *one, const Message *two)
{
    assert_string_equal(one->subject, two->subject);
    assert_string_equal(one->text->str, two->text->str);
    assert_int_equal(one->date_ms, two->date_ms);
    assert_int_equal(one->defects->len, two->defects->len);
    g_autofree char *from_one = message_addresses_format(one->from),
                    *from_two = message_addresses_format(two->from);
    assert_string_equal(from_one, from_two);
}

static Message *read_file(const char *name)
{
    g_autofree char *mail = g_build_filename("mail", name, NULL);
    g_autofree char *path = test_data(mail);
    g_autofree char *bytes = NULL;
    gsize size = 0;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &bytes, &size, &error);
    assert_no_error(error);
    Message *message = message_parse(bytes, size, MESSAGE_FULL);
    check_promises(name, message);
    return message;
}

/* NULL: not looked at. Text: must be contained. */
static const struct {
    const char *file, *subject, *from, *text, *not_text, *attachments, *defect;
    bool has_attachment, has_calendar;
} MAILS[] = {
    {"plain.eml", "Minutes of the meeting", "Ada Example <ada@example.org>", "see you on Thursday",
     NULL, "", NULL, false, false},
    {"words-in-headers.eml", "Grüße aus Köln – 日本語", "Jörg Müller <joerg@example.org>", "Straße",
     NULL, "", NULL, false, false},
    {"latin1-without-charset.eml", "Café", "René <rene@example.org>", "déjà vu", NULL, "", NULL,
     false, false},
    {"utf8-called-latin1.eml", "mislabelled", NULL, "naïve façade", NULL, "", NULL, false, false},
    {"koi8.eml", "Привет", NULL, "Съешь ещё этих мягких французских булок", NULL, "", NULL, false,
     false},
    {"iso-2022-jp.eml", "こんにちは", NULL, "東京", NULL, "", NULL, false, false},
    {"gb2312.eml", NULL, NULL, "中文邮件", NULL, "", NULL, false, false},
    {"html.eml", NULL, NULL, "Price: 5 € & more", "secret", "", NULL, false, false},
    {"alternative.eml", NULL, NULL, "the plain one", NULL, "", NULL, false, false},
    {"attachments.eml", NULL, NULL, "the text file", "JVBERi0", "naïve plan.pdf|résumé.txt|图.png",
     NULL, true, false},
    {"nested.eml", NULL, NULL, "deep inside", NULL, "", NULL, true, false},
    {"invitation.eml", NULL, NULL, "Please come", "BEGIN:VCALENDAR", "", NULL, false, true},
    {"no-blank-line.eml", "no blank line", NULL, "This body begins at once", NULL, "",
     "broken header", false, false},
    {"bad-fold.eml", "bad fold", NULL, "Grün", NULL, "", "broken header", false, false},
    {"no-end.eml", NULL, NULL, "the last part", NULL, "", "multipart without end", false, false},
    {"no-boundary.eml", NULL, NULL, "still readable", NULL, "", "multipart without boundary", false,
     false},
    {"inner-steals-outer.eml", NULL, NULL, "second outer part", NULL, "", NULL, false, false},
    {"uuencode.eml", NULL, NULL, "after the file", "M9F]O", "hello.txt", NULL, true, false},
    {"no-header.eml", "", "", "Just text", NULL, "", "no header", false, false},
    {"mbox-line.eml", "with an mbox line", NULL, "body", NULL, "", NULL, false, false},
    {"nul.eml", "nul", NULL, "beforeafter", NULL, "", NULL, false, false},
};

static void reads_hand_made_mails(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(MAILS); i++) {
        g_autoptr(Message) message = read_file(MAILS[i].file);
        g_autofree char *from = message_addresses_format(message->from),
                        *names = names_join(message->attachments),
                        *defects = names_join(message->defects);
        const struct {
            const char *what, *got, *want;
        } equal[] = {{"subject", message->subject, MAILS[i].subject},
                     {"from", from, MAILS[i].from},
                     {"attachments", names, MAILS[i].attachments}};
        for (size_t k = 0; k < G_N_ELEMENTS(equal); k++)
            if (equal[k].want && strcmp(equal[k].got, equal[k].want) != 0)
                fail_msg("%s: %s: got \"%s\", want \"%s\"", MAILS[i].file, equal[k].what,
                         equal[k].got, equal[k].want);
        if (!strstr(message->text->str, MAILS[i].text))
            fail_msg("%s: text: got \"%s\", want \"%s\" in it", MAILS[i].file, message->text->str,
                     MAILS[i].text);
        if (MAILS[i].not_text && strstr(message->text->str, MAILS[i].not_text))
            fail_msg("%s: text has \"%s\"", MAILS[i].file, MAILS[i].not_text);
        if (MAILS[i].defect ? !strstr(defects, MAILS[i].defect) : *defects)
            fail_msg("%s: defects: got \"%s\", want \"%s\"", MAILS[i].file, defects,
                     MAILS[i].defect ? MAILS[i].defect : "");
        if (message->has_attachment != MAILS[i].has_attachment ||
            message->has_calendar != MAILS[i].has_calendar)
            fail_msg("%s: attachment %d, calendar %d", MAILS[i].file, message->has_attachment,
                     message->has_calendar);
    }
}

static void reads_all_headers(void **state)
{
    (void)state;
    g_autoptr(Message) message = read_file("plain.eml");
    assert_string_equal(message->message_id, "1@example.org");
    assert_int_equal(message->date_ms, INT64_C(1764583200000));
    assert_int_equal(message->to->len, 3);
    assert_string_equal(g_array_index(message->to, MessageAddress, 2).address, "carol@example.org");
    assert_int_equal(message->cc->len, 1);
    assert_string_equal(message->list_id, "team.example.org");
    g_autofree char *references = names_join(message->references);
    assert_string_equal(references, "a@example.org|b@example.org|b@example.org");
    assert_true(g_str_has_prefix(message->preview, "Hello all, see you on Thursday"));
}

static void headers_alone_are_the_same(void **state)
{
    (void)state;
    g_autofree char *path = test_data("mail/attachments.eml");
    g_autofree char *bytes = NULL;
    gsize size = 0;
    assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    g_autoptr(Message) full = message_parse(bytes, size, MESSAGE_FULL),
                       headers = message_parse(bytes, size, MESSAGE_HEADERS);
    assert_string_equal(full->subject, headers->subject);
    assert_string_equal(full->message_id, headers->message_id);
    assert_int_equal(headers->text->len, 0);
    assert_int_equal(headers->parts, 0);
}

static const struct {
    const char *name, *html, *want;
} PAGES[] = {
    {"inline tags do not break words", "<b>wo</b>rd<i>s</i>", "words\n"},
    {"blocks are lines", "<p>one</p><p>two<br>three</p>", "one\ntwo\nthree\n"},
    {"cells are apart", "<td>a</td><td>b</td>", "a b\n"},
    {"entities", "&lt;&amp;&eacute;&#233;&#xe9;&#146;&nosuch;&", "<&ééé’&nosuch;&\n"},
    {"script, style, comment", "a<script>x<y</script>b<style>p{}</style><!-- > <b>no</b> -->c",
     "abc\n"},
    {"hidden", "a<div style='display: none'>x<div>y</div>z</div>b<span hidden>q</span>", "a\nb\n"},
    {"quoted >", "<a title=\"x>y\">z</a>", "z\n"},
    {"quote without end", "<a title=\"x>y z</a>", "y z\n"},
    {"less than", "1 < 2 <3", "1 < 2 <3\n"},
    {"white space", "  a \n\t b  ", "a b\n"},
    {"unclosed", "a<", "a<\n"},
    {"empty", "", ""},
};

static void strips_html(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(PAGES); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        html_append_text(out, PAGES[i].html, strlen(PAGES[i].html));
        if (strcmp(out->str, PAGES[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", PAGES[i].name, out->str, PAGES[i].want);
    }
}

static bool has_defect(const Message *message, const char *defect)
{
    g_autofree char *defects = names_join(message->defects);
    return strstr(defects, defect) != NULL;
}

/* Mails made to cost much: each must come back soon, cut, with its defect. */
static void bears_hostile_mails(void **state)
{
    (void)state;
    g_autoptr(GString) mail = g_string_new("Content-Type: multipart/mixed; boundary=b\n\n");
    for (unsigned i = 0; i < 200000; i++)
        g_string_append(mail, "--b\n\nx\n");
    g_autoptr(Message) parts = message_parse(mail->str, mail->len, MESSAGE_FULL);
    check_promises("many parts", parts);
    assert_int_equal(parts->parts, MESSAGE_PARTS_MAX);

    g_string_truncate(mail, 0);
    for (unsigned i = 0; i < 2000; i++)
        g_string_append_printf(mail, "Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n", i,
                               i);
    g_autoptr(Message) deep = message_parse(mail->str, mail->len, MESSAGE_FULL);
    assert_true(has_defect(deep, "parts too deep"));

    g_string_truncate(mail, 0);
    for (unsigned i = 0; i < 100000; i++)
        g_string_append_printf(mail, "To: a%u@example.org\n", i);
    g_autoptr(Message) header = message_parse(mail->str, mail->len, MESSAGE_FULL);
    assert_true(has_defect(header, "header cut"));

    g_string_assign(mail, "Content-Type: text/html\n\n");
    for (unsigned i = 0; i < 1000000; i++)
        g_string_append(mail, "<a b=\"<!-");
    g_autoptr(Message) html = message_parse(mail->str, mail->len, MESSAGE_FULL);
    check_promises("html", html);

    g_string_assign(mail, "Subject: x\n\n");
    for (unsigned i = 0; i < MESSAGE_TEXT_BYTES_MAX / 2 + 10; i++)
        g_string_append(mail, "é");
    g_autoptr(Message) text = message_parse(mail->str, mail->len, MESSAGE_FULL);
    check_promises("long text", text);
    assert_true(has_defect(text, "text cut"));
}

static void every_cut_is_a_mail(void **state)
{
    (void)state;
    g_autofree char *path = test_data("mail/attachments.eml");
    g_autofree char *bytes = NULL;
    gsize size = 0;
    assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize cut = 0; cut <= size; cut++) {
        g_autofree char *part =
            g_memdup2(bytes, cut); /* exact, so that a sanitizer sees a step too far */
        g_autoptr(Message) message = message_parse(part, cut, MESSAGE_FULL);
        check_promises("cut", message);
    }
}

/* All mails of the archive that other parsers are tested with: read, sound, and the same twice. */
static void reads_the_archive(void **state)
{
    (void)state;
    g_autofree char *archive = test_archive("mime");
    if (!archive)
        return;
    g_autofree char *folder = g_build_filename(archive, "dev", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    assert_non_null(dir);
    unsigned count = 0;
    for (const char *name; (name = g_dir_read_name(dir));) {
        if (!g_str_has_suffix(name, ".eml"))
            continue;
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *bytes = NULL;
        gsize size = 0;
        assert_true(g_file_get_contents(path, &bytes, &size, NULL));
        g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL),
                           again = message_parse(bytes, size, MESSAGE_FULL);
        check_promises(name, message);
        assert_same(message, again);
        count++;
    }
    assert_true(count > 400);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_hand_made_mails),      cmocka_unit_test(reads_all_headers),
        cmocka_unit_test(headers_alone_are_the_same), cmocka_unit_test(strips_html),
        cmocka_unit_test(bears_hostile_mails),        cmocka_unit_test(every_cut_is_a_mail),
        cmocka_unit_test(reads_the_archive),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
