/* support: shared parts of the C tests. */
#include "support.h"

#include <stdio.h>

#include "base/must.h"

char *test_data(const char *name)
{
    const char *root = g_getenv("ROTA_SOURCE");
    return g_build_filename(root ? root : ROTA_SOURCE_DEFAULT, "tests", "data", name, NULL);
}

char *test_archive(const char *name)
{
    const char *unpacked = g_getenv("ROTA_DATA_UNPACKED");
    g_autofree char *path = unpacked ? g_build_filename(unpacked, name, NULL) : NULL;
    if (path && g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_steal_pointer(&path);
    MUST(!g_getenv("CI"));
    print_message("archive \"%s\" is not here: its suite did not run\n", name);
    return NULL;
}
