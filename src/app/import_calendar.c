/* import_calendar: calendars out of .ics files.
 *
 * How it fits: content/icalendar_split.c makes single objects of a file, model/calendar_store.c
 * takes them, in batches. An object that the calendar has by its UID stays as it is there: the same
 * bytes are "there already", others are named. So a second run takes nothing twice, and an old file
 * overwrites nothing that was changed since. Invitations are not answered, and alarms that are past
 * do not ring.
 *
 * Failures: what cannot be read or taken is named by its file and UID, and the rest goes on (1); a
 * store that is out of reach ends it (75), and a second run goes on. After a commit whose outcome
 * is not known the batch is tried again, and finds what is there. Known weak point: a file is
 * mapped and each VCALENDAR in it parsed as a whole.
 */
#include "app/import_calendar.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits_calendar.h"
#include "content/icalendar_split.h"
#include "model/calendar_object.h"

#include "app/ui.h"

#define NAME_DIGITS   32
#define BATCH_OBJECTS 200
#define BATCH_BYTES   (4 << 20)
#define BATCH_TRIES   5 /* of one batch where the store is busy or its answer was lost */

typedef struct {
    GBytes *bytes;
    CalendarDraft *draft;
} Waiting;

typedef struct {
    const CalendarImportConfig *config;
    UiProgress *progress;
    Calendar *calendar; /* of the file that is read */
    const Zone *zone;
    const char *place;
    GArray *batch; /* of Waiting */
    size_t batch_bytes;
    int64_t done_bytes, stored, already;
    unsigned problems;
    json_t *list; /* of problems, with --json; NULL */
} Import;

static void waiting_clear(gpointer data)
{
    Waiting *waiting = data;
    g_bytes_unref(waiting->bytes);
    calendar_draft_free(waiting->draft);
}

static void add_problem(Import *import, const char *what, const char *text)
{
    g_autofree char *whole = what ? g_strdup_printf("%s: %s", import->place, what) : NULL;
    g_autofree char *safe = ui_safe(whole ? whole : import->place);
    import->problems++;
    if (import->list) {
        json_array_append_new(import->list, json_pack("{s:s, s:s}", "place", safe, "text", text));
        return;
    }
    ui_progress_hide(import->progress);
    fprintf(stderr, "%s: %s\n", safe, text);
}

/* ---- storing */

static const char *reason_of(CalendarEnd end)
{
    switch (end) {
    case CALENDAR_CREATED:
    case CALENDAR_UPDATED:
        return NULL;
    case CALENDAR_UNMET:
    case CALENDAR_UID_TAKEN:
        return "the calendar has another version of it, which stays";
    case CALENDAR_OVER_QUOTA:
        return "the account is over its quota";
    case CALENDAR_FULL:
        return "the calendar is full";
    case CALENDAR_MISSING:
        return "the calendar was deleted meanwhile";
    }
    return NULL;
}

/* What one batch came to, counted when it is committed. */
typedef struct {
    int64_t stored, already;
    GPtrArray *problems; /* of char *: UID, reason, UID, reason, … */
} Outcome;

static bool put_one(Import *import, const Waiting *waiting, Outcome *outcome, GError **error)
{
    const CalendarImportConfig *config = import->config;
    const char *uid = waiting->draft->object->uid, *reason = NULL;
    g_autoptr(GPtrArray) all = calendar_object_by_uid(config->db, config->account, uid, error);
    if (!all)
        return false;
    for (unsigned i = 0; i < all->len; i++) {
        const CalendarObject *had = all->pdata[i];
        if (had->calendar != import->calendar->id)
            continue;
        if (g_bytes_equal(had->data, waiting->bytes)) {
            outcome->already++;
            return true;
        }
        reason = reason_of(CALENDAR_UID_TAKEN);
    }
    Digest digest = digest_of(uid, strlen(uid));
    g_autofree char *hex = digest_format(&digest);
    g_autofree char *name = g_strdup_printf("%.*s.ics", NAME_DIGITS, hex);
    static const char *const none[] = {"*", NULL};
    CalendarPut put = {.name = name, .match.if_none = none};
    CalendarEnd end = CALENDAR_CREATED;
    if (!reason) {
        if (!calendar_object_put(config->db, import->calendar, &put, waiting->draft, &end, error))
            return false;
        g_free(put.ret_taken);
        reason = reason_of(end);
        outcome->stored += !reason;
    }
    if (reason) {
        g_ptr_array_add(outcome->problems, g_strdup(uid));
        g_ptr_array_add(outcome->problems, g_strdup(reason));
    }
    return true;
}

