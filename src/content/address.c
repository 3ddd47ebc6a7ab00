/* address: reads one addr-spec strictly, as SMTP gives it, and folds it to the form that accounts
 * are found by.
 *
 * Folding: the local part and the domain in lower case (Unicode's, without a locale) and NFC,
 * punycode labels as the letters that they stand for. RFC 5321 leaves the case of a local part to
 * the host; this is the host, and to it ADA and ada are one.
 *
 * Failures: ERROR_REJECT with what is wrong.
 * Weak points: an address literal ([192.0.2.1]) is kept as it is written.
 */
#include <string.h>

#include <unicode/ucasemap.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/address.h"

#define LOCAL_BYTES_MAX  64 /* RFC 5321 section 4.5.3.1 */
#define DOMAIN_BYTES_MAX 255
#define LABEL_BYTES_MAX  63

/* Lower case, then NFC. NULL where ICU cannot (no memory). */
static char *fold(const char *text, size_t size)
{
    if (g_str_is_ascii(text))
        return g_ascii_strdown(text, (gssize)size);
    UErrorCode error = U_ZERO_ERROR;
    UCaseMap *map = ucasemap_open("", 0, &error);
    char lower[4 * ADDRESS_BYTES_MAX];
    int32_t lower_size =
        ucasemap_utf8ToLower(map, lower, sizeof(lower), text, (int32_t)size, &error);
    if (map)
        ucasemap_close(map);
    if (U_FAILURE(error))
        return NULL;
    return g_utf8_normalize(lower, lower_size, G_NORMALIZE_NFC);
}

static bool is_atom_char(char c)
{
    return (c & 0x80) || g_ascii_isalnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* A local part in its plain form, without needless quotes; NULL: wrong. *ret_quoted: it needs them.
 */
static char *read_local(const char *text, size_t size, bool *ret_quoted)
{
    *ret_quoted = false;
    if (text[0] != '"') {
        for (size_t i = 0; i < size; i++)
            if (!is_atom_char(text[i]) &&
                !(text[i] == '.' && i && i + 1 < size && text[i - 1] != '.'))
                return NULL;
        return g_strndup(text, size);
    }
    if (size < 3 || text[size - 1] != '"')
        return NULL;
    g_autoptr(GString) plain = g_string_new(NULL);
    for (size_t i = 1; i + 1 < size; i++) {
        if (text[i] == '\\' && ++i + 1 >= size)
            return NULL;
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f ||
            (text[i] == '"' && text[i - 1] != '\\'))
            return NULL;
        g_string_append_c(plain, text[i]);
    }
    bool quoted;
    g_autofree char *atom =
        plain->str[0] == '"' ? NULL : read_local(plain->str, plain->len, &quoted);
    if (atom)
        return g_steal_pointer(&atom);
    *ret_quoted = true;
    return g_strndup(plain->str, plain->len);
}

static char *read_domain(const char *text, size_t size, GError **error)
{
    if (text[0] == '[') {
        for (size_t i = 1; i + 1 < size; i++)
            if (!g_ascii_isalnum(text[i]) && !strchr(".:-", text[i]))
                size = 0;
        if (size < 3 || text[size - 1] != ']') {
            fail(error, ERROR_REJECT, "the address literal is wrong");
            return NULL;
        }
        return g_ascii_strdown(text, (gssize)size);
    }
    bool ascii = true, punycode = false;
    for (size_t i = 0, label = 0; i <= size; i++) {
        if (i < size && text[i] != '.') {
            ascii &= !(text[i] & 0x80);
            punycode |= i - label == 4 && g_ascii_strncasecmp(text + label, "xn--", 4) == 0;
            if (!(text[i] & 0x80) && !g_ascii_isalnum(text[i]) && text[i] != '-' &&
                text[i] != '_') {
                fail(error, ERROR_REJECT, "the domain has a character that is not allowed");
                return NULL;
            }
            continue;
        }
        if (i == label || i - label > LABEL_BYTES_MAX || text[label] == '-' || text[i - 1] == '-') {
            fail(error, ERROR_REJECT,
                 "the domain has a label that is empty, too long or begins or ends with a hyphen");
            return NULL;
        }
        label = i + 1;
    }
    if (ascii && !punycode)
        return g_ascii_strdown(text, (gssize)size);
    UErrorCode icu = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UIDNA *idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_UNICODE, &icu);
    char unicode[4 * ADDRESS_BYTES_MAX];
    int32_t unicode_size = idna ? uidna_nameToUnicodeUTF8(idna, text, (int32_t)size, unicode,
                                                          sizeof(unicode), &info, &icu)
                                : 0;
    if (idna)
        uidna_close(idna);
    if (U_FAILURE(icu) || info.errors) {
        fail(error, ERROR_REJECT, "the domain is not a valid internationalised name");
        return NULL;
    }
    return g_strndup(unicode, (gsize)unicode_size);
}

static char *format_plain(const char *local, bool quoted, const char *domain)
{
    if (!quoted)
        return g_strconcat(local, "@", domain, NULL);
    GString *plain = g_string_new("\"");
    for (const char *at = local; *at; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_c(plain, '\\');
        g_string_append_c(plain, *at);
    }
    g_string_append_printf(plain, "\"@%s", domain);
    return g_string_free(plain, FALSE);
}

Address *address_parse(const char *text, GError **error)
{
    size_t size = strlen(text);
    const char *sign = strrchr(text, '@');
    const char *wrong = NULL;
    if (size > ADDRESS_BYTES_MAX)
        wrong = "it is too long";
    else if (!g_utf8_validate(text, (gssize)size, NULL))
        wrong = "it is not UTF-8";
    else if (!sign)
        wrong = "it has no @";
    else if (sign == text || !sign[1])
        wrong = "a part before or after @ is missing";
    else if (sign - text > LOCAL_BYTES_MAX)
        wrong = "the part before @ is too long";
    else if (strlen(sign + 1) > DOMAIN_BYTES_MAX)
        wrong = "the domain is too long";
    if (wrong) {
        fail(error, ERROR_REJECT, "not an address: %s", wrong);
        return NULL;
    }
    bool quoted;
    g_autofree char *local = read_local(text, (size_t)(sign - text), &quoted);
    if (!local) {
        fail(error, ERROR_REJECT,
             "not an address: the part before @ has a character that is not allowed");
        return NULL;
    }
    g_autofree char *domain = read_domain(sign + 1, strlen(sign + 1), error);
    if (!domain) {
        g_prefix_error(error, "not an address: ");
        return NULL;
    }
    char *plus = strchr(local + 1, '+');
    g_autofree char *detail = plus && local[0] != '+' ? g_strdup(plus + 1) : NULL;
    if (detail)
        *plus = '\0';
    g_autofree char *folded = fold(local, strlen(local));
    if (!folded) {
        fail(error, ERROR_REJECT, "not an address: the part before @ cannot be folded");
        return NULL;
    }
    Address *address = g_new0(Address, 1);
    address->plain = format_plain(folded, quoted, domain);
    address->local = g_steal_pointer(&folded);
    address->detail = g_steal_pointer(&detail);
    address->domain = g_steal_pointer(&domain);
    return address;
}

void address_free(Address *address)
{
    if (!address)
        return;
    g_free(address->local);
    g_free(address->detail);
    g_free(address->domain);
    g_free(address->plain);
    g_free(address);
}
