/* ui: what commands print, in one manner.
 *
 * How it fits: a command computes; this prints. Sizes, durations and times look the same in every
 * command. Failures: a standard output that cannot be written is noticed at exit by command_main.
 * Known weak point: the width of emoji sequences and combining letters is a guess by code point, so
 * a column may be off by one there.
 */
#include "app/ui.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/must.h"

#define BAR_INTERVAL_US  (100 * 1000)
#define LINE_INTERVAL_US (10 * 1000 * 1000)
#define BAR_CELLS        30
#define CUT_WIDTH_MIN    12 /* a cell that is cut further says nothing */
#define COLUMNS_DEFAULT  80 /* of a terminal that does not say */

struct UiTable {
    unsigned columns;
    bool *right, *may_cut;
    GPtrArray *cells; /* of char *, the titles first */
    GArray *colours;  /* of UiColour, one a row, the titles first */
};

struct UiProgress {
    char *what;
    int64_t total;
    const Clock *clock;
    int64_t started_us, shown_us;
    bool terminal, bytes;
};

static struct {
    FILE *out, *shown_on;
} colours;

void ui_colour_as(FILE *out, FILE *shown_on)
{
    colours.out = out;
    colours.shown_on = shown_on;
}

const char *ui_colour(FILE *out, UiColour colour)
{
    if (out == colours.out && colours.shown_on)
        out = colours.shown_on;
    static const char *const sequences[] = {"\033[0m",  "\033[1m",  "\033[2m",
                                            "\033[31m", "\033[32m", "\033[33m"};
    const char *no_colour = g_getenv("NO_COLOR");
    const char *terminal = g_getenv("TERM");
    if (!isatty(fileno(out)) || (no_colour && *no_colour) ||
        (terminal && strcmp(terminal, "dumb") == 0))
        return "";
    return sequences[colour];
}

char *ui_safe(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *safe = g_string_sized_new(strlen(valid));
    for (const char *at = valid; *at; at += g_utf8_skip[(unsigned char)*at]) {
        gunichar letter = g_utf8_get_char(at);
        if (letter < 0x20 || (letter >= 0x7f && letter < 0xa0))
            g_string_append_printf(safe, "\\x%02x", letter);
        else
            g_string_append_unichar(safe, letter);
    }
    return g_string_free(safe, FALSE);
}

static unsigned text_width(const char *text)
{
    unsigned width = 0;
    for (const char *at = text; *at; at += g_utf8_skip[(unsigned char)*at]) {
        gunichar letter = g_utf8_get_char(at);
        if (!g_unichar_iszerowidth(letter))
            width += g_unichar_iswide(letter) ? 2 : 1;
    }
    return width;
}

/* The text, or its beginning and "…" where it is wider than `width` (at least 1). */
static char *cut_text(const char *text, unsigned width)
{
    if (text_width(text) <= width)
        return g_strdup(text);
    g_autoptr(GString) cut = g_string_new(text);
    while (text_width(cut->str) >= width && cut->len > 0)
        g_string_truncate(cut,
                          (gsize)(g_utf8_find_prev_char(cut->str, cut->str + cut->len) - cut->str));
    return g_strconcat(cut->str, "…", NULL);
}

/* How wide a terminal is; 0: the file is none. */
static unsigned terminal_width(int file)
{
    struct winsize size;
    if (file < 0 || !isatty(file))
        return 0;
    return ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
}

static void add_row(UiTable *table, const char *first, va_list rest)
{
    unsigned count = 0;
    for (const char *cell = first; cell; cell = va_arg(rest, const char *)) {
        g_ptr_array_add(table->cells, ui_safe(cell));
        count++;
    }
    MUST(count == table->columns);
    UiColour colour = UI_PLAIN;
    g_array_append_val(table->colours, colour);
}

