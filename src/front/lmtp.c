/* lmtp: one LMTP session as a machine: bytes in, replies out.
 *
 * It fits between a socket (app/lmtp_server) or a test, which feed it, and the house (app/postbox),
 * which knows accounts and stores messages. A session is in one of four states: reading a command
 * line, throwing away a line that is too long, reading DATA, reading a BDAT chunk. Commands are a
 * table: verb, function. What the house says becomes a reply in one switch each (recipient_reply,
 * stored_reply).
 *
 * Rules where the standards leave a choice:
 * - A command line ends with CR LF. One that ends with a bare LF, or has a NUL or a bare CR, is
 * answered by 500 and not obeyed: two programs that disagree about the end of a line are how
 * commands get smuggled.
 * - BDAT without a size that can be read ends the session: we could not tell its bytes from
 * commands.
 * - An oversized message is read to its end and refused there, but not for ever:
 * LMTP_DISCARD_BYTES_MAX.
 * - The same recipient twice gets two replies; the house stores it once.
 *
 * Failures: the client's become replies; too many of them (LMTP_ERRORS_MAX), or commands that lead
 * nowhere (LMTP_IDLE_COMMANDS_MAX), end the session with 421. The house's failures are results.
 * Known weak point: replies gather in `out` until the caller writes them; it feeds in small pieces,
 * so that is bounded by what one piece can ask for.
 */
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "front/lmtp.h"
#include "front/lmtp_data.h"
#include "front/lmtp_path.h"

typedef enum { STATE_COMMAND, STATE_LONG_LINE, STATE_DATA, STATE_CHUNK, STATE_OVER } State;

struct LmtpSession {
    const LmtpHouse *house;
    GString *out;
    State state;
    GString *line;    /* of STATE_COMMAND, what has come of it */
    size_t discarded; /* of STATE_LONG_LINE */
    bool greeted;     /* LHLO was given */
    bool wants_tls;   /* STARTTLS was taken, and TLS has not begun */
    bool secure;      /* it has */
    unsigned errors, idle_commands;

    /* the transaction */
    char *from; /* NULL: none */
    bool utf8;
    GArray *recipients; /* of LmtpRecipient */
    LmtpData data;
    bool chunked;                   /* its data came by BDAT so far */
    bool chunk_last;                /* of STATE_CHUNK */
    bool chunk_wanted;              /* of STATE_CHUNK: there is a transaction that it belongs to */
    int64_t chunk_size, chunk_left; /* of STATE_CHUNK */
};

static void recipient_clear(void *recipient)
{
    LmtpRecipient *one = recipient;
    g_free(one->address);
    g_free(one->detail);
}

