/* words_language: a detector of languages for stemming, and the way to Snowball.
 *
 * The detector counts the little words that each language cannot do without: at most MARK_COUNT_MAX
 * for each such word, so that one repeated word does not decide. The language with the highest sum
 * is taken if it reaches DECIDE_MIN; of equal ones the first in the table. That is enough here: a
 * text that is taken for its neighbour language (Danish for Norwegian) still gives the same stems
 * for the same text, and the unstemmed word of a query always matches the unstemmed word of a text.
 *
 * The words are folded as words_scan folds (no diacritics), since that is what they are compared
 * with; Snowball gets the folded word too. So some endings with accents are not cut, but a word
 * written with and without its accents has one stem.
 *
 * Stemmers and a cache of stems belong to the thread (a stemmer has a buffer of its own; most words
 * of mail come again and again).
 *
 * Failures: none; no memory for a stemmer ends the process as all of GLib's allocations do.
 */
#include <string.h>

#include <libstemmer.h>

#include "base/must.h"
#include "content/words_language.h"
#include "content/words_scan.h"

#define MARK_COUNT_MAX 3
#define DECIDE_MIN     6
#define MARKS_SLOTS    4096
#define CACHE_SLOTS    8192 /* 512 KB a thread; a bigger one finds hardly more */
#define CACHE_WORD_MAX 24
/* Lead bytes from here on are of U+0300 and up: folded Latin is below. */
#define LEAD_NOT_LATIN 0xCC
#define STEM_BYTES_MIN 3 /* shorter words have no endings */

/* The order is durable: languages are stored by their place, from 1. */
static const struct {
    const char *name, *words;
} LANGUAGES[] = {
    {"english",
     "the and that this with for you have not are was from which will would there their what about "
     "can has been they when a an of to in is it be on at by we he do go if or as no so i me my "
     "all"},
    {"german", "der die das und ist nicht ein eine mit von zu den dem auf fur sich auch es wir ich "
               "sie wird bei oder aber noch wie kann haben"},
    {"french", "le la les des et est une un dans que qui pour pas sur avec plus par ce vous nous "
               "je au sont mais ou etre cette il"},
    {"spanish", "el la los las de que y en un una por con para es no se del al como mas pero su "
                "este lo esta tiene muy"},
    {"italian", "il lo gli che di e la per un una non con sono del della dei nel alla anche come "
                "piu ma questo ho si le"},
    {"portuguese", "o os as que de e do da em um uma para com nao por mais dos das na no se como "
                   "mas foi ao voce isso"},
    {"dutch", "de het een van en in is dat op te niet zijn met voor die er aan ook als bij maar om "
              "wordt naar heeft dit nog"},
    {"swedish", "och att det som en for pa ar av med den till inte har om ett jag var kan vi fran "
                "men eller ska nar"},
    {"norwegian", "og det er i pa som en av til for med ikke har at den jeg vi kan fra men om et "
                  "skal ble eller var etter"},
    {"danish", "og det er i pa som en af til for med ikke har at den jeg vi kan fra men om et skal "
               "blev eller var efter nar"},
    {"finnish", "ja on ei se etta oli han ovat mutta kun niin tai myos joka hyvaa ole voi jos tama "
                "kuin mita olen sen minun"},
    {"hungarian", "a az es hogy nem is egy ez van de meg csak mar ha vagy mint volt kell azt lehet "
                  "el nagyon szerint minden"},
    {"romanian", "si de la in cu nu este pe un o sa din care mai pentru ca sunt fi au dar acest "
                 "prin daca fost sau"},
    {"russian", "и в не на что я с он как это по но они к у из за для от так вы мы все бы же его "
                "если уже или"},
    {"turkish", "ve bir bu icin ile da de ne var cok olarak gibi daha mi ama kadar olan sonra "
                "degil ben o her en"},
    {"arabic", "في من على أن الى إلى التي عن لا ما هذا هذه الذي مع كان و أو بعد كل ذلك بين لم قد"},
    {"hindi", "के है में की और से को का पर हैं एक यह नहीं ने भी कि हो या इस लिए था जो वह"},
    {"greek",
     "και το να του η της με για που την από απο τα στο είναι ειναι δεν οι σε ο των τον θα μας"},
    {"catalan", "el la els les de que i en un una per amb no es del al com mes pero aquest son ha "
                "dels aixo tambe"},
    {"irish", "an agus na ar go is i a do bhi le ag ni se ta san sin mar ach seo"},
    {"indonesian", "yang dan di dengan untuk ini itu dari tidak dalam akan pada juga ke karena ada "
                   "adalah saya oleh atau bisa anda"},
    {"lithuanian",
     "ir yra kad i su kaip is bet apie tai buvo ar dar tik prie per jau nuo del kuris savo"},
    {"serbian", "је да се на у и за не са од као што али из то су није који je da se na za ne sa "
                "od kao sto nije koji"},
    {"tamil", "ஒரு என்று மற்றும் இந்த இது என்ற கொண்டு "
              "என்பது பல ஆகும் அல்லது அவர் நான் உள்ள "
              "அந்த இவர் என முதல் என்ன இருந்து"},
    {"armenian", "եւ է որ մի են այս ու ին իր համար էր ից հետ նրա ես այդ ինչ մեջ"},
    {"basque",
     "eta da ez du bat dira ere hau dute zen izan baina oso egin beste bere den baino hori dago"},
};

