/* roles_explain.h: the way of one line of the role table, from the file to the last run, with live
 * values.
 */
#ifndef ROTA_APP_ROLES_EXPLAIN_H
#define ROTA_APP_ROLES_EXPLAIN_H

#include <jansson.h>

#include "app/command.h"

/* The settings must have been read. An object of texts and numbers in the order of the way; `store`
 * says why where the store gave nothing. Owned by the caller. */
json_t *roles_explain(CommandContext *context, const Role *role, unsigned shard);
/* Prints it for a person, and frees it. */
void roles_explain_print(json_t *take);

/* For the two files of it: adds a text (taken, made valid UTF-8); and the part that the store
 * knows. */
void explain_add(json_t *way, const char *name, char *take);
void roles_explain_live(json_t *way, CommandContext *context, const Role *role, unsigned shard);

#endif
