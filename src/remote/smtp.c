/* smtp: see smtp.h. libcurl's SMTP, one easy handle, so that a connection is used again.
 *
 * How it fits: imip-processing and calendar-alerts send with it.
 *
 * The fate of a mail is read from the last code that the relay said and from whether the end of the
 * mail was reached by libcurl, not from libcurl's error alone, whose kinds mix "refused" and
 * "broken". A 5xx to the greeting or to EHLO (no service here), a login that is refused, and the
 * wish for one or for STARTTLS (530) are the relay's trouble, not this recipient's: later.
 *
 * Failures: fates. Known weak point: the end counts as written when libcurl has fetched the last
 * byte from us, a moment before it is sent.
 */
#include "remote/smtp.h"

#include <curl/curl.h>
#include <string.h>

#include "base/limits_smtp.h"
#include "base/must.h"

#define SAID_NOT_SECURED 530 /* RFC 3207 4, RFC 4954 6: first STARTTLS, or AUTH */

struct Smtp {
    const SmtpConfig *config;
    CURL *easy;
    /* of the mail under way */
    const SmtpMail *mail;
    size_t written;
    bool asked, stopped, ended;
    GString *answer; /* the last line that the relay said */
};

bool smtp_is_relay(const char *relay)
{
    const char *host = g_str_has_prefix(relay, "smtp://")    ? relay + 7
                       : g_str_has_prefix(relay, "smtps://") ? relay + 8
                                                             : "";
    return *host && *host != ':' && !strpbrk(host, "/@?# ");
}

static gpointer start_curl(gpointer data)
{
    (void)data;
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    return NULL;
}

Smtp *smtp_new(const SmtpConfig *config)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, start_curl, NULL);
    Smtp *smtp = g_new0(Smtp, 1);
    smtp->config = config;
    smtp->easy = curl_easy_init();
    smtp->answer = g_string_new(NULL);
    MUST(smtp->easy != NULL);
    return smtp;
}

void smtp_free(Smtp *smtp)
{
    if (!smtp)
        return;
    curl_easy_cleanup(smtp->easy);
    g_string_free(smtp->answer, TRUE);
    g_free(smtp);
}

static size_t give_bytes(char *buffer, size_t size, size_t count, void *data)
{
    Smtp *smtp = data;
    const SmtpMail *mail = smtp->mail;
    if (!smtp->asked && mail->may_send && !mail->may_send(mail->data)) {
        smtp->stopped = true;
        return CURL_READFUNC_ABORT;
    }
    smtp->asked = true;
    size_t piece = MIN(size * count, mail->size - smtp->written);
    memcpy(buffer, (const char *)mail->bytes + smtp->written, piece);
    smtp->written += piece;
    smtp->ended = smtp->written == mail->size;
    return piece;
}

static size_t take_line(char *line, size_t size, size_t count, void *data)
{
    Smtp *smtp = data;
    bool farewell = size * count >= 3 && memcmp(line, "221", 3) == 0;
    if (farewell) /* to QUIT: what came before it counts */
        return size * count;
    g_string_truncate(smtp->answer, 0);
    g_string_append_len(smtp->answer, line, (gssize)MIN(size * count, SMTP_ANSWER_BYTES_MAX));
    return size * count;
}

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *data)
{
    (void)bytes, (void)data;
    return size * count;
}

static void set_options(Smtp *smtp, struct curl_slist *to, char *message)
{
    static const long tls[] = {
        [SMTP_TLS_NEVER] = CURLUSESSL_NONE,
        [SMTP_TLS_TRY] = CURLUSESSL_TRY,
        [SMTP_TLS_ALWAYS] = CURLUSESSL_ALL,
    };
    const SmtpConfig *config = smtp->config;
    CURL *easy = smtp->easy;
    const char *hello = *config->hello ? config->hello : g_get_host_name();
    g_autofree char *url = g_strdup_printf("%s/%s", config->relay, hello);
    g_autofree char *from = g_strdup_printf("<%s>", smtp->mail->from);
    curl_easy_reset(easy); /* keeps the connection */
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, message);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)SMTP_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)SMTP_WHOLE_MS);
    curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(SMTP_WHOLE_MS / 1000));
    curl_easy_setopt(easy, CURLOPT_USE_SSL, tls[config->tls]);
    if (*config->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (*config->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, config->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, config->secret);
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, smtp);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, smtp);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_bytes);
}

static SmtpFate fate_of(const Smtp *smtp, CURLcode code, long said)
{
    if (code == CURLE_OK)
        return SMTP_ACCEPTED;
    if (smtp->stopped)
        return SMTP_STOPPED;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_REMOTE_ACCESS_DENIED: /* EHLO and HELO were refused */
    case CURLE_LOGIN_DENIED:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return SMTP_LATER;
    case CURLE_OPERATION_TIMEDOUT:
        return smtp->ended ? SMTP_UNKNOWN : SMTP_LATER;
    default:
        break;
    }
    /* To the greeting; to the end of a mail libcurl has the same word. */
    if (code == CURLE_WEIRD_SERVER_REPLY && !smtp->ended)
        return SMTP_LATER;
    if (said == SAID_NOT_SECURED)
        return SMTP_LATER;
    if (said >= 500 && said < 600)
        return SMTP_REFUSED;
    if (said >= 400 && said < 500)
        return SMTP_LATER;
    return smtp->ended ? SMTP_UNKNOWN : SMTP_LATER;
}

static char *answer_of(const Smtp *smtp, CURLcode code, long said, const char *message)
{
    const char *text = said >= 200 && smtp->answer->len ? smtp->answer->str
                       : *message                       ? message
                                                        : curl_easy_strerror(code);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (char *at = valid; *at; at++)
        if ((guchar)*at < ' ')
            *at = ' ';
    return g_strdup(g_strstrip(valid));
}

SmtpFate smtp_send(Smtp *smtp, const SmtpMail *mail, char **ret_answer)
{
    char message[CURL_ERROR_SIZE] = "";
    g_autofree char *recipient = g_strdup_printf("<%s>", mail->to);
    struct curl_slist *to = curl_slist_append(NULL, recipient);
    long said = 0;
    smtp->mail = mail;
    smtp->written = 0;
    smtp->asked = smtp->stopped = smtp->ended = false;
    g_string_truncate(smtp->answer, 0);
    set_options(smtp, to, message);
    CURLcode code = curl_easy_perform(smtp->easy);
    curl_easy_getinfo(smtp->easy, CURLINFO_RESPONSE_CODE, &said);
    SmtpFate fate = fate_of(smtp, code, said);
    *ret_answer = answer_of(smtp, code, code == CURLE_OPERATION_TIMEDOUT ? 0 : said, message);
    curl_slist_free_all(to);
    smtp->mail = NULL;
    return fate;
}