UiTable *ui_table_new(const char *title, ...)
{
    UiTable *table = g_new0(UiTable, 1);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    table->colours = g_array_new(FALSE, TRUE, sizeof(UiColour));
    va_list count, rest;
    va_start(rest, title);
    va_copy(count, rest);
    for (const char *cell = title; cell; cell = va_arg(count, const char *))
        table->columns++;
    va_end(count);
    add_row(table, title, rest);
    va_end(rest);
    table->right = g_new0(bool, table->columns);
    table->may_cut = g_new0(bool, table->columns);
    for (unsigned i = 0; i < table->columns; i++) {
        char *cell = g_ptr_array_index(table->cells, i);
        table->right[i] = *cell == '>';
        table->may_cut[i] = *cell == '~';
        if (table->right[i] || table->may_cut[i])
            memmove(cell, cell + 1, strlen(cell));
    }
    return table;
}

void ui_table_free(UiTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->cells);
    g_array_unref(table->colours);
    g_free(table->right);
    g_free(table->may_cut);
    g_free(table);
}

void ui_table_add(UiTable *table, const char *cell, ...)
{
    va_list rest;
    va_start(rest, cell);
    add_row(table, cell, rest);
    va_end(rest);
}

void ui_table_colour(UiTable *table, UiColour colour)
{
    MUST(table->colours->len > 1);
    g_array_index(table->colours, UiColour, table->colours->len - 1) = colour;
}

unsigned ui_table_rows(const UiTable *table)
{
    return table->colours->len - 1;
}

static void print_row(const UiTable *table, unsigned row, const unsigned *widths, FILE *out)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (unsigned i = 0; i < table->columns; i++) {
        g_autofree char *cell =
            cut_text(g_ptr_array_index(table->cells, row * table->columns + i), widths[i]);
        unsigned pad = widths[i] - text_width(cell);
        if (i > 0)
            g_string_append(line, "  ");
        if (table->right[i])
            g_string_append_printf(line, "%*s%s", (int)pad, "", cell);
        else
            g_string_append_printf(line, "%s%*s", cell, (int)pad, "");
    }
    while (line->len > 0 && line->str[line->len - 1] == ' ')
        g_string_truncate(line, line->len - 1);
    UiColour colour = row == 0 ? UI_BOLD : g_array_index(table->colours, UiColour, row);
    const char *on = colour == UI_PLAIN ? "" : ui_colour(out, colour);
    fprintf(out, "%s%s%s\n", on, line->str, *on ? ui_colour(out, UI_PLAIN) : "");
}

/* Takes from the widest column that may be cut until the line fits, or none is left to take from.
 */
static void fit_widths(const UiTable *table, unsigned *widths, unsigned room)
{
    unsigned line = 2 * (table->columns - 1);
    for (unsigned i = 0; i < table->columns; i++)
        line += widths[i];
    for (; line > room; line--) {
        unsigned *widest = NULL;
        for (unsigned i = 0; i < table->columns; i++)
            if (table->may_cut[i] && widths[i] > CUT_WIDTH_MIN && (!widest || widths[i] > *widest))
                widest = &widths[i];
        if (!widest)
            return;
        --*widest;
    }
}

void ui_table_print(const UiTable *table, FILE *out)
{
    if (ui_table_rows(table) == 0)
        return;
    g_autofree unsigned *widths = g_new0(unsigned, table->columns);
    for (unsigned i = 0; i < table->cells->len; i++) {
        unsigned *width = &widths[i % table->columns];
        *width = MAX(*width, text_width(g_ptr_array_index(table->cells, i)));
    }
    unsigned room = terminal_width(fileno(out));
    if (room)
        fit_widths(table, widths, room);
    for (unsigned row = 0; row < table->colours->len; row++)
        print_row(table, row, widths, out);
}

