import { posix } from 'node:path';
import ts from 'typescript';
import { type Import, importsOf, lineOf, parse, walk } from './imports.js';
import { ROOMS, type Room, roomOf, TABLE_ROOTS } from './rooms.js';

/** The one file of the library that may name timers, dates, microtasks and chance. */
export const CLOCK_FILE = 'lib/timing/system-clock.ts';

const TIME_AND_CHANCE: ReadonlySet<string> = new Set([
  'Date',
  'performance',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
]);

/** What a pure machine does not know besides. */
const WORLD: ReadonlySet<string> = new Set([
  'Promise',
  'console',
  'process',
  'fetch',
  'globalThis',
]);

/** Members of globals that are time, chance or the surroundings of the process. */
const MEMBERS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['Math', new Set(['random'])],
  ['AbortSignal', new Set(['timeout'])],
  ['Atomics', new Set(['wait', 'waitAsync'])],
  ['process', new Set(['env', 'argv', 'on', 'once', 'exit', 'hrtime', 'nextTick', 'uptime'])],
]);

const NODE_TIME: ReadonlySet<string> = new Set([
  'node:timers',
  'node:timers/promises',
  'node:perf_hooks',
]);

/** Where bytes become values, and a type can only be claimed. */
const CODECS = ['lib/wire/', 'lib/store/codecs.ts', 'lib/node/define-state-machine.ts'];

/** Names of files in which anything may be found. */
const VAGUE = /^(utils?|helpers?|common|misc)([.-].*)?$/;

/** Every rule that the source at `path` breaks, one line each; none for a source in order. */
export function violationsOf(path: string, text: string): readonly string[] {
  const source = parse(path, text);
  const found: string[] = [];
  const report = (line: number, what: string): void => {
    found.push(`${path}:${line} ${what}`);
  };
  if (path.split('/').some((part) => VAGUE.test(part))) report(1, 'has a name that says nothing');
  checkExports(source, report);
  const inTable = TABLE_ROOTS.some((root) => path.startsWith(`${root}/`));
  if (!inTable) return found;
  const room = roomOf(path);
  if (room === null) {
    report(1, 'is in no row of the import table');
    return found;
  }
  for (const one of importsOf(source)) checkImport(path, room, one, report);
  if (!CODECS.some((codec) => path.startsWith(codec))) checkCasts(source, report);
  if (path.startsWith('lib/') && path !== CLOCK_FILE) checkNames(source, room, report);
  return found;
}

type Report = (line: number, what: string) => void;

function checkImport(path: string, room: Room, one: Import, report: Report): void {
  const { specifier, line } = one;
  if (specifier === null) {
    report(line, 'imports what cannot be known before it runs');
  } else if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier.replace(/\.js$/, '.ts'));
    checkRoom(room, target, one, report);
  } else if (isNodeModule(specifier)) {
    const allowed = room.node === 'any' || (room.node !== 'none' && room.node.includes(specifier));
    const isTime = room.path.startsWith('lib/') && NODE_TIME.has(specifier);
    if (!allowed || isTime) report(line, `imports ${specifier}`);
  } else {
    const name = packageOf(specifier);
    if (!room.packages.includes(name)) report(line, `imports the package ${name}`);
  }
}

function checkRoom(room: Room, target: string, one: Import, report: Report): void {
  const other = roomOf(target);
  if (other === null) {
    report(one.line, `imports ${target}, which is in no row of the import table`);
    return;
  }
  if (other.path === room.path || room.imports.includes(other.path)) return;
  if (!room.types.includes(other.path)) {
    report(one.line, `imports ${other.path}, which ${room.path} may not`);
  } else if (!one.typeOnly) {
    report(one.line, `imports more than types of ${other.path}`);
  }
}

function isNodeModule(specifier: string): boolean {
  return specifier.startsWith('node:') || BARE_NODE.has(specifier);
}

