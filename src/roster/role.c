/* role: finding a role by its name or its other name.
 *
 * How it fits: roles are data (duty/duty.c); this is the only way from a name to one. Failures:
 * none.
 */
#include "roster/role.h"

#include <string.h>

bool role_is_custom(const char *name)
{
    return strncmp(name, "custom.", strlen("custom.")) == 0;
}

const Role *role_find(const RoleSet *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        const Role *role = &set->roles[i];
        if (strcmp(role->name, name) == 0 ||
            (role->other_name && strcmp(role->other_name, name) == 0))
            return role;
    }
    return NULL;
}