void ui_print_json(json_t *take)
{
    json_dumpf(take, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', stdout);
    json_decref(take);
}

char *ui_format_bytes(int64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)bytes;
    unsigned unit = 0;
    if (bytes < 1000)
        return g_strdup_printf("%" PRId64 " B", bytes);
    for (size /= 1000; size >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
        size /= 1000;
    return g_strdup_printf(size < 9.95 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

char *ui_format_duration(int64_t ms)
{
    int64_t seconds = ms / 1000;
    if (ms < 1000)
        return g_strdup_printf("%" PRId64 "ms", ms);
    if (seconds < 60)
        return g_strdup_printf("%.1fs", (double)ms / 1000);
    if (seconds < 3600)
        return g_strdup_printf("%" PRId64 "m %" PRId64 "s", seconds / 60, seconds % 60);
    if (seconds < 86400)
        return g_strdup_printf("%" PRId64 "h %" PRId64 "m", seconds / 3600, seconds / 60 % 60);
    return g_strdup_printf("%" PRId64 "d %" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}

char *ui_format_time(int64_t wall_ms)
{
    if (wall_ms == 0)
        return g_strdup("never");
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(wall_ms / 1000);
    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("out of range");
}

UiProgress *ui_progress_new(const char *what, int64_t total, const Clock *clock)
{
    UiProgress *progress = g_new0(UiProgress, 1);
    progress->what = g_strdup(what);
    progress->total = total;
    progress->clock = clock;
    progress->started_us = progress->shown_us = clock_monotonic_us(clock);
    progress->terminal = isatty(STDERR_FILENO);
    return progress;
}

void ui_progress_set_total(UiProgress *progress, int64_t total)
{
    progress->total = total;
}

void ui_progress_set_bytes(UiProgress *progress)
{
    progress->bytes = true;
}

void ui_progress_hide(UiProgress *progress)
{
    if (!progress->terminal)
        return;
    fprintf(stderr, "\r\033[K");
    progress->shown_us = 0;
}

static char *format_number(const UiProgress *progress, int64_t number)
{
    return progress->bytes ? ui_format_bytes(number) : g_strdup_printf("%" PRId64, number);
}

static void show_bar(const char *line)
{
    unsigned columns = terminal_width(STDERR_FILENO);
    g_autoptr(GString) bar = g_string_new(line);
    while (text_width(bar->str) >= columns && bar->len > 0)
        g_string_truncate(bar,
                          (gsize)(g_utf8_find_prev_char(bar->str, bar->str + bar->len) - bar->str));
    fprintf(stderr, "\r%s\033[K", bar->str);
    fflush(stderr);
}

void ui_progress_set(UiProgress *progress, int64_t done, const char *detail)
{
    int64_t now = clock_monotonic_us(progress->clock);
    if (now - progress->shown_us < (progress->terminal ? BAR_INTERVAL_US : LINE_INTERVAL_US))
        return;
    progress->shown_us = now;
    double seconds = (double)(now - progress->started_us) / 1e6;
    g_autoptr(GString) line = g_string_new(progress->what);
    if (progress->total > 0) {
        double share = CLAMP((double)done / (double)progress->total, 0, 1);
        if (progress->terminal) {
            int full = (int)(share * BAR_CELLS);
            g_string_append_printf(line, " [%.*s%*s]", full, "##############################",
                                   BAR_CELLS - full, "");
        }
        g_autofree char *part = format_number(progress, done),
                        *whole = format_number(progress, progress->total);
        g_string_append_printf(line, " %3.0f %%  %s of %s", share * 100, part, whole);
        if (done > 0 && done < progress->total) {
            int64_t left =
                (int64_t)(seconds * (double)(progress->total - done) / (double)done * 1000);
            g_autofree char *text = ui_format_duration(left);
            g_string_append_printf(line, "  %s left", text);
        }
    } else {
        g_autofree char *part = format_number(progress, done);
        g_string_append_printf(line, " %s", part);
    }
    g_autofree char *rate =
        format_number(progress, (int64_t)((double)done / MAX(seconds, 0.001) + 0.5));
    g_string_append_printf(line, "  %s/s", rate);
    if (detail) {
        g_autofree char *safe = ui_safe(detail);
        g_string_append_printf(line, "  %s", safe);
    }
    if (progress->terminal)
        show_bar(line->str);
    else
        fprintf(stderr, "%s\n", line->str);
}

void ui_progress_free(UiProgress *progress)
{
    if (!progress)
        return;
    if (progress->terminal)
        fprintf(stderr, "\r\033[K");
    g_free(progress->what);
    g_free(progress);
}
