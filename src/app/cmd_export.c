/* cmd_export: writes an account's mail into a Maildir++ tree: nobody's data is locked in.
 *
 * How it fits: reads by model/mailbox, email and blob in short transactions, writes by
 * app/maildir_out. Bytes are those that came in; flags, folders and times go into names and file
 * times. It may be killed at any moment and run again: it adds what is missing.
 *
 * Failures: a message whose bytes are damaged is named and the rest goes on (1); a file system that
 * does not take more ends it (1), and so does a tree that is no Maildir. Known weak points: the
 * header lines of a delivery (Return-Path and its like), which are not in the bytes, stay behind; a
 * folder keeps 26 keywords beside the six flags.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "model/blob.h"
#include "model/email.h"
#include "model/mailbox.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/command_mail.h"
#include "app/export_calendar.h"
#include "app/maildir_out.h"
#include "app/ui.h"

#define PAGE_EMAILS    500                /* rows held at once */
#define READ_BYTES_MAX (16 * 1024 * 1024) /* of one transaction, and the message that goes over */

static char *option_account, *option_folder, *option_calendar;
static gboolean option_calendars;

typedef struct {
    Db *db;
    int64_t account;
    int root;
    const char *place;
    UiProgress *progress;
    int64_t written, there;
    unsigned folders, problems;
} Export;

static void add_problem(Export *export, const char *what, const char *text)
{
    export->problems++;
    g_autofree char *safe = ui_safe(what);
    ui_progress_hide(export->progress);
    fprintf(stderr, "%s: %s\n", safe, text);
}

static GPtrArray *read_page(Export *export, int64_t mailbox, int64_t after, GError **error)
{
    if (!db_begin(export->db, DB_READ, error))
        return NULL;
    GPtrArray *page = email_list(export->db, export->account, mailbox, after, PAGE_EMAILS, error);
    db_rollback(export->db);
    return page;
}

static gint compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All keywords of a mailbox, sorted, so that they get the same letters each time. */
static GPtrArray *read_keywords(Export *export, int64_t mailbox, GError **error)
{
    g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int64_t after = 0;
    for (guint got = PAGE_EMAILS; got == PAGE_EMAILS;) {
        g_autoptr(GPtrArray) page = read_page(export, mailbox, after, error);
        if (!page)
            return NULL;
        got = page->len;
        for (guint i = 0; i < page->len; i++) {
            const Email *email = page->pdata[i];
            after = email->id;
            g_auto(GStrv) list = g_strsplit(email->keywords, " ", -1);
            for (char **word = list; *word; word++)
                if (**word && !g_hash_table_contains(words, *word))
                    g_hash_table_add(words, g_strdup(*word));
        }
    }
    GPtrArray *sorted = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    g_hash_table_iter_init(&iter, words);
    for (gpointer word; g_hash_table_iter_next(&iter, &word, NULL);)
        g_ptr_array_add(sorted, g_strdup(word));
    g_ptr_array_sort(sorted, compare_words);
    return sorted;
}

/* ---- messages */

typedef struct {
    const Email *email;
    char *name;
    GBytes *bytes;
} Wanted;

static void wanted_clear(gpointer data)
{
    Wanted *wanted = data;
    g_free(wanted->name);
    if (wanted->bytes)
        g_bytes_unref(wanted->bytes);
}

/* Reads the bytes of as many as fit, from number `from`; *ret_until is the first that is not read.
 * What went away meanwhile has no bytes. */
