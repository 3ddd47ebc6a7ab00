/* series_test: the formats of a list of metrics, letter for letter. */
#include "support.h"

#include <snappy-c.h>

#include "content/otlp.h"
#include "content/protobuf.h"
#include "content/remote_write.h"
#include "content/series_text.h"

static char *format_all(bool open_metrics)
{
    static const double ends[] = {0.5, 1};
    static const int64_t counts[] = {1, 2, 3};
    g_autoptr(SeriesSet) set = series_new();
    GString *out = g_string_new(NULL);
    series_family(set, SERIES_COUNTER, "a_seconds", "seconds", "Help.");
    series_value(set, 1.25, NULL);
    series_family(set, SERIES_GAUGE, "b", "", "Help.");
    series_value(set, -3, "x", "q\"b\\n\n", "y", "", NULL);
    series_family(set, SERIES_HISTOGRAM, "c_seconds", "seconds", "Help.");
    series_histogram(set, &(SeriesHistogram){ends, counts, 2, 7.5}, "x", "1", NULL);
    series_histogram(set, &(SeriesHistogram){ends, counts, 2, 7.5}, NULL);
    series_family(set, SERIES_INFO, "d", "", "Help.");
    series_value(set, 1, "v", "1", NULL);
    series_text_format(out, set, open_metrics);
    return g_string_free(out, FALSE);
}

#define HISTOGRAM                                                                                  \
    "c_seconds_bucket{x=\"1\",le=\"0.5\"} 1\nc_seconds_bucket{x=\"1\",le=\"1.0\"} 3\n"             \
    "c_seconds_bucket{x=\"1\",le=\"+Inf\"} 6\nc_seconds_sum{x=\"1\"} 7.5\n"                        \
    "c_seconds_count{x=\"1\"} 6\nc_seconds_bucket{le=\"0.5\"} 1\nc_seconds_bucket{le=\"1.0\"} 3\n" \
    "c_seconds_bucket{le=\"+Inf\"} 6\nc_seconds_sum 7.5\nc_seconds_count 6\n"

static void formats(void **state)
{
    (void)state;
    g_autofree char *open = format_all(true), *plain = format_all(false);
    assert_string_equal(
        open, "# HELP a_seconds Help.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
              "a_seconds_total 1.25\n# HELP b Help.\n# TYPE b gauge\n"
              "b{x=\"q\\\"b\\\\n\\n\",y=\"\"} -3\n# HELP c_seconds Help.\n"
              "# TYPE c_seconds histogram\n# UNIT c_seconds seconds\n" HISTOGRAM
              "# HELP d Help.\n# TYPE d info\nd_info{v=\"1\"} 1\n# EOF\n");
    assert_string_equal(plain, "# HELP a_seconds_total Help.\n# TYPE a_seconds_total counter\n"
                               "a_seconds_total 1.25\n# HELP b Help.\n# TYPE b gauge\n"
                               "b{x=\"q\\\"b\\\\n\\n\",y=\"\"} -3\n# HELP c_seconds Help.\n"
                               "# TYPE c_seconds histogram\n" HISTOGRAM
                               "# HELP d_info Help.\n# TYPE d_info gauge\nd_info{v=\"1\"} 1\n");
}

/* ---------------------------------------------------------------- what is pushed */

/* As Google's library writes them, from the published numbers (tests/system/prometheus.py). */
static const char otlp_wants[] =
    "0a9e030a8c010a160a0c736572766963652e6e616d6512060a04726f74610a1b0a11736572766963652e6e61"
    "6d65737061636512060a046d61696c0a1a0a13736572766963652e696e7374616e63652e696412030a01340a"
    "160a0f736572766963652e76657273696f6e12030a01310a100a09686f73742e6e616d6512030a01680a0f0a"
    "047369746512070a056e6f727468128c020a090a04726f746112013112300a0161120548656c702e1a01733a"
    "210a1b1100ca9a3b0000000019009435770000000021000000000000f43f10021801122c0a03622e63120548"
    "656c702e2a1e0a1c1900943577000000002100000000000008c03a080a017812030a0131126e0a0163120548"
    "656c702e1a0242794a5e0a5a1100ca9a3b000000001900943577000000002106000000000000002900000000"
    "00001e4032180100000000000000020000000000000003000000000000003a10000000000000e03f00000000"
    "0000f03f4a080a017912030a017a1002122f0a06642e696e666f120548656c702e2a1e0a1c19009435770000"
    "000021000000000000f03f3a080a017612030a0131";

