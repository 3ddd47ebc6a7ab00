/* mail_text: what mails that we write have in common.
 *
 * How it fits: imip.c writes invitations with these, reminder.c reminders. Failures: none. Known
 * weak point: the names of days and months are English.
 */
#include "content/mail_text.h"

#include <string.h>

#include "content/civil.h"

#define WORD_BYTES   45 /* of text in one encoded word: 60 letters of base64, 75 with its frame */
#define BASE64_BYTES 57 /* of a part in one line: 76 letters */

static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                   "Friday", "Saturday", "Sunday"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

char *mail_text_line(const char *text, size_t most)
{
    GString *line = g_string_new(NULL);
    for (const char *at = text; *at && line->len < most; at += g_utf8_skip[(guchar)*at]) {
        gunichar letter = g_utf8_get_char(at);
        if (g_unichar_iscntrl(letter) || g_unichar_isspace(letter))
            letter = ' ';
        if (letter != ' ' || (line->len && line->str[line->len - 1] != ' '))
            g_string_append_unichar(line, letter);
    }
    return g_string_free(line, FALSE);
}

static bool is_plain(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at < ' ' || *at > '~' || strchr("=?", *at))
            return false;
    return true;
}

void mail_text_add_words(GString *out, const char *text, bool phrase)
{
    if (is_plain(text) && strlen(text) <= WORD_BYTES + 20 &&
        !(phrase && strpbrk(text, "\"\\()<>[]:;@,."))) {
        g_string_append(out, text);
        return;
    }
    for (const char *at = text; *at;) {
        size_t size = MIN(strlen(at), WORD_BYTES);
        while (size > 1 && (at[size] & 0xC0) == 0x80)
            size--;
        g_autofree char *word = g_base64_encode((const guchar *)at, size);
        g_string_append_printf(out, "%s=?UTF-8?B?%s?=", at == text ? "" : "\r\n ", word);
        at += size;
    }
}

void mail_text_add_part(GString *out, const char *boundary, const char *type, const char *data,
                        size_t size)
{
    g_string_append_printf(out,
                           "--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                           boundary, type);
    for (size_t at = 0; at < size; at += BASE64_BYTES) {
        g_autofree char *line =
            g_base64_encode((const guchar *)data + at, MIN(size - at, BASE64_BYTES));
        g_string_append_printf(out, "%s\r\n", line);
    }
}

void mail_text_add_date(GString *out, int64_t seconds)
{
    int64_t day = civil_floor(seconds, CIVIL_DAY), second = seconds - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_string_append_printf(out, "Date: %.3s, %d %s %d %02d:%02d:%02d +0000\r\n",
                           days[civil_weekday(day)], date.day, months[date.month - 1], date.year,
                           (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
}

const char *mail_text_weekday(int64_t day)
{
    return days[civil_weekday(day)];
}

const char *mail_text_month(int month)
{
    return months[month - 1];
}
