/* cmd_import: takes mail out of files into an account.
 *
 * How it fits: app/import_walk finds it, this reads it (Maildir, mbox, single messages), and
 * app/importer delivers it; indexing is the nodes' work, by the tasks that each delivery adds. It
 * may run beside nodes, may be stopped or killed at any moment, and goes on when it is run again.
 *
 * Failures: what cannot be read or taken is named, and the rest goes on; the exit status is then 1.
 * A store that is out of reach ends it (75). Known weak points: a second run reads everything
 * again; a tree that changes between two runs may count equal messages in another order, which
 * takes one of them a second time only if there are more of them than before.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/maildir_name.h"
#include "content/mbox.h"
#include "content/message.h"
#include "model/email.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/import_walk.h"
#include "app/importer.h"
#include "app/ui.h"

#define READ_BYTES         (256 * 1024)
#define PROBLEMS_SHOWN_MAX 100 /* lines on the screen; all are counted, and are in --json */

static char *option_account, *option_folder, *option_quoting;

typedef struct {
    Importer *importer;
    UiProgress *progress;
    MboxQuoting quoting;
    size_t bytes_max;
    int64_t now;         /* ms */
    int64_t done, total; /* bytes of files */
    unsigned problems, passed_over;
    char *first_passed_over;
    json_t *list; /* of problems; NULL: they are printed */
} Import;

static void add_problem(const char *place, const char *text, void *data)
{
    Import *import = data;
    import->problems++;
    g_autofree char *safe = ui_safe(place);
    if (import->list) {
        json_array_append_new(import->list, json_pack("{s:s, s:s}", "place", safe, "text", text));
        return;
    }
    if (import->problems > PROBLEMS_SHOWN_MAX)
        return;
    ui_progress_hide(import->progress);
    fprintf(stderr, "%s: %s\n", safe, text);
}

static void add_too_large(Import *import, const char *place, int64_t size)
{
    g_autofree char *text = g_strdup_printf("has %" PRId64 " bytes, more than "
                                            "lmtp.max-message-size (%zu) lets in",
                                            size, import->bytes_max);
    add_problem(place, text, import);
}

static void show(Import *import, int64_t done)
{
    ImportCounts counts = importer_counts(import->importer);
    g_autofree char *detail =
        g_strdup_printf("%" PRId64 " messages", counts.stored + counts.already);
    ui_progress_set(import->progress, import->done + done, detail);
}

/* ---- one message in a file */

/* The list of a Maildir name's flags; what is no keyword here is left out. */
static char *keywords_of(const Source *source)
{
    char *keywords = g_strdup("");
    for (const char *flag = source->keywords ? maildir_flags(source->name) : ""; *flag; flag++) {
        const char *keyword = maildir_keyword(*flag, source->keywords);
        char *more = keyword ? keywords_set(keywords, keyword, true, NULL) : NULL;
        if (!more)
            continue;
        g_free(keywords);
        keywords = more;
    }
    return keywords;
}

/* When a message came: a Maildir's name says it, and so does the file's time; a copy is younger
 * than its name, and a message that was filed with its old date is older. Not in the future. */
static int64_t time_of(const Import *import, const Source *source)
{
    int64_t named = source->kind == SOURCE_MAILDIR ? maildir_time(source->name) : 0;
    int64_t when = named && named + 999 < source->modified_at ? named : MAX(source->modified_at, 0);
    return MIN(when, import->now);
}

/* The whole file; NULL, and a problem. */
static char *read_whole(Import *import, const Source *source, int file, size_t *ret_size)
{
    size_t room = (size_t)CLAMP(source->size, 0, (int64_t)import->bytes_max) + 1, size = 0;
    g_autofree char *bytes = g_malloc(room);
    for (;;) {
        ssize_t got = read(file, bytes + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            add_problem(source->place, g_strerror(errno), import);
            return NULL;
        }
        size += (size_t)got;
        if (got == 0)
            break;
        if (size > import->bytes_max) {
            add_too_large(import, source->place, MAX(source->size, (int64_t)size));
            return NULL;
        }
        if (size == room)
            bytes = g_realloc(bytes, room = MIN(room * 2, import->bytes_max + 1));
    }
    if (size == 0) {
        add_problem(source->place, "is empty", import);
        return NULL;
    }
    *ret_size = size;
    return g_steal_pointer(&bytes);
}

