/* schema.h: the migrations as the build put them into the program (schema.c is made from db/schema/
 * by tools/embed_schema.py). Constant.
 */
#ifndef ROTA_DB_SCHEMA_H
#define ROTA_DB_SCHEMA_H

typedef struct {
    const char *name; /* "0001-first" */
    const char *text;
} SchemaFile;

extern const SchemaFile schema_files[]; /* version n at n - 1 */
extern const unsigned schema_file_count;

#endif
