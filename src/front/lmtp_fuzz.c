/* lmtp_fuzz: any bytes into a session, in pieces whose size the input chooses.
 *
 * Besides memory errors it looks for broken promises: the same bytes in one piece and in many give
 * the same replies and the same stored messages; the output is lines of at most 512 bytes that
 * begin with a code; a stored message is not over the limit.
 */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "front/lmtp.h"

#define FUZZ_MESSAGE_BYTES_MAX 256

static LmtpRcpt recipient(const char *address, LmtpRecipient *ret, void *data)
{
    (void)data;
    switch (address[0]) {
    case 'u':
        return LMTP_RCPT_UNKNOWN;
    case 'r':
        return LMTP_RCPT_RETRY;
    default:
        ret->account = (unsigned char)address[0];
        ret->detail = strchr(address, '+') ? g_strdup(strchr(address, '+') + 1) : NULL;
        return LMTP_RCPT_OK;
    }
}

static void deliver(const LmtpMessage *message, const LmtpRecipient *recipients, unsigned count,
                    LmtpStored *results, void *data)
{
    GString *stored = data;
    MUST(message->size <= FUZZ_MESSAGE_BYTES_MAX && count > 0);
    g_string_append(stored, message->from);
    g_string_append_len(stored, message->bytes, (gssize)message->size);
    for (unsigned i = 0; i < count; i++)
        results[i] = (LmtpStored)(recipients[i].account % 4);
}

static void check_replies(const GString *out)
{
    MUST(strlen(out->str) == out->len);
    g_auto(GStrv) lines = g_strsplit(out->str, "\r\n", -1);
    for (char **line = lines; *line && line[1]; line++) {
        MUST(strlen(*line) <= 510 && g_ascii_isdigit((*line)[0]) && !strpbrk(*line, "\r\n"));
        MUST((*line)[3] == ' ' || (*line)[3] == '-');
    }
}

static void run(const uint8_t *bytes, size_t size, size_t step, GString *out, GString *stored)
{
    LmtpHouse house = {recipient, deliver, stored, "mail.example.org", FUZZ_MESSAGE_BYTES_MAX,
                       false};
    g_autoptr(LmtpSession) session = lmtp_session_new(&house, out);
    for (size_t at = 0; at < size; at += step)
        if (!lmtp_session_feed(session, bytes + at, MIN(step, size - at)))
            break;
    lmtp_session_stop(session, LMTP_STOP_SHUTDOWN);
    check_replies(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = 1 + bytes[0] % 16;
    GString *whole_out = g_string_new(NULL), *whole_stored = g_string_new(NULL);
    GString *pieces_out = g_string_new(NULL), *pieces_stored = g_string_new(NULL);
    run(bytes + 1, size - 1, size, whole_out, whole_stored);
    run(bytes + 1, size - 1, step, pieces_out, pieces_stored);
    MUST(g_string_equal(whole_out, pieces_out));
    MUST(g_string_equal(whole_stored, pieces_stored));
    g_string_free(whole_out, TRUE);
    g_string_free(whole_stored, TRUE);
    g_string_free(pieces_out, TRUE);
    g_string_free(pieces_stored, TRUE);
    return 0;
}