static void reply(LmtpSession *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void reply(LmtpSession *session, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(session->out, format, args);
    va_end(args);
    g_string_append(session->out, "\r\n");
}

/* A reply to something wrong: counted, so that a client that does nothing else is sent away. */
static void refuse(LmtpSession *session, const char *text)
{
    reply(session, "%s", text);
    session->errors++;
}

static void transaction_end(LmtpSession *session)
{
    g_clear_pointer(&session->from, g_free);
    session->utf8 = session->chunked = false;
    g_array_set_size(session->recipients, 0);
    lmtp_data_end(&session->data);
}

LmtpSession *lmtp_session_new(const LmtpHouse *house, GString *out)
{
    LmtpSession *session = g_new0(LmtpSession, 1);
    session->house = house;
    session->out = out;
    session->line = g_string_new(NULL);
    session->recipients = g_array_new(FALSE, TRUE, sizeof(LmtpRecipient));
    g_array_set_clear_func(session->recipients, recipient_clear);
    reply(session, "220 %s LMTP rota", house->host_name);
    return session;
}

void lmtp_session_free(LmtpSession *session)
{
    if (!session)
        return;
    transaction_end(session);
    g_array_unref(session->recipients);
    g_string_free(session->line, TRUE);
    g_free(session);
}

void lmtp_session_stop(LmtpSession *session, LmtpStop reason)
{
    if (session->state == STATE_OVER)
        return;
    session->state = STATE_OVER;
    switch (reason) {
    case LMTP_STOP_SHUTDOWN:
        reply(session, "421 4.3.2 This server is stopping; try again");
        return;
    case LMTP_STOP_TIMEOUT:
        reply(session, "421 4.4.2 You were silent for too long");
        return;
    case LMTP_STOP_TOO_MANY:
        reply(session, "421 4.7.0 Too many errors or too much that leads nowhere");
        return;
    }
}

bool lmtp_session_idle(const LmtpSession *session)
{
    return session->state == STATE_OVER ||
           (session->state == STATE_COMMAND && !session->from && session->line->len == 0);
}

static void on_lhlo(LmtpSession *session, const char *args)
{
    if (*args == '\0') {
        refuse(session, "501 5.5.4 LHLO wants your name");
        return;
    }
    transaction_end(session);
    session->greeted = true;
    reply(session, "250-%s", session->house->host_name);
    reply(session, "250-PIPELINING");
    reply(session, "250-8BITMIME");
    reply(session, "250-SMTPUTF8");
    reply(session, "250-SIZE %zu", session->house->message_bytes_max);
    reply(session, "250-ENHANCEDSTATUSCODES");
    if (session->house->starttls && !session->secure)
        reply(session, "250-STARTTLS");
    reply(session, "250 CHUNKING");
}

static void on_starttls(LmtpSession *session, const char *args)
{
    if (!session->house->starttls || session->secure) {
        refuse(session, session->secure ? "503 5.5.1 TLS has begun" : "500 5.5.1 No such command");
    } else if (*args != '\0') {
        refuse(session, "501 5.5.4 STARTTLS takes no argument");
    } else {
        reply(session, "220 2.0.0 Begin TLS");
        session->wants_tls = true;
    }
}

bool lmtp_session_wants_tls(const LmtpSession *session)
{
    return session->wants_tls && session->state != STATE_OVER;
}

/* RFC 3207 4.2: what was said before counts for nothing. */
void lmtp_session_secured(LmtpSession *session)
{
    MUST(session->wants_tls);
    transaction_end(session);
    g_string_truncate(session->line, 0);
    session->wants_tls = session->greeted = false;
    session->secure = true;
}

/* True if the path is fine; else it has been answered. `sender` chooses the enhanced code. */
static bool path_is_fine(LmtpSession *session, LmtpPathResult result, bool sender)
{
    switch (result) {
    case LMTP_PATH_OK:
        return true;
    case LMTP_PATH_SYNTAX:
        refuse(session,
               sender ? "501 5.1.7 Expected FROM:<address>" : "501 5.1.3 Expected TO:<address>");
        return false;
    case LMTP_PATH_TOO_LONG:
        refuse(session,
               sender ? "501 5.1.7 The address is too long" : "501 5.1.3 The address is too long");
        return false;
    case LMTP_PATH_BAD_PARAM:
        refuse(session, "501 5.5.4 A parameter's value is wrong");
        return false;
    case LMTP_PATH_UNKNOWN_PARAM:
        refuse(session, "555 5.5.4 A parameter is not known here");
        return false;
    }
    return false;
}

static void on_mail(LmtpSession *session, const char *args)
{
    if (!session->greeted || session->from) {
        refuse(session,
               session->from ? "503 5.5.1 There is a sender already" : "503 5.5.1 Say LHLO first");
        return;
    }
    g_auto(LmtpPath) path = {.size = -1};
    if (!path_is_fine(session, lmtp_path_parse(args, "FROM:", &path), true))
        return;
    if (!path.utf8 && !g_str_is_ascii(path.address)) {
        refuse(session, "553 5.6.7 An address beyond ASCII needs SMTPUTF8");
        return;
    }
    if (path.size > 0 && (uint64_t)path.size > session->house->message_bytes_max) {
        refuse(session, "552 5.3.4 The message is too large");
        return;
    }
    session->from = g_steal_pointer(&path.address);
    session->utf8 = path.utf8;
    reply(session, "250 2.1.0 Sender accepted");
}

static void recipient_reply(LmtpSession *session, LmtpRcpt answer, LmtpRecipient *recipient)
{
    switch (answer) {
    case LMTP_RCPT_OK:
        g_array_append_vals(session->recipients, recipient, 1);
        *recipient = (LmtpRecipient){.address = NULL}; /* moved */
        reply(session, "250 2.1.5 Recipient accepted");
        return;
    case LMTP_RCPT_UNKNOWN:
        reply(session, "550 5.1.1 No such address here");
        return;
    case LMTP_RCPT_RETRY:
        reply(session, "451 4.3.0 The store cannot be reached; try again");
        return;
    }
}

static void on_rcpt(LmtpSession *session, const char *args)
{
    if (!session->from || session->chunked) {
        refuse(session,
               session->from ? "503 5.5.1 The data has begun" : "503 5.5.1 Say MAIL first");
        return;
    }
    g_auto(LmtpPath) path = {.size = -1};
    if (!path_is_fine(session, lmtp_path_parse(args, "TO:", &path), false))
        return;
    if (path.has_params) {
        refuse(session, "555 5.5.4 A parameter is not known here");
        return;
    }
    if (path.address[0] == '\0') {
        refuse(session, "501 5.1.3 Expected TO:<address>");
        return;
    }
    if (!session->utf8 && !g_str_is_ascii(path.address)) {
        refuse(session, "553 5.6.7 An address beyond ASCII needs SMTPUTF8");
        return;
    }
    if (session->recipients->len >= LMTP_RECIPIENTS_MAX) {
        reply(session, "452 4.5.3 Too many recipients for one message");
        return;
    }
    LmtpRecipient recipient = {.address = g_steal_pointer(&path.address)};
    LmtpRcpt answer =
        session->house->recipient(recipient.address, &recipient, session->house->data);
    recipient_reply(session, answer, &recipient);
    recipient_clear(&recipient);
}

static void stored_reply(LmtpSession *session, LmtpStored result, const char *address)
{
    switch (result) {
    case LMTP_STORED:
        reply(session, "250 2.0.0 <%s> Stored", address);
        return;
    case LMTP_NO_ACCOUNT:
        reply(session, "550 5.1.1 <%s> No such address here", address);
        return;
    case LMTP_FULL:
        reply(session, "552 5.2.2 <%s> The mailbox is full", address);
        return;
    case LMTP_LATER:
        reply(session, "451 4.3.0 <%s> Not stored; try again", address);
        return;
    }
}

/* The message is complete: one reply for each recipient, in order (RFC 2033 4.2, 4.3). */
static void deliver(LmtpSession *session)
{
    const GArray *recipients = session->recipients;
    MUST(recipients->len > 0 && recipients->len <= LMTP_RECIPIENTS_MAX);
    const LmtpRecipient *all = (const LmtpRecipient *)(const void *)recipients->data;
    if (session->data.dropped > 0) {
        for (unsigned i = 0; i < recipients->len; i++)
            reply(session, "552 5.3.4 <%s> The message is too large", all[i].address);
        transaction_end(session);
        return;
    }
    g_autofree LmtpStored *results = g_new(LmtpStored, recipients->len);
    for (unsigned i = 0; i < recipients->len; i++)
        results[i] = LMTP_LATER;
    LmtpMessage message = {
        .from = session->from, .bytes = session->data.bytes->str, .size = session->data.bytes->len};
    session->house->deliver(&message, all, recipients->len, results, session->house->data);
    for (unsigned i = 0; i < recipients->len; i++)
        stored_reply(session, results[i], all[i].address);
    session->errors = session->idle_commands = 0;
    transaction_end(session);
}

static void on_data(LmtpSession *session, const char *args)
{
    if (*args != '\0') {
        refuse(session, "501 5.5.4 DATA takes no argument");
        return;
    }
    if (session->recipients->len == 0 || session->chunked) {
        refuse(session, session->chunked ? "503 5.5.1 The data has begun with BDAT"
                                         : "503 5.5.1 No recipient has been accepted");
        return;
    }
    lmtp_data_begin(&session->data, session->house->message_bytes_max);
    session->state = STATE_DATA;
    reply(session, "354 Send the message, and a line with a dot alone after it");
}

static void chunk_end(LmtpSession *session)
{
    session->state = STATE_COMMAND;
    if (!session->chunk_wanted) {
        lmtp_data_end(&session->data);
        refuse(session, "503 5.5.1 No recipient has been accepted");
    } else if (session->chunk_last) {
        deliver(session);
    } else if (session->data.dropped > 0) {
        reply(session, "552 5.3.4 The message is too large");
    } else {
        reply(session, "250 2.0.0 %" G_GINT64_FORMAT " bytes taken", session->chunk_size);
    }
}

static void on_bdat(LmtpSession *session, const char *args)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 3);
    guint count = g_strv_length(words);
    guint64 size = 0;
    bool last = count == 2 && g_ascii_strcasecmp(words[1], "LAST") == 0;
    if (count < 1 || (count == 2 && !last) || count > 2 ||
        !g_ascii_string_to_unsigned(words[0], 10, 0, G_MAXINT64, &size, NULL)) {
        reply(session, "501 5.5.4 Expected BDAT SIZE or BDAT SIZE LAST; what follows cannot be "
                       "told from commands");
        lmtp_session_stop(session, LMTP_STOP_TOO_MANY);
        return;
    }
    session->chunk_wanted = session->recipients->len > 0;
    session->chunk_last = last;
    session->chunk_size = session->chunk_left = (int64_t)size;
    if (!session->data.bytes)
        lmtp_data_begin(&session->data,
                        session->chunk_wanted ? session->house->message_bytes_max : 0);
    if (session->chunk_wanted)
        session->chunked = true;
    session->state = STATE_CHUNK;
    if (size == 0)
        chunk_end(session);
}

