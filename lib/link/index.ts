/**
 * What is common to all transports, once above them.
 *
 *     raft snapshot gossip kv actor admin        channels, each with one handler
 *          send │ request ▲ handle
 *     ┌─────────▼─────────┴──────────┐
 *     │ correlation · deadlines      │           who asked what, until when
 *     │ cluster · incarnation        │           whom we listen to
 *     └─────────┬─────────▲──────────┘
 *         frames on lanes, by name               NetworkTransport
 *
 * It never repeats what was lost, orders nothing between lanes, and knows neither groups nor leaders.
 */
export type { ChannelHandler } from './channels.js';
export { Link, type LinkOptions, type RequestOptions } from './link.js';
export type { DropReason, PeerStatus, Sender } from './peers.js';
export { PendingRequests, type Waiting } from './pending-requests.js';
