/* letter: a message made ready for delivery, and the key by which a second try of it is known.
 *
 * How it fits: LMTP and import make one for each message, outside any transaction, since parsing
 * and compressing are most of a delivery's work.
 *
 * Failures: none; a message that cannot be read is still a message (content/message.h).
 */
#include "model/deliver.h"

#include <string.h>

Letter *letter_new(const void *bytes, size_t size)
{
    Letter *letter = g_new0(Letter, 1);
    letter->message = message_parse(bytes, size, MESSAGE_FULL);
    letter->blob = blob_new(bytes, size);
    letter->spam_score = -1;
    return letter;
}

void letter_free(Letter *letter)
{
    if (!letter)
        return;
    message_free(letter->message);
    blob_free(letter->blob);
    g_free(letter);
}

char *deliver_key(const Letter *letter, const char *recipient, const char *envelope_from)
{
    g_autoptr(GString) text = g_string_new(recipient);
    g_string_append_c(text, '\n');
    if (*letter->message->message_id) {
        g_string_append(text, letter->message->message_id);
    } else {
        g_autofree char *digest = digest_format(&letter->blob->digest);
        g_string_append_printf(text, "\n%s\n%s", digest, envelope_from ? envelope_from : "");
    }
    Digest key = digest_of(text->str, text->len);
    return digest_format(&key);
}
