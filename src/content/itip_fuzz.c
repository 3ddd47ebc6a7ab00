/* itip_fuzz: any bytes are a message about any bytes that the calendar holds: what is decided can
 * be stored, and what goes out can be read.
 *
 * The input is the message, a zero byte, and what is stored.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "content/itip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const own_addresses[] = {"ada@example.com", "bob@example.com"};

static void check_bytes(GBytes *object)
{
    gsize size;
    const char *data = g_bytes_get_data(object, &size);
    MUST(g_utf8_validate_len(data, size, NULL));
    MUST(size > 30 && memcmp(data, "BEGIN:VCALENDAR\r\n", 17) == 0);
}

static void decide(const ItipObject *message, const uint8_t *stored, size_t size, const char *own,
                   const char *sender)
{
    g_autoptr(ItipObject) had = size ? itip_object_parse(stored, size, NULL, NULL) : NULL;
    ItipAsk ask = {{&own, 1}, sender, "", true, 100, {0, 0}};
    g_autoptr(ItipDecision) decision = itip_decide(message, had, &ask);
    MUST(decision->why && (decision->object != NULL) == (decision->outcome <= ITIP_ANSWERED));
    if (decision->object)
        check_bytes(decision->object);
}

static void changes(const ItipObject *before, const ItipObject *after, const char *own)
{
    ItipChange change = {before, after, {&own, 1}, 1769904000};
    g_autoptr(GPtrArray) messages = itip_changes(&change);
    for (guint i = 0; i < messages->len; i++) {
        const ItipMessage *message = messages->pdata[i];
        MUST(message->recipients->len > 0);
        check_bytes(message->calendar);
    }
}

/* Whatever is wished of it, what goes out can be read. */
static void wishes(const ItipObject *object, const char *own, const char *other)
{
    const char *const to[] = {other, NULL};
    g_autofree char *recurrence = itip_object_recurrence(object);
    for (ItipMethod method = ITIP_PUBLISH; method <= ITIP_DECLINECOUNTER; method++) {
        ItipWish wish = {object, method, recurrence, to, "x", {&own, 1}, 1769904000};
        ItipMessage *message = itip_wish(&wish, NULL);
        if (message)
            check_bytes(message->calendar);
        itip_message_free(message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, 0, size);
    size_t first = end ? (size_t)(end - bytes) : size;
    const uint8_t *stored = end ? end + 1 : bytes;
    size_t rest = end ? size - first - 1 : 0;
    g_autoptr(ItipObject) message = itip_object_parse(bytes, first, NULL, NULL);
    g_autoptr(ItipObject) had = rest ? itip_object_parse(stored, rest, NULL, NULL) : NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(own_addresses); i++) {
        if (message)
            decide(message, stored, rest, own_addresses[i], own_addresses[!i]);
        if (message)
            wishes(message, own_addresses[i], own_addresses[!i]);
        if (message || had)
            changes(had, message, own_addresses[i]);
    }
    return 0;
}
