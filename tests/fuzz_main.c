/* fuzz_main: runs a fuzzer's body on the files it is given (or the files of folders), so that what
 * fuzzing found stays a test.
 */
#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int run_path(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    if (!folder) {
        g_autofree char *bytes = NULL;
        gsize size = 0;
        if (!g_file_get_contents(path, &bytes, &size, NULL))
            return 0;
        LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
        return 1;
    }
    int runs = 0;
    for (const char *name; (name = g_dir_read_name(folder));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        runs += run_path(child);
    }
    return runs;
}

int main(int count, char **paths)
{
    int runs = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < count; i++)
        runs += run_path(paths[i]);
    printf("%d inputs passed\n", runs);
    return 0;
}
