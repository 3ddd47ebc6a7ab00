/* command_role: the role that a person names.
 *
 * How it fits: commands that take a role: one of the ten, or one of the settings' own. Failures:
 * broken settings; there is none of that name: said with the one that was most likely meant.
 */
#include "base/nearest.h"

#include "app/command.h"

#define NAMES_MAX 64 /* the ten, and the operator's own */

const Role *command_find_role(CommandContext *context, const char *name)
{
    g_autoptr(GError) error = NULL;
    const Settings *settings = command_settings(context, &error);
    if (!settings) {
        command_fail(error);
        return NULL;
    }
    const RoleSet *set = &settings->roles;
    const Role *role = role_find(set, name);
    if (role)
        return role;
    const char *names[NAMES_MAX] = {NULL};
    unsigned count = 0;
    for (; count < set->count && count < NAMES_MAX; count++)
        names[count] = set->roles[count].name;
    const char *nearest = nearest_find(name, names, count);
    command_misuse(context, "there is no role \"%s\"%s%s%s", name,
                   nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "; `rota roles` lists them");
    return NULL;
}
