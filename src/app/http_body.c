/* http_body: a request's body, while it comes and until it is answered.
 *
 * How it fits: http_server.c adds what the library has read. A small one lies in memory; of a large
 * one, or when memory for all bodies is taken, all of it goes to a file that has no name and ends
 * with the process, and is mapped when it is whole: so that routes see bytes, and thousands of
 * uploads cost disk and page cache, which the kernel takes back, not memory.
 *
 * Failures: no room, in memory, in files or on the disk, is 503 to who sends. Known weak point: the
 * event threads write the file; a disk that stalls with dirty pages stalls them.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/limits_http.h"
#include "base/must.h"

#include "app/http_server_private.h"

struct HttpBodies {
    _Atomic int64_t memory, file_bytes, files;
};

struct HttpBody {
    HttpBodies *bodies;
    GByteArray *memory; /* NULL: in the file */
    int64_t reserved;   /* of memory */
    int fd;             /* -1: none */
    size_t size;
    void *mapped;
};

HttpBodies *http_bodies_new(void)
{
    return g_new0(HttpBodies, 1);
}

void http_bodies_free(HttpBodies *bodies)
{
    g_free(bodies);
}

/* False: it would be more than max; nothing is taken. */
static bool reserve(_Atomic int64_t *counter, int64_t more, int64_t max)
{
    if (atomic_fetch_add(counter, more) + more <= max)
        return true;
    atomic_fetch_sub(counter, more);
    return false;
}

HttpBody *http_body_new(HttpBodies *bodies)
{
    HttpBody *body = g_new0(HttpBody, 1);
    body->bodies = bodies;
    body->memory = g_byte_array_new();
    body->fd = -1;
    return body;
}

static void drop_memory(HttpBody *body)
{
    if (body->memory)
        g_byte_array_unref(body->memory);
    body->memory = NULL;
    atomic_fetch_sub(&body->bodies->memory, body->reserved);
    body->reserved = 0;
}

void http_body_free(HttpBody *body)
{
    if (!body)
        return;
    drop_memory(body);
    if (body->mapped)
        munmap(body->mapped, body->size);
    if (body->fd >= 0) {
        close(body->fd);
        atomic_fetch_sub(&body->bodies->file_bytes, (int64_t)body->size);
        atomic_fetch_sub(&body->bodies->files, 1);
    }
    g_free(body);
}

size_t http_body_size(const HttpBody *body)
{
    return body->size;
}

static bool write_all(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(fd, (const char *)bytes + done, size - done);
        if (wrote <= 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

static bool open_file(HttpBody *body)
{
    /* Not /tmp: there it would often be memory again. */
    const char *folder = g_getenv("TMPDIR");
    g_autofree char *path = g_build_filename(folder ? folder : "/var/tmp", "rota-XXXXXX", NULL);
    if (!reserve(&body->bodies->files, 1, HTTP_BODIES_FILES))
        return false;
    body->fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (body->fd < 0) {
        atomic_fetch_sub(&body->bodies->files, 1);
        return false;
    }
    g_unlink(path);
    return true;
}

static bool move_to_file(HttpBody *body)
{
    if (!open_file(body))
        return false;
    atomic_fetch_add(&body->bodies->file_bytes, (int64_t)body->size);
    bool moved = write_all(body->fd, body->memory->data, body->size);
    drop_memory(body);
    return moved;
}

static bool fits_memory(HttpBody *body, size_t size)
{
    return body->size + size <= HTTP_BODY_MEMORY_BYTES &&
           reserve(&body->bodies->memory, (int64_t)size, HTTP_BODIES_MEMORY_BYTES);
}

bool http_body_add(HttpBody *body, const void *bytes, size_t size)
{
    MUST(!body->mapped);
    if (body->memory && fits_memory(body, size)) {
        body->reserved += (int64_t)size;
        g_byte_array_append(body->memory, bytes, (guint)size);
        body->size += size;
        return true;
    }
    if ((body->memory && !move_to_file(body)) ||
        !reserve(&body->bodies->file_bytes, (int64_t)size, HTTP_BODIES_FILE_BYTES))
        return false;
    body->size += size; /* reserved, so it is given back whatever was written */
    return write_all(body->fd, bytes, size);
}

const void *http_body_bytes(HttpBody *body)
{
    if (body->memory)
        return body->memory->data;
    if (!body->mapped && body->size > 0) {
        body->mapped = mmap(NULL, body->size, PROT_READ, MAP_PRIVATE, body->fd, 0);
        if (body->mapped == MAP_FAILED)
            body->mapped = NULL;
    }
    return body->mapped;
}
