/* maildir_name: reads and writes the names of a Maildir.
 *
 * How it fits: `rota import` and `rota export` walk directories; what names mean is here. Writing
 * keeps what reading needs: parse(format(parts)) gives the parts again, whatever is in them.
 *
 * Failures: none: a name that means nothing gives nothing. Known weak point: '.' and '/' of a name
 * are written as Courier does ("&AC4-"), which RFC 3501 forbids in IMAP; a server that does not
 * decode it shows the folder under that name.
 */
#include "content/maildir_name.h"

#include <string.h>

static const struct {
    char flag;
    const char *keyword;
} FLAGS[] = {{'D', "$draft"},    {'F', "$flagged"}, {'P', "$forwarded"},
             {'R', "$answered"}, {'S', "$seen"},    {'T', "$deleted"}};

const char *maildir_flags(const char *name)
{
    const char *found = "";
    for (const char *at = strstr(name, ":2,"); at; at = strstr(at + 3, ":2,"))
        found = at + 3;
    return found;
}

const char *maildir_keyword(char flag, const char *const *list)
{
    if (flag >= 'a' && flag <= 'z')
        return list[flag - 'a'];
    for (size_t i = 0; i < G_N_ELEMENTS(FLAGS); i++)
        if (FLAGS[i].flag == flag)
            return FLAGS[i].keyword;
    return NULL;
}

char maildir_flag(const char *keyword)
{
    for (size_t i = 0; i < G_N_ELEMENTS(FLAGS); i++)
        if (strcmp(FLAGS[i].keyword, keyword) == 0)
            return FLAGS[i].flag;
    return '\0';
}

int64_t maildir_time(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 11 || name[digits] != '.')
        return 0;
    return (int64_t)g_ascii_strtoull(name, NULL, 10) * 1000;
}

/* ---- modified UTF-7: base64 with ',' for '/', of UTF-16BE, between '&' and '-' */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static void append_units(GString *text, const guint16 *units, size_t count)
{
    guint32 bits = 0;
    unsigned held = 0;
    g_string_append_c(text, '&');
    for (size_t i = 0; i < count; i++) {
        bits = bits << 16 | units[i];
        held += 16;
        for (; held >= 6; held -= 6)
            g_string_append_c(text, DIGITS[bits >> (held - 6) & 63]);
        bits &= (1u << held) - 1;
    }
    if (held)
        g_string_append_c(text, DIGITS[bits << (6 - held) & 63]);
    g_string_append_c(text, '-');
}

static void append_encoded(GString *text, const char *part)
{
    g_autofree char *valid = g_utf8_make_valid(part, -1);
    g_autoptr(GArray) units = g_array_new(false, false, sizeof(guint16));
    for (const char *at = valid; *at; at += g_utf8_skip[(guint8)*at]) {
        gunichar c = g_utf8_get_char(at);
        if (c >= 0x20 && c < 0x7f && c != '.' && c != '/') {
            if (units->len)
                append_units(text, (const guint16 *)(const void *)units->data, units->len);
            g_array_set_size(units, 0);
            g_string_append(text, c == '&' ? "&-" : (char[]){(char)c, '\0'});
            continue;
        }
        guint16 pair[2] = {(guint16)(0xd800 + ((c - 0x10000) >> 10)),
                           (guint16)(0xdc00 + ((c - 0x10000) & 0x3ff))};
        if (c < 0x10000)
            pair[0] = (guint16)c;
        g_array_append_vals(units, pair, c < 0x10000 ? 1 : 2);
    }
    if (units->len)
        append_units(text, (const guint16 *)(const void *)units->data, units->len);
}

char *maildir_folder_format(const char *const *parts)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (; *parts && text->len <= MAILDIR_FOLDER_BYTES_MAX; parts++) {
        g_string_append_c(text, '.');
        append_encoded(text, *parts);
    }
    return text->len <= MAILDIR_FOLDER_BYTES_MAX ? g_strdup(text->str) : NULL;
}

/* One run of base64; false: it is none. */
static bool append_decoded(GString *text, const char *digits, size_t size)
{
    g_autoptr(GArray) units = g_array_new(false, false, sizeof(guint16));
    guint32 bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        const char *digit = digits[i] ? strchr(DIGITS, digits[i]) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (guint32)(digit - DIGITS);
        held += 6;
        if (held >= 16) {
            held -= 16;
            guint16 unit = (guint16)(bits >> held);
            g_array_append_val(units, unit);
            bits &= (1u << held) - 1;
        }
    }
    if (held >= 6 || bits || !units->len)
        return false;
    g_autofree char *plain =
        g_utf16_to_utf8((const guint16 *)(const void *)units->data, units->len, NULL, NULL, NULL);
    if (!plain || strlen(plain) == 0)
        return false;
    g_string_append(text, plain);
    return true;
}

/* One part; as it stands where it is not modified UTF-7. */
static char *decode(const char *part)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *at = part; *at;) {
        size_t plain = strcspn(at, "&");
        g_string_append_len(text, at, (gssize)plain);
        at += plain;
        if (!*at)
            break;
        const char *end = strchr(at, '-');
        if (!end)
            return g_strdup(part);
        if (end == at + 1)
            g_string_append_c(text, '&');
        else if (!append_decoded(text, at + 1, (size_t)(end - at - 1)))
            return g_strdup(part);
        at = end + 1;
    }
    return g_strdup(text->str);
}

char **maildir_folder_parse(const char *directory)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new();
    g_auto(GStrv) pieces = g_strsplit(*directory == '.' ? directory + 1 : directory, ".", -1);
    for (char **piece = pieces; *piece; piece++)
        if (**piece)
            g_ptr_array_add(parts, decode(*piece));
    g_ptr_array_add(parts, NULL);
    return (char **)g_ptr_array_steal(parts, NULL);
}
