/* series_test: the formats of a list of metrics, letter for letter. */
#include "support.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
