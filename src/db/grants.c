/* grants: what a role needs to serve: rows, and nothing of the schema.
 *
 * How it fits: `rota store grants` prints it; a person runs it, once. Default privileges make it
 * hold for the tables that later migrations bring. Failures: none; it is text. Known weak point:
 * default privileges are those of the role that runs the script, which must be the one that runs
 * `rota store upgrade`.
 */
#include "db/grants.h"

#include "db/driver.h"

char *grants_format(const char *role, const char *schema)
{
    g_autofree char *to = db_quote_name(role), *in = db_quote_name(schema);
    return g_strdup_printf(
        "-- As the owner of the store's tables, after `rota store init`: the role that nodes and\n"
        "-- commands use reads and writes rows, and cannot change the schema.\n"
        "GRANT USAGE ON SCHEMA %s TO %s;\n"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s;\n"
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %s TO %s;\n"
        "-- Which migrations there are is for reading only.\n"
        "REVOKE INSERT, UPDATE, DELETE ON %s.migration FROM %s;\n"
        "-- What later migrations bring.\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA %s\n"
        "    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %s;\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT EXECUTE ON FUNCTIONS TO %s;\n",
        in, to, in, to, in, to, in, to, in, to, in, to);
}
