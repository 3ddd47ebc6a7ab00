/* message_parts: walks the parts of a mail and takes their text.
 *
 * The bytes are split from the outside in: a multipart's range is cut at its own boundary, then
 * each piece is read as a part. So an inner part can never reach beyond its outer one, whatever
 * boundaries it claims, and each byte is looked at once for each level, of which there are at most
 * MESSAGE_DEPTH_MAX. GMime reads parameters, charsets and transfer encodings; its own parser is not
 * used for the tree, since that builds all of a hostile mail's parts before one can count them (a
 * mail of 50 MB can hold ten million).
 *
 * Every text part counts as text, in the order of the mail, attached messages with their subject
 * and senders first. Other parts are only named.
 *
 * Failures: none; what is over a limit is left out and noted as a defect.
 * Weak points: yEnc and BinHex inside text are not recognised; of uuencoded files in text the name
 * is taken and the data left out.
 */
#include <string.h>

#include <gmime/gmime.h>

#include "base/limits.h"
#include "base/limits_imip.h"
#include "content/html.h"
#include "content/message_header.h"
#include "content/message_parts.h"
#include "content/message_text.h"

#define BOUNDARY_BYTES_MAX 1000 /* RFC 2046 says 70; broken senders exceed it */
/* HTML is mostly markup: so much of it is read for the text that we keep. */
#define MARKUP_BYTES_MAX (4 * (size_t)MESSAGE_TEXT_BYTES_MAX)

typedef enum { SIBLING_NONE, SIBLING_RELATED } Siblings;

typedef struct {
    Message *message;
    GString *decoded, *converted; /* buffers, used again */
    unsigned attached;            /* how many attached messages we are in */
} Walk;

typedef struct {
    GMimeContentType *type;
    char *encoding, *disposition, *name;
    bool has_id;
} Part;

static void read_entity(Walk *walk, const GArray *fields, const char *body, size_t size,
                        unsigned depth, Siblings siblings);

void message_add_defect(Message *message, const char *defect)
{
    for (unsigned i = 0; i < message->defects->len; i++)
        if (strcmp(g_ptr_array_index(message->defects, i), defect) == 0)
            return;
    g_ptr_array_add(message->defects, (gpointer)(uintptr_t)defect);
}

static char *header_token(const GArray *fields, const char *name)
{
    const HeaderField *field = header_find(fields, name);
    if (!field)
        return NULL;
    char *value = text_unfold(field->value, field->value_size);
    value[strcspn(value, ";(")] = '\0';
    g_strstrip(value);
    for (char *at = value; *at; at++)
        *at = g_ascii_tolower(*at);
    return value;
}

static char *name_of(GMimeParamList *parameters, const char *key)
{
    GMimeParam *parameter = parameters ? g_mime_param_list_get_parameter(parameters, key) : NULL;
    const char *value = parameter ? g_mime_param_get_value(parameter) : NULL;
    if (!value || !*value)
        return NULL;
    return text_line_take(g_strdup(value));
}

static Part part_read(const GArray *fields)
{
    Part part = {.encoding = header_token(fields, "Content-Transfer-Encoding"),
                 .disposition = header_token(fields, "Content-Disposition"),
                 .has_id = header_find(fields, "Content-ID") != NULL};
    const HeaderField *field = header_find(fields, "Content-Type");
    if (field) {
        g_autofree char *value = text_of_structured(field->value, field->value_size);
        part.type = g_mime_content_type_parse(NULL, value);
    }
    if (!part.type)
        part.type = g_mime_content_type_new("text", "plain");
    field = header_find(fields, "Content-Disposition");
    if (field && memchr(field->value, ';', field->value_size)) {
        g_autofree char *value = text_of_structured(field->value, field->value_size);
        GMimeContentDisposition *disposition = g_mime_content_disposition_parse(NULL, value);
        if (disposition) {
            part.name = name_of(g_mime_content_disposition_get_parameters(disposition), "filename");
            g_object_unref(disposition);
        }
    }
    if (!part.name)
        part.name = name_of(g_mime_content_type_get_parameters(part.type), "name");
    return part;
}

static void part_clear(Part *part)
{
    g_object_unref(part->type);
    g_free(part->encoding);
    g_free(part->disposition);
    g_free(part->name);
}