/** Modules of Node that are sometimes written without their prefix. */
const BARE_NODE: ReadonlySet<string> = new Set([
  ...['assert', 'buffer', 'crypto', 'events', 'fs', 'fs/promises', 'http', 'https', 'net', 'os'],
  ...['path', 'process', 'stream', 'timers', 'timers/promises', 'tls', 'util', 'worker_threads'],
]);

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function checkExports(source: ts.SourceFile, report: Report): void {
  walk(source, (node) => {
    const isDefault =
      ts.isExportAssignment(node) ||
      (ts.isExportSpecifier(node) && node.name.text === 'default') ||
      (ts.canHaveModifiers(node) &&
        (ts.getModifiers(node) ?? []).some((one) => one.kind === ts.SyntaxKind.DefaultKeyword));
    if (isDefault) report(lineOf(source, node), 'exports a default');
  });
}

function checkCasts(source: ts.SourceFile, report: Report): void {
  walk(source, (node) => {
    const isCast = ts.isAsExpression(node) && !ts.isConstTypeReference(node.type);
    if (isCast) report(lineOf(source, node), 'claims a type with `as`');
  });
}

function checkNames(source: ts.SourceFile, room: Room, report: Report): void {
  walk(source, (node) => {
    const line = lineOf(source, node);
    if (ts.isIdentifier(node) && isGlobalName(node)) {
      const isBanned = TIME_AND_CHANCE.has(node.text) || (room.pure && WORLD.has(node.text));
      if (isBanned) report(line, `names ${node.text}`);
    }
    const member = memberOf(node);
    if (member !== null) report(line, `names ${member}`);
    if (room.pure && isAsynchronous(node)) report(line, 'is asynchronous');
  });
}

/** An identifier that refers to something by itself, not the name of a member of something. */
function isGlobalName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return ts.isIdentifier(parent.expression) && parent.expression.text === 'globalThis';
  }
  if (ts.isQualifiedName(parent) && parent.right === node) return false;
  if (ts.isBindingElement(parent) && parent.propertyName === node) return false;
  const isMemberName =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isAccessor(parent);
  return !(isMemberName && parent.name === node);
}

/** `Math.random` and its like, also as `Math['random']` and taken apart by destructuring. */
function memberOf(node: ts.Node): string | null {
  const named = (object: ts.Node, name: string): string | null => {
    const owner = globalOf(object);
    return owner !== null && MEMBERS.get(owner)?.has(name) === true ? `${owner}.${name}` : null;
  };
  if (ts.isPropertyAccessExpression(node)) return named(node.expression, node.name.text);
  if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: name } = node;
    return ts.isStringLiteralLike(name) ? named(node.expression, name.text) : null;
  }
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
    if (node.initializer === undefined) return null;
    for (const element of node.name.elements) {
      const found = named(node.initializer, (element.propertyName ?? element.name).getText());
      if (found !== null) return found;
    }
  }
  return null;
}

/** The name of a global, written with or without `globalThis`. */
function globalOf(node: ts.Node): string | null {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node)) return null;
  return globalOf(node.expression) === 'globalThis' ? node.name.text : null;
}

function isAsynchronous(node: ts.Node): boolean {
  return (
    ts.isAwaitExpression(node) ||
    node.kind === ts.SyntaxKind.AsyncKeyword ||
    (ts.isForOfStatement(node) && node.awaitModifier !== undefined)
  );
}

/** Where the types of a declaration file mention what only users of Node have. */
export function nodeTypesOf(path: string, text: string): readonly string[] {
  const source = parse(path, text);
  const found: string[] = [];
  for (const reference of source.typeReferenceDirectives) {
    found.push(`${path} refers to the types of ${reference.fileName}`);
  }
  walk(source, (node) => {
    if (ts.isIdentifier(node) && (node.text === 'Buffer' || node.text === 'NodeJS')) {
      found.push(`${path}:${lineOf(source, node)} mentions ${node.text}`);
    }
  });
  return found;
}

/** The rows of the table that name a row which does not exist. */
export function unknownRooms(rooms: readonly Room[] = ROOMS): readonly string[] {
  const known = new Set(rooms.map((one) => one.path));
  return rooms.flatMap((one) => [...one.imports, ...one.types]).filter((path) => !known.has(path));
}
