/* address.h: addresses as mail systems compare them.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_ADDRESS_H
#define ROTA_CONTENT_ADDRESS_H

#include <glib.h>

#include "base/error.h"

typedef struct {
    char *local;  /* lower-cased, before any '+' */
    char *detail; /* what stood after the '+', as it stands; NULL if none */
    char *domain; /* lower-cased; an internationalised one in its UTF-8 form */
    char *plain;  /* local@domain: the key for accounts and aliases */
} Address;

/* Parses one addr-spec (RFC 5321 Mailbox, SMTPUTF8 allowed; no name, no route). ERROR_REJECT says
 * what is wrong with it. */
Address *address_parse(const char *text, GError **error);
void address_free(Address *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Address, address_free)

#endif