static bool type_is(const Part *part, const char *type, const char *subtype)
{
    return g_mime_content_type_is_type(part->type, type, subtype);
}

static void add_attachment(Message *message, const char *name)
{
    message->has_attachment = true;
    if (name && *name)
        g_ptr_array_add(message->attachments, g_strdup(name));
}

/* Room left for text; 0 and the defect where there is none. */
static size_t text_room(Message *message)
{
    if (message->text->len < MESSAGE_TEXT_BYTES_MAX)
        return MESSAGE_TEXT_BYTES_MAX - message->text->len;
    message_add_defect(message, "text cut");
    return 0;
}

static void text_cut(Message *message)
{
    if (message->text->len <= MESSAGE_TEXT_BYTES_MAX)
        return;
    message_add_defect(message, "text cut");
    const char *text = message->text->str;
    size_t size = MESSAGE_TEXT_BYTES_MAX;
    while (size && (text[size] & 0xC0) == 0x80)
        size--;
    g_string_truncate(message->text, size);
}

/* A line of uuencoded data: its first byte tells its size. */
static bool is_uu_line(const char *line, size_t size)
{
    if (!size || line[0] < ' ' || line[0] > '`')
        return false;
    size_t bytes = (size_t)(line[0] - ' ') & 077;
    size_t need = 1 + (bytes + 2) / 3 * 4;
    return size >= need - 1 && size <= need + 2;
}

/* Appends text, but of a file that is uuencoded within it the name only. */
static void append_plain(Message *message, const char *text, size_t size)
{
    const char *end = text + size, *begin = text;
    while ((begin = memmem(begin, (size_t)(end - begin), "begin ", 6))) {
        const char *line = memchr(begin, '\n', (size_t)(end - begin));
        const char *name = begin + 9;
        if ((begin > text && begin[-1] != '\n') || !line || line <= name + 1 || name[0] != ' ' ||
            strspn(begin + 6, "01234567") != 3) {
            begin += 6;
            continue;
        }
        const char *data = line + 1;
        unsigned lines = 0;
        while (data < end) {
            const char *next = memchr(data, '\n', (size_t)(end - data));
            size_t length = (size_t)((next ? next : end) - data);
            if (!is_uu_line(data, length))
                break;
            data = next ? next + 1 : end;
            lines++;
        }
        if (!lines) {
            begin += 6;
            continue;
        }
        g_string_append_len(message->text, text, begin - text);
        g_autofree char *file = text_line_take(g_strndup(name + 1, (gsize)(line - name - 1)));
        add_attachment(message, file);
        if (end - data >= 3 && memcmp(data, "end", 3) == 0)
            data += 3;
        begin = text = data;
    }
    g_string_append_len(message->text, text, end - text);
}

static void read_text(Walk *walk, const Part *part, const char *body, size_t size)
{
    Message *message = walk->message;
    size_t room = text_room(message);
    if (!room)
        return;
    bool markup = type_is(part, "text", "html") || type_is(part, "text", "enriched") ||
                  type_is(part, "text", "richtext");
    size_t most = markup ? MARKUP_BYTES_MAX : room;
    size_t in = MIN(size, 4 * most); /* a transfer encoding makes three bytes of one at most */
    size_t decoded_size;
    const char *decoded =
        text_decode_transfer(part->encoding, body, in, walk->decoded, &decoded_size);
    if (decoded_size > most || in < size)
        message_add_defect(message, "text cut");
    decoded_size = MIN(decoded_size, most);
    g_autofree char *charset = name_of(g_mime_content_type_get_parameters(part->type), "charset");
    g_string_truncate(walk->converted, 0);
    text_append(walk->converted, decoded, decoded_size, charset);
    if (markup)
        html_append_text(message->text, walk->converted->str, walk->converted->len);
    else
        append_plain(message, walk->converted->str, walk->converted->len);
    if (message->text->len && message->text->str[message->text->len - 1] != '\n')
        g_string_append_c(message->text, '\n');
    text_cut(message);
}

/* An invitation, for content/itip: what is longer than anybody may store is cut, and refused there.
 */
