/* words: the set of terms of a message.
 *
 * First every word of every field goes into a table with the fields that it is in; then, when the
 * language is known, into a second one as what is stored (stems of text and subject, the others as
 * they are); that one is written out. Both tables belong to the thread and are used again, since a
 * message a millisecond is what indexing wants.
 *
 * Failures: none.
 * Weak points: one language for a message; a mail in two languages is stemmed in the one that has
 * more of its little words.
 */
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "content/words.h"
#include "content/words_language.h"
#include "content/words_scan.h"

/* Bits of fields. TEXT and SUBJECT are stemmed. */
enum {
    IN_TEXT = 1,
    IN_SUBJECT = 2,
    IN_FROM = 4,
    IN_TO = 8,
    IN_CC = 16,
    IN_BCC = 32,
    IN_ATTACHMENT = 64,
    STEMMED = IN_TEXT | IN_SUBJECT,
};

static const struct {
    unsigned bit;
    const char prefix[3];
} PREFIXES[] = {{IN_SUBJECT, "s:"}, {IN_FROM, "f:"}, {IN_TO, "t:"},
                {IN_CC, "c:"},      {IN_BCC, "b:"},  {IN_ATTACHMENT, "a:"}};

#define SLOTS_MIN  1024
#define SLOTS_KEPT (64 * SLOTS_MIN) /* a huge message's table is not kept */
/* What a store adds to each term: the account's prefix and the space. */
#define TERM_OVERHEAD 12
/* Words of letters and digits mixed, this long or longer, are encoded data or hashes: a commit or a
 * Message-ID is worth finding, a hex dump is not. */
#define ODD_BYTES_MIN 16
#define ODD_WORDS_MAX 1000

typedef struct {
    uint32_t hash, at; /* of the word in `bytes` */
    uint8_t size, fields;
    uint16_t count;
} Entry;

typedef struct {
    GByteArray *bytes;
    Entry *entries; /* in order of coming; room for half as many as there are slots in memory */
    unsigned count;
    uint32_t *slots;   /* entry's index + 1, 0 empty */
    size_t slots_size; /* of them in use: as many as this message needs */
    size_t slots_room; /* in memory, from the largest message of late */
} Table;

typedef struct {
    Table raw, stored;
} Scratch;

typedef struct {
    Table *table;
    unsigned field, odd;
    bool full;
} Gather;

static void table_make_room(Table *table, size_t slots)
{
    g_free(table->slots);
    table->slots = g_new0(uint32_t, slots);
    table->slots_room = slots;
    table->entries = g_renew(Entry, table->entries, slots / 2 + 1);
}

static void table_init(Table *table)
{
    table->bytes = g_byte_array_new();
    table_make_room(table, SLOTS_MIN);
    table->slots_size = SLOTS_MIN;
}

/* Only the slots that were in use are cleared: most messages are small. */
static void table_clear(Table *table)
{
    g_byte_array_set_size(table->bytes, 0);
    table->count = 0;
    if (table->slots_room > SLOTS_KEPT)
        table_make_room(table, SLOTS_MIN);
    else
        memset(table->slots, 0, table->slots_size * sizeof(uint32_t));
    table->slots_size = SLOTS_MIN;
}

static void table_free(Table *table)
{
    g_byte_array_unref(table->bytes);
    g_free(table->entries);
    g_free(table->slots);
}

static void scratch_free(gpointer data)
{
    Scratch *scratch = data;
    table_free(&scratch->raw);
    table_free(&scratch->stored);
    g_free(scratch);
}

static GPrivate scratch_key = G_PRIVATE_INIT(scratch_free);

static Scratch *scratch_get(void)
{
    Scratch *scratch = g_private_get(&scratch_key);
    if (!scratch) {
        scratch = g_new0(Scratch, 1);
        table_init(&scratch->raw);
        table_init(&scratch->stored);
        g_private_set(&scratch_key, scratch);
    }
    table_clear(&scratch->raw);
    table_clear(&scratch->stored);
    return scratch;
}

