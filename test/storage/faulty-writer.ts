import * as fs from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { ThreadService } from '../../storage/wal/thread-service.js';
import { type StartThread, threadOptions } from '../../storage/wal/thread-writer.js';

/** What becomes of a write, and of all that follow. */
export type WriteFault = 'hangs' | 'fails' | 'ends the thread' | 'is never durable';

/**
 * The thread that writes, on a disk that does what it should for `writes` writes, and has a fault then, of
 * which `onFault` is told. Where this file is the program of the thread, it runs it.
 */
export function faultyWriter(
  fault: WriteFault,
  writes: number,
  onFault: (worker: Worker) => void = () => {},
): StartThread {
  return (start) => {
    const data = { ...start, fault, writes };
    const options = { ...threadOptions(start), workerData: data };
    const worker = new Worker(new URL(import.meta.url), options);
    return worker.on('message', () => onFault(worker));
  };
}

if (workerData?.fault !== undefined) {
  let left: number = workerData.writes;
  const writeSync = (fd: number, bytes: Uint8Array, ...place: [number, number, number]): number => {
    left -= 1;
    if (left >= 0) return fs.writeSync(fd, bytes, ...place);
    parentPort?.postMessage('fault');
    return failedWrite(workerData.fault);
  };
  if (workerData.fault === 'is never durable') {
    // Neither by a flag, which this system does not have, nor by a sync.
    const fdatasyncSync = (): never => {
      throw Object.assign(new Error('EINVAL: invalid argument, fdatasync'), { code: 'EINVAL' });
    };
    new ThreadService({ ...fs, fdatasyncSync }, { ...workerData, flag: 0 }).run();
  } else {
    new ThreadService({ ...fs, writeSync }, workerData).run();
  }
}

function failedWrite(fault: Exclude<WriteFault, 'is never durable'>): number {
  switch (fault) {
    case 'hangs':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return 0;
    case 'fails':
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5 });
    case 'ends the thread':
      return process.exit();
  }
}
