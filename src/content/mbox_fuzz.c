/* mbox_fuzz: any bytes are messages, the same however they are fed, and none of the bytes is lost.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "content/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The messages, each after its place and size, fed in steps of `step`. */
static GString *split(const uint8_t *bytes, size_t size, size_t step, MboxQuoting quoting)
{
    g_autoptr(Mbox) mbox = mbox_new(quoting, 4096);
    GString *all = g_string_new(NULL);
    int64_t reached = 0;
    for (size_t at = 0; at <= size; at += step) {
        MboxMessage message;
        bool end = at + step > size;
        mbox_feed(mbox, bytes + at, MIN(step, size - at));
        while (mbox_next(mbox, end, &message)) {
            MUST(message.size <= (int64_t)size && message.offset <= (int64_t)size);
            MUST(message.cut ? message.bytes->len == 0 && message.size > 4096
                             : (int64_t)message.bytes->len == message.size);
            MUST(message.offset >= reached);
            reached = message.offset + message.size;
            g_free(mbox_keywords(message.bytes->str, message.bytes->len));
            g_string_append_printf(all, "%d %d ", (int)message.offset, (int)message.size);
            g_string_append_len(all, message.bytes->str, (gssize)message.bytes->len);
        }
        if (end)
            break;
    }
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    for (int quoting = MBOX_QUOTING_RD; quoting <= MBOX_QUOTING_NONE; quoting++) {
        GString *whole = split(bytes, size, size + 1, (MboxQuoting)quoting),
                *pieces = split(bytes, size, 7, (MboxQuoting)quoting);
        MUST(g_string_equal(whole, pieces));
        g_string_free(whole, true);
        g_string_free(pieces, true);
    }
    return 0;
}
