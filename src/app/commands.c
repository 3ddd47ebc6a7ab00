/* commands: from the words of a command line to the command that runs.
 *
 * How it fits: main calls command_main; the table is COMMANDS of command.h; each command is a file
 * cmd_X.c. Failures: wrong use (exit status 2, with the nearest known name or the usage), broken
 * settings (2, with every problem), a standard output that cannot be written (2). Known weak point:
 * an option's value that stands before the command's name is understood for -c only.
 */
#include "app/command.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"

#include "app/ui.h"

#define COMMAND_REFERENCE(name) &name,
const Command *const command_table[] = {COMMANDS(COMMAND_REFERENCE)};
#undef COMMAND_REFERENCE
const unsigned command_count = G_N_ELEMENTS(command_table);

static int status_of(const GError *error)
{
    switch (error_kind(error)) {
    case ERROR_RETRY:
    case ERROR_UNKNOWN:
        return EXIT_UNREACHABLE;
    case ERROR_REJECT:
        return EXIT_USAGE;
    case ERROR_GONE:
    case ERROR_CONFLICT:
    case ERROR_STOPPED:
        return EXIT_NO;
    }
    return EXIT_USAGE;
}

/* One message of several lines keeps its lines; each is made safe. */
static void print_error(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *safe = ui_safe(*line);
        if (line == lines)
            fprintf(stderr, "%srota: %s%s\n", ui_colour(stderr, UI_RED), safe,
                    ui_colour(stderr, UI_PLAIN));
        else
            fprintf(stderr, "%s\n", safe);
    }
}

int command_fail(const GError *error)
{
    print_error(error->message);
    return status_of(error);
}

int command_misuse(const CommandContext *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    print_error(text);
    fprintf(stderr, "usage: rota %s %s\n`rota %s --help` shows the options and an example.\n",
            context->command->name, context->command->usage, context->command->name);
    return EXIT_USAGE;
}

const Settings *command_settings(CommandContext *context, GError **error)
{
    if (context->settings)
        return context->settings;
    g_autoptr(GPtrArray) problems = settings_problems_new();
    g_autofree char *path = settings_find(context->settings_option);
    context->settings = path ? settings_read(path, problems) : settings_default(problems);
    if (context->settings)
        return context->settings;
    g_autofree char *text = settings_problems_format(problems);
    fail(error, ERROR_REJECT, "the settings are broken: nothing was done\n%s", text);
    return NULL;
}

static void print_overview(FILE *out, const char *group)
{
    fprintf(out, "usage: rota [-c FILE] COMMAND [OPTION…] [ARGUMENT…]\n\n");
    g_autoptr(UiTable) table = ui_table_new("command", "does", NULL);
    for (unsigned i = 0; i < command_count; i++) {
        const Command *command = command_table[i];
        g_autofree char *name = g_strdup_printf("rota %s", command->name);
        if (!group ||
            (g_str_has_prefix(command->name, group) && command->name[strlen(group)] == ' '))
            ui_table_add(table, name, command->summary, NULL);
    }
    ui_table_print(table, out);
    fprintf(out, "\n`rota COMMAND --help` shows a command's options and an example.\n"
                 "Settings: -c FILE, else $ROTA_CONFIG, else rota.toml, else /etc/rota/rota.toml, "
                 "else all defaults.\n"
                 "Exit status: 0 fine, 1 the answer is no, 2 wrong use or broken settings, 75 the "
                 "store cannot be reached.\n");
}

/* The command of the first one or two words; *ret_words is how many they were. */
static const Command *find_command(int argc, char **argv, int *ret_words)
{
    for (int words = MIN(argc, 2); words > 0; words--) {
        g_autofree char *name =
            words == 2 ? g_strdup_printf("%s %s", argv[0], argv[1]) : g_strdup(argv[0]);
        for (unsigned i = 0; i < command_count; i++) {
            if (strcmp(command_table[i]->name, name) == 0) {
                *ret_words = words;
                return command_table[i];
            }
        }
    }
    return NULL;
}

static bool is_group(const char *word)
{
    for (unsigned i = 0; i < command_count; i++) {
        const char *name = command_table[i]->name;
        if (g_str_has_prefix(name, word) && name[strlen(word)] == ' ')
            return true;
    }
    return false;
}

static int unknown_command(int argc, char **argv)
{
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (is_group(argv[0]) && (argc == 1 || help)) {
        print_overview(help ? stdout : stderr, argv[0]);
        return help ? EXIT_FINE : EXIT_USAGE;
    }
    g_autofree char *name =
        is_group(argv[0]) ? g_strdup_printf("%s %s", argv[0], argv[1]) : g_strdup(argv[0]);
    const char *names[256];
    unsigned count = MIN(command_count, G_N_ELEMENTS(names));
    for (unsigned i = 0; i < count; i++)
        names[i] = command_table[i]->name;
    const char *nearest = nearest_find(name, names, count);
    g_autofree char *hint = nearest ? g_strdup_printf("did you mean `rota %s`?", nearest)
                                    : g_strdup("`rota --help` lists the commands.");
    g_autofree char *text = g_strdup_printf("there is no command \"%s\": %s", name, hint);
    print_error(text);
    return EXIT_USAGE;
}

static void print_version(void)
{
    printf("rota %s\n", ROTA_VERSION);
}

