/* message: the headers of a mail, and the way into its parts.
 *
 * The header block is found by message_header, values are decoded by GMime (addresses, dates,
 * references, encoded words), the body is walked by message_parts. The first field of a name
 * counts, but recipients and references are gathered from all.
 *
 * Failures: none; defects say what was cut or broken.
 * Weak points: a Date that GMime cannot read is 0, there is no guess from Received.
 */
#include <string.h>

#include <gmime/gmime.h>

#include "base/limits.h"
#include "content/message.h"
#include "content/message_header.h"
#include "content/message_parts.h"
#include "content/message_text.h"

#define ADDRESSES_MAX     10000 /* of one field; a header of 256 KB holds more only to do harm */
#define REFERENCES_MAX    1000
#define PREVIEW_CHARS_MAX 256
#define GROUP_DEPTH_MAX   4 /* RFC 5322 has groups of addresses, not of groups */

void message_library_init(void)
{
    g_mime_init();
}

static void address_clear(gpointer data)
{
    MessageAddress *address = data;
    g_free(address->name);
    g_free(address->address);
}

static GArray *addresses_new(void)
{
    GArray *addresses = g_array_new(FALSE, FALSE, sizeof(MessageAddress));
    g_array_set_clear_func(addresses, address_clear);
    return addresses;
}

static void addresses_add(GArray *addresses, InternetAddressList *list, unsigned depth)
{
    int count = list ? internet_address_list_length(list) : 0;
    for (int i = 0; i < count && addresses->len < ADDRESSES_MAX; i++) {
        InternetAddress *each = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_GROUP(each)) {
            if (depth < GROUP_DEPTH_MAX)
                addresses_add(addresses,
                              internet_address_group_get_members(INTERNET_ADDRESS_GROUP(each)),
                              depth + 1);
            continue;
        }
        const char *address = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(each));
        MessageAddress add = {text_line_take(g_strdup(internet_address_get_name(each))),
                              text_line_take(g_strdup(address))};
        g_array_append_val(addresses, add);
    }
}

/* "Name <local@domain>", "local@domain" and lists of them in plain ASCII: nearly all of mail, read
 * without a parser. False: use the parser. */
static bool addresses_add_plain(GArray *addresses, const char *value)
{
    if (strpbrk(value, "\"(:;=\\[,") || !strchr(value, '@'))
        return false;
    for (const char *at = value; *at; at++)
        if (*at & 0x80)
            return false;
    const char *open = strchr(value, '<'), *close = open ? strchr(open, '>') : NULL;
    g_autofree char *address = open ? g_strndup(open + 1, close ? (gsize)(close - open - 1) : 0)
                                    : g_strstrip(g_strdup(value));
    const char *sign = strchr(address, '@');
    if (!sign || sign == address || !sign[1] || strchr(sign + 1, '@') ||
        strpbrk(address, " \t<>") || (close && close[1 + strspn(close + 1, " \t")]))
        return false;
    MessageAddress add = {text_line_take(open ? g_strndup(value, (gsize)(open - value)) : NULL),
                          g_steal_pointer(&address)};
    g_array_append_val(addresses, add);
    return true;
}

static void read_addresses(GArray *addresses, const HeaderField *field)
{
    g_autofree char *value = text_unfold(field->value, field->value_size);
    if (addresses_add_plain(addresses, value))
        return;
    g_free(value);
    value = text_of_structured(field->value, field->value_size);
    InternetAddressList *list = internet_address_list_parse(NULL, value);
    if (list) {
        addresses_add(addresses, list, 0);
        g_object_unref(list);
    }
}

static char *read_id(const HeaderField *field)
{
    g_autofree char *value = text_unfold(field->value, field->value_size);
    char *open = strchr(value, '<');
    if (open) {
        char *close = strchr(open, '>');
        if (close)
            *close = '\0';
        return text_line_take(g_strdup(open + 1));
    }
    return text_line_take(g_steal_pointer(&value));
}

static void read_references(GPtrArray *references, const HeaderField *field)
{
    g_autofree char *value = text_unfold(field->value, field->value_size);
    for (char *at = value; (at = strchr(at, '<')) && references->len < REFERENCES_MAX;) {
        char *close = strpbrk(at + 1, "<>");
        if (!close)
            return;
        if (*close == '>' && close > at + 1)
            g_ptr_array_add(references, text_line_take(g_strndup(at + 1, (gsize)(close - at - 1))));
        at = *close == '>' ? close + 1 : close;
    }
}

static int64_t read_date(const HeaderField *field)
{
    g_autofree char *value = text_unfold(field->value, field->value_size);
    g_autoptr(GDateTime) date = g_mime_utils_header_decode_date(value);
    return date ? g_date_time_to_unix(date) * 1000 : 0;
}

/* RFC 5321 §4.4: the time comes after the last semicolon. */
static int64_t read_received(const HeaderField *field)
{
    const char *last = memrchr(field->value, ';', field->value_size);
    if (!last)
        return 0;
    HeaderField date = {.value = last + 1,
                        .value_size = field->value_size - (size_t)(last + 1 - field->value)};
    return MAX(read_date(&date), 0);
}

