import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Not of use in a copy, or made anew there. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', '.tap', 'dist', 'package.json']);

/** A copy of the build, in a folder of its own that looks like the top of the repository. */
export class Workshop {
  /** Processes that look at the copy run here. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Copies the build of the working directory; all but the build is shared with it. */
  static async open(): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-mutation-'));
    await cp('dist', join(folder, 'dist'), { recursive: true });
    await cp('package.json', join(folder, 'package.json'));
    for (const name of await readdir('.')) {
      if (!LEFT_OUT.has(name)) await symlink(resolve(name), join(folder, name));
    }
    await mkdir(join(folder, 'coverage'));
    return new Workshop(folder);
  }

  /** Where the build has what was compiled from a source. */
  compiledPath(file: string): string {
    return join(this.folder, 'dist', file.replace(/\.ts$/, '.js'));
  }

  async put(file: string, compiled: string): Promise<void> {
    await writeFile(this.compiledPath(file), compiled);
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
