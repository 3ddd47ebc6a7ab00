/* cmd_import: takes mail, or calendars, out of files into an account.
 *
 * How it fits: app/import_source finds and reads it, app/intake parses it on threads at the edge
 * and delivers; indexing is the nodes' work, by the tasks that each delivery adds. It may run
 * beside nodes, may be stopped or killed at any moment, and goes on when it is run again.
 *
 * Failures: what cannot be read or taken is named, and the rest goes on; the exit status is then 1.
 * A store that is out of reach ends it (75). Known weak point: a second run reads everything again.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "content/message.h"
#include "model/mailbox.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/command_mail.h"
#include "app/import_calendar.h"
#include "app/import_source.h"
#include "app/import_walk.h"
#include "app/ui.h"

#define PROBLEMS_SHOWN_MAX 100 /* lines on the screen; all are counted, and are in --json */

static char *option_account, *option_folder, *option_quoting, *option_calendar;

typedef struct {
    char *place, *text;
} Problem;

typedef struct {
    Db *db;
    int64_t account;
    ImportSource *source;
    UiProgress *progress;
    int64_t total; /* bytes of files */
    int64_t stored, already;
    bool json, account_gone;
    unsigned said; /* problems that are printed */
    GMutex lock;
    /* shared with the source's thread, under lock */
    GPtrArray *problems; /* of Problem; without --json no more than can be shown */
    unsigned problem_count, passed_over;
    char *first_passed_over;
} Import;

static void problem_free(gpointer data)
{
    Problem *problem = data;
    g_free(problem->place);
    g_free(problem->text);
    g_free(problem);
}

/* Any thread. */
static void add_problem(const char *place, const char *text, void *data)
{
    Import *import = data;
    g_mutex_lock(&import->lock);
    import->problem_count++;
    if (import->json || import->problems->len < PROBLEMS_SHOWN_MAX) {
        Problem *problem = g_new(Problem, 1);
        *problem = (Problem){ui_safe(place), g_strdup(text)};
        g_ptr_array_add(import->problems, problem);
    }
    g_mutex_unlock(&import->lock);
}

/* Any thread. */
static void pass_over(const char *place, void *data)
{
    Import *import = data;
    g_mutex_lock(&import->lock);
    import->passed_over++;
    if (!import->first_passed_over)
        import->first_passed_over = ui_safe(place);
    g_mutex_unlock(&import->lock);
}

/* Prints the problems that came since the last time, and moves the bar. */
static void show(Import *import)
{
    g_mutex_lock(&import->lock);
    for (; !import->json && import->said < import->problems->len; import->said++) {
        const Problem *problem = import->problems->pdata[import->said];
        ui_progress_hide(import->progress);
        fprintf(stderr, "%s: %s\n", problem->place, problem->text);
    }
    g_mutex_unlock(&import->lock);
    g_autofree char *detail =
        g_strdup_printf("%" PRId64 " messages", import->stored + import->already);
    ui_progress_set(import->progress, import_source_read(import->source), detail);
}

static bool next(IntakeItem *ret_item, void *data)
{
    return import_source_next(((Import *)data)->source, ret_item);
}

static char *key(const IntakeItem *item, const Letter *letter, void *data)
{
    (void)data;
    return import_source_key(item, letter);
}

static bool done(const IntakeItem *item, const Delivered *delivered, const GError *error,
                 void *data)
{
    Import *import = data;
    DeliverResult result = delivered ? delivered->result : DELIVER_RETRY;
    switch (result) {
    case DELIVER_STORED:
        import->stored++;
        break;
    case DELIVER_DUPLICATE:
        import->already++;
        break;
    case DELIVER_OVER_QUOTA:
        add_problem(item->path, "the account is over its quota", import);
        break;
    case DELIVER_NO_ACCOUNT:
        import->account_gone = true;
        break;
    case DELIVER_NO_MAILBOX:
    case DELIVER_RETRY:
    case DELIVER_UNKNOWN:
        add_problem(item->path, error ? error->message : "the store refused it", import);
        break;
    }
    show(import);
    return !import->account_gone;
}

/* ---- before: how much there is, and its mailboxes */

