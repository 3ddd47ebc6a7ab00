/* itip_text.h: an iCalendar object as lines, to be changed line by line. Part of content/itip;
 * others include itip.h.
 *
 * What is not changed is written as it was read, to the byte, whatever it means: nobody loses what
 * we do not understand. Lines of a component stand before the components in it, as RFC 5545 section
 * 3.6 has it. The bytes have been through icalendar_parse first, so they are bounded and text.
 *
 * A tree belongs to one thread.
 */
#ifndef ROTA_CONTENT_ITIP_TEXT_H
#define ROTA_CONTENT_ITIP_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *name;    /* upper case */
    char *content; /* unfolded: name, parameters, value */
    char *folded;  /* as it stands in the file, with its line ends; NULL: made from content */
} ItipLine;

typedef struct ItipPart ItipPart;
struct ItipPart {
    char *name;       /* VCALENDAR, VEVENT; upper case */
    GPtrArray *lines; /* of ItipLine, owned */
    GPtrArray *parts; /* of ItipPart, owned */
};

/* The first VCALENDAR; NULL: there is none. */
ItipPart *itip_part_parse(const char *bytes, size_t size);
ItipPart *itip_part_new(const char *name);
ItipPart *itip_part_copy(const ItipPart *part);
void itip_part_free(ItipPart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ItipPart, itip_part_free)
GBytes *itip_part_format(const ItipPart *part);

/* The first line of that name, borrowed; NULL. */
ItipLine *itip_line_find(const ItipPart *part, const char *name);
/* Adds a line from "NAME;PARAM=x:value"; what follows a line end in it is cut. */
void itip_line_add(ItipPart *part, const char *content);
void itip_line_add_copy(ItipPart *part, const ItipLine *line);
/* One line of that name with that value, in the place of those that are there; NULL: none. */
void itip_line_set(ItipPart *part, const char *name, const char *value);
void itip_lines_remove(ItipPart *part, const char *name);
/* The value of a line, borrowed. */
const char *itip_line_value(const ItipLine *line);
/* A parameter without its quotes, NULL: it is not there. The caller frees it. */
char *itip_line_parameter(const ItipLine *line, const char *name);
/* `value` is quoted where that is needed; NULL takes the parameter away. */
void itip_line_set_parameter(ItipLine *line, const char *name, const char *value);
/* The line of a person (ATTENDEE, ORGANIZER) with an address as icalendar_address has it. */
ItipLine *itip_person_find(const ItipPart *part, const char *name, const char *address);

#endif
