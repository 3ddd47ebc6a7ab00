/* grants.h: the script that lets a role of PostgreSQL serve, and do no more than that.
 */
#ifndef ROTA_DB_GRANTS_H
#define ROTA_DB_GRANTS_H

/* SQL for psql, run by the owner of the tables: `role` may read and write rows of `schema`, now and
 * after later migrations, and change nothing else. Owned by the caller. */
char *grants_format(const char *role, const char *schema);

#endif