static const char remote_write_wants[] =
    "0a670a1b0a085f5f6e616d655f5f120f615f7365636f6e64735f746f74616c0a0f0a07636c75737465721204"
    "6d61696c0a0d0a08696e7374616e63651201340a0b0a036a6f621204726f74610a0d0a047369746512056e6f"
    "727468120c09000000000000f43f10d00f0a630a0f0a085f5f6e616d655f5f1203625f630a0f0a07636c7573"
    "74657212046d61696c0a0d0a08696e7374616e63651201340a0b0a036a6f621204726f74610a0d0a04736974"
    "6512056e6f7274680a060a0178120131120c0900000000000008c010d00f0a6b0a170a085f5f6e616d655f5f"
    "120b635f62797465735f73756d0a0f0a07636c757374657212046d61696c0a0d0a08696e7374616e63651201"
    "340a0b0a036a6f621204726f74610a0d0a047369746512056e6f7274680a060a017912017a120c0900000000"
    "00001e4010d00f0a6d0a190a085f5f6e616d655f5f120d635f62797465735f636f756e740a0f0a07636c7573"
    "74657212046d61696c0a0d0a08696e7374616e63651201340a0b0a036a6f621204726f74610a0d0a04736974"
    "6512056e6f7274680a060a017912017a120c09000000000000184010d00f0a790a1a0a085f5f6e616d655f5f"
    "120e635f62797465735f6275636b65740a0f0a07636c757374657212046d61696c0a0d0a08696e7374616e63"
    "651201340a0b0a036a6f621204726f74610a090a026c651203302e350a0d0a047369746512056e6f7274680a"
    "060a017912017a120c09000000000000f03f10d00f0a790a1a0a085f5f6e616d655f5f120e635f6279746573"
    "5f6275636b65740a0f0a07636c757374657212046d61696c0a0d0a08696e7374616e63651201340a0b0a036a"
    "6f621204726f74610a090a026c651203312e300a0d0a047369746512056e6f7274680a060a017912017a120c"
    "09000000000000084010d00f0a7a0a1a0a085f5f6e616d655f5f120e635f62797465735f6275636b65740a0f"
    "0a07636c757374657212046d61696c0a0d0a08696e7374616e63651201340a0b0a036a6f621204726f74610a"
    "0a0a026c6512042b496e660a0d0a047369746512056e6f7274680a060a017912017a120c0900000000000018"
    "4010d00f0a660a120a085f5f6e616d655f5f1206645f696e666f0a0f0a07636c757374657212046d61696c0a"
    "0d0a08696e7374616e63651201340a0b0a036a6f621204726f74610a0d0a047369746512056e6f7274680a06"
    "0a0176120131120c09000000000000f03f10d00f";

static const SeriesLabel more[] = {{"site", "north"}};
static const SeriesSource source = {.cluster = "mail",
                                    .instance = "4",
                                    .host = "h",
                                    .version = "1",
                                    .started_at = 1000,
                                    .at = 2000,
                                    .labels = more,
                                    .label_count = 1};

static SeriesSet *make_set(void)
{
    static const double ends[] = {0.5, 1};
    static const int64_t counts[] = {1, 2, 3};
    SeriesSet *set = series_new();
    series_family(set, SERIES_COUNTER, "a_seconds", "seconds", "Help.");
    series_value(set, 1.25, NULL);
    series_family(set, SERIES_GAUGE, "b_c", "", "Help.");
    series_value(set, -3, "x", "1", NULL);
    series_family(set, SERIES_COUNTER, "no_points", "", "Help.");
    series_family(set, SERIES_HISTOGRAM, "c_bytes", "bytes", "Help.");
    series_histogram(set, &(SeriesHistogram){ends, counts, 2, 7.5}, "y", "z", NULL);
    series_family(set, SERIES_INFO, "d", "", "Help.");
    series_value(set, 1, "v", "1", NULL);
    return set;
}

