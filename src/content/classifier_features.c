/* classifier_features: what a message looks like to the spam filter.
 *
 * How it fits: pure; classifier.c trains on its sets and scores them. What is taken here is kept in
 * the store in packed form, so a change of it is a new FEATURES_VERSION in classifier.c.
 *
 * Three blocks. Header: every four bytes in a row of the fields as they stand, and the names, alone
 * and in pairs. Text: every four bytes in a row of what people see, its words and the subject's.
 * Markup: tags and their attributes, links in pieces, and the mail's structure. Four bytes in a row
 * see through words that were split or misspelt, through languages without spaces, and need no
 * lists; words cost little beside them and can be shown to people.
 *
 * Not taken: Date, Message-ID and its relatives, Return-Path, Delivered-To, what a mail store adds,
 * X-Spam-*; of Received the host names only, digits as 0. They tell when and by which way a mail
 * came: a model would learn the age of the archive that it was seeded from.
 *
 * Bounded by the beginning of each part, where spam has to say what it wants.
 *
 * Failures: none. Weak points: links inside base64 are not seen, only their text; words are those
 * of ASCII and whatever is not.
 */
#include <string.h>

#include "content/classifier_features.h"
#include "content/message_header.h"

#define HEADER_BYTES        4000 /* of the fields that are taken */
#define HEADER_FIELDS       100
#define TEXT_BYTES          2500
#define TEXT_WORDS          1000
#define SUBJECT_WORDS       100
#define WORD_BYTES          30
#define MARKUP_BYTES        (64 * 1024)
#define TAG_BYTES           16
#define TAG_ATTRIBUTE_BYTES 300
#define HOST_BYTES          80
#define LINK_BYTES          200

#define SALT(kind) (0x9e3779b9u * (kind))
/* Never change a number: it is in every stored feature. */
enum {
    KIND_HEADER_BYTES = 1,
    KIND_NAME,       /* lower case */
    KIND_NAME_EXACT, /* as written */
    KIND_NAME_PAIR,
    KIND_TEXT_BYTES,
    KIND_WORD,
    KIND_SUBJECT,
    KIND_TAG,
    KIND_ATTRIBUTE,
    KIND_HOST,
    KIND_DOMAIN,
    KIND_PATH,
    KIND_STRUCTURE,
};

typedef struct {
    uint64_t bits[CLASSIFIER_BLOCKS][CLASSIFIER_SLOTS / 64];
    ClassifierNamed named;
    void *data;
} Taker;

static uint32_t mix(uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 0x7feb352du;
    hash ^= hash >> 15;
    hash *= 0x846ca68bu;
    return hash ^ hash >> 16;
}

static uint32_t take(Taker *taker, ClassifierBlock block, uint32_t hash)
{
    uint32_t id = mix(hash) >> (32 - CLASSIFIER_BITS);
    taker->bits[block][id / 64] |= UINT64_C(1) << id % 64;
    return id;
}

static uint32_t fnv(uint32_t hash, unsigned char byte)
{
    return (hash ^ byte) * 16777619u;
}

static unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 32) : byte;
}

static bool is_alpha(unsigned char byte)
{
    return lower(byte) >= 'a' && lower(byte) <= 'z';
}

static bool is_alnum(unsigned char byte)
{
    return is_alpha(byte) || (byte >= '0' && byte <= '9');
}

static bool in_word(unsigned char byte)
{
    return is_alnum(byte) || byte >= 0x80 || byte == '$' || byte == '\'' || byte == '-' ||
           byte == '_' || byte == '!';
}

/* Every four bytes in a row of the first `most`; CR is nothing. */
static void take_fours(Taker *taker, ClassifierBlock block, uint32_t salt, const GString *text,
                       unsigned most)
{
    const char *bytes = text->str;
    uint32_t four = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text->len && have < most; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '\r')
            continue;
        four = four << 8 | byte;
        if (++have >= 4)
            take(taker, block, four * 0x9e3779b1u + salt);
    }
}

static void take_words(Taker *taker, uint32_t salt, const char *prefix, const char *text,
                       size_t size, unsigned most)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    while (at < end && most) {
        if (!in_word(*at)) {
            at++;
            continue;
        }
        const unsigned char *start = at;
        uint32_t hash = salt;
        while (at < end && in_word(*at))
            hash = fnv(hash, lower(*at++));
        most--;
        if (at - start > WORD_BYTES)
            continue;
        uint32_t id = take(taker, CLASSIFIER_TEXT, hash);
        if (taker->named)
            taker->named(CLASSIFIER_TEXT, id, prefix, (const char *)start, (size_t)(at - start),
                         taker->data);
    }
}

/* ---------------------------------------------------------------- the header */

typedef enum { FIELD_WHOLE, FIELD_NAME, FIELD_WAY, FIELD_NOTHING } FieldUse;

