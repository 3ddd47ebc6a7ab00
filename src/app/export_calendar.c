/* export_calendar: an account's calendars into .ics files: nobody's data is locked in.
 *
 * How it fits: reads by model/calendar_object in pages, each a short transaction. A file is one
 * iCalendar stream (RFC 5545 section 3.4): the objects one after the other, each with the bytes
 * that its client stored, so that an import gives the same bytes back. It has its name only when
 * all of it is on the disk. What changes while it is written is in it or not, but never half.
 *
 * Failures: the file system's and the store's end it; files that are whole stay. Known weak point:
 * a calendar's colour and order are in no file.
 */
#include "app/export_calendar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "content/icalendar_split.h"
#include "model/calendar_object.h"

#include "app/ui.h"

#define PAGE_OBJECTS 200

typedef struct {
    const CalendarExportConfig *config;
    UiProgress *progress;
    int64_t written;
    unsigned files, alone; /* alone: objects that have a file of their own */
} Export;

static bool write_all(int file, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(file, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

/* A name as a file's: no directory, not hidden. */
static char *file_name(const char *name)
{
    g_autofree char *escaped = g_uri_escape_string(name, " !#$&'()+,;=@[]{}~", TRUE);
    return g_strdup_printf("%s%s.ics", *escaped == '.' ? "%2E" : "",
                           *escaped == '.' ? escaped + 1 : escaped);
}

/* The object; where its last line has no end, that end and an empty line, by which a reader knows
 * it. */
static bool write_object(int file, GBytes *data)
{
    gsize size;
    const char *bytes = g_bytes_get_data(data, &size);
    return write_all(file, bytes, size) &&
           (size == 0 || bytes[size - 1] == '\n' || write_all(file, "\r\n\r\n", 4));
}

/* What would not be read back out of a file of many as it is: into one of its own. */
static bool write_alone(Export *export, int folder, const Calendar *calendar,
                        const CalendarObject *object, GError **error)
{
    gsize size;
    const char *bytes = g_bytes_get_data(object->data, &size);
    g_autofree char *base = file_name(calendar->name);
    g_autofree char *name =
        g_strdup_printf("%.*s (%" PRId64 ").ics", (int)strlen(base) - 4, base, object->id);
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = file >= 0 && write_all(file, bytes, size) && fsync(file) == 0;
    if (!good)
        fail(error, ERROR_CONFLICT, "could not write \"%s/%s\": %s", export->config->folder, name,
             g_strerror(errno));
    if (file >= 0)
        close(file);
    export->alone += good;
    return good;
}

/* `files`: the folder, and the calendar's own. */
static bool write_objects(Export *export, const Calendar *calendar, const int files[2],
                          GError **error)
{
    const CalendarExportConfig *config = export->config;
    CalendarAsk ask = {.calendar = calendar->id,
                       .from = INT64_MIN,
                       .to = INT64_MAX,
                       .limit = PAGE_OBJECTS,
                       .with_data = true};
    for (bool more = true; more;) {
        if (!db_begin(config->db, DB_READ, error))
            return false;
        g_autoptr(GPtrArray) page = calendar_object_list(config->db, config->account, &ask, error);
        db_rollback(config->db);
        if (!page)
            return false;
        for (unsigned i = 0; i < page->len; i++) {
            const CalendarObject *object = page->pdata[i];
            ask.after = object->id;
            gsize size;
            const char *bytes = g_bytes_get_data(object->data, &size);
            if (!icalendar_split_is_plain(bytes, size)) {
                if (!write_alone(export, files[0], calendar, object, error))
                    return false;
            } else if (!write_object(files[1], object->data))
                return fail(error, ERROR_CONFLICT, "could not write \"%s\": %s", config->folder,
                            g_strerror(errno));
            export->written++;
        }
        ui_progress_set(export->progress, export->written, NULL);
        more = page->len == PAGE_OBJECTS;
    }
    return true;
}

static bool write_calendar(Export *export, int folder, const Calendar *calendar, GError **error)
{
    g_autofree char *name = file_name(calendar->name);
    g_autofree char *part = g_strdup_printf(".%" PRId64 ".part", calendar->id);
    int file = openat(folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return fail(error, ERROR_CONFLICT, "could not write \"%s/%s\": %s", export->config->folder,
                    name, g_strerror(errno));
    bool good = write_objects(export, calendar, (int[]){folder, file}, error);
    if (good && (fsync(file) != 0 || renameat(folder, part, folder, name) != 0))
        good = fail(error, ERROR_CONFLICT, "could not write \"%s/%s\": %s", export->config->folder,
                    name, g_strerror(errno));
    close(file);
    if (!good)
        unlinkat(folder, part, 0);
    export->files += good;
    return good;
}

static bool is_asked(const Export *export, const Calendar *calendar)
{
    const char *asked = export->config->calendar;
    return !asked || strcmp(asked, calendar->name) == 0 || strcmp(asked, calendar->title) == 0;
}

static bool write_folder(Export *export, int folder, GError **error)
{
    const CalendarExportConfig *config = export->config;
    if (!db_begin(config->db, DB_READ, error))
        return false;
    g_autoptr(GPtrArray) list = calendar_list(config->db, config->account, error);
    db_rollback(config->db);
    if (!list)
        return false;
    for (unsigned i = 0; i < list->len; i++)
        if (is_asked(export, list->pdata[i]) &&
            !write_calendar(export, folder, list->pdata[i], error))
            return false;
    if (config->calendar && export->files == 0)
        return fail(error, ERROR_GONE, "there is no calendar \"%s\"", config->calendar);
    return fsync(folder) == 0 || fail(error, ERROR_CONFLICT, "could not write \"%s\": %s",
                                      config->folder, g_strerror(errno));
}

int calendar_export_run(const CalendarExportConfig *config)
{
    g_autoptr(GError) error = NULL;
    int folder = g_mkdir_with_parents(config->folder, 0700) == 0
                     ? open(config->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                     : -1;
    if (folder < 0) {
        fail(&error, ERROR_CONFLICT, "could not open \"%s\": %s", config->folder,
             g_strerror(errno));
        return command_fail(error);
    }
    Export export = {.config = config,
                     .progress = ui_progress_new("exporting", 0, config->context->clock)};
    bool good = write_folder(&export, folder, &error);
    ui_progress_free(export.progress);
    close(folder);
    if (!good)
        return command_fail(error);
    if (config->context->json)
        ui_print_json(json_pack("{s:I, s:i, s:i}", "written", (json_int_t) export.written,
                                "calendars", (int)export.files, "alone", (int)export.alone));
    else
        printf("%" PRId64 " objects written, %u calendars, %u objects in a file of their own\n",
               export.written, export.files, export.alone);
    return EXIT_FINE;
}
