/* words_language.h: which language a text is in, and the stems of its words. Part of content/words.
 */
#ifndef ROTA_CONTENT_WORDS_LANGUAGE_H
#define ROTA_CONTENT_WORDS_LANGUAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content/words_scan.h"

/* A number that the store keeps: 0 none, else the place in the table of words_language.c, from 1,
 * which only grows. Below 64. */
typedef unsigned Language;

/* "english"; "" for 0. */
const char *language_name(Language language);
Language language_count(void); /* the greatest number */

/* Adds a folded word's evidence to `scores` (language_count() + 1 of them), if it is a word that
 * marks languages. `count`: how often the text has it. */
void language_add_evidence(unsigned *scores, const char *word, size_t size, unsigned count);
/* The language that the evidence speaks for, 0 if it is too little. */
Language language_decide(const unsigned *scores);

/* Whether a folded word has a stem in a language at all: letters only, and enough of them. */
bool language_has_stem(Language language, const char *word, size_t size);
/* The stem of a folded word that has one; `buffer` holds WORD_BYTES_MAX. Returns it; *ret_size its
 * size. */
const char *language_stem(Language language, const char *word, size_t size, char *buffer,
                          size_t *ret_size);

/* The term that the index has for a word of a text in a language where it has a stem: the stem and
 * the language, "hous=1". So a stem is found by words of its own language alone. Returns its size;
 * not terminated. */
#define WORDS_STEM_BYTES_MAX (WORD_BYTES_MAX + 2)
size_t words_stem(Language language, const char *word, size_t size, char *stem);

#endif
