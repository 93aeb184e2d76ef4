import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Something that must not be left behind by this process. */
export type Charge =
  | { readonly kind: 'process'; readonly processId: number }
  | { readonly kind: 'folder'; readonly path: string }
  /** Run by a shell. */
  | { readonly kind: 'command'; readonly command: string };

const PROGRAM = fileURLToPath(new URL('fixtures/caretaker-process.js', import.meta.url));

let caretaker: ChildProcess | null = null;
let count = 0;

/**
 * Gives a charge to a process that lives as long as this one, however this one ends: `kill -9` runs no handler,
 * and the processes that it had started would go on for ever. Charges are ended last first. To be called when
 * this process has seen to it itself: what is answered withdraws the charge, and may be called twice.
 */
export function entrust(charge: Charge): () => void {
  caretaker ??= startCaretaker();
  const { stdin } = caretaker;
  count += 1;
  const number = count;
  stdin?.write(`${JSON.stringify({ number, charge })}\n`);
  return () => void stdin?.write(`${JSON.stringify({ number, charge: null })}\n`);
}

/** In a group of its own, so that no signal to this one's group reaches it; it ends when its input does. */
function startCaretaker(): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [PROGRAM], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env,
  });
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  child.stdin?.on('error', () => {});
  return child;
}