static void read_text_field(char **into, const HeaderField *field)
{
    if (!*into)
        *into = text_of_header(field->value, field->value_size);
}

static void read_list_id(Message *message, const HeaderField *field)
{
    if (message->list_id)
        return;
    g_autofree char *value = text_of_header(field->value, field->value_size);
    char *open = strrchr(value, '<'), *close = open ? strchr(open, '>') : NULL;
    message->list_id =
        close ? g_strndup(open + 1, (gsize)(close - open - 1)) : g_steal_pointer(&value);
}

static void read_field(Message *message, const HeaderField *field)
{
    const struct {
        const char *name;
        GArray *into;
    } addresses[] = {{"From", message->from}, {"Sender", message->sender},
                     {"To", message->to},     {"Cc", message->cc},
                     {"Bcc", message->bcc},   {"Reply-To", message->reply_to}};
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++)
        if (header_field_is(field, addresses[i].name)) {
            read_addresses(addresses[i].into, field);
            return;
        }
    if (header_field_is(field, "Subject"))
        read_text_field(&message->subject, field);
    else if (header_field_is(field, "Message-ID") && !message->message_id)
        message->message_id = read_id(field);
    else if (header_field_is(field, "References"))
        read_references(message->references, field);
    else if (header_field_is(field, "Date") && !message->date_ms)
        message->date_ms = read_date(field);
    else if (header_field_is(field, "Received") && !message->received_ms)
        message->received_ms = read_received(field);
    else if (header_field_is(field, "List-Id"))
        read_list_id(message, field);
}

static void read_headers(Message *message, const GArray *fields)
{
    for (unsigned i = 0; i < fields->len; i++)
        read_field(message, &g_array_index(fields, HeaderField, i));
    message->references_own = message->references->len;
    const HeaderField *answer = header_find(fields, "In-Reply-To");
    if (answer)
        read_references(message->references, answer);
    char **texts[] = {&message->subject, &message->message_id, &message->list_id};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (!*texts[i])
            *texts[i] = g_strdup("");
}

static char *preview_of(const char *text)
{
    GString *preview = g_string_sized_new(PREVIEW_CHARS_MAX + 16);
    unsigned chars = 0;
    for (const char *at = text; *at && chars < PREVIEW_CHARS_MAX; at += g_utf8_skip[(guchar)*at]) {
        gunichar c = g_utf8_get_char(at);
        bool space = g_unichar_isspace(c) || g_unichar_iscntrl(c);
        if (space && (!preview->len || preview->str[preview->len - 1] == ' '))
            continue;
        g_string_append_unichar(preview, space ? ' ' : c);
        chars++;
    }
    return g_strchomp(g_string_free(preview, FALSE));
}

Message *message_parse(const void *bytes, size_t size, MessageDepth depth)
{
    Message *message = g_new0(Message, 1);
    message->from = addresses_new();
    message->sender = addresses_new();
    message->to = addresses_new();
    message->cc = addresses_new();
    message->bcc = addresses_new();
    message->reply_to = addresses_new();
    message->references = g_ptr_array_new_with_free_func(g_free);
    message->text = g_string_new(NULL);
    message->calendar_method = g_strdup("");
    message->attachments = g_ptr_array_new_with_free_func(g_free);
    message->defects = g_ptr_array_new();
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(HeaderField));
    bool cut = false, broken = false;
    size_t body = size ? header_read(fields, bytes, size, &cut, &broken) : 0;
    if (cut)
        message_add_defect(message, "header cut");
    if (broken)
        message_add_defect(message, "broken header");
    if (!fields->len)
        message_add_defect(message, MESSAGE_NO_HEADER);
    read_headers(message, fields);
    if (depth == MESSAGE_FULL)
        message_parts_read(message, fields, (const char *)bytes + body, size - body);
    message->preview = preview_of(message->text->str);
    return message;
}

void message_free(Message *message)
{
    if (!message)
        return;
    GArray *addresses[] = {message->from, message->sender, message->to,
                           message->cc,   message->bcc,    message->reply_to};
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++)
        g_array_unref(addresses[i]);
    char *texts[] = {message->subject, message->message_id, message->list_id, message->preview};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_ptr_array_unref(message->references);
    g_ptr_array_unref(message->attachments);
    g_ptr_array_unref(message->defects);
    g_string_free(message->text, TRUE);
    if (message->calendar)
        g_bytes_unref(message->calendar);
    g_free(message->calendar_method);
    g_free(message);
}

char *message_addresses_format(const GArray *addresses)
{
    GString *out = g_string_new(NULL);
    for (unsigned i = 0; i < addresses->len; i++) {
        const MessageAddress *each = &g_array_index(addresses, MessageAddress, i);
        if (i)
            g_string_append(out, ", ");
        if (*each->name && *each->address)
            g_string_append_printf(out, "%s <%s>", each->name, each->address);
        else
            g_string_append(out, *each->name ? each->name : each->address);
    }
    return g_string_free(out, FALSE);
}
