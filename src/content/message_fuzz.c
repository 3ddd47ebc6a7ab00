/* message_fuzz: any bytes are a mail. */
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/message.h"

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
    return 0;
}
