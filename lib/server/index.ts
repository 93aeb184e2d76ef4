/**
 * The client port of a node.
 *
 *     socket ──▶ transports/tcp ──frames──▶ ClientSession ──KVRequest──▶ KVBackend of the store
 *            ◀── connections, limits ◀──── answers as they are done ◀──
 *
 * It decides nothing about data: reads and writes are the store's, and so is whom they are forwarded
 * to. It listens nowhere unless it is asked to, and never on the port for peers.
 *
 * @module quorate/server
 */
export { type ClientServer, type ServeClientsOptions, serveClients } from './serve-clients.js';
