/* acme_account: the first steps of an order: our account with the CA, and the order itself.
 *
 * How it fits: acme_renew.c calls the steps in turn. The account's key is made and written before
 * the CA hears of it, so that a crash cannot lose it; asking for an account with the same key gives
 * the same account. An order is asked for after a note that it will be ("asked"): who finds the
 * note and no order looks among the account's orders before asking again.
 *
 * Failures: those of remote/acme.h. Known weak point: at a CA without a list of orders a crash
 * between its answer and our commit asks twice; the large ones then give back the same order.
 */
#include <string.h>

#include "base/error.h"
#include "content/chain.h"
#include "content/jose.h"
#include "content/private_key.h"

#include "duty/acme_order.h"

#define ACCOUNT_SEAL "ACME account"

/* ---------------------------------------------------------------- the account */

static GBytes *seal_new_key(const Renewal *renewal, KeyKind kind, const char *what, GError **error)
{
    g_autoptr(EVP_PKEY) key = private_key_new(kind, error);
    char *text = key ? private_key_format(key, error) : NULL;
    GBytes *sealed = text ? seal_close(renewal->seal, what, text, strlen(text), error) : NULL;
    private_key_text_free(text);
    return sealed;
}

static EVP_PKEY *open_key(const Renewal *renewal, GBytes *sealed, GError **error)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(sealed, &size);
    char *text = seal_open(renewal->seal, ACCOUNT_SEAL, bytes, size, error);
    EVP_PKEY *key = text ? private_key_parse(text, strlen(text), error) : NULL;
    private_key_text_free(text);
    return key;
}

static bool read_account(Renewal *renewal, GError **error)
{
    Run *run = renewal->run;
    acme_account_clear(&renewal->account);
    if (!db_begin(run->db, DB_READ, error))
        return false;
    bool good = acme_account_read(run->db, renewal->duty->directory, renewal->duty->eab_kid,
                                  &renewal->account, error);
    db_rollback(run->db);
    return good;
}

static bool write_account(Renewal *renewal, GError **error)
{
    Run *run = renewal->run;
    return run_begin(run, false, error) &&
           acme_account_write(run->db, renewal->duty->directory, renewal->duty->eab_kid,
                              &renewal->account, error) &&
           run_checkpoint(run, error);
}

/* The account's row, made with a key where there is none. */
static bool get_account(Renewal *renewal, GError **error)
{
    Run *run = renewal->run;
    const AcmeDuty *duty = renewal->duty;
    if (!read_account(renewal, error))
        return false;
    if (renewal->account.sealed_key)
        return true;
    g_autoptr(GBytes) sealed =
        seal_new_key(renewal, (KeyKind)duty->account_key, ACCOUNT_SEAL, error);
    return sealed && run_begin(run, false, error) &&
           acme_account_add(run->db, duty->directory, duty->eab_kid, sealed, error) &&
           run_checkpoint(run, error) && read_account(renewal, error);
}

static FetchAnswer *by_fetch(const FetchAsk *ask, void *data, GError **error)
{
    return fetch_run(data, ask, error);
}

bool renewal_open(Renewal *renewal, GError **error)
{
    if (renewal->acme)
        return true;
    if (!get_account(renewal, error))
        return false;
    g_autoptr(EVP_PKEY) key = open_key(renewal, renewal->account.sealed_key, error);
    if (!key)
        return false;
    const AcmeDoor *door = ((const DutySettings *)renewal->run->settings)->door;
    FetchConfig config = {.allow_http = false,
                          .ca_file = *renewal->duty->ca_file ? renewal->duty->ca_file : NULL};
    if (!door && !(renewal->fetch = fetch_new(&config, error)))
        return false;
    AcmeConfig ask = {.fetch = door ? door->fetch : by_fetch,
                      .data = door ? door->data : renewal->fetch,
                      .clock = renewal->run->clock,
                      .directory = renewal->duty->directory,
                      .key = key,
                      .account = renewal->account.url};
    renewal->by_ca = true;
    renewal->acme = acme_new(&ask, error);
    renewal->by_ca = !renewal->acme;
    return renewal->acme != NULL;
}

/* The account's key is to be another: the new one is written down before the CA hears of it. After
 * a crash in between the CA knows the one or the other. */
