/* cmd_mail: looks at an account's mail: its mailboxes, what is in them, one message.
 *
 * How it fits: a person's verbs until JMAP comes; changing is cmd_mail_change's, finding is
 * cmd_search's, whose numbers are the same.
 *
 * Failures: no such account, mailbox or message (1), the store's. A message that cannot be parsed
 * is shown as far as it can be; through a pipe every message comes as its bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/message.h"
#include "model/blob.h"
#include "model/email.h"
#include "model/mailbox.h"

#include "app/command.h"
#include "app/command_mail.h"
#include "app/ui.h"

#define LIMIT_DEFAULT 50

static char *option_account, *option_folder;
static gint64 option_limit = LIMIT_DEFAULT, option_before;
static gboolean option_all, option_bytes;

/* ---- folders */

static void print_folders(const GPtrArray *list)
{
    g_autoptr(UiTable) table = ui_table_new("mailbox", ">messages", ">unread", "role", NULL);
    for (guint i = 0; i < list->len; i++) {
        const Mailbox *mailbox = list->pdata[i];
        g_autofree char *path = ui_safe(mailbox->path),
                        *total = g_strdup_printf("%" PRId64, mailbox->total),
                        *unread = g_strdup_printf("%" PRId64, mailbox->unread);
        ui_table_add(table, path, total, unread, mailbox->role, NULL);
    }
    ui_table_print(table, stdout);
}

static int folders(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_auto(MailHome) home = {0};
    int status = mail_home_open(context, option_account, &home);
    if (status != EXIT_FINE)
        return status;
    g_autoptr(GError) error = NULL;
    if (!db_begin(home.db, DB_READ, &error))
        return command_fail(error);
    g_autoptr(GPtrArray) list = mailbox_list(home.db, home.account, &error);
    db_rollback(home.db);
    if (!list)
        return command_fail(error);
    if (!context->json) {
        print_folders(list);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < list->len; i++) {
        const Mailbox *mailbox = list->pdata[i];
        json_array_append_new(all, json_pack("{s:I, s:s, s:s, s:I, s:I}", "id",
                                             (json_int_t)mailbox->id, "path", mailbox->path, "role",
                                             mailbox->role, "total", (json_int_t)mailbox->total,
                                             "unread", (json_int_t)mailbox->unread));
    }
    ui_print_json(json_pack("{s:o}", "mailboxes", all));
    return EXIT_FINE;
}

/* ---- list */

/* "NRF@": new, answered, flagged, with an attachment. */
static char *format_marks(const Email *email)
{
    return g_strdup_printf("%s%s%s%s", keywords_unread(email->keywords) ? "N" : " ",
                           keywords_have(email->keywords, "$answered") ? "R" : " ",
                           keywords_have(email->keywords, "$flagged") ? "F" : " ",
                           email->has_attachment ? "@" : " ");
}

static void print_list(const GPtrArray *page)
{
    g_autoptr(UiTable) table =
        ui_table_new(">id", "", "received", "~from", "~subject", ">bytes", NULL);
    for (guint i = 0; i < page->len; i++) {
        const Email *email = page->pdata[i];
        g_autofree char *id = g_strdup_printf("%" PRId64, email->id), *marks = format_marks(email),
                        *received = ui_format_time(email->received_at),
                        *from = ui_safe(email->sender), *subject = ui_safe(email->subject),
                        *size = ui_format_bytes(email->size);
        ui_table_add(table, id, marks, received, from, subject, size, NULL);
        if (keywords_unread(email->keywords))
            ui_table_colour(table, UI_BOLD);
    }
    ui_table_print(table, stdout);
    if (page->len == option_limit)
        fprintf(stderr, "there may be more: --before %" PRId64 "\n",
                ((const Email *)page->pdata[page->len - 1])->id);
}

static json_t *email_json(const Email *email)
{
    g_auto(GStrv) words = g_strsplit(email->keywords, " ", -1);
    json_t *keywords = json_array();
    for (char **word = words; *word; word++)
        if (**word)
            json_array_append_new(keywords, json_string(*word));
    g_autofree char *digest = digest_format(&email->blob);
    return json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:o, s:b, s:I, s:s}", "id",
                     (json_int_t)email->id, "received_at", (json_int_t)email->received_at,
                     "sent_at", (json_int_t)email->sent_at, "from", email->sender, "subject",
                     email->subject, "bytes", (json_int_t)email->size, "keywords", keywords,
                     "has_attachment", email->has_attachment, "thread", (json_int_t)email->thread,
                     "digest", digest);
}

static GPtrArray *read_list(const MailHome *home, GError **error)
{
    int64_t mailbox = 0;
    if (!db_begin(home->db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(home->db);
    if (!option_all &&
        !mail_find_folder(home, option_folder ? option_folder : "Inbox", &mailbox, error))
        return NULL;
    return email_list_newest(home->db, home->account, mailbox, option_before,
                             (unsigned)option_limit, error);
}

static int list(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (option_limit < 1 || option_limit > DB_ROWS_FETCH_MAX)
        return command_misuse(context, "--limit is from 1 to %d", DB_ROWS_FETCH_MAX);
    if (option_before < 0)
        return command_misuse(context, "--before is the number of a message");
    if (option_all && option_folder)
        return command_misuse(context, "--folder or --all, not both");
    g_auto(MailHome) home = {0};
    int status = mail_home_open(context, option_account, &home);
    if (status != EXIT_FINE)
        return status;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) page = read_list(&home, &error);
    if (!page)
        return command_fail(error);
    if (!context->json) {
        print_list(page);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < page->len; i++)
        json_array_append_new(all, email_json(page->pdata[i]));
    ui_print_json(json_pack("{s:o}", "emails", all));
    return EXIT_FINE;
}

/* ---- show */

static void print_safe(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (!line[1] && !**line)
            break;
        g_autofree char *safe = ui_safe(g_strchomp(*line));
        printf("%s\n", safe);
    }
}

