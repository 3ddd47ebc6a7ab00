/* mbox: where one message of a mail file ends and the next begins.
 *
 * How it fits: `rota import` reads a file piece by piece, and feeds them here; memory is bounded by
 * the largest message that is kept. There is no one mbox format: writers quote a line "From " of a
 * text as ">From " (mboxo), all of ">*From " (mboxrd), or not at all, and then count bytes or hope.
 * So a line counts as a separator only where it follows an empty line and holds a time and a year,
 * which text that begins with "From " does not; and the caller names the quoting.
 *
 * Failures: none: bytes before the first separator are a message too, lines may have any length,
 * the end may come anywhere. Known weak points: a text that holds a whole unquoted separator after
 * an empty line is cut in two, as by every reader; Content-Length is not believed, since it is
 * wrong more often than it helps; a zone that is given by name counts as UTC.
 */
#include "content/mbox.h"

#include <string.h>

#define LINE_BYTES_MAX 1024 /* of a separator; RFC 4155's is an address and a date */

struct Mbox {
    MboxQuoting quoting;
    size_t bytes_max;
    GString *pending; /* fed, not looked at from `at` on */
    size_t at;
    int64_t place;     /* in the file, of pending[at] */
    bool in_line;      /* the last line's end has not come yet */
    bool after_blank;  /* the last whole line was empty, or there is none */
    size_t blank_size; /* of that line; kept back from the message until something follows */
    bool open;         /* a message has begun */
    MboxMessage message, given;
};

Mbox *mbox_new(MboxQuoting quoting, size_t bytes_max)
{
    Mbox *mbox = g_new0(Mbox, 1);
    mbox->quoting = quoting;
    mbox->bytes_max = bytes_max;
    mbox->pending = g_string_new(NULL);
    mbox->message.bytes = g_string_new(NULL);
    mbox->given.bytes = g_string_new(NULL);
    mbox->after_blank = true;
    return mbox;
}

void mbox_free(Mbox *mbox)
{
    if (!mbox)
        return;
    g_string_free(mbox->pending, true);
    g_string_free(mbox->message.bytes, true);
    g_string_free(mbox->given.bytes, true);
    g_free(mbox);
}

void mbox_feed(Mbox *mbox, const void *bytes, size_t size)
{
    g_string_erase(mbox->pending, 0, (gssize)mbox->at);
    mbox->at = 0;
    g_string_append_len(mbox->pending, bytes, (gssize)size);
}

/* ---- the separator */

static int month_of(const char *word)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (strlen(word) == 3 && g_ascii_strncasecmp(word, months + 3 * (size_t)i, 3) == 0)
            return i + 1;
    return 0;
}

/* A number of `min` to `max` digits that is the whole word; -1: it is none. */
static int number_of(const char *word, size_t min, size_t max)
{
    size_t size = strlen(word);
    if (size < min || size > max || strspn(word, "0123456789") != size)
        return -1;
    return (int)g_ascii_strtoull(word, NULL, 10);
}

/* "hh:mm" or "hh:mm:ss" as seconds of the day; -1: it is none. */
static int time_of(const char *word)
{
    g_auto(GStrv) parts = g_strsplit(word, ":", 4);
    unsigned count = g_strv_length(parts);
    if (count < 2 || count > 3)
        return -1;
    int hours = number_of(parts[0], 1, 2), minutes = number_of(parts[1], 2, 2),
        seconds = count == 3 ? number_of(parts[2], 2, 2) : 0;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60)
        return -1;
    return (hours * 60 + minutes) * 60 + MIN(seconds, 59);
}

/* "+0130" as seconds; 0 where it is no such zone. */
static int zone_of(const char *word)
{
    if (strlen(word) != 5 || (*word != '+' && *word != '-'))
        return 0;
    int digits = number_of(word + 1, 4, 4);
    int seconds = digits < 0 ? 0 : (digits / 100 * 60 + digits % 100) * 60;
    return *word == '-' ? -seconds : seconds;
}

/* A separator holds a time and a year among its words; *ret_ms is when, 0 where the day is not to
 * be read. */
static bool separator_parse(const char *line, size_t size, int64_t *ret_ms)
{
    if (size < 5 || memcmp(line, "From ", 5) != 0 || memchr(line, '\0', size))
        return false;
    g_autofree char *text = g_strndup(line + 5, size - 5);
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r\n", -1);
    int seconds = -1, year = -1, month = 0, day = -1, zone = 0;
    for (char **word = words; *word; word++) {
        int number = number_of(*word, 1, 2);
        if (time_of(*word) >= 0)
            seconds = time_of(*word);
        else if (number_of(*word, 4, 4) >= 1900)
            year = number_of(*word, 4, 4);
        else if (month_of(*word))
            month = month_of(*word);
        else if (month && number >= 1 && number <= 31)
            day = number;
        else if (seconds >= 0 && zone_of(*word))
            zone = zone_of(*word);
    }
    if (seconds < 0 || year < 0)
        return false;
    *ret_ms = 0;
    g_autoptr(GDateTime) when =
        month && day > 0 ? g_date_time_new_utc(year, month, day, 0, 0, 0) : NULL;
    if (when)
        *ret_ms = (g_date_time_to_unix(when) + seconds - zone) * 1000;
    return true;
}