static FieldUse field_use(const HeaderField *field)
{
    static const struct {
        const char *name;
        FieldUse use;
    } uses[] = {
        {"Received", FIELD_WAY},
        {"Date", FIELD_NAME},
        {"Message-ID", FIELD_NAME},
        {"References", FIELD_NAME},
        {"In-Reply-To", FIELD_NAME},
        {"Return-Path", FIELD_NOTHING},
        {"Delivered-To", FIELD_NOTHING},
        {"X-Original-To", FIELD_NOTHING},
        {"Status", FIELD_NOTHING},
        {"X-Status", FIELD_NOTHING},
        {"X-UIDL", FIELD_NOTHING},
        {"X-UID", FIELD_NOTHING},
        {"X-Keywords", FIELD_NOTHING},
        {"Content-Length", FIELD_NOTHING},
        {"X-Mozilla-Status", FIELD_NOTHING},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(uses); i++)
        if (header_field_is(field, uses[i].name))
            return uses[i].use;
    bool spam = field->name_size >= 7 && g_ascii_strncasecmp(field->name, "X-Spam-", 7) == 0;
    return spam ? FIELD_NOTHING : FIELD_WHOLE;
}

static void append_field(GString *out, const HeaderField *field, FieldUse use)
{
    const char *end = field->value + field->value_size;
    size_t size = (size_t)(end - field->name);
    if (use == FIELD_WHOLE) {
        g_string_append_len(out, field->name, (gssize)size);
        return;
    }
    const char *date = g_strrstr_len(field->name, (gssize)size, ";");
    size = date ? (size_t)(date - field->name) : size;
    size_t start = out->len;
    g_string_append_len(out, field->name, (gssize)size);
    for (char *at = out->str + start; at < out->str + out->len; at++)
        if (g_ascii_isdigit(*at))
            *at = '0';
    g_string_append_c(out, '\n');
}

static void take_header(Taker *taker, const GArray *fields)
{
    g_autoptr(GString) taken = g_string_sized_new(4 * HEADER_BYTES);
    uint32_t before = 0;
    for (unsigned i = 0; i < fields->len && i < HEADER_FIELDS; i++) {
        const HeaderField *field = &g_array_index(fields, HeaderField, i);
        FieldUse use = field_use(field);
        if (use == FIELD_NOTHING)
            continue;
        size_t name_size = MIN(field->name_size, 60);
        uint32_t hash = SALT(KIND_NAME), exact = SALT(KIND_NAME_EXACT);
        for (size_t k = 0; k < name_size; k++) {
            hash = fnv(hash, lower((unsigned char)field->name[k]));
            exact = fnv(exact, (unsigned char)field->name[k]);
        }
        uint32_t id = take(taker, CLASSIFIER_HEADER, hash);
        if (taker->named)
            taker->named(CLASSIFIER_HEADER, id, "header:", field->name, name_size, taker->data);
        take(taker, CLASSIFIER_HEADER, exact);
        take(taker, CLASSIFIER_HEADER, SALT(KIND_NAME_PAIR) + hash * 31 + before);
        before = mix(hash);
        if (use != FIELD_NAME && taken->len < 2 * HEADER_BYTES)
            append_field(taken, field, use);
    }
    take_fours(taker, CLASSIFIER_HEADER, SALT(KIND_HEADER_BYTES), taken, HEADER_BYTES);
}

/* ---------------------------------------------------------------- markup and structure */

static bool in_attribute(unsigned char byte)
{
    return in_word(byte) || byte == '#' || byte == '%';
}

static void take_tag(Taker *taker, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *name = at;
    uint32_t tag = SALT(KIND_TAG);
    while (at < end && at - name < TAG_BYTES && (is_alnum(*at) || *at == '!'))
        tag = fnv(tag, lower(*at++));
    uint32_t id = take(taker, CLASSIFIER_MARKUP, tag);
    if (taker->named)
        taker->named(CLASSIFIER_MARKUP, id, "<", (const char *)name, (size_t)(at - name),
                     taker->data);
    end = MIN(end, at + TAG_ATTRIBUTE_BYTES);
    while (at < end && *at != '>') {
        if (!in_word(*at)) {
            at++;
            continue;
        }
        const unsigned char *start = at;
        uint32_t hash = tag ^ SALT(KIND_ATTRIBUTE);
        while (at < end && in_attribute(*at))
            hash = fnv(hash, lower(*at++));
        if (at - start <= WORD_BYTES)
            take(taker, CLASSIFIER_MARKUP, hash);
    }
}

static bool ends_link(unsigned char byte)
{
    return byte <= ' ' || byte == '"' || byte == '\'' || byte == '<' || byte == '>' || byte == ')';
}

