/**
 * Frames on TCP: between nodes on the peer port, and between client and server on the client port.
 *
 *     send ──> queue per lane ──one write per turn──> socket ~~~> parser ──> receive
 *                 full: false        blocked: waits            fault: closed, one log line
 *
 * `tcpTransport()` is the port between nodes, `tcpDialer()` the one of clients; `acceptClient` is what
 * a server makes of a connection on the client port. All three speak the framing of `framing.ts`. What
 * frames mean, who a peer is and whether it may connect is decided above. Nothing is retried here.
 */
export { tcpTransport } from './tcp-transport.js';
export type { TcpTransportOptions } from './tcp-transport.js';
export type { Backoff } from './peer-lane.js';
export type { Deadlines } from './sweeper.js';
