/* push_bench: pushes to devices without a queue, for benches/push.sh.
 *
 * push-bench encrypt COUNT: encrypts and signs COUNT pushes on one thread, each with a token of its
 * own; encrypt-kept: with the token that is kept for a push service, as a node does it. send COUNT
 * URL CA: sends COUNT pushes to a push service, FLIGHT in flight, as a lane does it, without the
 * store's outbox. Prints "WORD N/s".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "content/vapid.h"
#include "db/migrate.h"
#include "duty/push_wire.h"

#define DEVICES 100
#define FLIGHT  100
#define ORIGIN  "https://push.example.net"
#define CONTACT "mailto:postmaster@example.org"
#define TEXT                                                                                       \
    "{\"@type\":\"StateChange\",\"changed\":{\"1234\":{\"Email\":\"56789\",\"EmailDelivery\":"     \
    "\"56789\",\"Mailbox\":\"56789\",\"Thread\":\"56789\"}}}"

static void die(const GError *error)
{
    fprintf(stderr, "%s\n", error ? error->message : "failed");
    exit(1);
}

static WebPushKeys *make_devices(void)
{
    WebPushKeys *keys = g_new0(WebPushKeys, DEVICES);
    uint8_t private_key[P256_PRIVATE_BYTES];
    for (unsigned i = 0; i < DEVICES; i++)
        p256_generate(private_key, keys[i].p256dh);
    return keys;
}

static void tell(const char *word, unsigned count, int64_t begin_us)
{
    int64_t us = clock_monotonic_us(clock_real()) - begin_us;
    printf("%s %.0f/s\n", word, (double)count * 1e6 / (double)us);
}

static void encrypt(unsigned count, bool kept)
{
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    g_autofree WebPushKeys *keys = make_devices();
    g_autoptr(WebPush) push = webpush_new();
    g_autoptr(GError) error = NULL;
    p256_generate(private_key, public_key);
    g_autoptr(VapidKey) key = vapid_key_new(private_key, public_key, &error);
    int64_t begin_us = clock_monotonic_us(clock_real());
    for (unsigned i = 0; i < count; i++) {
        g_autoptr(GString) body = g_string_new(NULL);
        if (!webpush_encrypt(push, &keys[i % DEVICES], TEXT, strlen(TEXT), body, &error))
            die(error);
        if (!kept)
            g_free(vapid_authorization(key, ORIGIN, 1795600000 + i, CONTACT));
    }
    tell(kept ? "encrypt-kept" : "encrypt", count, begin_us);
}

static bool may_send(void *data)
{
    (void)data;
    return true;
}

static void take(PushLine *line, unsigned *done)
{
    g_autoptr(FetchAnswer) answer = push_line_next(line, 1000);
    if (!answer)
        return;
    if (answer->error || answer->status != 201)
        die(answer->error);
    (*done)++;
}

static void send_all(unsigned count, const char *url, const char *ca_file)
{
    g_autoptr(GError) error = NULL;
    g_autofree WebPushKeys *keys = make_devices();
    g_autofree Subscription *devices = g_new0(Subscription, DEVICES);
    g_autofree char *origin = vapid_origin(url);
    g_autoptr(Db) db = db_open(&(DbConfig){.kind = DB_SQLITE, .path = ":memory:"}, &error);
    g_autoptr(PushWire) wire = push_wire_new(
        &(PushWireConfig){.allow_private = true, .ca_file = ca_file, .contact = CONTACT});
    unsigned applied;
    PushLine *line =
        db && migrate_upgrade(db, &applied, &error) ? push_line_open(wire, db, &error) : NULL;
    if (!line)
        die(error);
    for (unsigned i = 0; i < DEVICES; i++)
        devices[i] = (Subscription){.account = 1234,
                                    .id = i + 1,
                                    .url = (char *)(uintptr_t)url,
                                    .origin = origin,
                                    .encrypted = true,
                                    .keys = keys[i],
                                    .states = {56789, 56789, 56789, 56789}};
    unsigned done = 0;
    int64_t begin_us = clock_monotonic_us(clock_real());
    for (unsigned i = 0; i < count; i++) {
        PushAsk ask = {.to = &devices[i % DEVICES],
                       .seq = 56789,
                       .now_ms = clock_wall_ms(clock_real()),
                       .may_send = may_send};
        if (!push_line_send(line, &ask, &error))
            die(error);
        while (push_line_in_flight(line) >= FLIGHT)
            take(line, &done);
    }
    while (push_line_in_flight(line) > 0)
        take(line, &done);
    tell("send", done, begin_us);
    push_line_close(line);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)g_ascii_strtoull(argv[2], NULL, 10) : 0;
    if (count == 0 || (strcmp(argv[1], "send") == 0 && argc != 5))
        return 2;
    if (strcmp(argv[1], "send") == 0)
        send_all(count, argv[3], argv[4]);
    else
        encrypt(count, strcmp(argv[1], "encrypt-kept") == 0);
    return 0;
}
