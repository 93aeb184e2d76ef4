import { spawnSync } from 'node:child_process';
import t from 'tap';

t.test('the tables of the documents are what the code says', async (t) => {
  const args = ['docs/generate.mjs', '--check'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  t.equal(stderr, '');
  t.equal(status, 0);
});
