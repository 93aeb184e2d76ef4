import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';

const PAGE = readFileSync('docs/testing.md', 'utf8');
const EXAMPLES = 'examples/testing';

t.test('every program in the page on testing is an example, and passes', async (t) => {
  const shown = [...PAGE.matchAll(/```js\n(.*?)```/gs)].map(([, text]) => text);
  const names = readdirSync(EXAMPLES);
  const kept = names.map((name) => readFileSync(`${EXAMPLES}/${name}`, 'utf8'));
  t.same([...shown].sort(), kept.sort());
  for (const name of names) {
    const args = ['--test', `${EXAMPLES}/${name}`];
    const env = { ...process.env };
    // Set by a runner that is itself under test; with it the example would not run.
    delete env['NODE_TEST_CONTEXT'];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    t.equal(status, 0, stdout);
    t.match(stdout, /pass 1\b/, name);
  }
});
