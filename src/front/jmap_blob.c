/* jmap_blob: bytes that go up (RFC 8620 §6.1), and those that a blob's id names; Blob/copy (§6.3).
 *
 * How it fits: model/upload.h keeps uploads; emails and their parts are read where they are. What
 * comes up is in a file or in memory already (app/http_body.c), and is compressed outside any
 * transaction.
 *
 * Failures: a blob of another account is not found, as one that was never there. An upload whose
 * commit's outcome is not known is 503: the same bytes again give the same id. Known weak points: a
 * part is found by parsing its whole message anew; a person who uploads more at once than
 * maxConcurrentUpload is not turned away, but waits for one of the node's workers.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "content/message_body.h"
#include "model/email.h"
#include "model/upload.h"

#define DEPTH_MAX 8 /* parts of parts that are messages: people forward what was forwarded */

/* ---------------------------------------------------------------- what an id names */

static bool digest_parse(const char *hex, Digest *ret)
{
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        if (!hex[2 * i] || g_ascii_isupper(hex[2 * i]) || g_ascii_isupper(hex[2 * i + 1]))
            return false;
        int high = g_ascii_xdigit_value(hex[2 * i]), low = g_ascii_xdigit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return hex[2 * DIGEST_BYTES] == '\0';
}

static GBytes *read_email(Db *db, int64_t account, int64_t id, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(Email) email = email_get(db, account, id, error);
    return email ? blob_get(db, &email->blob, error) : NULL;
}

static GBytes *read_upload(Db *db, int64_t account, const Digest *digest, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(db);
    return upload_get(db, account, digest, error);
}

static GBytes *part_of(GBytes *whole, const char *id, GError **error)
{
    gsize size;
    const void *bytes = g_bytes_get_data(whole, &size);
    g_autoptr(MessagePart) root = message_body_parse(bytes, size);
    const MessagePart *part = root ? message_part_find(root, id) : NULL;
    if (part && part->bytes)
        return g_bytes_ref(part->bytes);
    fail(error, ERROR_GONE, "there is no such part");
    return NULL;
}

GBytes *jmap_blob_read(Db *db, int64_t account, const char *id, GError **error)
{
    g_auto(GStrv) words = g_strsplit(id, "-", DEPTH_MAX + 1);
    const char *name = words[0] ? words[0] : "";
    int64_t email = jmap_id_parse(name, 'M');
    Digest digest;
    g_autoptr(GBytes) whole = NULL;
    if (email)
        whole = read_email(db, account, email, error);
    else if (name[0] == 'U' && digest_parse(name + 1, &digest))
        whole = read_upload(db, account, &digest, error);
    else
        fail(error, ERROR_GONE, "there is no such blob");
    for (unsigned i = 1; whole && words[i]; i++) {
        GBytes *part = part_of(whole, words[i], error);
        g_bytes_unref(whole);
        whole = part;
    }
    return g_steal_pointer(&whole);
}

/* ---------------------------------------------------------------- up */

static bool keep(Db *db, int64_t account, const Blob *blob, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return upload_add(db, account, blob, error) && db_commit(db, error) == DB_DONE;
}

static void run_upload(HttpCall *call)
{
    static const char *const no_names[] = {NULL};
    g_autoptr(GError) error = NULL;
    const HttpRequest *request = call->request;
    if (!http_call_query_is(call, no_names))
        return;
    if (jmap_id_parse(call->segments[2], 'a') != call->account) {
        http_answer_problem(call->answer, 404, "there is no such account");
        return;
    }
    g_autoptr(Blob) blob = blob_new(request->body ? request->body : "", request->body_size);
    if (!keep(call->db, call->account, blob, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    const char *type = request->header("Content-Type", request->data);
    g_autofree char *shown = g_utf8_make_valid(type ? type : "application/octet-stream", -1);
    g_autofree char *hex = digest_format(&blob->digest);
    g_autofree char *id = g_strconcat("U", hex, NULL);
    http_answer_json(call->answer, 201,
                     json_pack("{s:o, s:s, s:s, s:I}", "accountId", jmap_id('a', call->account),
                               "blobId", id, "type", shown, "size", (json_int_t)blob->size));
}

const HttpRoute jmap_route_upload = {.method = "POST",
                                     .path = "/jmap/upload/{accountId}",
                                     .store = HTTP_STORE_NEEDED,
                                     .access = HTTP_FOR_PERSON,
                                     .types = "*",
                                     .body_max = JMAP_UPLOAD_BYTES_MAX,
                                     .run = run_upload};

/* ---------------------------------------------------------------- Blob/copy */

/* An upload that is named again lives on from now. NULL, or the error of the object. */
static json_t *copy_one(const JmapCall *call, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = jmap_blob_read(call->db, call->account, id, &error);
    if (bytes && id[0] == 'U' && !strchr(id, '-')) {
        gsize size;
        const void *data = g_bytes_get_data(bytes, &size);
        g_autoptr(Blob) blob = blob_new(data, size);
        keep(call->db, call->account, blob, &error);
    }
    if (!error)
        return NULL;
    if (error_kind(error) == ERROR_GONE)
        return jmap_error("notFound", NULL); /* RFC 8620 §6.3 */
    json_t *json;
    jmap_fail_error(&json, error);
    return json;
}

static json_t *run_copy(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"fromAccountId", "blobIds", NULL};
    json_t *from = json_object_get(arguments, "fromAccountId"), *one;
    json_t *ids = json_object_get(arguments, "blobIds");
    size_t i;
    if (!jmap_takes(call, arguments, names, ret_error))
        return NULL;
    bool good = json_is_string(from) && json_is_array(ids);
    json_array_foreach(ids, i, one) good = good && json_is_string(one);
    if (!good)
        return jmap_fail(ret_error, "invalidArguments", "fromAccountId or blobIds is wrong");
    if (jmap_id_parse(json_string_value(from), 'a') != call->account)
        return jmap_fail(ret_error, "fromAccountNotFound", NULL);
    if (json_array_size(ids) > JMAP_SET_MAX)
        return jmap_fail(ret_error, "requestTooLarge", NULL);
    json_t *copied = json_object(), *not_copied = json_object();
    json_array_foreach(ids, i, one)
    {
        json_t *wrong = copy_one(call, json_string_value(one));
        if (wrong)
            json_object_set_new(not_copied, json_string_value(one), wrong);
        else
            json_object_set(copied, json_string_value(one), one);
    }
    return json_pack("{s:O, s:o, s:o, s:o}", "fromAccountId", from, "accountId",
                     jmap_id('a', call->account), "copied", copied, "notCopied", not_copied);
}

const JmapMethod jmap_blob_methods[] = {
    {"Blob/copy", JMAP_CORE, run_copy},
    {NULL, NULL, NULL},
};
