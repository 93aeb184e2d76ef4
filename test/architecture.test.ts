import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import t from 'tap';
import { nodeTypesOf, unknownRooms, violationsOf } from './architecture/check.js';
import { importsOf, parse } from './architecture/imports.js';

const ROOTS = ['lib', 'transports', 'storage', 'examples', 'benchmarks', 'test'];

t.test('the sources', async (t) => {
  t.test('keep to the import table, to purity and to the ban on clocks and chance', async (t) => {
    const files = sources();
    t.ok(files.length > 50, 'the sources are found');
    t.same(
      files.flatMap((path) => violationsOf(path, readFileSync(path, 'utf8'))),
      [],
    );
  });

  t.test('are what is compiled: dist holds no test whose source is gone', async (t) => {
    const compiled = filesUnder('dist/test').filter((path) => path.endsWith('.test.js'));
    const stale = compiled.filter(
      (path) => !existsSync(path.replace(/^dist\//, '').replace(/\.js$/, '.ts')),
    );
    t.same(stale, [], 'npm run clean && npm run build');
  });

  t.test('have public types that mention neither Buffer nor NodeJS', async (t) => {
    const reached = declarationsFrom(entryPoints());
    t.ok(reached.length > 10, 'the declarations are found');
    t.same(
      reached.flatMap((path) => nodeTypesOf(path, readFileSync(path, 'utf8'))),
      [],
    );
  });
});

t.test('the table names only rows that it has', async (t) => {
  t.same(unknownRooms(), []);
});

t.test('the checker', async (t) => {
  const cases: [string, string, string, string | null][] = [
    ['a room below', 'lib/raft/a.ts', "import { at } from '../base/index.js'", null],
    ['a room above', 'lib/raft/a.ts', "import { x } from '../node/index.js'", 'lib/node'],
    ['a re-export', 'lib/raft/a.ts', "export * from '../interfaces/index.js'", 'lib/interfaces'],
    ['a named re-export', 'lib/base/a.ts', "export { x } from '../raft/a.js'", 'lib/raft'],
    ['import()', 'lib/kv/a.ts', "const x = () => import('../server/index.js')", 'lib/server'],
    ['an unknown import()', 'lib/kv/a.ts', 'const x = (y: string) => import(y)', 'cannot be known'],
    ['import() in a type', 'lib/base/a.ts', "type X = import('../raft/a.js').X", 'lib/raft'],
    ['an import for effect', 'lib/base/a.ts', "import '../raft/a.js'", 'lib/raft'],
    ['types of raft', 'lib/interfaces/a.ts', "import type { X } from '../raft/types.js'", null],
    ['type re-export', 'lib/interfaces/a.ts', "export type * from '../raft/types.js'", null],
    ['values of raft', 'lib/interfaces/a.ts', "import { X } from '../raft/types.js'", 'more than'],
    ['inline type', 'lib/interfaces/a.ts', "import { type X } from '../raft/a.js'", 'more than'],
    ['kv from machine', 'lib/kv/machine/a.ts', "import { x } from '../kv.js'", 'lib/kv, which'],
    ['machine from kv', 'lib/kv/a.ts', "import { x } from './machine/index.js'", null],
    ['tcp from client', 'lib/client/a.ts', "import '../../transports/tcp/index.js'", 'transports'],
    ['tcp, composed', 'lib/client/index.ts', "import '../../transports/tcp/index.js'", null],
    ['a disk, composed', 'lib/index.ts', "import '../storage/level/index.js'", 'storage/level'],
    ['server in testing', 'lib/testing/a.ts', "import '../server/index.js'", 'lib/server'],
    ['a room unknown', 'lib/new/a.ts', '', 'no row'],
    ['node:', 'lib/node/a.ts', "import { join } from 'node:path'", 'node:path'],
    ['node, unprefixed', 'lib/node/a.ts', "import { join } from 'path'", 'imports path'],
    ['assert in testing', 'lib/testing/a.ts', "import 'node:assert/strict'", null],
    ['files in testing', 'lib/testing/a.ts', "import 'node:fs'", 'node:fs'],
    ['timers in server', 'lib/server/a.ts', "import 'node:timers/promises'", 'node:timers'],
    ['sockets in tcp', 'transports/tcp/a.ts', "import 'node:net'", null],
    ['a package', 'lib/node/a.ts', "import { x } from 'sorted-btree'", 'sorted-btree'],
    ['its own package', 'storage/level/a.ts', "const x = () => import('classic-level')", null],
    ['Date', 'lib/kv/a.ts', 'const x = Date.now()', 'names Date'],
    ['Date as a type', 'lib/kv/a.ts', 'type X = Date', 'names Date'],
    ['new Date', 'lib/server/a.ts', 'const x = new Date()', 'names Date'],
    ['a timer', 'lib/link/a.ts', 'setTimeout(f, 5)', 'names setTimeout'],
    ['a global timer', 'lib/link/a.ts', 'globalThis.setTimeout(f, 5)', 'names setTimeout'],
    ['a timer in disguise', 'lib/link/a.ts', 'const f = setImmediate', 'names setImmediate'],
    ['a microtask', 'lib/events/a.ts', 'queueMicrotask(f)', 'names queueMicrotask'],
    ['a timing signal', 'lib/client/a.ts', 'AbortSignal.timeout(5)', 'AbortSignal.timeout'],
    ['chance', 'lib/node/a.ts', 'Math.random()', 'Math.random'],
    ['chance by text', 'lib/node/a.ts', "Math['random']()", 'Math.random'],
    ['chance, taken apart', 'lib/node/a.ts', 'const { random } = Math', 'Math.random'],
    ['bytes of chance', 'lib/node/a.ts', 'crypto.getRandomValues(x)', 'names crypto'],
    ['the clock file', 'lib/timing/system-clock.ts', 'setTimeout(() => Date.now(), 5)', null],
    ['its neighbour', 'lib/timing/presets.ts', 'setTimeout(f, 5)', 'names setTimeout'],
    ['a member so named', 'lib/node/a.ts', 'socket.setTimeout(5); const x = { Date: 1 }', null],
    ['a comment', 'lib/raft/a.ts', '/** No Promise, no Date. */ // setTimeout', null],
    ['a text', 'lib/raft/a.ts', "const x = 'Promise of Date'", null],
    ['a promise', 'lib/raft/a.ts', 'type X = Promise<void>', 'names Promise'],
    ['a promise in the driver', 'lib/node/a.ts', 'type X = Promise<void>', null],
    ['async', 'lib/raft/a.ts', 'async function f(): X {}', 'asynchronous'],
    ['await', 'lib/kv/machine/a.ts', 'await x', 'asynchronous'],
    ['for await', 'lib/raft/a.ts', 'for await (const x of y) {}', 'asynchronous'],
    ['console', 'lib/raft/a.ts', "console.log('x')", 'names console'],
    ['the environment', 'lib/server/a.ts', "process.env['X']", 'process.env'],
    ['by another way', 'lib/node/a.ts', 'globalThis.process.env', 'process.env'],
    ['signals', 'lib/node/a.ts', "process.on('exit', f)", 'process.on'],
    ['a claimed type', 'lib/node/a.ts', 'const x = y as X', 'claims a type'],
    ['a constant', 'lib/node/a.ts', "const x = ['a'] as const", null],
    ['a codec', 'lib/store/codecs.ts', 'const x = y as X', null],
    ['a default', 'examples/a.ts', 'export default 1', 'default'],
    ['a default class', 'examples/a.ts', 'export default class X {}', 'default'],
    ['a default, renamed', 'examples/a.ts', 'export { x as default }', 'default'],
    ['a vague name', 'lib/base/utils.ts', '', 'says nothing'],
    ['a vague folder', 'test/helpers/a.ts', '', 'says nothing'],
    ['a vague name, longer', 'examples/common-parts.ts', '', 'says nothing'],
  ];
  for (const [name, path, text, expected] of cases) {
    const found = violationsOf(path, text);
    if (expected === null) t.same(found, [], `${name} is in order`);
    else t.ok(found.length === 1 && found[0]?.includes(expected), `${name}: ${found.join('; ')}`);
  }
  t.match(nodeTypesOf('a.d.ts', 'export declare const x: Buffer'), [/mentions Buffer/]);
  t.match(nodeTypesOf('a.d.ts', 'export declare let x: NodeJS.Timeout'), [/mentions NodeJS/]);
  t.match(nodeTypesOf('a.d.ts', '/// <reference types="node" />'), [/types of node/]);
  t.same(nodeTypesOf('a.d.ts', '/** Not a Buffer. */ export declare const x: Uint8Array'), []);
});

function sources(): readonly string[] {
  return ROOTS.flatMap(filesUnder).filter((path) => path.endsWith('.ts') && !isGenerated(path));
}

function isGenerated(path: string): boolean {
  return path.includes('/generated/');
}

function filesUnder(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.replaceAll('\\', '/'), entry.name))
    .sort();
}

/** The declaration files that the package's exports name. */
function entryPoints(): readonly string[] {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
  const targets: { types?: string }[] = Object.values(exports);
  return targets.flatMap(({ types }) => (types === undefined ? [] : [posix.normalize(types)]));
}

/** Those files and every file of ours that they mention. */
function declarationsFrom(entries: readonly string[]): readonly string[] {
  const reached = new Set<string>(entries);
  for (const path of reached) {
    if (!existsSync(path)) continue;
    for (const { specifier } of importsOf(parse(path, readFileSync(path, 'utf8')))) {
      if (specifier?.startsWith('.') !== true) continue;
      const target = posix.join(posix.dirname(path), specifier.replace(/\.js$/, '.d.ts'));
      if (!isGenerated(target)) reached.add(target);
    }
  }
  return [...reached].filter((path) => existsSync(path));
}
