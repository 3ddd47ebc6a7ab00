/* page.h: the page at /admin/: the roster at a glance. It uses the admin API (api.h) alone.
 */
#ifndef ROTA_FRONT_PAGE_H
#define ROTA_FRONT_PAGE_H

#include "front/http.h"

extern const HttpRoute *const page_routes[]; /* ended by NULL */

#endif
