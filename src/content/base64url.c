/* base64url: see base64url.h.
 *
 * How it fits: keys of push subscriptions, tokens and encrypted headers. GLib's base64 has the
 * other alphabet and takes anything for valid, so this is by hand. Failures: none but "it is not".
 */
#include "content/base64url.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_format(const void *bytes, size_t size)
{
    GString *out = g_string_sized_new(size * 4 / 3 + 3);
    const uint8_t *at = bytes;
    for (; size > 0; at += 3) {
        size_t take = MIN(size, 3);
        uint32_t group = (uint32_t)at[0] << 16 | (take > 1 ? (uint32_t)at[1] << 8 : 0) |
                         (take > 2 ? (uint32_t)at[2] : 0);
        for (size_t i = 0; i <= take; i++)
            g_string_append_c(out, alphabet[group >> (18 - 6 * i) & 63]);
        size -= take;
    }
    return g_string_free(out, FALSE);
}

static int value_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool base64url_parse(const char *text, void *bytes, size_t room, size_t *ret_size)
{
    size_t length = strlen(text), size = 0;
    if (length % 4 == 0 && length > 0)
        length -= text[length - 2] == '=' ? 2 : text[length - 1] == '=';
    if (length % 4 == 1 || length / 4 * 3 + length % 4 * 3 / 4 > room)
        return false;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ((uint8_t *)bytes)[size++] = (uint8_t)(group >> bits);
        }
    }
    if (group & ((1U << bits) - 1))
        return false;
    *ret_size = size;
    return true;
}