static void on_rset(LmtpSession *session, const char *args)
{
    (void)args;
    transaction_end(session);
    session->idle_commands++;
    reply(session, "250 2.0.0 Forgotten");
}

static void on_noop(LmtpSession *session, const char *args)
{
    (void)args;
    session->idle_commands++;
    reply(session, "250 2.0.0 Nothing done");
}

static void on_vrfy(LmtpSession *session, const char *args)
{
    (void)args;
    session->idle_commands++;
    reply(session, "252 2.5.2 Not told; send the message");
}

static void on_help(LmtpSession *session, const char *args)
{
    (void)args;
    session->idle_commands++;
    reply(session, "214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT (RFC 2033, 5321, 3030)");
}

static void on_hello(LmtpSession *session, const char *args)
{
    (void)args;
    refuse(session, "500 5.5.1 This is LMTP: say LHLO"); /* RFC 2033 4.1: MUST refuse */
}

static void on_quit(LmtpSession *session, const char *args)
{
    (void)args;
    reply(session, "221 2.0.0 Goodbye");
    session->state = STATE_OVER;
}

static const struct {
    const char *verb;
    void (*run)(LmtpSession *session, const char *args);
} commands[] = {
    {"LHLO", on_lhlo},         {"MAIL", on_mail},  {"RCPT", on_rcpt},  {"DATA", on_data},
    {"BDAT", on_bdat},         {"RSET", on_rset},  {"NOOP", on_noop},  {"VRFY", on_vrfy},
    {"HELP", on_help},         {"HELO", on_hello}, {"EHLO", on_hello}, {"QUIT", on_quit},
    {"STARTTLS", on_starttls},
};

