// Generates lib/wire/generated/quorate.{js,d.ts} from quorate.proto, and copies them to dist, where
// tsc does not bring them. What is up to date is left alone: the first line of the generated module
// is a hash of everything that it is made from.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'proto', 'quorate.proto');
const generated = join(root, 'lib', 'wire', 'generated');
const copies = join(root, 'dist', 'lib', 'wire', 'generated');
const moduleFile = 'quorate.js';
const typesFile = 'quorate.d.ts';

const stamp = `// Generated from proto/quorate.proto. ${sourceHash()}\n`;
if (!isCurrent(generated)) await generate();
if (!isCurrent(copies)) copy();

function sourceHash() {
  const hash = createHash('sha256');
  for (const path of [source, fileURLToPath(import.meta.url)]) {
    // Line ends may differ between checkouts without meaning anything.
    hash.update(readFileSync(path, 'utf8').replaceAll('\r\n', '\n'));
  }
  hash.update(require('protobufjs-cli/package.json').version);
  return hash.digest('hex');
}

function isCurrent(folder) {
  return [moduleFile, typesFile].every((file) => {
    const path = join(folder, file);
    return existsSync(path) && readFileSync(path, 'utf8').startsWith(stamp);
  });
}

async function generate() {
  const { main: pbjs } = require('protobufjs-cli/pbjs');
  const { main: pbts } = require('protobufjs-cli/pbts');
  const left = ['--no-verify', '--no-convert', '--no-delimited', '--no-typeurl', '--no-service'];
  const options = [
    ...['--target', 'static-module', '--wrap', 'esm'],
    // A root of its own: the default one is shared with everybody else in the process.
    ...['--root', 'quorate_v1'],
    ...left,
  ];
  mkdirSync(generated, { recursive: true });
  const modulePath = join(generated, moduleFile);
  // The types are made from the comments, which the module that ships does without.
  writeFileSync(modulePath, await promisify(pbjs)([...options, source]));
  const types = await promisify(pbts)([modulePath]);
  writeFileSync(join(generated, typesFile), stamp + types);
  // The stamp of the module comes last: a run that was cut short is repeated.
  const javascript = await promisify(pbjs)([...options, '--no-comments', source]);
  writeFileSync(modulePath, stamp + javascript);
}

function copy() {
  mkdirSync(copies, { recursive: true });
  for (const file of [moduleFile, typesFile]) {
    writeFileSync(join(copies, file), readFileSync(join(generated, file)));
  }
}
