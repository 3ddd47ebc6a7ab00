/* search_bench: how long a search takes in one process, warm.
 *
 * search_bench STORE ROUNDS < words, one a line (what follows a tab is not read). STORE is one that
 * index_bench made. For each word ROUNDS counts and ROUNDS first pages of 50 ids, each in a
 * transaction of its own, as a door does it. Prints for each word: word, hits, median µs of
 * counting, median µs of the first 50; and in the last line the medians over the words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "model/account.h"
#include "model/search.h"

#define ROUNDS_MAX 1000
#define PAGE       50

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(double), compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static int64_t count_once(Db *db, int64_t account, const char *text)
{
    g_autoptr(QueryNode) query = query_parse(text, NULL);
    int64_t count = -1;
    MUST(query && db_begin(db, DB_READ, NULL) && search_count(db, account, query, &count, NULL));
    db_rollback(db);
    return count;
}

static void page_once(Db *db, int64_t account, const char *text)
{
    g_autoptr(QueryNode) query = query_parse(text, NULL);
    MUST(query && db_begin(db, DB_READ, NULL));
    g_autoptr(GArray) found = search_find(db, account, query, 0, PAGE, NULL);
    MUST(found);
    db_rollback(db);
}

int main(int argc, char **argv)
{
    MUST(argc == 3);
    unsigned rounds = (unsigned)CLAMP(strtoul(argv[2], NULL, 10), 1, ROUNDS_MAX);
    DbConfig config = {.kind = DB_SQLITE, .path = argv[1]};
    g_autoptr(Db) db = db_open(&config, NULL);
    int64_t account;
    MUST(db && db_begin(db, DB_READ, NULL) &&
         account_resolve(db, "bench@example.org", &account, NULL));
    db_rollback(db);
    double counts[1000], pages[1000], times[ROUNDS_MAX];
    unsigned words = 0;
    char line[256];
    while (words < G_N_ELEMENTS(counts) && fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\t\n")] = '\0';
        int64_t hits = 0;
        for (unsigned i = 0; i < rounds; i++) {
            int64_t begin = clock_monotonic_us(clock_real());
            for (unsigned k = 0; k < 10; k++) /* the clock counts whole microseconds */
                hits = count_once(db, account, line);
            times[i] = (double)(clock_monotonic_us(clock_real()) - begin) / 10;
        }
        counts[words] = median(times, rounds);
        for (unsigned i = 0; i < rounds; i++) {
            int64_t begin = clock_monotonic_us(clock_real());
            for (unsigned k = 0; k < 10; k++)
                page_once(db, account, line);
            times[i] = (double)(clock_monotonic_us(clock_real()) - begin) / 10;
        }
        pages[words] = median(times, rounds);
        printf("%s\t%" G_GINT64_FORMAT "\t%.1f\t%.1f\n", line, hits, counts[words], pages[words]);
        words++;
    }
    MUST(words > 0);
    printf("median\t%u words\t%.1f\t%.1f\n", words, median(counts, words), median(pages, words));
    return 0;
}