/* Reads the options out of argv; what is left are the arguments. */
static bool read_options(CommandContext *context, char ***argv, gboolean *ret_version,
                         GError **error)
{
    const GOptionEntry generic[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &context->settings_option, "settings file",
         "FILE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &context->json, "print JSON, for machines", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, ret_version, "print the version", NULL},
        {0},
    };
    const Command *command = context->command;
    g_autofree char *program = g_strdup_printf("rota %s", command->name);
    g_set_prgname(program);
    g_autoptr(GOptionContext) options = g_option_context_new(command->usage);
    g_autofree char *summary =
        g_strdup_printf("%c%s.", g_ascii_toupper(command->summary[0]), command->summary + 1);
    g_auto(GStrv) lines = g_strsplit(command->example, "\n", -1);
    g_autofree char *example = g_strjoinv("\n  ", lines);
    g_autofree char *description = g_strdup_printf("Example:\n  %s\n", example);
    g_option_context_set_summary(options, summary);
    g_option_context_set_description(options, description);
    if (command->options)
        g_option_context_add_main_entries(options, command->options, NULL);
    g_option_context_add_main_entries(options, generic, NULL);
    return g_option_context_parse_strv(options, argv, error);
}

/* The words with each list written out, see Command.lists; caller frees. */
static char **spread_lists(const Command *command, char **words)
{
    GPtrArray *spread = g_ptr_array_new();
    const char *list = NULL;
    bool options = true, first = false;
    for (; *words; words++) {
        bool option = options && (*words)[0] == '-' && (*words)[1] != '\0';
        options = options && strcmp(*words, "--") != 0;
        if (option) {
            list = command->lists && g_strv_contains(command->lists, *words) ? *words : NULL;
            first = true;
        } else if (list && !first) {
            g_ptr_array_add(spread, g_strdup(list));
        } else {
            first = false;
        }
        g_ptr_array_add(spread, g_strdup(*words));
    }
    g_ptr_array_add(spread, NULL);
    return (char **)g_ptr_array_free(spread, FALSE);
}

static int run_command(CommandContext *context, char **words)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = spread_lists(context->command, words);
    gboolean version = FALSE;
    if (!read_options(context, &argv, &version, &error))
        return command_misuse(context, "%s", error->message);
    if (version) {
        print_version();
        return EXIT_FINE;
    }
    /* the program's own place, and a "--" that ended the options */
    unsigned skip = argv[1] && strcmp(argv[1], "--") == 0 ? 2 : 1;
    unsigned count = g_strv_length(argv) - skip;
    const Command *command = context->command;
    if (count < command->args_min)
        return command_misuse(context, "%s is missing",
                              count == 0 ? "an argument" : "one more argument");
    if (count > command->args_max)
        return command_misuse(context, "\"%s\" is one argument too many",
                              argv[skip + command->args_max]);
    return command->run(context, (int)count, argv + skip);
}

/* Generic options may stand before the command too: moves them behind it. NULL: only options,
 * *ret_status is the answer. */
static GPtrArray *order_words(int argc, char **argv, int *ret_status)
{
    GPtrArray *words = g_ptr_array_new();
    int first = 1;
    while (first < argc && argv[first][0] == '-') {
        bool takes_value = strcmp(argv[first], "-c") == 0 || strcmp(argv[first], "--config") == 0;
        if (strcmp(argv[first], "--version") == 0 || strcmp(argv[first], "--help") == 0 ||
            strcmp(argv[first], "-h") == 0) {
            if (argv[first][2] == 'v')
                print_version();
            else
                print_overview(stdout, NULL);
            *ret_status = EXIT_FINE;
            g_ptr_array_unref(words);
            return NULL;
        }
        first += takes_value && first + 1 < argc ? 2 : 1;
    }
    for (int i = first; i < argc; i++)
        g_ptr_array_add(words, argv[i]);
    if (words->len == 1 && strcmp(argv[first], "help") == 0)
        g_ptr_array_set_size(words, 0);
    if (words->len == 0) {
        print_overview(first < argc ? stdout : stderr, NULL);
        *ret_status = first < argc ? EXIT_FINE : EXIT_USAGE;
        g_ptr_array_unref(words);
        return NULL;
    }
    for (int i = 1; i < first; i++)
        g_ptr_array_insert(words, -1, argv[i]);
    return words;
}

/* False, and says so, if what was printed did not arrive; a reader that went away (`| head`) wanted
 * no more. */
static bool close_output(void)
{
    int code = fflush(stdout) == 0 ? 0 : errno;
    struct pollfd reader = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (!ferror(stdout) || code == EPIPE ||
        (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR)))
        return true;
    fprintf(stderr, "rota: could not write to standard output: %s\n",
            code ? g_strerror(code) : "a part of it is lost");
    return false;
}

int command_main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, not our death */
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    int status = EXIT_FINE, used = 0;
    g_autoptr(GPtrArray) words = order_words(argc, argv, &status);
    if (!words)
        return status;
    CommandContext context = {.clock = clock_real()};
    context.command = find_command((int)words->len, (char **)words->pdata, &used);
    if (!context.command)
        return unknown_command((int)words->len, (char **)words->pdata);
    /* the command's last word stands where GOption looks for the program's name */
    g_ptr_array_remove_range(words, 0, (guint)used - 1);
    g_ptr_array_add(words, NULL);
    status = run_command(&context, (char **)words->pdata);
    g_free(context.settings_option);
    settings_free(context.settings);
    return close_output() || status != EXIT_FINE ? status : EXIT_USAGE;
}
