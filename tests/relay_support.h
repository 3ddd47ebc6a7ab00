/* relay_support.h: a mail server of the tests' own: a thread that speaks SMTP by a script and keeps
 * what it was given.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_RELAY_SUPPORT_H
#define ROTA_TESTS_RELAY_SUPPORT_H

#include "support.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the relay says to each word; NULL: what one says; "": it hangs up. */
typedef struct {
    const char *hello, *ehlo, *mail, *rcpt, *data, *end;
    /* To RCPT, instead of `rcpt`; NULL as above. */
    const char *(*rcpt_of)(const char *recipient, void *data);
    void *data_of;
} RelayScript;

typedef struct {
    char *to, *text; /* of the envelope; the mail with its lines as sent */
    bool taken;      /* it was answered with 250; else perhaps kept */
} RelayMail;

typedef struct {
    int listener;
    RelayScript script;
    GThread *thread;
    GMutex lock; /* of what follows */
    GString *heard;
    GPtrArray *mails; /* of RelayMail */
    unsigned connections;
} Relay;

static inline void relay_mail_free(gpointer data)
{
    RelayMail *mail = data;
    g_free(mail->to);
    g_free(mail->text);
    g_free(mail);
}

static inline bool relay_say(FILE *out, const char *text, const char *fallback)
{
    if (text && !*text)
        return false;
    fprintf(out, "%s\r\n", text ? text : fallback);
    return fflush(out) == 0;
}

static inline bool relay_take(Relay *relay, FILE *in, FILE *out, const char *to)
{
    char line[2000] = "";
    GString *text = g_string_new(NULL);
    while (fgets(line, sizeof line, in) && strcmp(line, ".\r\n") != 0)
        g_string_append(text, line + (line[0] == '.'));
    bool whole = strcmp(line, ".\r\n") == 0;
    RelayMail *mail = g_new0(RelayMail, 1);
    const char *said = relay->script.end;
    *mail = (RelayMail){g_strdup(to), g_string_free(text, FALSE), !said || *said == '2'};
    g_mutex_lock(&relay->lock);
    if (whole)
        g_ptr_array_add(relay->mails, mail);
    else
        relay_mail_free(mail);
    g_mutex_unlock(&relay->lock);
    return relay_say(out, said, "250 kept");
}

static inline bool relay_answer(Relay *relay, FILE *in, FILE *out, const char *line, char **to)
{
    const RelayScript *script = &relay->script;
    if (g_str_has_prefix(line, "EHLO") || g_str_has_prefix(line, "HELO"))
        return relay_say(out, script->ehlo, "250-relay\r\n250 8BITMIME");
    if (g_str_has_prefix(line, "MAIL"))
        return relay_say(out, script->mail, "250 ok");
    if (g_str_has_prefix(line, "RCPT TO:<")) {
        g_free(*to);
        *to = g_strndup(line + 9, strcspn(line + 9, ">"));
        return relay_say(
            out, script->rcpt_of ? script->rcpt_of(*to, script->data_of) : script->rcpt, "250 ok");
    }
    if (g_str_has_prefix(line, "QUIT")) {
        relay_say(out, NULL, "221 bye");
        return false;
    }
    if (!g_str_has_prefix(line, "DATA"))
        return relay_say(out, NULL, "250 ok");
    if (!relay_say(out, script->data, "354 go on") || (script->data && *script->data != '3'))
        return script->data && *script->data;
    return relay_take(relay, in, out, *to);
}

static inline gpointer relay_serve(gpointer data)
{
    Relay *relay = data;
    for (;;) {
        int fd = accept(relay->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        char line[1000];
        char *to = NULL;
        bool going = relay_say(out, relay->script.hello, "220 relay");
        g_mutex_lock(&relay->lock);
        relay->connections++;
        g_mutex_unlock(&relay->lock);
        while (going && fgets(line, sizeof line, in)) {
            g_mutex_lock(&relay->lock);
            g_string_append(relay->heard, line);
            g_mutex_unlock(&relay->lock);
            going = relay_answer(relay, in, out, line, &to);
        }
        g_free(to);
        fclose(in);
        fclose(out);
    }
}

/* Returns its URL, the caller's. */
static inline char *relay_start(Relay *relay, const RelayScript *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *relay = (Relay){.script = *script,
                     .heard = g_string_new(NULL),
                     .mails = g_ptr_array_new_with_free_func(relay_mail_free)};
    g_mutex_init(&relay->lock);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(relay->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(relay->listener, 8), 0);
    assert_int_equal(getsockname(relay->listener, (struct sockaddr *)&address, &size), 0);
    relay->thread = g_thread_new("relay", relay_serve, relay);
    return g_strdup_printf("smtp://127.0.0.1:%d", ntohs(address.sin_port));
}

/* Its clients must be gone. What it has heard stays until relay_clear. */
static inline void relay_stop(Relay *relay)
{
    shutdown(relay->listener, SHUT_RDWR);
    close(relay->listener);
    g_thread_join(relay->thread);
}

static inline void relay_clear(Relay *relay)
{
    g_string_free(relay->heard, TRUE);
    g_ptr_array_unref(relay->mails);
    g_mutex_clear(&relay->lock);
}

#endif
