import type { FrameConnection } from '../../lib/interfaces/index.js';
import type { FrameSocket } from './frame-socket.js';

/** One end of a client connection: what the library above sees of a `FrameSocket`. */
export function connectionOver(
  frames: FrameSocket,
  maxFrameBytes: number,
  onClose: (reason: string) => void,
): FrameConnection {
  return {
    send: (frame) => frame.length <= maxFrameBytes && frames.send('data', frame),
    close: () => {
      if (!frames.isOpen) return;
      frames.close();
      onClose('closed');
    },
  };
}