typedef struct {
    const char *word;
    uint8_t size;
    uint64_t languages; /* bit n: language n */
} Mark;

typedef struct {
    uint8_t word_size, stem_size, language;
    char word[CACHE_WORD_MAX], stem[CACHE_WORD_MAX];
} CachedStem;

typedef struct {
    struct sb_stemmer *stemmers[G_N_ELEMENTS(LANGUAGES) + 1];
    CachedStem cache[CACHE_SLOTS];
} Stemmers;

static Mark marks[MARKS_SLOTS];
static uint64_t latin_languages, other_languages; /* bit n: language n */

static void stemmers_free(gpointer data)
{
    Stemmers *stemmers = data;
    for (size_t i = 0; i < G_N_ELEMENTS(stemmers->stemmers); i++)
        if (stemmers->stemmers[i])
            sb_stemmer_delete(stemmers->stemmers[i]);
    g_free(stemmers);
}

static GPrivate stemmers_key = G_PRIVATE_INIT(stemmers_free);

const char *language_name(Language language)
{
    MUST(language <= G_N_ELEMENTS(LANGUAGES));
    return language ? LANGUAGES[language - 1].name : "";
}

Language language_count(void)
{
    return G_N_ELEMENTS(LANGUAGES);
}

/* FNV-1a: short words, one table. */
static uint32_t word_hash(const char *word, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)word[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static Mark *mark_slot(const char *word, size_t size)
{
    uint32_t slot = word_hash(word, size) % MARKS_SLOTS;
    while (marks[slot].word &&
           !(marks[slot].size == size && memcmp(marks[slot].word, word, size) == 0))
        slot = (slot + 1) % MARKS_SLOTS;
    return &marks[slot];
}

typedef struct {
    uint64_t language;
} MarkAdd;

/* The marks are folded like all words; kept for the life of the process. */
static void mark_add(const char *word, size_t size, ScanKind kind, void *data)
{
    const MarkAdd *add = data;
    if (kind != SCAN_WORD)
        return;
    Mark *mark = mark_slot(word, size);
    if (!mark->word) {
        mark->word = g_strndup(word, size);
        mark->size = (uint8_t)size;
    }
    mark->languages |= add->language;
}

/* Whether a language's words may be in Latin letters (serbian: in both scripts), and in others. */
static bool takes_latin(Language language)
{
    static const char *const OTHERS[] = {"russian", "arabic", "hindi",
                                         "greek",   "tamil",  "armenian"};
    for (size_t i = 0; i < G_N_ELEMENTS(OTHERS); i++)
        if (strcmp(OTHERS[i], language_name(language)) == 0)
            return false;
    return true;
}

static void tables_init(void)
{
    static gsize once;
    if (!g_once_init_enter(&once))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(LANGUAGES); i++) {
        MarkAdd add = {UINT64_C(1) << (i + 1)};
        if (takes_latin((Language)i + 1))
            latin_languages |= add.language;
        if (!takes_latin((Language)i + 1) || strcmp(LANGUAGES[i].name, "serbian") == 0)
            other_languages |= add.language;
        words_scan(LANGUAGES[i].words, strlen(LANGUAGES[i].words), mark_add, &add);
    }
    g_once_init_leave(&once, 1);
}