/* A link from behind its "://". */
static void take_link(Taker *taker, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *host = at, *stop = MIN(end, at + HOST_BYTES);
    uint32_t hash = SALT(KIND_HOST);
    while (at < stop && !ends_link(*at) && *at != '/' && *at != '?')
        hash = fnv(hash, lower(*at++));
    uint32_t id = take(taker, CLASSIFIER_MARKUP, hash);
    if (taker->named && at > host)
        taker->named(CLASSIFIER_MARKUP, id, "://", (const char *)host, (size_t)(at - host),
                     taker->data);
    for (const unsigned char *dot = host; dot < at; dot++) {
        if (*dot != '.')
            continue;
        hash = SALT(KIND_DOMAIN);
        for (const unsigned char *k = dot; k < at; k++)
            hash = fnv(hash, lower(*k));
        take(taker, CLASSIFIER_MARKUP, hash);
    }
    stop = MIN(end, host + LINK_BYTES);
    while (at < stop && !ends_link(*at)) {
        hash = fnv(SALT(KIND_PATH), *at);
        bool word = is_alnum(*at++);
        while (word && at < stop && is_alnum(*at))
            hash = fnv(hash, lower(*at++));
        take(taker, CLASSIFIER_MARKUP, hash);
    }
}

static void take_markup(Taker *taker, const char *body, size_t size)
{
    const unsigned char *at = (const unsigned char *)body, *end = at + MIN(size, MARKUP_BYTES);
    for (; at + 3 < end; at++) {
        if (*at == '<' && (is_alpha(at[1]) || at[1] == '!'))
            take_tag(taker, at + 1, end);
        else if (*at == ':' && at[1] == '/' && at[2] == '/')
            take_link(taker, at + 3, end);
    }
}

static unsigned log2_of(size_t value)
{
    unsigned bits = 0;
    for (; value; value >>= 1)
        bits++;
    return bits;
}

static size_t count_cr(const char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] == '\r';
    return count;
}

static void take_structure(Taker *taker, size_t size, const Message *message)
{
    unsigned letters = 0, capitals = 0;
    size_t marks = 0, money = 0, high = 0;
    const unsigned char *text = (const unsigned char *)message->text->str;
    for (size_t i = 0; i < message->text->len && i < MARKUP_BYTES; i++) {
        letters += is_alpha(text[i]);
        capitals += text[i] >= 'A' && text[i] <= 'Z';
        marks += text[i] == '!';
        money += text[i] == '$';
        high += text[i] >= 0x80;
    }
    const uint32_t values[] = {
        message->parts,
        message->has_attachment,
        log2_of(size),
        log2_of(message->text->len),
        MIN(message->references->len, 20),
        MIN(message->to->len, 20),
        *message->list_id != '\0',
        letters ? capitals * 20 / letters : 99,
        log2_of(marks),
        log2_of(money),
        log2_of(high),
    };
    for (uint32_t i = 0; i < G_N_ELEMENTS(values); i++)
        take(taker, CLASSIFIER_MARKUP, SALT(KIND_STRUCTURE) + i * 4096 + values[i]);
    for (unsigned i = 0; i < message->defects->len; i++) {
        uint32_t hash = SALT(KIND_STRUCTURE);
        for (const char *at = g_ptr_array_index(message->defects, i); *at; at++)
            hash = fnv(hash, (unsigned char)*at);
        take(taker, CLASSIFIER_MARKUP, hash);
    }
}

/* ---------------------------------------------------------------- together */

static ClassifierFeatures *features_of(const Taker *taker)
{
    ClassifierFeatures *features = g_new0(ClassifierFeatures, 1);
    unsigned total = 0;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++) {
        for (size_t i = 0; i < CLASSIFIER_SLOTS / 64; i++)
            features->counts[block] += (unsigned)__builtin_popcountll(taker->bits[block][i]);
        total += features->counts[block];
    }
    features->ids = g_new(uint32_t, total);
    uint32_t *next = features->ids;
    for (unsigned block = 0; block < CLASSIFIER_BLOCKS; block++)
        for (uint32_t i = 0; i < CLASSIFIER_SLOTS / 64; i++)
            for (uint64_t bits = taker->bits[block][i]; bits; bits &= bits - 1)
                *next++ = i * 64 + (uint32_t)__builtin_ctzll(bits);
    return features;
}

ClassifierFeatures *classifier_features_named(const void *bytes, size_t size,
                                              const Message *message, ClassifierNamed named,
                                              void *data)
{
    g_autofree Taker *taker = g_new0(Taker, 1);
    taker->named = named;
    taker->data = data;
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(HeaderField));
    bool cut = false, broken = false;
    size_t body = size ? header_read(fields, bytes, size, &cut, &broken) : 0;
    take_header(taker, fields);
    take_fours(taker, CLASSIFIER_TEXT, SALT(KIND_TEXT_BYTES), message->text, TEXT_BYTES);
    take_words(taker, SALT(KIND_WORD), "", message->text->str, message->text->len, TEXT_WORDS);
    take_words(taker, SALT(KIND_SUBJECT), "subject:", message->subject, strlen(message->subject),
               SUBJECT_WORDS);
    take_markup(taker, (const char *)bytes + body, size - body);
    take_structure(taker, size - count_cr(bytes, size), message);
    return features_of(taker);
}

ClassifierFeatures *classifier_features(const void *bytes, size_t size, const Message *message)
{
    return classifier_features_named(bytes, size, message, NULL, NULL);
}

void classifier_features_free(ClassifierFeatures *features)
{
    if (!features)
        return;
    g_free(features->ids);
    g_free(features);
}