static void assert_hex(const GString *got, const char *want)
{
    g_autoptr(GString) hex = g_string_new(NULL);
    for (size_t i = 0; i < got->len; i++)
        g_string_append_printf(hex, "%02x", (unsigned char)got->str[i]);
    assert_string_equal(hex->str, want);
}

static void otlp_is_what_others_write(void **state)
{
    (void)state;
    g_autoptr(SeriesSet) set = make_set();
    g_autoptr(GString) out = g_string_new(NULL);
    otlp_encode(out, set, &source);
    assert_hex(out, otlp_wants);
    /* A clock that was set back: the start is not behind the end. */
    SeriesSource back = source;
    back.started_at = 2000;
    back.at = 1000;
    g_autoptr(GString) later = g_string_new(NULL);
    g_autoptr(GString) same = g_string_new(NULL);
    otlp_encode(later, set, &back);
    back.started_at = 1000;
    otlp_encode(same, set, &back);
    assert_true(g_string_equal(later, same));
}

static void remote_write_is_what_others_write(void **state)
{
    (void)state;
    g_autoptr(SeriesSet) set = make_set();
    g_autoptr(GString) out = g_string_new(NULL);
    remote_write_encode(out, set, &source);
    assert_hex(out, remote_write_wants);
    g_autoptr(GBytes) block = remote_write_compress(out->str, out->len);
    size_t size, plain_size;
    const char *bytes = g_bytes_get_data(block, &size);
    assert_true(size < out->len);
    assert_int_equal(snappy_uncompressed_length(bytes, size, &plain_size), SNAPPY_OK);
    assert_int_equal(plain_size, out->len);
    g_autofree char *plain = g_malloc(plain_size);
    assert_int_equal(snappy_uncompress(bytes, size, plain, &plain_size), SNAPPY_OK);
    assert_memory_equal(plain, out->str, out->len);
}

static void numbers_of_all_sizes(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, INT64_MAX, UINT64_MAX};
    (void)state;
    g_autoptr(GString) out = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        protobuf_put_int(out, (unsigned)i + 1, numbers[i]);
        protobuf_put_fixed64(out, (unsigned)i + 1000, numbers[i]);
    }
    ProtobufReader reader = {(const uint8_t *)out->str, out->len};
    ProtobufField field;
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        for (unsigned of = 0; of < 2; of++) {
            assert_int_equal(protobuf_next(&reader, &field), 1);
            assert_int_equal(field.number, i + (of ? 1000 : 1));
            assert_true(field.type == of && field.value == numbers[i]);
        }
    assert_int_equal(protobuf_next(&reader, &field), 0);
}

static void what_is_no_message(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"\x08", 1},         /* a key, no value */
        {"\x08\xff", 2},     /* a number that does not end */
        {"\x00\x00", 2},     /* field 0 */
        {"\x0b", 1},         /* a group */
        {"\x0a\x02x", 3},    /* shorter than it says */
        {"\x09\x01\x02", 3}, /* eight bytes, of which there are two */
        /* more than 64 bits; a length of that size; a field's number too high */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        ProtobufReader reader = {(const uint8_t *)rows[i].bytes, rows[i].size};
        ProtobufField field;
        OtlpAnswer answer;
        if (protobuf_next(&reader, &field) != -1)
            fail_msg("row %zu was read", i);
        assert_false(otlp_read_answer(rows[i].bytes, rows[i].size, &answer));
        assert_null(otlp_read_status(rows[i].bytes, rows[i].size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(otlp_is_what_others_write),
        cmocka_unit_test(remote_write_is_what_others_write),
        cmocka_unit_test(numbers_of_all_sizes),
        cmocka_unit_test(what_is_no_message),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
