/* acme_answer.h: the answer to an http-01 challenge, as a route. Constant. */
#ifndef ROTA_FRONT_ACME_ANSWER_H
#define ROTA_FRONT_ACME_ANSWER_H

#include "front/http.h"

/* GET /.well-known/acme-challenge/{token} */
extern const HttpRoute http_route_acme_answer;

#endif