static void print_field(const char *name, const char *value)
{
    if (!*value)
        return;
    g_autofree char *safe = ui_safe(value);
    printf("%s%s:%s %s\n", ui_colour(stdout, UI_BOLD), name, ui_colour(stdout, UI_PLAIN), safe);
}

static void print_addresses(const char *name, const GArray *addresses)
{
    g_autofree char *text = message_addresses_format(addresses);
    print_field(name, text);
}

/* As a person reads it. */
static void print_message(const Email *email, GBytes *bytes)
{
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    g_autofree char *received = ui_format_time(email->received_at);
    print_safe(email->trace);
    print_addresses("From", message->from);
    print_addresses("To", message->to);
    print_addresses("Cc", message->cc);
    print_field("Subject", message->subject);
    if (message->date_ms) {
        g_autofree char *sent = ui_format_time(message->date_ms);
        print_field("Date", sent);
    }
    print_field("Received", received);
    for (guint i = 0; i < message->attachments->len; i++)
        print_field("Attachment", message->attachments->pdata[i]);
    g_autofree char *keywords = g_strstrip(g_strdup(email->keywords));
    print_field("Keywords", keywords);
    printf("\n");
    print_safe(message->text->str);
}

static bool read_message(const MailHome *home, int64_t id, Email **ret_email, GBytes **ret_bytes,
                         GError **error)
{
    if (!db_begin(home->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(home->db);
    *ret_email = email_get(home->db, home->account, id, error);
    if (*ret_email)
        *ret_bytes = blob_get(home->db, &(*ret_email)->blob, error);
    return *ret_email && *ret_bytes;
}

static int show_open(CommandContext *context, const MailHome *home, int64_t id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Email) email = NULL;
    g_autoptr(GBytes) bytes = NULL;
    if (!read_message(home, id, &email, &bytes, &error))
        return command_fail(error);
    if (context->json) {
        ui_print_json(email_json(email));
    } else if (isatty(STDOUT_FILENO) && !option_bytes) {
        print_message(email, bytes);
    } else {
        gsize size;
        const void *data = g_bytes_get_data(bytes, &size);
        if (!option_bytes)
            fputs(email->trace, stdout);
        fwrite(data, 1, size, stdout);
    }
    return EXIT_FINE;
}

static int show(CommandContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = mail_parse_ids(argc, argv, &error);
    if (!ids)
        return command_misuse(context, "%s", error->message);
    message_library_init();
    g_auto(MailHome) home = {0};
    int status = mail_home_open(context, option_account, &home);
    return status == EXIT_FINE ? show_open(context, &home, g_array_index(ids, int64_t, 0)) : status;
}

#define OPTION_ACCOUNT                                                                             \
    {                                                                                              \
        "account", 'a', 0, G_OPTION_ARG_STRING, &option_account,                                   \
            "whose mail, by address or alias", "ADDRESS"                                           \
    }

static const GOptionEntry FOLDERS_OPTIONS[] = {OPTION_ACCOUNT, {0}};

static const GOptionEntry LIST_OPTIONS[] = {
    OPTION_ACCOUNT,
    {"folder", 0, 0, G_OPTION_ARG_STRING, &option_folder, "the mailbox (the inbox)", "NAME"},
    {"all", 0, 0, G_OPTION_ARG_NONE, &option_all, "of all mailboxes", NULL},
    {"limit", 'n', 0, G_OPTION_ARG_INT64, &option_limit, "show N (50)", "N"},
    {"before", 0, 0, G_OPTION_ARG_INT64, &option_before, "only those older than this one", "ID"},
    {0},
};

static const GOptionEntry SHOW_OPTIONS[] = {
    OPTION_ACCOUNT,
    {"bytes", 0, 0, G_OPTION_ARG_NONE, &option_bytes,
     "the bytes alone as they came in, without the delivery's own header lines", NULL},
    {0},
};

const Command cmd_mail_folders = {
    .name = "mail folders",
    .usage = "",
    .summary = "shows an account's mailboxes",
    .example = "rota mail folders -a ada@example.org",
    .options = FOLDERS_OPTIONS,
    .run = folders,
};

const Command cmd_mail_list = {
    .name = "mail list",
    .usage = "",
    .summary = "shows what is in a mailbox, newest first",
    .example = "rota mail list -a ada@example.org --folder Junk\n"
               "rota mail list -a ada@example.org -n 10 --before 120 --json",
    .options = LIST_OPTIONS,
    .run = list,
};

const Command cmd_mail_show = {
    .name = "mail show",
    .usage = "ID",
    .summary = "shows one message; through a pipe, all of it as it is",
    .example = "rota mail show -a ada@example.org 42\n"
               "rota mail show -a ada@example.org --bytes 42 > message.eml",
    .options = SHOW_OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = show,
};
