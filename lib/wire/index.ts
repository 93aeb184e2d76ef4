/**
 * What nodes and clients say to each other, as bytes. Every message is a pair of functions: `encode…`
 * asserts, because it is given our own values; `decode…` validates, because it is given bytes from
 * outside, and whatever is wrong with them is ERR_PROTOCOL.
 *
 *     Message ──encode──▶ payload ──link frame──▶ frame of a transport
 *
 * It sends nothing, keeps nothing, and computes no checksums: transports do. The layouts are
 * described in docs/wire-format.md.
 */
export * from './client-protocol.js';
export { decodeFailure, encodeFailure } from './failure.js';
export * from './greeting.js';
export type { LeadershipRequest } from './leadership-change.js';
export * from './link-frame.js';
export type { MemberRequest } from './member-request.js';
export * from './peer-call.js';
export * from './raft-message.js';
export * from './snapshot-chunk.js';
