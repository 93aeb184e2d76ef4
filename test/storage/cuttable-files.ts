import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';
import { nodeFiles } from '../../storage/files/index.js';

/** Files of the machine that fail from the nth call on, the first of them in the middle of a write. */
export function cuttable(): {
  readonly files: FileLayer;
  readonly cutAfter: (calls: number) => void;
} {
  let left = Number.POSITIVE_INFINITY;
  const call = (): void => {
    left -= 1;
    if (left < 0) throw new Error('EIO');
  };
  const files: FileLayer = {
    makeFolder: (path) => nodeFiles.makeFolder(path),
    list: (path) => nodeFiles.list(path),
    read: (path) => nodeFiles.read(path),
    async open(path, options) {
      call();
      const file = await nodeFiles.open(path, options);
      return {
        ...hooked(file, () => {}),
        async write(offset, bytes) {
          if (left === 0) await file.write(offset, bytes.subarray(0, bytes.length / 2));
          call();
          await file.write(offset, bytes);
        },
        async writeDurably(offset, bytes) {
          if (left === 0) await file.write(offset, bytes.subarray(0, bytes.length / 2));
          call();
          await file.writeDurably(offset, bytes);
        },
        async sync() {
          call();
          await file.sync();
        },
      };
    },
    async rename(from, to) {
      call();
      await nodeFiles.rename(from, to);
    },
    remove: (path) => nodeFiles.remove(path),
    async syncFolder(path) {
      call();
      await nodeFiles.syncFolder(path);
    },
  };
  const cutAfter = (calls: number): void => {
    left = calls;
  };
  return { files, cutAfter };
}

/** The same file, with a look at each write once it is done. */
export function hooked(file: OpenFile, onWrite: (bytes: Uint8Array) => void): OpenFile {
  return {
    sizeBytes: () => file.sizeBytes(),
    read: (offset, length) => file.read(offset, length),
    write: async (offset, bytes) => {
      await file.write(offset, bytes);
      onWrite(bytes);
    },
    writeDurably: async (offset, bytes) => {
      await file.writeDurably(offset, bytes);
      onWrite(bytes);
    },
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
