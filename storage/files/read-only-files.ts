import { InvariantViolation } from '../../lib/base/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';

/** The same files for those who only look. Whatever would change something is a mistake of ours. */
export function readOnlyFiles(files: FileLayer): FileLayer {
  return {
    list: (path) => files.list(path),
    read: (path) => files.read(path),
    open: async (path) => {
      const file = await files.open(path, { create: false, readOnly: true });
      return {
        sizeBytes: () => file.sizeBytes(),
        read: (offset, length) => file.read(offset, length),
        close: () => file.close(),
        write: refuse,
        writeDurably: refuse,
        truncate: refuse,
        sync: refuse,
      };
    },
    makeFolder: refuse,
    rename: refuse,
    remove: refuse,
    syncFolder: refuse,
  };
}

async function refuse(): Promise<never> {
  throw new InvariantViolation('whoever looks at files changes none of them');
}
