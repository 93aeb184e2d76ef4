import { saveSnapshot } from 'quorate';
import { snapshotFile } from 'quorate/storage/wal';
import { type Command, DONE } from './command.js';

/** Commands that make copies of a running cluster. */
export const SNAPSHOT_COMMANDS: readonly Command[] = [
  {
    names: ['snapshot save'],
    usage: 'FILE',
    help: 'saves the whole state, as of now, into a file of this machine',
    words: [1, 1],
    flags: [{ name: 'overwrite', value: null, help: 'replace FILE where it is there already' }],
    prepare: ({ words: [path = ''], settings }) => {
      const file = snapshotFile(path, { overwrite: settings.get('overwrite')?.text === 'true' });
      return async ({ kv, out, remaining }) => {
        const saved = await saveSnapshot(kv, file, remaining());
        // What cannot be read back is no backup.
        const written = await file.open();
        await written.close();
        const { index, term, revision, keyCount, sizeBytes } = saved;
        const { digest } = written;
        out.line(
          `saved ${path}: index ${index}, term ${term}, revision ${revision}, ${keyCount} keys, ` +
            `${sizeBytes} bytes, sha256 ${digest}`,
          { file: path, ...saved, digest },
        );
        return DONE;
      };
    },
  },
];