static bool read_bytes(Export *export, GArray *all, guint from, guint *ret_until, GError **error)
{
    int64_t held = 0;
    guint at = from;
    if (!db_begin(export->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(export->db);
    for (; at < all->len && at - from < MAILDIR_OUT_HELD_MAX && held < READ_BYTES_MAX; at++) {
        Wanted *wanted = &g_array_index(all, Wanted, at);
        g_autoptr(GError) why = NULL;
        wanted->bytes = blob_get(export->db, &wanted->email->blob, &why);
        held += wanted->email->size;
        if (wanted->bytes)
            continue;
        if (error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        g_autoptr(Email) still = email_get(export->db, export->account, wanted->email->id, NULL);
        g_autofree char *what = g_strdup_printf("message %" PRId64, wanted->email->id);
        if (still)
            add_problem(export, what, why->message);
    }
    *ret_until = at;
    return true;
}

static bool write_wanted(Export *export, MaildirOut *out, GArray *all, GError **error)
{
    for (guint from = 0, until = 0; from < all->len; from = until) {
        if (!read_bytes(export, all, from, &until, error))
            return false;
        for (guint i = from; i < until; i++) {
            Wanted *wanted = &g_array_index(all, Wanted, i);
            if (!wanted->bytes)
                continue;
            if (!maildir_out_write(out, wanted->name, wanted->bytes, wanted->email->received_at,
                                   error))
                return false;
            export->written++;
            g_clear_pointer(&wanted->bytes, g_bytes_unref);
        }
        if (!maildir_out_flush(out, error))
            return false;
        ui_progress_set(export->progress, export->written + export->there, NULL);
    }
    return true;
}

static bool export_page(Export *export, MaildirOut *out, const GPtrArray *page, GError **error)
{
    g_autoptr(GArray) all = g_array_new(false, false, sizeof(Wanted));
    g_array_set_clear_func(all, wanted_clear);
    for (guint i = 0; i < page->len; i++) {
        const Email *email = page->pdata[i];
        MaildirMail mail = {.digest = email->blob,
                            .size = email->size,
                            .received_at = email->received_at,
                            .keywords = email->keywords};
        Wanted wanted = {.email = email};
        int found = maildir_out_find(out, &mail, &wanted.name, error);
        if (found < 0)
            return false;
        if (found)
            export->there++;
        else
            g_array_append_val(all, wanted);
    }
    return write_wanted(export, out, all, error);
}

static bool export_mailbox(Export *export, const Mailbox *mailbox, GError **error)
{
    bool inbox = strcmp(mailbox->role, "inbox") == 0;
    g_auto(GStrv) parts = g_strsplit(inbox ? "" : mailbox->path, "/", -1);
    g_autoptr(MaildirOut) out =
        maildir_out_open(export->root, export->place, (const char *const *)parts, error);
    g_autoptr(GPtrArray) keywords = out ? read_keywords(export, mailbox->id, error) : NULL;
    unsigned left_out = 0;
    if (!keywords || !maildir_out_set_keywords(out, keywords, &left_out, error))
        return false;
    if (left_out)
        add_problem(export, mailbox->path, "has more keywords than a Maildir folder can hold");
    export->folders++;
    int64_t after = 0;
    for (guint got = PAGE_EMAILS; got == PAGE_EMAILS;) {
        g_autoptr(GPtrArray) page = read_page(export, mailbox->id, after, error);
        if (!page || !export_page(export, out, page, error))
            return false;
        got = page->len;
        after = got ? ((const Email *)page->pdata[got - 1])->id : after;
    }
    return true;
}

/* ---- the command */

/* True where a mailbox is the one that was asked for, or below it. */
static bool is_asked(const Mailbox *mailbox)
{
    size_t size = option_folder ? strlen(option_folder) : 0;
    if (!option_folder ||
        (g_ascii_strcasecmp(option_folder, "inbox") == 0 && strcmp(mailbox->role, "inbox") == 0))
        return true;
    return strncmp(mailbox->path, option_folder, size) == 0 &&
           (mailbox->path[size] == '\0' || mailbox->path[size] == '/');
}

static bool export_all(Export *export, GError **error)
{
    if (!db_begin(export->db, DB_READ, error))
        return false;
    g_autoptr(GPtrArray) mailboxes = mailbox_list(export->db, export->account, error);
    db_rollback(export->db);
    int64_t total = 0;
    for (guint i = 0; mailboxes && i < mailboxes->len; i++)
        total += is_asked(mailboxes->pdata[i]) ? ((Mailbox *)mailboxes->pdata[i])->total : 0;
    ui_progress_set_total(export->progress, total);
    for (guint i = 0; mailboxes && i < mailboxes->len; i++)
        if (is_asked(mailboxes->pdata[i]) && !export_mailbox(export, mailboxes->pdata[i], error))
            return false;
    if (mailboxes && !export->folders)
        return fail(error, ERROR_GONE,
                    "there is no mailbox \"%s\"; `rota mail folders` shows them all",
                    option_folder);
    return mailboxes != NULL;
}

/* An empty directory, or a Maildir of ours to add to; made where there is none, and locked. */
static int open_root(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0700) != 0) {
        fail(error, ERROR_CONFLICT, "could not make \"%s\": %s", path, g_strerror(errno));
        return -1;
    }
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GDir) list = g_dir_open(path, 0, NULL);
    if (root < 0 || !list) {
        fail(error, ERROR_CONFLICT, "could not open \"%s\": %s", path, g_strerror(errno));
    } else if (g_dir_read_name(list) && faccessat(root, "cur", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        fail(error, ERROR_CONFLICT,
             "\"%s\" is not empty and is no Maildir; name a new directory, or an earlier export",
             path);
    } else if (mkdirat(root, "cur", 0700) != 0 && errno != EEXIST) {
        fail(error, ERROR_CONFLICT, "could not write into \"%s\": %s", path, g_strerror(errno));
    } else if (flock(root, LOCK_EX | LOCK_NB) != 0) {
        fail(error, ERROR_CONFLICT, "another export writes into \"%s\" now", path);
    } else {
        return root;
    }
    if (root >= 0)
        close(root);
    return -1;
}

static void print_result(const CommandContext *context, const Export *export)
{
    if (context->json) {
        ui_print_json(json_pack("{s:I, s:I, s:i, s:i}", "written", (json_int_t) export->written,
                                "already", (json_int_t) export->there, "folders",
                                (int)export->folders, "problems", (int)export->problems));
        return;
    }
    printf("%" PRId64 " messages written", export->written);
    if (export->there)
        printf(", %" PRId64 " were there already", export->there);
    printf(", %u folders", export->folders);
    if (export->problems)
        printf(", %u problems", export->problems);
    printf("\n");
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    if (!option_account)
        return command_misuse(context, "whose mail? -a ADDRESS");
    g_autofree char *typed = option_folder;
    option_folder = mail_compose_path(typed);
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, option_account, &db, &error);
    if (account && (option_calendars || option_calendar)) {
        CalendarExportConfig of_calendars = {.context = context,
                                             .db = db,
                                             .account = account->id,
                                             .folder = argv[0],
                                             .calendar = option_calendar};
        return calendar_export_run(&of_calendars);
    }
    int root = account ? open_root(argv[0], &error) : -1;
    if (root < 0)
        return command_fail(error);
    Export export = {.db = db,
                     .account = account->id,
                     .root = root,
                     .place = argv[0],
                     .progress = ui_progress_new("exporting", 0, context->clock)};
    bool good = export_all(&export, &error);
    ui_progress_free(export.progress);
    close(root);
    if (!good)
        return command_fail(error);
    print_result(context, &export);
    return export.problems ? EXIT_NO : EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account, "whose mail, by address or alias",
     "ADDRESS"},
    {"folder", 0, 0, G_OPTION_ARG_STRING, &option_folder, "only this mailbox, and those below it",
     "NAME"},
    {"calendars", 0, 0, G_OPTION_ARG_NONE, &option_calendars,
     "the calendars, a .ics file for each, instead of the mail", NULL},
    {"calendar", 0, 0, G_OPTION_ARG_STRING, &option_calendar, "only this calendar", "NAME"},
    {0},
};

const Command cmd_export = {
    .name = "export",
    .usage = "DIR",
    .summary = "writes an account's mail into a Maildir, byte for byte, and again adds what is "
               "missing; or its calendars into .ics files",
    .example = "rota export -a ada@example.org ada-mail\n"
               "rota export -a ada@example.org --calendars ada-calendars",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
