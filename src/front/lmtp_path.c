/* lmtp_path: the argument of MAIL and RCPT.
 *
 * It fits between lmtp.c, which has cut the verb off a whole line, and the house, which says
 * whether there is such an address: what is checked here is only what the protocol itself needs, so
 * that a strange but possible address is answered by "no such account" and not by a syntax error
 * that makes a sender give up on the whole message.
 *
 * Liberal where clients are known to be sloppy and nothing is at stake: spaces after the colon. A
 * source route
 * (<@a,@b:c@d>) is read and ignored, as RFC 5321 appendix C asks. Strict where it matters: the path
 * must be in <>, and no control character gets through, so that an address can be logged and
 * echoed.
 *
 * Failures are the client's alone, and are results, not errors. Known weak point: a quoted local
 * part is found its end by the quotes, but its inside is not checked further.
 */
#include <string.h>

#include "base/limits.h"
#include "front/lmtp_path.h"

void lmtp_path_clear(LmtpPath *path)
{
    g_clear_pointer(&path->address, g_free);
}

/* The byte after the closing '>', or NULL. `text` begins after '<'. A '>' within quotes does not
 * close. */
static const char *find_close(const char *text)
{
    bool quoted = false;
    for (; *text; text++) {
        if (*text == '\\' && quoted && text[1])
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (*text == '>' && !quoted)
            return text + 1;
    }
    return NULL;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static bool parse_size(const char *text, int64_t *ret)
{
    /* RFC 1870: at most twenty digits; more than an int64 holds is more than any limit of ours, and
     * read as the greatest number. */
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 20 || text[digits] != '\0')
        return false;
    guint64 value = g_ascii_strtoull(text, NULL, 10);
    *ret = value > G_MAXINT64 ? G_MAXINT64 : (int64_t)value;
    return true;
}

static LmtpPathResult parse_param(const char *param, LmtpPath *path)
{
    if (g_ascii_strncasecmp(param, "SIZE=", 5) == 0) {
        if (path->size >= 0 || !parse_size(param + 5, &path->size))
            return LMTP_PATH_BAD_PARAM;
        return LMTP_PATH_OK;
    }
    if (g_ascii_strncasecmp(param, "BODY=", 5) == 0) {
        if (g_ascii_strcasecmp(param + 5, "8BITMIME") == 0)
            path->eight_bit = true;
        else if (g_ascii_strcasecmp(param + 5, "7BIT") != 0)
            return LMTP_PATH_BAD_PARAM;
        return LMTP_PATH_OK;
    }
    if (g_ascii_strcasecmp(param, "SMTPUTF8") == 0) {
        path->utf8 = true;
        return LMTP_PATH_OK;
    }
    return LMTP_PATH_UNKNOWN_PARAM;
}

static LmtpPathResult parse_params(const char *text, LmtpPath *path)
{
    if (*text != '\0' && *text != ' ')
        return LMTP_PATH_SYNTAX;
    g_auto(GStrv) params = g_strsplit(text, " ", -1);
    for (char **param = params; *param; param++) {
        if (**param == '\0')
            continue;
        path->has_params = true;
        LmtpPathResult result = parse_param(*param, path);
        if (result != LMTP_PATH_OK)
            return result;
    }
    return LMTP_PATH_OK;
}

LmtpPathResult lmtp_path_parse(const char *text, const char *word, LmtpPath *ret)
{
    size_t length = strlen(word);
    if (g_ascii_strncasecmp(text, word, length) != 0)
        return LMTP_PATH_SYNTAX;
    text += length;
    text += strspn(text, " ");
    if (*text != '<' || has_control(text) || !g_utf8_validate(text, -1, NULL))
        return LMTP_PATH_SYNTAX;
    text++;
    const char *after = find_close(text);
    if (!after)
        return LMTP_PATH_SYNTAX;

    g_auto(LmtpPath) path = {.size = -1};
    const char *begin = text;
    if (*begin == '@') {
        const char *colon = memchr(begin, ':', (size_t)(after - begin));
        if (!colon)
            return LMTP_PATH_SYNTAX;
        begin = colon + 1;
    }
    if ((size_t)(after - 1 - begin) > ADDRESS_BYTES_MAX)
        return LMTP_PATH_TOO_LONG;
    path.address = g_strndup(begin, (size_t)(after - 1 - begin));
    LmtpPathResult result = parse_params(after, &path);
    if (result != LMTP_PATH_OK)
        return result;
    *ret = path;
    path.address = NULL; /* moved */
    return LMTP_PATH_OK;
}
