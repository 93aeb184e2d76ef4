import { Transform } from 'node:stream';
import { Parser } from 'tap-parser';

/**
 * What `npm test` prints: one line a file, every failure in full, and as the last line
 * `N passed, N failed`, with `, N skipped` when any were. tap hands in its raw protocol and keeps
 * the exit code to itself.
 */
export default class SummaryReporter extends Transform {
  #parser = new Parser();
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  constructor() {
    super();
    // Every assertion that holds no others, from however deep.
    this.#parser.on('result', (result) => this.#onResult(result));
    // Directly under the root stand the files.
    this.#parser.on('assert', (file) => this.#onFile(file));
    this.#parser.on('bailout', (reason) => {
      this.#failed += 1;
      this.push(`bailed out: ${reason}\n`);
    });
  }

  _transform(chunk, _encoding, done) {
    this.#parser.write(chunk);
    done();
  }

  _flush(done) {
    this.#parser.once('complete', (summary) => {
      // A run that fails with every assertion passed (a plan that was not met, a crash between two
      // files) still says so in the last line.
      if (!summary.ok && this.#failed === 0) this.#failed = 1;
      const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : '';
      this.push(`\n${this.#passed} passed, ${this.#failed} failed${skipped}\n`);
      done();
    });
    this.#parser.end();
  }

  #onResult(result) {
    if (result.skip || result.todo) {
      this.#skipped += 1;
    } else if (result.ok) {
      this.#passed += 1;
    } else {
      this.#failed += 1;
      this.push(describe(result));
    }
  }

  #onFile(file) {
    const verdict = file.skip ? 'skip' : file.ok ? 'ok  ' : 'FAIL';
    this.push(`${verdict} ${file.name} (${Math.round(file.time ?? 0)} ms)\n`);
  }
}

/** The name from the file down, then what tap knows about the failure. */
function describe({ fullname, name, diag }) {
  const lines = ['', `not ok: ${fullname || name}`];
  const { diff, stack, at, ...rest } = diag ?? {};
  delete rest.source;
  if (at?.fileName) lines.push(`at ${at.fileName}:${at.lineNumber}:${at.columnNumber}`);
  if (diff) lines.push(diff.trimEnd());
  if (Object.keys(rest).length > 0) lines.push(JSON.stringify(rest, null, 2));
  if (stack) lines.push(stack.trimEnd());
  return `${lines.join('\n').replaceAll('\n', '\n  ')}\n\n`;
}