static void read_calendar(Walk *walk, const Part *part, const char *body, size_t size)
{
    Message *message = walk->message;
    GMimeParamList *parameters = g_mime_content_type_get_parameters(part->type);
    g_autofree char *method = name_of(parameters, "method");
    if (walk->attached || *message->calendar_method || (message->calendar && !method))
        return;
    size_t decoded_size, most = CALENDAR_PART_BYTES_MAX + 1;
    const char *decoded = text_decode_transfer(part->encoding, body, MIN(size, 4 * most),
                                               walk->decoded, &decoded_size);
    g_autofree char *charset = name_of(parameters, "charset");
    g_string_truncate(walk->converted, 0);
    text_append(walk->converted, decoded, MIN(decoded_size, most), charset ? charset : "utf-8");
    if (message->calendar)
        g_bytes_unref(message->calendar);
    message->calendar = g_bytes_new(walk->converted->str, MIN(walk->converted->len, most));
    g_free(message->calendar_method);
    message->calendar_method = method ? g_steal_pointer(&method) : g_strdup("");
}

static void read_leaf(Walk *walk, const Part *part, const char *body, size_t size,
                      Siblings siblings)
{
    Message *message = walk->message;
    bool text = type_is(part, "text", "*") ||
                (type_is(part, "message", "*") && !type_is(part, "message", "partial")) ||
                type_is(part, "application", "rtf-text");
    bool calendar = type_is(part, "text", "calendar") || type_is(part, "application", "ics");
    bool signature = type_is(part, "application", "pgp-signature") ||
                     type_is(part, "application", "pkcs7-signature") ||
                     type_is(part, "application", "x-pkcs7-signature") ||
                     type_is(part, "application", "pgp-encrypted");
    message->has_calendar |= calendar;
    bool attached = part->disposition && strcmp(part->disposition, "attachment") == 0;
    if (part->name || (attached && !signature))
        message->has_attachment |=
            attached || !(signature || (siblings == SIBLING_RELATED && part->has_id));
    else if (!text && !calendar && !signature && !(siblings == SIBLING_RELATED && part->has_id))
        message->has_attachment = true;
    if (part->name)
        g_ptr_array_add(message->attachments, g_strdup(part->name));
    if (text && !calendar)
        read_text(walk, part, body, size);
    if (type_is(part, "text", "calendar"))
        read_calendar(walk, part, body, size);
}

/* The lines "--boundary" of a multipart, one after the other. */
typedef struct {
    const char *body, *end;
    const char *mark; /* "--boundary" */
    size_t mark_size;
    const char *line_end; /* of the line found last */
    bool last;            /* it closes the multipart */
} Boundary;

/* The next such line at or after `at`; NULL: none. */
static const char *boundary_find(Boundary *boundary, const char *at)
{
    const char *end = boundary->end;
    for (; (at = memmem(at, (size_t)(end - at), boundary->mark, boundary->mark_size)); at++) {
        if (at > boundary->body && at[-1] != '\n')
            continue;
        const char *rest = at + boundary->mark_size;
        bool last = end - rest >= 2 && rest[0] == '-' && rest[1] == '-';
        if (last)
            rest += 2;
        while (rest < end && (*rest == ' ' || *rest == '\t' || *rest == '\r'))
            rest++;
        if (rest < end && *rest != '\n')
            continue;
        boundary->last = last;
        boundary->line_end = rest < end ? rest + 1 : end;
        return at;
    }
    return NULL;
}

/* The boundary's line mark; NULL where there is none that can be used. Caller frees. */
static char *boundary_mark(const Part *part)
{
    const char *given = g_mime_content_type_get_parameter(part->type, "boundary");
    size_t size = given ? strlen(given) : 0;
    while (size && given[size - 1] == ' ')
        size--;
    return size && size <= BOUNDARY_BYTES_MAX ? g_strdup_printf("--%.*s", (int)size, given) : NULL;
}

