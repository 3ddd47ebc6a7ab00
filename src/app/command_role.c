/* command_role: the role that a person names.
 *
 * How it fits: commands that take a role. Failures: there is none of that name; said with the one
 * that was most likely meant.
 */
#include "base/nearest.h"
#include "duty/duty.h"

#include "app/command.h"

#define NAMES_MAX 32 /* the ten, and room */

const Role *command_find_role(const CommandContext *context, const char *name)
{
    const Role *role = role_find(&duty_roles, name);
    if (role)
        return role;
    const char *names[NAMES_MAX] = {NULL};
    unsigned count = 0;
    for (; count < duty_roles.count && count < NAMES_MAX; count++)
        names[count] = duty_roles.roles[count].name;
    const char *nearest = nearest_find(name, names, count);
    command_misuse(context, "there is no role \"%s\"%s%s%s", name,
                   nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "; `rota roles` lists them");
    return NULL;
}