static bool take_message(Import *import, const Source *source, int file, GError **error)
{
    size_t size;
    char *bytes = read_whole(import, source, file, &size);
    if (!bytes)
        return true;
    ImportMail mail = {.bytes = bytes,
                       .size = size,
                       .folder = g_strdup(source->folder),
                       .keywords = keywords_of(source),
                       .received_at = time_of(import, source),
                       .place = g_strdup(source->place)};
    return importer_add(import->importer, mail, error);
}

/* ---- many messages in a file */

static bool take_mbox_message(Import *import, const Source *source, const MboxMessage *message,
                              GError **error)
{
    g_autofree char *place =
        g_strdup_printf("%s, at byte %" PRId64, source->place, message->offset);
    if (message->cut)
        add_too_large(import, place, message->size);
    else if (message->size == 0)
        add_problem(place, "is empty", import);
    if (message->cut || message->size == 0)
        return true;
    size_t size = message->bytes->len;
    ImportMail mail = {.bytes = g_memdup2(message->bytes->str, size),
                       .size = size,
                       .folder = g_strdup(source->mbox_folder),
                       .keywords = mbox_keywords(message->bytes->str, size),
                       .received_at = CLAMP(message->received_at, 0, import->now),
                       .otherwise_at = source->modified_at,
                       .place = g_steal_pointer(&place)};
    show(import, message->offset);
    return importer_add(import->importer, mail, error);
}