static bool try_batch(Import *import, Outcome *outcome, GError **error)
{
    Db *db = import->config->db;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    for (guint i = 0; i < import->batch->len; i++)
        if (!put_one(import, &g_array_index(import->batch, Waiting, i), outcome, error))
            return false;
    return db_commit(db, error) == DB_DONE;
}

static bool store_batch(Import *import, GError **error)
{
    for (unsigned try = 1; import->batch->len; try++) {
        g_autoptr(GError) why = NULL;
        g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
        Outcome outcome = {.problems = problems};
        if (try_batch(import, &outcome, &why)) {
            import->stored += outcome.stored;
            import->already += outcome.already;
            for (guint i = 0; i < problems->len; i += 2)
                add_problem(import, problems->pdata[i], problems->pdata[i + 1]);
            break;
        }
        bool again = error_kind(why) == ERROR_RETRY || error_kind(why) == ERROR_UNKNOWN;
        if (!again || try == BATCH_TRIES) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
    g_array_set_size(import->batch, 0);
    import->batch_bytes = 0;
    g_autofree char *detail =
        g_strdup_printf("%" PRId64 " objects", import->stored + import->already);
    ui_progress_set(import->progress, import->done_bytes, detail);
    return true;
}

/* ---- reading */

static bool take_object(Import *import, GBytes *bytes, GError **error)
{
    const Settings *settings = import->config->settings;
    g_autoptr(GError) why = NULL;
    CalendarDraftAsk ask = {
        .limits = {.bytes_max = settings->duty.calendar_max_size,
                   .attendees_max = (unsigned)settings->duty.calendar_max_attendees},
        .expansions = (unsigned)settings->duty.calendar_max_expansions,
        .zone = import->zone,
        .now = clock_wall_ms(import->config->context->clock)};
    CalendarDraft *draft = calendar_draft_new(bytes, &ask, &why);
    if (!draft) {
        gsize size;
        const char *data = g_bytes_get_data(bytes, &size);
        const char *line = g_strstr_len(data, (gssize)size, "\nUID");
        size_t rest = line ? (size_t)(data + size - line - 1) : 0;
        const char *end = rest ? memchr(line + 1, '\n', rest) : NULL;
        g_autofree char *uid =
            end ? g_strstrip(g_strndup(line + 1, (gsize)(end - line - 1))) : NULL;
        add_problem(import, uid, why->message);
        return true;
    }
    Waiting waiting = {g_bytes_ref(bytes), draft};
    g_array_append_val(import->batch, waiting);
    import->batch_bytes += g_bytes_get_size(bytes);
    return (import->batch->len < BATCH_OBJECTS && import->batch_bytes < BATCH_BYTES) ||
           store_batch(import, error);
}

/* One object as it stands, also with bytes around it. */
static bool is_one_object(const char *text, size_t size)
{
    if (size > CALENDAR_OBJECT_BYTES_MAX)
        return false;
    g_autoptr(Icalendar) parsed = icalendar_parse(text, size, &icalendar_stored, NULL);
    return parsed && icalendar_is_storable(parsed, NULL);
}

static bool take_calendar(Import *import, const char *begin, size_t size, GError **error)
{
    if (size > CALENDAR_FILE_BYTES_MAX) {
        add_problem(import, NULL, "a calendar in it is too large to be read at once");
        return true;
    }
    if (is_one_object(begin, size)) {
        g_autoptr(GBytes) whole = g_bytes_new(begin, size);
        return take_object(import, whole, error);
    }
    g_auto(IcalendarSplit) split = icalendar_split(begin, size);
    if (split.left_out || !split.objects->len)
        add_problem(import, NULL,
                    split.left_out ? "it has components that no calendar holds: they are left out"
                                   : "a calendar in it is empty");
    for (guint i = 0; i < split.objects->len; i++)
        if (!take_object(import, split.objects->pdata[i], error))
            return false;
    return true;
}

/* The calendar of that name or title, made where there is none. */
static Calendar *ensure_calendar(Import *import, const char *wanted, GError **error)
{
    Db *db = import->config->db;
    int64_t account = import->config->account;
    if (!db_begin(db, DB_WRITE, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(GPtrArray) list = calendar_list(db, account, error);
    for (unsigned titles = 0; list && titles < 2; titles++)
        for (unsigned i = 0; i < list->len; i++) {
            const Calendar *each = list->pdata[i];
            if (strcmp(titles ? each->title : each->name, wanted) == 0)
                return g_ptr_array_steal_index(list, i);
        }
    g_autofree char *name = g_strdelimit(g_strdup(wanted), "/\\", '-');
    g_autoptr(Calendar) made = list ? calendar_new(name) : NULL;
    if (!made)
        return NULL;
    made->account = account;
    g_free(made->title);
    made->title = g_strdup(wanted);
    if (!calendar_add(db, made, error) || db_commit(db, error) != DB_DONE)
        return NULL; /* not known whether it is there: a second run finds it */
    return g_steal_pointer(&made);
}

static bool take_all(Import *import, GMappedFile *file, GError **error)
{
    size_t length = g_mapped_file_get_length(file), size;
    const char *text = length ? g_mapped_file_get_contents(file) : "";
    const char *at = text, *end = text + length, *begin;
    int64_t before = import->done_bytes;
    unsigned found = 0;
    if (is_one_object(text, length)) {
        g_autoptr(GBytes) whole = g_bytes_new(text, length);
        return take_object(import, whole, error) && store_batch(import, error);
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    for (; (begin = icalendar_split_next(&at, end, &size)); found++) {
        if (!take_calendar(import, begin, size, error))
            return false;
        import->done_bytes = before + (at - text);
    }
    if (!found)
        add_problem(import, NULL, "there is no VCALENDAR in it");
    return store_batch(import, error);
}

static bool take_file(Import *import, const char *path, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *valid = g_utf8_make_valid(base, -1);
    if (g_str_has_suffix(valid, ".ics") || g_str_has_suffix(valid, ".ICS"))
        valid[strlen(valid) - 4] = '\0';
    import->place = path;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &why);
    if (!file) {
        add_problem(import, NULL, why->message);
        return true;
    }
    const char *wanted = import->config->calendar ? import->config->calendar : valid;
    import->calendar = ensure_calendar(import, wanted, error);
    if (!import->calendar)
        return false;
    import->zone = calendar_zone(import->calendar, import->config->settings->time_zone);
    bool good = take_all(import, file, error);
    zone_unref(import->zone);
    g_clear_pointer(&import->calendar, calendar_free);
    return good;
}

/* ---- the whole */

static void print_result(Import *import, bool good)
{
    if (import->list) {
        ui_print_json(json_pack("{s:I, s:I, s:o, s:b}", "stored", (json_int_t)import->stored,
                                "already", (json_int_t)import->already, "problems", import->list,
                                "whole", good));
        return;
    }
    printf("%" PRId64 " objects of calendars taken in", import->stored);
    if (import->already)
        printf(", %" PRId64 " were there already", import->already);
    printf(import->problems ? ", %u problems\n" : "\n", import->problems);
}

bool calendar_import_fits(char **paths, int count)
{
    for (int i = 0; i < count; i++) {
        size_t size = strlen(paths[i]);
        if (size < 4 || g_ascii_strcasecmp(paths[i] + size - 4, ".ics") != 0)
            return false;
    }
    return count > 0;
}

int calendar_import_run(const CalendarImportConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) batch = g_array_new(FALSE, FALSE, sizeof(Waiting));
    Import import = {.config = config,
                     .batch = batch,
                     .progress = ui_progress_new("importing", 0, config->context->clock),
                     .list = config->context->json ? json_array() : NULL};
    bool good = true;
    g_array_set_clear_func(batch, waiting_clear);
    ui_progress_set_bytes(import.progress);
    for (int i = 0; i < config->count && good; i++)
        good = take_file(&import, config->paths[i], &error);
    ui_progress_free(import.progress);
    print_result(&import, good);
    if (good)
        return import.problems ? EXIT_NO : EXIT_FINE;
    int status = command_fail(error);
    if (status == EXIT_UNREACHABLE)
        fprintf(stderr, "run it again: it goes on where it stopped, and takes nothing twice\n");
    return status;
}