/* One piece between two boundaries. */
static void read_piece(Walk *walk, GArray *fields, const Part *parent, const char *start,
                       size_t size, unsigned depth)
{
    bool cut = false, broken = false;
    size_t at = header_read(fields, start, size, &cut, &broken);
    if (cut)
        message_add_defect(walk->message, "header cut");
    if (broken)
        message_add_defect(walk->message, "broken header");
    if (type_is(parent, "multipart", "digest") && !header_find(fields, "Content-Type")) {
        static const char TYPE[] = "message/rfc822";
        HeaderField type = {"Content-Type", TYPE, strlen("Content-Type"), strlen(TYPE)};
        g_array_append_val(fields, type);
    }
    Siblings siblings = type_is(parent, "multipart", "related") ? SIBLING_RELATED : SIBLING_NONE;
    read_entity(walk, fields, start + at, size - at, depth + 1, siblings);
}

static void read_multipart(Walk *walk, const Part *part, const char *body, size_t size,
                           unsigned depth)
{
    Message *message = walk->message;
    g_autofree char *mark = boundary_mark(part);
    if (!mark) {
        message_add_defect(message, "multipart without boundary");
        Part plain = {.type = g_mime_content_type_new("text", "plain")};
        read_text(walk, &plain, body, size);
        part_clear(&plain);
        return;
    }
    Boundary boundary = {.body = body, .end = body + size, .mark = mark, .mark_size = strlen(mark)};
    const char *line = boundary_find(&boundary, body);
    if (!line)
        message_add_defect(message, "multipart without parts");
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(HeaderField));
    while (line && !boundary.last && message->parts < MESSAGE_PARTS_MAX) {
        const char *start = boundary.line_end;
        line = boundary_find(&boundary, start);
        const char *stop = line ? line : boundary.end;
        if (stop > start && stop[-1] == '\n')
            stop--;
        if (stop > start && stop[-1] == '\r')
            stop--;
        if (!line)
            message_add_defect(message, "multipart without end");
        read_piece(walk, fields, part, start, (size_t)(stop - start), depth);
    }
}

static void append_header_line(Walk *walk, const GArray *fields, const char *name)
{
    const HeaderField *field = header_find(fields, name);
    if (!field || !text_room(walk->message))
        return;
    g_autofree char *value = text_of_header(field->value, field->value_size);
    g_string_append(walk->message->text, value);
    g_string_append_c(walk->message->text, '\n');
    text_cut(walk->message);
}

static void read_message(Walk *walk, const Part *part, const char *body, size_t size,
                         unsigned depth)
{
    g_autoptr(GString) own = g_string_new(NULL); /* the walk's buffer would be overwritten below */
    const char *bytes = text_decode_transfer(part->encoding, body, size, own, &size);
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(HeaderField));
    bool cut = false, broken = false;
    size_t at = header_read(fields, bytes, size, &cut, &broken);
    if (cut)
        message_add_defect(walk->message, "header cut");
    add_attachment(walk->message, part->name);
    append_header_line(walk, fields, "Subject");
    append_header_line(walk, fields, "From");
    append_header_line(walk, fields, "To");
    walk->attached++;
    read_entity(walk, fields, bytes + at, size - at, depth + 1, SIBLING_NONE);
    walk->attached--;
}

static void read_entity(Walk *walk, const GArray *fields, const char *body, size_t size,
                        unsigned depth, Siblings siblings)
{
    Message *message = walk->message;
    if (message->parts >= MESSAGE_PARTS_MAX) {
        message_add_defect(message, "too many parts");
        return;
    }
    message->parts++;
    if (depth > MESSAGE_DEPTH_MAX) {
        message_add_defect(message, "parts too deep");
        return;
    }
    Part part = part_read(fields);
    if (type_is(&part, "multipart", "*"))
        read_multipart(walk, &part, body, size, depth);
    else if (type_is(&part, "message", "rfc822") || type_is(&part, "message", "global") ||
             type_is(&part, "message", "news"))
        read_message(walk, &part, body, size, depth);
    else
        read_leaf(walk, &part, body, size, siblings);
    part_clear(&part);
}

void message_parts_read(Message *message, const GArray *fields, const char *body, size_t size)
{
    Walk walk = {
        .message = message, .decoded = g_string_new(NULL), .converted = g_string_new(NULL)};
    read_entity(&walk, fields, body, size, 0, SIBLING_NONE);
    g_string_free(walk.decoded, TRUE);
    g_string_free(walk.converted, TRUE);
}