void language_add_evidence(unsigned *scores, const char *word, size_t size, unsigned count)
{
    tables_init();
    uint64_t languages = mark_slot(word, size)->languages;
    for (; languages; languages &= languages - 1)
        scores[__builtin_ctzll(languages)] += MIN(count, MARK_COUNT_MAX);
}

Language language_decide(const unsigned *scores)
{
    Language best = 1;
    for (Language each = 2; each <= G_N_ELEMENTS(LANGUAGES); each++)
        if (scores[each] > scores[best])
            best = each;
    return scores[best] >= DECIDE_MIN ? best : 0;
}

static Stemmers *stemmers_get(void)
{
    Stemmers *stemmers = g_private_get(&stemmers_key);
    if (!stemmers) {
        stemmers = g_new0(Stemmers, 1);
        g_private_set(&stemmers_key, stemmers);
    }
    return stemmers;
}

bool language_has_stem(Language language, const char *word, size_t size)
{
    if (!language || size < STEM_BYTES_MIN || size > WORD_BYTES_MAX)
        return false;
    tables_init();
    bool latin = true;
    for (size_t i = 0; i < size; i++) {
        if (!(word[i] & 0x80) && !g_ascii_isalpha(word[i]))
            return false;
        latin &= (uint8_t)word[i] < LEAD_NOT_LATIN;
    }
    const uint64_t bit = UINT64_C(1) << language;
    return (latin ? latin_languages : other_languages) & bit;
}

static const char *stem_new(Stemmers *stemmers, Language language, const char *word, size_t size,
                            size_t *ret_size)
{
    struct sb_stemmer **stemmer = &stemmers->stemmers[language];
    if (!*stemmer)
        *stemmer = sb_stemmer_new(language_name(language), "UTF_8");
    MUST(*stemmer);
    const sb_symbol *stem = sb_stemmer_stem(*stemmer, (const sb_symbol *)word, (int)size);
    int stem_size = stem ? sb_stemmer_length(*stemmer) : 0;
    *ret_size = size;
    if (stem_size <= 0 || stem_size > WORD_BYTES_MAX)
        return word;
    *ret_size = (size_t)stem_size;
    return (const char *)stem;
}

const char *language_stem(Language language, const char *word, size_t size, char *buffer,
                          size_t *ret_size)
{
    Stemmers *stemmers = stemmers_get();
    if (size > CACHE_WORD_MAX) {
        const char *stem = stem_new(stemmers, language, word, size, ret_size);
        memcpy(buffer, stem, *ret_size);
        return buffer;
    }
    CachedStem *cached = &stemmers->cache[(word_hash(word, size) + language) % CACHE_SLOTS];
    if (cached->word_size != size || cached->language != language ||
        memcmp(cached->word, word, size) != 0) {
        size_t stem_size;
        const char *stem = stem_new(stemmers, language, word, size, &stem_size);
        if (stem_size > CACHE_WORD_MAX) {
            memcpy(buffer, stem, stem_size);
            *ret_size = stem_size;
            return buffer;
        }
        memcpy(cached->stem, stem, stem_size);
        memcpy(cached->word, word, size);
        cached->word_size = (uint8_t)size;
        cached->stem_size = (uint8_t)stem_size;
        cached->language = (uint8_t)language;
    }
    *ret_size = cached->stem_size;
    memcpy(buffer, cached->stem, cached->stem_size);
    return buffer;
}
