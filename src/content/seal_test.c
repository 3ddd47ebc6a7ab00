/* seal_test: what is sealed opens with its key, for what it was sealed for, and with nothing else.
 */
#include <string.h>

#include "base/error.h"
#include "content/private_key.h"
#include "content/seal.h"
#include "support.h"

#define FIRST  "0123456789abcdef0123456789abcdef"
#define SECOND "fedcba9876543210fedcba9876543210"

static char *open_it(const Seal *seal, const char *what, GBytes *sealed, GError **error)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(sealed, &size);
    return seal_open(seal, what, bytes, size, error);
}

static void opens_with_its_key(void **state)
{
    (void)state;
    Seal first, second, both, none;
    g_autoptr(GError) error = NULL;
    seal_init(&first, FIRST, "");
    seal_init(&second, SECOND, "");
    seal_init(&both, SECOND, FIRST);
    seal_init(&none, "", "");
    g_autoptr(GBytes) sealed = seal_close(&first, "a", "secret", 6, &error);
    g_autoptr(GBytes) again = seal_close(&first, "a", "secret", 6, &error);
    assert_false(g_bytes_equal(sealed, again)); /* a nonce */
    char *text = open_it(&first, "a", sealed, &error);
    assert_string_equal(text, "secret");
    private_key_text_free(text);
    text = open_it(&both, "a", sealed, &error); /* the key was exchanged */
    assert_string_equal(text, "secret");
    private_key_text_free(text);
    assert_null(open_it(&second, "a", sealed, &error));
    assert_non_null(strstr(error->message, "another storage.secret-key"));
    g_clear_error(&error);
    assert_null(open_it(&first, "b", sealed, &error));
    assert_non_null(strstr(error->message, "damaged"));
    g_clear_error(&error);
    assert_null(open_it(&none, "a", sealed, &error));
    g_clear_error(&error);
    assert_null(seal_close(&none, "a", "secret", 6, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

static void damage_is_seen(void **state)
{
    (void)state;
    Seal seal;
    seal_init(&seal, FIRST, "");
    g_autoptr(GBytes) sealed = seal_close(&seal, "a", "secret", 6, NULL);
    gsize size = 0;
    const uint8_t *bytes = g_bytes_get_data(sealed, &size);
    for (gsize i = 0; i < size; i++) {
        g_autofree uint8_t *damaged = g_memdup2(bytes, size);
        damaged[i] ^= 1;
        assert_null(seal_open(&seal, "a", damaged, size, NULL));
        assert_null(seal_open(&seal, "a", bytes, i, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_with_its_key),
        cmocka_unit_test(damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
