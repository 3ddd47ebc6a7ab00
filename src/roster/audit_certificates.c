/* audit_certificates: findings about what TLS serves: certificates near their end, not renewed,
 * failing, unusable or missing, and the stand-in that no client trusts.
 *
 * How it fits: audit.c; front/certificate_read gathers. One finding for each kind of trouble, with
 * the first few names, so that a host of a thousand gets no thousand lines. How near an end is too
 * near goes by the certificate's own rhythm: half of the time between its due renewal and its end
 * has passed, be that fifteen days of thirty or one of two.
 *
 * Failures: none. Known weak point: one that was never begun has no time, so it is found missing in
 * the first seconds of a node's life too.
 */
#include "roster/audit_private.h"

#include <string.h>

typedef struct {
    const AuditView *view;
    const AuditCertificate *one;
    int64_t now;
    AuditSeverity severity; /* a rule may raise it */
    GString *more;          /* of this one, in brackets */
} Look;

/* ---------------------------------------------------------------- the rules */

static bool is_over(const Look *look)
{
    return look->one->has && look->one->not_after <= look->now;
}

static bool is_unusable(Look *look)
{
    if (!look->one->wanted || !look->one->unusable)
        return false;
    look->severity = AUDIT_ERROR;
    g_string_append(look->more, look->one->unusable);
    return true;
}

static bool ends(Look *look)
{
    const AuditCertificate *one = look->one;
    if (!one->wanted || !one->has)
        return false;
    int64_t left = one->not_after - look->now, life = one->not_after - one->not_before;
    int64_t enough =
        one->renew_at ? (one->not_after - one->renew_at) / 2 : MIN(FILE_ENDS_MS, life / 6);
    if (left > 0 && left >= enough)
        return false;
    if (left <= 0)
        look->severity = AUDIT_ERROR;
    g_string_append_printf(look->more, left <= 0 ? "over for %.1f days" : "in %.1f days",
                           ABS((double)left) / 86400000);
    return true;
}

static bool is_failing(Look *look)
{
    const AuditCertificate *one = look->one;
    if (!one->wanted || one->failures < ORDERS_FAILED)
        return false;
    if (!one->has || is_over(look))
        look->severity = AUDIT_ERROR;
    g_string_append_printf(look->more, "%d times: %s", (int)one->failures, one->problem);
    return true;
}

static bool is_missing(Look *look)
{
    const AuditCertificate *one = look->one;
    if (!one->wanted || one->failures >= ORDERS_FAILED || (one->has && !one->missing))
        return false;
    g_string_append(look->more, one->has ? one->missing : "none yet");
    return true;
}

static bool is_overdue(Look *look)
{
    const AuditCertificate *one = look->one;
    if (!one->wanted || !one->has || one->failures >= ORDERS_FAILED || one->renew_at == 0)
        return false;
    int64_t late = look->now - MAX(one->renew_at, one->order_at);
    if (look->now < one->renew_at || late < ORDER_LATE_MS)
        return false;
    g_string_append_printf(look->more, "%.1f hours%s%s", (double)late / 3600000,
                           *one->problem ? ": " : "", one->problem);
    return true;
}

static bool is_unwanted(Look *look)
{
    return !look->one->wanted;
}

static const struct {
    AuditKind kind;
    AuditSeverity severity;
    bool (*judge)(Look *look);
    const char *one, *many; /* "%u certificates …: names" */
    const char *advice;
} rules[] = {
    {AUDIT_CERTIFICATE_UNUSABLE, AUDIT_ERROR, is_unusable, "certificate cannot be served",
     "certificates cannot be served",
     "Its key does not open or is another's: give this node the storage.secret-key that it was "
     "sealed with (or as secret-key-before), or get a new one: `rota cert renew`."},
    {AUDIT_CERTIFICATE_ENDS, AUDIT_WARNING, ends, "certificate ends soon, or is over",
     "certificates end soon, or are over",
     "It should have been renewed long ago: `rota cert show` says what became of that. One from a "
     "file is renewed by whoever writes it; `rota reload` then."},
    {AUDIT_CERTIFICATE_FAILING, AUDIT_WARNING, is_failing, "certificate's orders fail",
     "certificates' orders fail",
     "`rota cert show` has what the CA said, whole, and when it is tried again; when the cause is "
     "mended, `rota cert renew` tries at once."},
    {AUDIT_CERTIFICATE_MISSING, AUDIT_WARNING, is_missing,
     "certificate of the settings is not there, or lacks a name",
     "certificates of the settings are not there, or lack a name",
     "A first order takes a minute or two; if it stays so, look whether a node does acme.renew: "
     "`rota status`, `rota cert show`."},
    {AUDIT_CERTIFICATE_OVERDUE, AUDIT_WARNING, is_overdue, "certificate is overdue for renewal",
     "certificates are overdue for renewal",
     "Nobody renews it, or its CA comes to no end: `rota tasks list --role acme.renew` and `rota "
     "cert show` say which."},
    {AUDIT_CERTIFICATE_UNWANTED, AUDIT_NOTE, is_unwanted,
     "certificate lies in the store, with its private key, and the settings do not have it",
     "certificates lie in the store, with their private keys, and the settings do not have them",
     "If no node's settings want it any more: `rota cert forget`."},
};

static void find(const AuditView *view, size_t rule)
{
    const GArray *all = view->ask->certificates;
    g_autoptr(GString) who = g_string_new(NULL);
    AuditSeverity severity = rules[rule].severity;
    unsigned count = 0;
    for (unsigned i = 0; i < all->len; i++) {
        g_autoptr(GString) more = g_string_new(NULL);
        Look look = {.view = view,
                     .one = &g_array_index(all, AuditCertificate, i),
                     .now = view->ask->status->at,
                     .severity = rules[rule].severity,
                     .more = more};
        if (!rules[rule].judge(&look))
            continue;
        severity = MAX(severity, look.severity);
        if (count++ < AUDIT_CERTIFICATES_NAMED)
            g_string_append_printf(who, "%s%s%s%s%s", count > 1 ? ", " : "", look.one->name,
                                   more->len ? " (" : "", more->str, more->len ? ")" : "");
    }
    if (count == 0)
        return;
    if (count > AUDIT_CERTIFICATES_NAMED)
        g_string_append_printf(who, " and %u more", count - AUDIT_CERTIFICATES_NAMED);
    Finding *finding =
        audit_add(view, rules[rule].kind, severity,
                  g_strdup_printf("%u %s: %s.", count,
                                  count == 1 ? rules[rule].one : rules[rule].many, who->str),
                  g_strdup(rules[rule].advice));
    audit_set_figure(finding, count, 0, "certificates");
    finding->weight = MIN(count, 3);
    finding->role = role_find(view->ask->set, "acme.renew");
}

/* ---------------------------------------------------------------- the stand-in */

static void find_stand_in(const AuditView *view)
{
    const GArray *all = view->ask->certificates;
    for (unsigned i = 0; i < all->len; i++) {
        const AuditCertificate *one = &g_array_index(all, AuditCertificate, i);
        if (one->wanted && one->has && !one->unusable)
            return;
    }
    if (!view->ask->serves_tls)
        return;
    audit_set_figure(
        audit_add(view, AUDIT_STAND_IN, AUDIT_WARNING,
                  g_strdup("HTTPS is served with a certificate that each node has signed itself: "
                           "no client trusts it."),
                  g_strdup("Write [acme.NAME] for one from a CA, or tls.certificate and "
                           "tls.private-key for one from a file.")),
        0, 1, "certificates");
}

void audit_certificates(const AuditView *view)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        find(view, i);
    find_stand_in(view);
}
