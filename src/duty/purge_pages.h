/* purge_pages.h: how both purges go through a kind of rows: page by page, each removed in a short
 * write transaction of its own, with a pause after it; and what they say of it at the end.
 *
 * One thread, one run. Calling sequence: purge_start, { purge_kind }* while it goes on, purge_end.
 */
#ifndef ROTA_DUTY_PURGE_PAGES_H
#define ROTA_DUTY_PURGE_PAGES_H

#include "duty/duty.h"
#include "model/purge.h"

typedef struct {
    Run *run;
    const DutySettings *settings;
    bool stopped;   /* the run is to end: what is left is for the next one */
    unsigned share; /* of a page's rows, see purge_walk_next: as much as others bear */
    GArray *totals; /* of PurgeTotal, in the order of their first removal */
    PurgeKept kept; /* and why */
    int64_t pages;  /* given back to the file system */
} Purge;

void purge_start(Purge *purge, Run *run);
void purge_clear(Purge *purge);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Purge, purge_clear)

/* Removes all of a kind (dry: tells the watch of it), or what there is time for. False: an error.
 */
bool purge_kind(Purge *purge, const PurgeKind *kind, const PurgeScope *scope, GError **error);
/* After a page that was written: gives way to others, and looks whether the run is to end. */
void purge_breathe(Purge *purge);
/* Writes what was done into the run's detail, and asks for another run where there is more. */
void purge_end(Purge *purge);

#endif