static bool make_folder(Import *import, const char *folder, GError **error)
{
    int64_t id;
    bool made = false;
    if (!db_begin(import->db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(import->db);
    g_autoptr(GError) why = NULL;
    if (!mailbox_ensure(import->db, import->account, folder, &id, &made, error))
        return false;
    if (!made || db_commit(import->db, &why) == DB_DONE || error_kind(why) == ERROR_UNKNOWN)
        return true; /* the first message finds the mailbox, or makes it after all */
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static bool look_ahead(const Source *source, void *data, GError **error)
{
    Import *import = data;
    import->total += source->size;
    if (source->kind != SOURCE_FOLDER || !source->folder)
        return true;
    g_autoptr(GError) why = NULL;
    if (make_folder(import, source->folder, &why))
        return true;
    if (error_kind(why) == ERROR_REJECT) { /* not a path; its messages will say so too */
        add_problem(source->place, why->message, import);
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return false;
}

static void ignore_problem(const char *place, const char *text, void *data)
{
    (void)place, (void)text, (void)data; /* the second walk meets it again */
}

/* ---- the whole */

static bool take_in(Import *import, const ImportSourceConfig *config, GError **error)
{
    WalkVisitor ahead = {look_ahead, ignore_problem, import, NULL};
    if (config->folder && !make_folder(import, config->folder, error))
        return false;
    if (!import_walk(config->paths, config->count, config->folder, &ahead, error))
        return false;
    ui_progress_set_total(import->progress, import->total);
    g_autoptr(GError) why = NULL;
    import->source = import_source_new(config);
    IntakeConfig intake = {
        .db = import->db, .next = next, .key = key, .done = done, .data = import};
    bool good = intake_run(&intake, &why);
    show(import);
    import_source_free(import->source);
    if (!good && import->account_gone)
        return fail(error, ERROR_GONE, "the account was deleted meanwhile");
    if (!good)
        g_propagate_error(error, g_steal_pointer(&why));
    return good;
}

static void print_json(const Import *import, bool good)
{
    json_t *list = json_array();
    for (guint i = 0; i < import->problems->len; i++) {
        const Problem *problem = import->problems->pdata[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "place", problem->place, "text", problem->text));
    }
    ui_print_json(json_pack("{s:I, s:I, s:i, s:o, s:b}", "stored", (json_int_t)import->stored,
                            "already", (json_int_t)import->already, "passed_over",
                            (int)import->passed_over, "problems", list, "whole", good));
}

static void print_result(const Import *import)
{
    if (import->problem_count > import->problems->len)
        fprintf(stderr, "and %u more of these; --json lists them all\n",
                import->problem_count - import->problems->len);
    printf("%" PRId64 " messages taken in", import->stored);
    if (import->already)
        printf(", %" PRId64 " were there already", import->already);
    printf(import->problem_count ? ", %u problems\n" : "\n", import->problem_count);
    if (import->passed_over)
        fprintf(stderr, "%u files are no mail and were passed over, as %s\n", import->passed_over,
                import->first_passed_over);
}

/* Runs it, says what became of it; the exit status. */
static int run_import(Import *import, ImportSourceConfig *config, GError **error)
{
    g_mutex_init(&import->lock);
    import->problems = g_ptr_array_new_with_free_func(problem_free);
    ui_progress_set_bytes(import->progress);
    config->problem = add_problem;
    config->passed_over = pass_over;
    config->data = import;
    bool good = take_in(import, config, error);
    g_clear_pointer(&import->progress, ui_progress_free);
    if (import->json)
        print_json(import, good);
    else
        print_result(import);
    int status = import->problem_count ? EXIT_NO : EXIT_FINE;
    if (!good)
        status = command_fail(*error);
    if (status == EXIT_UNREACHABLE)
        fprintf(stderr, "run it again: it goes on where it stopped, and takes nothing twice\n");
    g_ptr_array_unref(import->problems);
    g_free(import->first_passed_over);
    g_mutex_clear(&import->lock);
    return status;
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
    g_autofree char *folder = mail_compose_path(option_folder);
    ImportSourceConfig config = {.paths = argv, .count = argc, .folder = folder};
    if (!option_account)
        return command_misuse(context, "whose mail? -a ADDRESS");
    if (!read_quoting(&config.quoting))
        return command_misuse(context, "--mbox is rd, o or none");
    bool calendars = calendar_import_fits(argv, argc);
    if (option_calendar && !calendars)
        return command_misuse(context, "--calendar is for files that end in .ics alone");
    message_library_init();
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    g_autoptr(Db) db = settings ? command_open_db(context, COMMAND_STORE_EXISTING, &error) : NULL;
    g_autoptr(Account) account = db ? command_find_account(db, option_account, &error) : NULL;
    if (!account)
        return command_fail(error);
    if (calendars) {
        CalendarImportConfig of_calendars = {.context = context,
                                             .settings = settings,
                                             .db = db,
                                             .account = account->id,
                                             .paths = argv,
                                             .count = argc,
                                             .calendar = option_calendar};
        return calendar_import_run(&of_calendars);
    }
    config.account = account->id;
    config.bytes_max = (size_t)settings->lmtp.message_bytes_max;
    config.now = clock_wall_ms(context->clock);
    Import import = {.db = db,
                     .account = account->id,
                     .json = context->json,
                     .progress = ui_progress_new("importing", 0, context->clock)};
    return run_import(&import, &config, &error);
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account,
     "whose it becomes, by address or alias", "ADDRESS"},
    {"folder", 0, 0, G_OPTION_ARG_STRING, &option_folder,
     "the mailbox it goes to and its folders go below (the inbox)", "NAME"},
    {"calendar", 0, 0, G_OPTION_ARG_STRING, &option_calendar,
     "the calendar that .ics files go to, made where there is none (the name of each file)",
     "NAME"},
    {"mbox", 0, 0, G_OPTION_ARG_STRING, &option_quoting,
     "how an mbox quotes lines that begin with \"From \": rd (default), o, none", "KIND"},
    {0},
};

const Command cmd_import = {
    .name = "import",
    .usage = "PATH…",
    .summary = "takes in mail from Maildirs, mbox files and single messages, or calendars from "
               ".ics files; again takes nothing twice",
    .example = "rota import -a ada@example.org ~/Maildir\n"
               "rota import -a ada@example.org --folder Old archive.mbox letters/\n"
               "rota import -a ada@example.org --calendar Work meetings.ics",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = G_MAXUINT,
    .run = run,
};
