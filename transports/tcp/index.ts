/**
 * Frames on TCP: between nodes on the peer port, and between client and server on the client port.
 *
 *     send ──> queue per lane ──one write per turn──> socket ~~~> parser ──> receive
 *                 full: false        blocked: waits            fault: closed, one log line
 *
 * `tcpTransport()` is the port between nodes, `tcpDialer()` the one of clients; `clientAcceptor()` is
 * what a server makes of connections on the client port. All three speak the framing of `framing.ts`. What
 * frames mean, who a peer is and whether it may connect is decided above. Nothing is retried here.
 *
 * @module quorate/transports/tcp
 */

export type { ClientAcceptor, ClientAcceptorOptions, ClientHandler } from './client-acceptor.js';
export { clientAcceptor } from './client-acceptor.js';
export type { TcpDialerOptions } from './dialer.js';
export { tcpDialer } from './dialer.js';
export type { OpeningGuess, Speech } from './framing.js';
export { guessOpening } from './framing.js';
export type { Listening } from './listening.js';
export { listen } from './listening.js';
export { LogLimiter } from './log-limiter.js';
export type { Backoff } from './peer-lane.js';
export type { Deadlines } from './sweeper.js';
export type { TcpTransportOptions } from './tcp-transport.js';
export { tcpTransport } from './tcp-transport.js';
