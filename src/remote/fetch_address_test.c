/* fetch_address_test: which addresses are refused; and how long Retry-After asks to wait. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/limits_remote.h"
#include "remote/fetch_address.h"
#include "remote/retry_after.h"
#include "support.h"

static const struct {
    const char *address;
    bool is_public;
} addresses[] = {
    {"93.184.216.34", true},
    {"8.8.8.8", true},
    {"172.15.255.255", true},
    {"172.32.0.0", true},
    {"100.63.255.255", true},
    {"100.128.0.0", true},
    {"223.255.255.255", true},
    {"0.0.0.0", false},
    {"0.1.2.3", false},
    {"10.0.0.1", false},
    {"100.64.0.1", false},
    {"127.0.0.1", false},
    {"127.255.0.1", false},
    {"169.254.169.254", false},
    {"172.16.0.1", false},
    {"172.31.255.255", false},
    {"192.0.0.8", false},
    {"192.0.2.1", false},
    {"192.168.1.1", false},
    {"198.18.0.1", false},
    {"198.19.255.255", false},
    {"198.51.100.7", false},
    {"203.0.113.7", false},
    {"224.0.0.1", false},
    {"239.1.1.1", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"2606:4700::1111", true},
    {"2a00:1450::1", true},
    {"::", false},
    {"::1", false},
    {"::127.0.0.1", false},
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.0.0.1", false},
    {"::ffff:8.8.8.8", true},
    {"64:ff9b::8.8.8.8", true},
    {"64:ff9b::10.0.0.1", false},
    {"64:ff9b:1::1", false},
    {"100::1", false},
    {"2001::1", false},
    {"2001:1ff::1", false},
    {"2001:200::1", true},
    {"2001:db8::1", false},
    {"2002:a00:1::1", false},
    {"3fff:fff::1", false},
    {"3fff:1000::1", true},
    {"fc00::1", false},
    {"fd12::1", false},
    {"fe80::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
};

static void addresses_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
        struct sockaddr_storage address = {0};
        struct sockaddr_in *in = (struct sockaddr_in *)&address;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
        if (inet_pton(AF_INET, addresses[i].address, &in->sin_addr) == 1)
            address.ss_family = AF_INET;
        else if (inet_pton(AF_INET6, addresses[i].address, &in6->sin6_addr) == 1)
            address.ss_family = AF_INET6;
        if (fetch_address_is_public((struct sockaddr *)&address) != addresses[i].is_public)
            fail_msg("%s: want %s", addresses[i].address,
                     addresses[i].is_public ? "public" : "refused");
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(fetch_address_is_public(&local));
}

static void retry_after_is_a_wait(void **state)
{
    (void)state;
    int64_t now = INT64_C(1795591680000); /* Wed, 25 Nov 2026 07:28:00 GMT */
    static const struct {
        const char *value;
        int64_t wait_ms;
    } waits[] = {
        {NULL, 0},
        {"", 0},
        {"0", 0},
        {"120", 120000},
        {"120 ", 120000},
        {"-5", 0},
        {"1.5", 0},
        {"99999999999999999999", FETCH_RETRY_AFTER_MAX_S * INT64_C(1000)},
        {"Wed, 25 Nov 2026 07:28:30 GMT", 30000},
        {"Wednesday, 25-Nov-26 07:28:30 GMT", 30000},
        {"Wed Nov 25 07:28:30 2026", 30000},
        {"Wed, 25 Nov 2026 07:27:30 GMT", 0},
        {"Wed, 25 Nov 2099 07:28:30 GMT", FETCH_RETRY_AFTER_MAX_S * INT64_C(1000)},
        {"soon", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
        int64_t got = retry_after_ms(waits[i].value, now);
        if (got != waits[i].wait_ms)
            fail_msg("\"%s\": got %" G_GINT64_FORMAT, waits[i].value, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_judged),
        cmocka_unit_test(retry_after_is_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