/* A whole line with its LF. */
static void run_line(LmtpSession *session, const char *line, size_t length)
{
    if (length < 2 || line[length - 2] != '\r' || memchr(line, '\0', length) ||
        memchr(line, '\r', length - 2)) {
        refuse(session, "500 5.5.2 A command line ends with CR LF and has no other CR, LF or NUL");
        return;
    }
    g_autofree char *text = g_strndup(line, length - 2);
    g_strchomp(text); /* RFC 5321 4.1.1: trailing white space is borne */
    size_t verb = strcspn(text, " ");
    const char *args = text + verb + strspn(text + verb, " ");
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (verb == strlen(commands[i].verb) &&
            g_ascii_strncasecmp(text, commands[i].verb, verb) == 0) {
            commands[i].run(session, args);
            return;
        }
    }
    refuse(session, "500 5.5.1 No such command");
}

static size_t take_line(LmtpSession *session, const char *bytes, size_t size)
{
    const char *lf = memchr(bytes, '\n', size);
    size_t taken = lf ? (size_t)(lf - bytes) + 1 : size;
    if (session->state == STATE_LONG_LINE || session->line->len + taken > LMTP_LINE_BYTES_MAX) {
        g_string_truncate(session->line, 0);
        session->state = lf ? STATE_COMMAND : STATE_LONG_LINE;
        session->discarded = lf ? 0 : session->discarded + taken;
        if (lf)
            refuse(session, "500 5.5.2 The line is too long");
        return taken;
    }
    if (!lf) {
        g_string_append_len(session->line, bytes, (gssize)taken);
    } else if (session->line->len == 0) {
        run_line(session, bytes, taken);
    } else {
        g_string_append_len(session->line, bytes, (gssize)taken);
        run_line(session, session->line->str, session->line->len);
        g_string_truncate(session->line, 0);
    }
    return taken;
}

static size_t take_data(LmtpSession *session, const char *bytes, size_t size)
{
    bool end = false;
    size_t taken = lmtp_data_feed(&session->data, bytes, size, &end);
    if (end) {
        session->state = STATE_COMMAND;
        deliver(session);
    }
    return taken;
}

static size_t take_chunk(LmtpSession *session, const char *bytes, size_t size)
{
    size_t taken = (int64_t)size > session->chunk_left ? (size_t)session->chunk_left : size;
    lmtp_data_append(&session->data, bytes, taken);
    session->chunk_left -= (int64_t)taken;
    if (session->chunk_left == 0)
        chunk_end(session);
    return taken;
}

static size_t take(LmtpSession *session, const char *bytes, size_t size)
{
    switch (session->state) {
    case STATE_COMMAND:
    case STATE_LONG_LINE:
        return take_line(session, bytes, size);
    case STATE_DATA:
        return take_data(session, bytes, size);
    case STATE_CHUNK:
        return take_chunk(session, bytes, size);
    case STATE_OVER:
        break;
    }
    return size;
}

bool lmtp_session_feed(LmtpSession *session, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0 && session->state != STATE_OVER && !session->wants_tls) {
        size_t taken = take(session, from, size);
        MUST(taken > 0 && taken <= size);
        from += taken;
        size -= taken;
        if (session->errors > LMTP_ERRORS_MAX || session->idle_commands > LMTP_IDLE_COMMANDS_MAX ||
            session->data.dropped > LMTP_DISCARD_BYTES_MAX ||
            session->discarded > LMTP_DISCARD_BYTES_MAX)
            lmtp_session_stop(session, LMTP_STOP_TOO_MANY);
    }
    return session->state != STATE_OVER;
}