bool mbox_is(const void *bytes, size_t size)
{
    return size >= 5 && memcmp(bytes, "From ", 5) == 0;
}

/* ---- messages */

static void keep(Mbox *mbox, const char *bytes, size_t size)
{
    MboxMessage *message = &mbox->message;
    message->size += (int64_t)size;
    if (message->cut)
        return;
    if ((uint64_t)message->size > mbox->bytes_max) {
        message->cut = true;
        g_string_truncate(message->bytes, 0);
        return;
    }
    g_string_append_len(message->bytes, bytes, (gssize)size);
}

/* The empty line that was kept back belongs to the text after all. */
static void keep_blank(Mbox *mbox)
{
    if (mbox->blank_size)
        keep(mbox, mbox->blank_size == 2 ? "\r\n" : "\n", mbox->blank_size);
    mbox->blank_size = 0;
}

/* How many bytes at the start of a line are quoting. */
static size_t quoting_size(const Mbox *mbox, const char *line, size_t size)
{
    size_t marks = 0;
    while (marks < size && line[marks] == '>')
        marks++;
    bool quoted = marks > 0 && size - marks >= 5 && memcmp(line + marks, "From ", 5) == 0;
    switch (mbox->quoting) {
    case MBOX_QUOTING_RD:
        return quoted;
    case MBOX_QUOTING_O:
        return quoted && marks == 1;
    case MBOX_QUOTING_NONE:
        return 0;
    }
    return 0;
}

/* A line, or a piece of one that is longer than a separator can be. `whole`: its end is here. */
static void take_line(Mbox *mbox, const char *line, size_t size, bool whole)
{
    bool starts = !mbox->in_line;
    mbox->in_line = !whole;
    bool blank = starts && whole && (size == 1 || (size == 2 && line[0] == '\r'));
    if (blank) {
        keep_blank(mbox);
        mbox->blank_size = size;
    } else {
        keep_blank(mbox);
        size_t skip = starts ? quoting_size(mbox, line, size) : 0;
        keep(mbox, line + skip, size - skip);
    }
    mbox->after_blank = blank;
}

/* The finished message is given, and a new one begun. */
static void give(Mbox *mbox, MboxMessage *ret)
{
    MboxMessage done = mbox->message;
    mbox->message = mbox->given;
    mbox->given = done;
    g_string_truncate(mbox->message.bytes, 0);
    mbox->message = (MboxMessage){.bytes = mbox->message.bytes};
    mbox->blank_size = 0;
    *ret = mbox->given;
}

/* The end of the line at `line`, or of what can be looked at of it; 0: more must be fed. */
static size_t line_size(const char *line, size_t size, bool end, bool *ret_whole)
{
    const char *stop = memchr(line, '\n', size);
    *ret_whole = stop != NULL;
    if (stop)
        return (size_t)(stop - line) + 1;
    return end || size > LINE_BYTES_MAX ? size : 0;
}

bool mbox_next(Mbox *mbox, bool end, MboxMessage *ret)
{
    while (mbox->at < mbox->pending->len) {
        const char *line = mbox->pending->str + mbox->at;
        bool whole;
        size_t size = line_size(line, mbox->pending->len - mbox->at, end, &whole);
        if (!size)
            return false;
        int64_t when = 0;
        bool first = mbox->place == 0 && mbox_is(line, size);
        bool separator = !mbox->in_line && mbox->after_blank && size <= LINE_BYTES_MAX &&
                         (separator_parse(line, size, &when) || first);
        int64_t place = mbox->place;
        if (separator && mbox->open) {
            mbox->open = false;
            give(mbox, ret);
            return true; /* the separator is looked at again */
        }
        mbox->at += size;
        mbox->place += (int64_t)size;
        if (!mbox->open) {
            mbox->open = true;
            mbox->message.offset = place;
            mbox->message.received_at = when;
        }
        if (separator)
            mbox->after_blank = mbox->in_line = false;
        else
            take_line(mbox, line, size, whole);
    }
    if (!end || !mbox->open)
        return false;
    mbox->open = false;
    give(mbox, ret);
    return true;
}

/* ---- keywords */

char *mbox_keywords(const void *bytes, size_t size)
{
    bool seen = false, answered = false, flagged = false, draft = false;
    const char *line = bytes, *end = line + size;
    while (line < end && *line != '\n' && *line != '\r') {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        bool status = length > 7 && g_ascii_strncasecmp(line, "Status:", 7) == 0;
        bool more = length > 9 && g_ascii_strncasecmp(line, "X-Status:", 9) == 0;
        for (size_t i = status ? 7 : 9; (status || more) && i < length; i++) {
            seen |= status && line[i] == 'R';
            answered |= line[i] == 'A';
            flagged |= line[i] == 'F';
            draft |= more && line[i] == 'T';
        }
        line = stop ? stop + 1 : end;
    }
    GString *text = g_string_new(answered || draft || flagged || seen ? " " : "");
    g_string_append(text, answered ? "$answered " : "");
    g_string_append(text, draft ? "$draft " : "");
    g_string_append(text, flagged ? "$flagged " : "");
    g_string_append(text, seen ? "$seen " : "");
    return g_string_free(text, false);
}