static bool roll_over(Renewal *renewal, GError **error)
{
    AcmeAccount *account = &renewal->account;
    if (g_bytes_get_size(account->next_key) == 0) {
        GBytes *next =
            seal_new_key(renewal, (KeyKind)renewal->duty->account_key, ACCOUNT_SEAL, error);
        if (!next)
            return false;
        g_bytes_unref(account->next_key);
        account->next_key = next;
        if (!write_account(renewal, error))
            return false;
    }
    g_autoptr(EVP_PKEY) next = open_key(renewal, account->next_key, error);
    g_autoptr(GError) why = NULL;
    if (!next)
        return false;
    renewal->by_ca = true;
    if (!acme_roll_over(renewal->acme, next, &why)) {
        ErrorKind kind = error_kind(why);
        if (kind == ERROR_RETRY || kind == ERROR_UNKNOWN) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        /* Refused: the old key is not the account's any more, or is for good. Asking for the
         * account with the new one tells which. */
    }
    renewal->by_ca = false;
    g_bytes_unref(account->sealed_key);
    account->sealed_key = account->next_key;
    account->next_key = g_bytes_new(NULL, 0);
    if (why) {
        g_free(account->url);
        account->url = g_strdup("");
    }
    g_clear_pointer(&renewal->acme, acme_free);
    g_clear_pointer(&renewal->fetch, fetch_free);
    return write_account(renewal, error) && renewal_open(renewal, error);
}

static bool wants_another_key(Renewal *renewal, GError **error)
{
    if (g_bytes_get_size(renewal->account.next_key) > 0 ||
        strcmp(renewal->row.wish, "roll-over") == 0)
        return true;
    g_autoptr(EVP_PKEY) key = open_key(renewal, renewal->account.sealed_key, error);
    return key && !private_key_is(key, (KeyKind)renewal->duty->account_key);
}

static bool register_account(Renewal *renewal, GError **error)
{
    const AcmeDuty *duty = renewal->duty;
    g_autoptr(GBytes) secret = *duty->eab_kid ? jose_base64url_parse(duty->eab_key) : NULL;
    if (*duty->eab_kid && !secret)
        return fail(error, ERROR_REJECT, "acme.%s.eab.hmac-key is no base64url", duty->name);
    AcmeRegister ask = {(const char *const *)duty->contact, duty->eab_kid, secret};
    renewal->by_ca = true;
    if (!acme_register(renewal->acme, &ask, error))
        return false;
    renewal->by_ca = false;
    g_free(renewal->account.url);
    renewal->account.url = g_strdup(acme_account(renewal->acme));
    return write_account(renewal, error);
}

Next acme_step_account(Renewal *renewal, GError **error)
{
    if (!renewal_open(renewal, error))
        return NEXT_FAILED;
    if (*renewal->account.url && wants_another_key(renewal, error) && !roll_over(renewal, error))
        return NEXT_FAILED;
    if (error && *error)
        return NEXT_FAILED;
    if (!*renewal->account.url && !register_account(renewal, error))
        return NEXT_FAILED;
    renewal_set_step(renewal, "order");
    return renewal_commit(renewal, error) ? NEXT_GO : NEXT_FAILED;
}

/* ---------------------------------------------------------------- the order */

/* The renewal id of the certificate that is replaced; "": none. The caller frees it. */
static char *replaced_id(const Renewal *renewal)
{
    const char *pem = renewal->row.chain;
    g_autoptr(Chain) chain = *pem ? chain_parse(pem, strlen(pem), NULL, NULL) : NULL;
    char *id = chain ? chain_renewal_id(chain) : NULL;
    return id ? id : g_strdup("");
}

Next acme_step_order(Renewal *renewal, GError **error)
{
    const char *const *names = (const char *const *)renewal->duty->domains;
    g_auto(AcmeOrder) order = {.status = ACME_PENDING};
    g_autofree char *url = NULL;
    if (!renewal_open(renewal, error))
        return NEXT_FAILED;
    bool asked = json_is_true(json_object_get(renewal->detail, "asked"));
    if (asked && !acme_order_find(renewal->acme, names, &url, error))
        return renewal_refused(renewal);
    if (!url) {
        json_object_set_new(renewal->detail, "asked", json_true());
        if (!asked && !renewal_commit(renewal, error))
            return NEXT_FAILED;
        g_autofree char *replaces = replaced_id(renewal);
        if (!acme_order(renewal->acme, names, replaces, &url, &order, error))
            return renewal_refused(renewal);
    }
    g_free(renewal->row.order_url);
    renewal->row.order_url = g_steal_pointer(&url);
    renewal_set_step(renewal, "authorise");
    return renewal_commit(renewal, error) ? NEXT_GO : NEXT_FAILED;
}
