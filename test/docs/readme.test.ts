import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';

const README = readFileSync('README.md', 'utf8');
const SNIPPETS = 'examples/snippets';

t.test('every program in the README is a snippet that a test runs', async (t) => {
  const shown = [...README.matchAll(/```js\n(.*?)```/gs)].map(([, text]) => text);
  const kept = readdirSync(SNIPPETS).map((name) => readFileSync(`${SNIPPETS}/${name}`, 'utf8'));
  t.same([...shown].sort(), kept.sort());
});

t.test('every command and page that the README names is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const named = [...README.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!);
  t.same(
    named.filter((name) => !Object.hasOwn(scripts, name)),
    [],
  );
  const links = [...README.matchAll(/\]\(([\w./-]+)\)/g)].map(([, path]) => path!);
  const tests = [...README.matchAll(/dist\/test\/[\w./-]+/g)].map(([path]) => {
    return path.replace('dist/', '').replace(/\.js$/, '.ts');
  });
  t.ok(links.length > 5 && tests.length > 5 && named.length > 3, 'there is something to look at');
  t.same(
    [...links, ...tests].filter((path) => !existsSync(path)),
    [],
  );
});

t.test('its list of guarantees has a command for each', async (t) => {
  const table = README.split('## What it guarantees')[1]!.split('\n## ')[0]!;
  const rows = table.split('\n').filter((line) => /^\| [A-Z]/.test(line));
  t.ok(rows.length >= 8);
  for (const row of rows) t.match(row, /\| `np[mx] .+` \|$/);
});
