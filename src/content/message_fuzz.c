/* message_fuzz: any bytes are a mail. */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/message.h"
#include "content/message_body.h"

static void check_part(const MessagePart *part)
{
    MUST(!part->id == (part->children != NULL) && !part->bytes == (part->children != NULL));
    MUST(g_utf8_validate(part->type, -1, NULL));
    MUST(!part->name || g_utf8_validate(part->name, -1, NULL));
    if (part->bytes) {
        g_autofree char *text = message_part_text(part);
        MUST(g_utf8_validate(text, -1, NULL));
    }
    for (guint i = 0; part->children && i < part->children->len; i++)
        check_part(part->children->pdata[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool ready;
    if (!ready)
        message_library_init();
    ready = true;
    g_autoptr(Message) message = message_parse(bytes, size, MESSAGE_FULL);
    MUST(g_utf8_validate_len(message->text->str, message->text->len, NULL));
    MUST(message->text->len <= MESSAGE_TEXT_BYTES_MAX && message->parts <= MESSAGE_PARTS_MAX);
    MUST(g_utf8_validate(message->subject, -1, NULL) &&
         g_utf8_validate(message->preview, -1, NULL));
    MUST(g_utf8_validate(message->message_id, -1, NULL) &&
         g_utf8_validate(message->list_id, -1, NULL));
    g_autofree char *from = message_addresses_format(message->from);
    MUST(g_utf8_validate(from, -1, NULL));
    for (unsigned i = 0; i < message->attachments->len; i++)
        MUST(g_utf8_validate(g_ptr_array_index(message->attachments, i), -1, NULL));
    g_autoptr(MessagePart) root = message_body_parse(bytes, size);
    if (root)
        check_part(root);
    return 0;
}