static bool take_mbox(Import *import, const Source *source, int file, GError **error)
{
    g_autoptr(Mbox) mbox = mbox_new(import->quoting, import->bytes_max);
    g_autofree char *buffer = g_malloc(READ_BYTES);
    for (;;) {
        ssize_t got = read(file, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            add_problem(source->place, g_strerror(errno), import);
        mbox_feed(mbox, buffer, (size_t)MAX(got, 0));
        for (MboxMessage message; mbox_next(mbox, got <= 0, &message);)
            if (!take_mbox_message(import, source, &message, error))
                return false;
        if (got <= 0)
            return true;
    }
}

/* ---- a file */

/* "Subject: ", "Return-Path:": a file that begins so is a message. */
static bool is_message(const char *bytes, size_t size)
{
    size_t name = 0;
    while (name < size && bytes[name] > 0x20 && bytes[name] < 0x7f && bytes[name] != ':')
        name++;
    return name > 0 && name < size && bytes[name] == ':';
}

static bool has_ending(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    return size > end && g_ascii_strcasecmp(name + size - end, ending) == 0;
}

static void pass_over(Import *import, const char *place)
{
    import->passed_over++;
    if (!import->first_passed_over)
        import->first_passed_over = ui_safe(place);
}

static bool take_open_file(Import *import, const Source *source, int file, GError **error)
{
    if (source->kind == SOURCE_MAILDIR || has_ending(source->name, ".eml"))
        return take_message(import, source, file, error);
    if (has_ending(source->name, ".ics")) {
        add_problem(source->place, "calendars are not taken yet", import);
        return true;
    }
    char start[128];
    ssize_t got = pread(file, start, sizeof start, 0);
    if (got < 0)
        add_problem(source->place, g_strerror(errno), import);
    else if (mbox_is(start, (size_t)got))
        return take_mbox(import, source, file, error);
    else if (source->kind == SOURCE_LISTED)
        pass_over(import, source->place);
    else if (is_message(start, (size_t)got))
        return take_message(import, source, file, error);
    else
        add_problem(source->place, got ? "is neither a message nor an mbox" : "is empty", import);
    return true;
}

static bool take_folder(Import *import, const Source *source, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!source->folder || importer_add_folder(import->importer, source->folder, &why))
        return true;
    if (error_kind(why) == ERROR_REJECT) { /* its messages will say so too */
        add_problem(source->place, why->message, import);
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool take(const Source *source, void *data, GError **error)
{
    Import *import = data;
    if (source->kind == SOURCE_FOLDER)
        return take_folder(import, source, error);
    const char *why;
    int file = source_open(source, &why);
    bool good = true;
    if (file < 0) {
        add_problem(source->place, why, import);
    } else {
        good = take_open_file(import, source, file, error);
        close(file);
    }
    import->done += source->size;
    show(import, 0);
    return good;
}

/* ---- the command */

static bool count_bytes(const Source *source, void *data, GError **error)
{
    (void)error;
    ((Import *)data)->total += source->size;
    return true;
}

static void ignore_problem(const char *place, const char *text, void *data)
{
    (void)place, (void)text, (void)data;
}

static bool walk(Import *import, Db *db, int64_t account, char **paths, int count, GError **error)
{
    WalkVisitor counting = {count_bytes, ignore_problem, import};
    WalkVisitor taking = {take, add_problem, import};
    g_autoptr(Importer) importer = importer_new(db, account, import->now, add_problem, import);
    import->importer = importer;
    if (option_folder && !importer_add_folder(importer, option_folder, error))
        return false;
    if (!import_walk(paths, count, option_folder, &counting, error))
        return false;
    ui_progress_set_total(import->progress, import->total);
    bool good = import_walk(paths, count, option_folder, &taking, error) &&
                importer_finish(importer, error);
    ImportCounts counts = importer_counts(importer);
    g_clear_pointer(&import->progress, ui_progress_free);
    if (import->list) {
        ui_print_json(json_pack("{s:I, s:I, s:i, s:O, s:b}", "stored", (json_int_t)counts.stored,
                                "already", (json_int_t)counts.already, "passed_over",
                                (int)import->passed_over, "problems", import->list, "whole", good));
        return good;
    }
    if (import->problems > PROBLEMS_SHOWN_MAX)
        fprintf(stderr, "and %u more of these; --json lists them all\n",
                import->problems - PROBLEMS_SHOWN_MAX);
    printf("%" PRId64 " messages taken in", counts.stored);
    if (counts.already)
        printf(", %" PRId64 " were there already", counts.already);
    printf(import->problems ? ", %u problems\n" : "\n", import->problems);
    if (import->passed_over)
        fprintf(stderr, "%u files are no mail and were passed over, as %s\n", import->passed_over,
                import->first_passed_over);
    return good;
}

static bool read_quoting(MboxQuoting *ret)
{
    static const char *const names[] = {"rd", "o", "none"};
    *ret = MBOX_QUOTING_RD;
    for (int i = 0; option_quoting && i < (int)G_N_ELEMENTS(names); i++)
        if (strcmp(option_quoting, names[i]) == 0) {
            *ret = (MboxQuoting)i;
            return true;
        }
    return !option_quoting;
}

static int run(CommandContext *context, int argc, char **argv)
{
    Import import = {0};
    if (!option_account)
        return command_misuse(context, "whose mail? -a ADDRESS");
    if (!read_quoting(&import.quoting))
        return command_misuse(context, "--mbox is rd, o or none");
    message_library_init();
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) db = settings ? command_open_db(context, COMMAND_STORE_EXISTING, &error) : NULL;
    g_autoptr(Account) account = db ? command_find_account(db, option_account, &error) : NULL;
    if (!account)
        return command_fail(error);
    import.bytes_max = (size_t)settings->lmtp.message_bytes_max;
    import.now = clock_wall_ms(context->clock);
    import.list = context->json ? json_array() : NULL;
    import.progress = ui_progress_new("importing", 0, context->clock);
    ui_progress_set_bytes(import.progress);
    bool good = walk(&import, db, account->id, argv, argc, &error);
    ui_progress_free(import.progress);
    g_free(import.first_passed_over);
    json_decref(import.list);
    if (good)
        return import.problems ? EXIT_NO : EXIT_FINE;
    int status = command_fail(error);
    if (status == EXIT_UNREACHABLE)
        fprintf(stderr, "run it again: it goes on where it stopped, and takes nothing twice\n");
    return status;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account,
     "whose mail it becomes, by address or alias", "ADDRESS"},
    {"folder", 0, 0, G_OPTION_ARG_STRING, &option_folder,
     "the mailbox it goes to and its folders go below (the inbox)", "NAME"},
    {"mbox", 0, 0, G_OPTION_ARG_STRING, &option_quoting,
     "how an mbox quotes lines that begin with \"From \": rd (default), o, none", "KIND"},
    {0},
};

const Command cmd_import = {
    .name = "import",
    .usage = "PATH…",
    .summary = "takes in mail from Maildirs, mbox files and single messages; again takes nothing "
               "twice",
    .example = "rota import -a ada@example.org ~/Maildir\n"
               "rota import -a ada@example.org --folder Old archive.mbox letters/",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = G_MAXUINT,
    .run = run,
};
