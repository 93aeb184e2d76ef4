import { connect } from 'node:net';
import { QuorateError } from '../../lib/base/index.js';
import type { Clock, Dialer, DialOptions, FrameConnection } from '../../lib/interfaces/index.js';
import { parseAddress } from './address.js';
import { connectionOver } from './client-connection.js';
import { FrameSocket } from './frame-socket.js';
import type { FrameFault } from './framing.js';
import { DEFAULT_DEADLINES, type Deadlines, Sweeper } from './sweeper.js';

/** How a client dials. */
export interface TcpDialerOptions {
  /** Drives every deadline. */
  readonly clock: Clock;
  /** Bytes queued on one connection before `send` answers false. Default 32 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  readonly deadlines?: Partial<Deadlines> | undefined;
}

const DEFAULT_MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/**
 * Reaches the client port of a server over TCP. `dial` resolves once the server has answered as one
 * of ours, so that a wrong port is an error of `dial` and not of the first call.
 */
export function tcpDialer(options: TcpDialerOptions): Dialer {
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  const sweeper = new Sweeper(options.clock, deadlines);
  const queue = { maxQueuedBytes: options.maxQueuedBytes ?? DEFAULT_MAX_QUEUED_BYTES };
  return {
    dial: (address, dialOptions) =>
      dial(address, dialOptions, { clock: options.clock, sweeper, deadlines, ...queue }),
  };
}

interface Surroundings {
  readonly clock: Clock;
  readonly sweeper: Sweeper;
  readonly deadlines: Deadlines;
  readonly maxQueuedBytes: number;
}

function dial(
  address: string,
  { maxFrameBytes, signal, onFrame, onClose }: DialOptions,
  surroundings: Surroundings,
): Promise<FrameConnection> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw aborted(address, signal);
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      signal.removeEventListener('abort', giveUp);
      return true;
    };
    const giveUp = (): void => {
      settle();
      frames.destroy();
      reject(aborted(address, signal));
    };
    const frames = new FrameSocket({
      ...surroundings,
      socket: connect({ ...parseAddress(address), noDelay: true }),
      speak: 'client',
      expect: 'client',
      maxPayloadBytes: maxFrameBytes,
      onFrame: (_, payload) => onFrame(payload),
      onPing: () => {
        if (!settle()) return;
        frames.establish(maxFrameBytes);
        resolve(connectionOver(frames, maxFrameBytes, onClose));
      },
      onClose: (reason, fault) => {
        if (settle()) reject(undialable(address, reason, fault));
        else onClose(reason);
      },
    });
    signal.addEventListener('abort', giveUp, { once: true });
    frames.ping();
  });
}

function undialable(address: string, reason: string, fault: FrameFault | null): QuorateError {
  const code = fault === null ? 'ERR_UNREACHABLE' : 'ERR_PROTOCOL';
  return new QuorateError(code, { message: `${address}: ${reason}` });
}

function aborted(address: string, signal: AbortSignal): QuorateError {
  const message = `gave up connecting to ${address}`;
  return new QuorateError('ERR_ABORTED', { message, cause: signal.reason });
}
