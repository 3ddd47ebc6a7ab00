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

char *deliver_key(const Letter *letter, const Digest *identity, const char *recipient,
                  const char *envelope_from)
{
    /* Without a Message-ID two messages of one content are one only if they are so to the byte. */
    bool anonymous = *letter->message->message_id == '\0';
    g_autofree char *message = digest_format(anonymous ? &letter->blob->digest : identity);
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s", recipient, message,
                                            anonymous && envelope_from ? envelope_from : "");
    Digest key = digest_of(text, strlen(text));
    return digest_format(&key);
}