static uint32_t hash_word(const char *word, size_t size)
{
    uint64_t hash = size;
    while (size >= 8) {
        uint64_t piece;
        memcpy(&piece, word, 8);
        hash = (hash ^ piece) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        word += 8;
        size -= 8;
    }
    uint64_t piece = 0;
    memcpy(&piece, word, size);
    hash = (hash ^ piece) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32);
}

static void table_grow(Table *table)
{
    size_t size = table->slots_size * 4;
    if (size > table->slots_room)
        table_make_room(table, size);
    else
        memset(table->slots, 0, table->slots_size * sizeof(uint32_t));
    table->slots_size = size;
    for (unsigned i = 0; i < table->count; i++) {
        size_t slot = table->entries[i].hash & (size - 1);
        while (table->slots[slot])
            slot = (slot + 1) & (size - 1);
        table->slots[slot] = i + 1;
    }
}

/* The entry of a word, new or found. Valid until the next one. */
static Entry *table_put(Table *table, const char *word, size_t size)
{
    uint32_t hash = hash_word(word, size);
    size_t slot = hash & (table->slots_size - 1);
    for (; table->slots[slot]; slot = (slot + 1) & (table->slots_size - 1)) {
        Entry *entry = &table->entries[table->slots[slot] - 1];
        if (entry->hash == hash && entry->size == size &&
            memcmp(table->bytes->data + entry->at, word, size) == 0)
            return entry;
    }
    table->entries[table->count] =
        (Entry){.hash = hash, .at = table->bytes->len, .size = (uint8_t)size};
    g_byte_array_append(table->bytes, (const guint8 *)word, (guint)size);
    table->slots[slot] = ++table->count;
    if (table->count * 2 > table->slots_size)
        table_grow(table);
    return &table->entries[table->count - 1];
}

static bool is_odd(const char *word, size_t size)
{
    if (size < ODD_BYTES_MIN)
        return false;
    bool digit = false;
    for (size_t i = 0; i < size; i++)
        digit |= g_ascii_isdigit(word[i]);
    return digit;
}

static void gather_word(const char *word, size_t size, ScanKind kind, void *data)
{
    (void)kind;
    Gather *gather = data;
    if (gather->full || (is_odd(word, size) && ++gather->odd > ODD_WORDS_MAX))
        return;
    Entry *entry = table_put(gather->table, word, size);
    entry->fields |= (uint8_t)gather->field;
    if (entry->count < UINT16_MAX)
        entry->count++;
    gather->full =
        gather->table->bytes->len + TERM_OVERHEAD * gather->table->count > WORDS_TERMS_BYTES_MAX;
}

static void gather_text(Gather *gather, unsigned field, const char *text, size_t size)
{
    gather->field = field;
    words_scan(text, size, gather_word, gather);
}

static void gather_addresses(Gather *gather, unsigned field, const GArray *addresses)
{
    for (unsigned i = 0; i < addresses->len; i++) {
        const MessageAddress *each = &g_array_index(addresses, MessageAddress, i);
        gather_text(gather, field, each->name, strlen(each->name));
        gather_text(gather, field, each->address, strlen(each->address));
    }
}

