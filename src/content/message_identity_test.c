/* message_identity_test: what counts as one message that came twice, and what does not.
 */
#include "support.h"

#include <string.h>

#include "content/message_identity.h"

#define REST "Subject: news\r\nMessage-ID: <1@x>\r\n\r\nReceived: is a word of the text\r\n"

static void copies_and_others(void **state)
{
    static const struct {
        const char *what, *text;
        bool same;
    } cases[] = {
        {"itself", REST, true},
        {"another way", "Received: from a\r\n\tby b\r\nReturn-Path: <>\r\n" REST, true},
        {"in any case", "RECEIVED: from a\r\ndelivered-to: me\r\nX-ORIGINAL-TO: me\r\n" REST, true},
        {"judged on the way", "Received-SPF: pass\r\nAuthentication-Results: mx; spf=pass\r\n" REST,
         true},
        {"another field", "X-Loop: a\r\n" REST, false},
        {"a name that only begins so", "Received-By: a\r\n" REST, false},
        {"a field that goes on after one of the way", "Received: a\r\nX: b\r\n c\r\n" REST, false},
        {"another text", "Subject: news\r\nMessage-ID: <1@x>\r\n\r\nanother\r\n", false},
        {"the text's own words count", "Subject: news\r\nMessage-ID: <1@x>\r\n\r\n", false},
        {"a header that is the text", "Subject: news\r\n\r\nMessage-ID: <1@x>\r\n\r\n", false},
        {"nothing", "", false},
    };
    (void)state;
    Digest want = message_identity(REST, strlen(REST));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Digest got = message_identity(cases[i].text, strlen(cases[i].text));
        if ((memcmp(&got, &want, sizeof got) == 0) != cases[i].same)
            fail_msg("%s: got %s, want %s", cases[i].what, cases[i].same ? "another" : "the same",
                     cases[i].same ? "the same" : "another");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_and_others)};
    return cmocka_run_group_tests_name("message_identity", tests, NULL, NULL);
}
