/* login.h: does a password prove who somebody is? With failures that count across all nodes.
 *
 * After LOGIN_FREE failures for one address, or from one peer, each further try has to wait: 1 s,
 * 2 s, 4 s, … up to LOGIN_WAIT_MAX_MS, by the store's clock. A try within that time is refused
 * without a look at the password, and does not count. A success forgets the address's failures;
 * after LOGIN_FORGET_MS without one they are forgotten too. Peers on the loopback and on unix
 * sockets may be proxies for many, and are not counted.
 *
 * Transactions of its own; costs some 100 ms and 64 MB (argon2id) unless it is LOGIN_WAIT. A
 * handle, one thread.
 */
#ifndef ROTA_MODEL_LOGIN_H
#define ROTA_MODEL_LOGIN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef enum { LOGIN_RIGHT, LOGIN_WRONG, LOGIN_WAIT } LoginResult;
typedef struct {
    LoginResult result;
    int64_t account; /* LOGIN_RIGHT: whose it is */
    bool admin;      /* and whether that is an administrator, and the token for that */
    int64_t wait_ms; /* LOGIN_WAIT */
} Login;
/* `peer` as in HttpRequest. False: the store did not answer; nothing is known, and nobody let in.
 */
bool login_check(Db *db, const char *address, const char *password, const char *peer, Login *ret,
                 GError **error);

/* The same with a token (token.h) for a password: cheap, and failures count for the peer alone,
 * since nobody guesses 256 bits. `address` NULL: whoever the token is of; else it must be that
 * one's. */
bool login_check_token(Db *db, const char *address, const char *token, const char *peer, Login *ret,
                       GError **error);

/* The wait after so many failures. Pure. */
int64_t login_wait_ms(int64_t failures);

#endif