size_t words_stem(Language language, const char *word, size_t size, char *stem)
{
    size_t stem_size;
    char buffer[WORD_BYTES_MAX];
    const char *bare = language_stem(language, word, size, buffer, &stem_size);
    memcpy(stem, bare, stem_size);
    stem[stem_size++] = '=';
    static const char DIGITS[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    MUST(language < strlen(DIGITS));
    stem[stem_size++] = DIGITS[language];
    return stem_size;
}

static Language detect(const Table *raw)
{
    unsigned scores[64] = {0};
    MUST(language_count() < G_N_ELEMENTS(scores));
    for (unsigned i = 0; i < raw->count; i++) {
        const Entry *entry = &raw->entries[i];
        if (entry->fields & STEMMED)
            language_add_evidence(scores, (const char *)raw->bytes->data + entry->at, entry->size,
                                  entry->count);
    }
    return language_decide(scores);
}

static void store_terms(const Table *raw, Table *stored, Language language)
{
    char stem[WORDS_STEM_BYTES_MAX];
    for (unsigned i = 0; i < raw->count; i++) {
        const Entry *entry = &raw->entries[i];
        const char *word = (const char *)raw->bytes->data + entry->at;
        bool has_stem = language_has_stem(language, word, entry->size);
        unsigned stemmed = has_stem ? entry->fields & STEMMED : 0;
        if (stemmed) {
            size_t size = words_stem(language, word, entry->size, stem);
            table_put(stored, stem, size)->fields |= (uint8_t)stemmed;
        }
        if (entry->fields & ~stemmed)
            table_put(stored, word, entry->size)->fields |= (uint8_t)(entry->fields & ~stemmed);
    }
}

typedef struct {
    GString *out;
    size_t room;
} Writer;

static void write_term(Writer *writer, const char *prefix, const char *word, size_t size)
{
    size_t need = size + strlen(prefix) + TERM_OVERHEAD;
    if (writer->room < need)
        return;
    writer->room -= need;
    GString *out = writer->out;
    size_t at = out->len, prefix_size = need - size - TERM_OVERHEAD;
    g_string_set_size(out, at + (at > 0) + prefix_size + size);
    char *to = out->str + at;
    if (at)
        *to++ = ' ';
    memcpy(to, prefix, prefix_size);
    memcpy(to + prefix_size, word, size);
}

static GString *write_terms(const Table *stored)
{
    Writer writer = {g_string_sized_new(stored->bytes->len + 2 * stored->count + 64),
                     WORDS_TERMS_BYTES_MAX};
    write_term(&writer, "", WORDS_TERM_ALL, strlen(WORDS_TERM_ALL));
    for (unsigned i = 0; i < stored->count; i++) {
        const Entry *entry = &stored->entries[i];
        const char *word = (const char *)stored->bytes->data + entry->at;
        write_term(&writer, "", word, entry->size);
        if (entry->fields == IN_TEXT)
            continue;
        if (!(entry->fields & IN_TEXT))
            write_term(&writer, "x:", word, entry->size);
        for (size_t k = 0; k < G_N_ELEMENTS(PREFIXES); k++)
            if (entry->fields & PREFIXES[k].bit)
                write_term(&writer, PREFIXES[k].prefix, word, entry->size);
    }
    return writer.out;
}

GString *words_of_message(const Message *message, unsigned *ret_language)
{
    Scratch *scratch = scratch_get();
    Gather gather = {.table = &scratch->raw};
    gather_text(&gather, IN_SUBJECT, message->subject, strlen(message->subject));
    gather_addresses(&gather, IN_FROM, message->from);
    gather_addresses(&gather, IN_TO, message->to);
    gather_addresses(&gather, IN_CC, message->cc);
    gather_addresses(&gather, IN_BCC, message->bcc);
    for (unsigned i = 0; i < message->attachments->len; i++) {
        const char *name = g_ptr_array_index(message->attachments, i);
        gather_text(&gather, IN_ATTACHMENT, name, strlen(name));
    }
    gather_text(&gather, IN_TEXT, message->text->str, message->text->len);
    Language language = detect(&scratch->raw);
    store_terms(&scratch->raw, &scratch->stored, language);
    if (ret_language)
        *ret_language = language;
    return write_terms(&scratch->stored);
}

const char *words_language_name(unsigned language)
{
    return language_name(language);
}

typedef struct {
    WordFunc each;
    void *data;
} Each;

static void each_word(const char *word, size_t size, ScanKind kind, void *data)
{
    const Each *each = data;
    if (kind == SCAN_WORD)
        each->each(word, size, each->data);
}

void words_each(const char *text, size_t size, WordFunc each, void *data)
{
    Each call = {each, data};
    words_scan(text, size, each_word, &call);
}

char *words_not_in_text(const char *term)
{
    return g_strconcat("x:", term, NULL);
}
