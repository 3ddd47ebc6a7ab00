/* lmtp_data: the bytes of one message as they come in.
 *
 * It fits between the session (lmtp.c), which knows when a message begins, and the house, which
 * gets the bytes. The one place that decides where a message ends, and so the place where SMTP
 * smuggling is kept out: only CR LF . CR LF ends it. A bare LF or a bare CR is a byte like any
 * other, before the dot and after it, and stays in the message as it came.
 *
 * Exact: what comes out is what the sender had before it stuffed its dots, byte for byte; a line's
 * first dot is taken out, whatever follows, also a bare CR or LF (RFC 5321 4.5.2). A line starts
 * after CR LF only.
 *
 * Over its limit a message is still read to its end, so that the reply comes where the client waits
 * for it, but not kept. No failures. Known weak point: none.
 */
#include <string.h>

#include "front/lmtp_data.h"

void lmtp_data_begin(LmtpData *data, size_t max)
{
    lmtp_data_end(data);
    *data = (LmtpData){.bytes = g_string_new(NULL), .max = max, .place = LMTP_DATA_LINE_START};
}

void lmtp_data_end(LmtpData *data)
{
    if (data->bytes)
        g_string_free(data->bytes, TRUE);
    *data = (LmtpData){.bytes = NULL};
}

void lmtp_data_append(LmtpData *data, const char *bytes, size_t size)
{
    size_t room = data->max - data->bytes->len;
    if (data->dropped > 0 || size > room) {
        /* What is too large as a whole is not wanted in part. */
        data->dropped += size;
        g_string_truncate(data->bytes, 0);
        return;
    }
    g_string_append_len(data->bytes, bytes, (gssize)size);
}

/* One byte, where no run of plain ones can be taken. True: the message ends with it. */
static bool feed_byte(LmtpData *data, char byte)
{
    switch (data->place) {
    case LMTP_DATA_LINE_START:
        if (byte == '.') {
            data->place = LMTP_DATA_DOT;
            return false;
        }
        break;
    case LMTP_DATA_DOT:
        if (byte == '\r') {
            data->place = LMTP_DATA_DOT_CR;
            return false;
        }
        break; /* the dot was a stuffed one, and is gone */
    case LMTP_DATA_DOT_CR:
        if (byte == '\n')
            return true;
        lmtp_data_append(data, "\r", 1);
        break;
    case LMTP_DATA_CR:
        if (byte == '\n') {
            lmtp_data_append(data, "\n", 1);
            data->place = LMTP_DATA_LINE_START;
            return false;
        }
        break;
    case LMTP_DATA_MIDDLE:
        break;
    }
    lmtp_data_append(data, &byte, 1);
    data->place = byte == '\r' ? LMTP_DATA_CR : LMTP_DATA_MIDDLE;
    return false;
}

size_t lmtp_data_feed(LmtpData *data, const char *bytes, size_t size, bool *ret_end)
{
    size_t taken = 0;
    *ret_end = false;
    while (taken < size && !*ret_end) {
        if (data->place == LMTP_DATA_MIDDLE) {
            const char *cr = memchr(bytes + taken, '\r', size - taken);
            size_t run = cr ? (size_t)(cr - bytes) - taken : size - taken;
            lmtp_data_append(data, bytes + taken, run);
            taken += run;
            if (!cr)
                break;
        }
        *ret_end = feed_byte(data, bytes[taken++]);
    }
    return taken;
}
