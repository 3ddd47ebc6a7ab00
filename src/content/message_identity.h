/* message_identity.h: is this the same message as that one?
 *
 * Two copies of a message that came by two ways differ in what the mail systems on the way wrote
 * into it, and in nothing else. Two messages that share a Message-ID need not be the same: senders
 * reuse them. So the identity is the digest of all bytes but those fields.
 *
 * Pure; any thread.
 */
#ifndef ROTA_CONTENT_MESSAGE_IDENTITY_H
#define ROTA_CONTENT_MESSAGE_IDENTITY_H

#include <stddef.h>

#include "base/hash.h"

/* Of the whole message but the fields Received, Return-Path, Delivered-To, X-Original-To,
 * Received-SPF and Authentication-Results (RFC 5321 §4.4, RFC 7208, RFC 8601) of its header. Line
 * ends count as they are. */
Digest message_identity(const void *bytes, size_t size);

#endif
