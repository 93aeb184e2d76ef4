import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { playScenario } from './scenario.js';
import { parseScenario } from './scenario-file.js';

/*
 * Every file of test/scenarios is played and compared. REWRITE=1 writes down what happens now: read
 * the difference like prose before you keep it.
 */

const FOLDER = new URL('../../../test/scenarios/', import.meta.url);

t.test('scenarios', async (t) => {
  const startedMs = performance.now();
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));
  for (const name of names) {
    const path = new URL(name, FOLDER);
    const text = readFileSync(path, 'utf8');
    const scenario = parseScenario(name, text);
    t.test(`${name}: ${scenario.title}`, async (t) => {
      const played = playScenario(name, scenario);
      if (process.env['REWRITE'] === '1') writeFileSync(path, played);
      t.equal(played, process.env['REWRITE'] === '1' ? played : text);
    });
  }
  t.test('take less than five seconds, all of them', async (t) => {
    t.ok(names.length >= 10, `${names.length} scenarios are there`);
    t.ok(performance.now() - startedMs < 5000, `${Math.round(performance.now() - startedMs)} ms`);
  });
});

t.test('a mistake in a scenario names its file and line', async (t) => {
  const mistakes = [
    ['tik a', 'mine.txt:4: unknown command "tik"'],
    ['tick', 'mine.txt:4: whose is missing'],
    ['tick z', 'mine.txt:4: z is no member'],
    ['tick a many', 'mine.txt:4: nobody asked for "many"'],
    ['disk a', 'mine.txt:4: a has no write under way'],
    ['deliver b kind=append', 'mine.txt:4: no such message waits'],
    ['add d term=x', 'mine.txt:4: term=x is no number'],
    ['nodes a', 'mine.txt:4: a is there already'],
    ['add dd', 'mine.txt:4: "dd" is no single letter'],
    ['add d timeouts=9', 'mine.txt:4: timeouts are from 10 to 19 ticks'],
    ['change a forget b', 'mine.txt:4: no change is called "forget"'],
    ['fetch a', 'mine.txt:4: a fetches nothing'],
    ['receive a shout from=b term=1', 'mine.txt:4: no message is called "shout"'],
    ['receive a vote term=1 last=0/0', 'mine.txt:4: from= is missing'],
    ['receive a vote from=b term=1', 'mine.txt:4: last= is missing'],
    ['elect a quickly', 'mine.txt:4: nobody asked for "quickly"'],
  ] as const;
  for (const [line, message] of mistakes) {
    const text = `# Mine.\n\nnodes abc\n${line}\n`;
    t.throws(() => playScenario('mine.txt', parseScenario('mine.txt', text)), { message });
  }
  t.throws(() => parseScenario('mine.txt', 'nodes abc\n'), {
    message: 'mine.txt:1: a scenario begins with the sentence that it shows: # …',
  });
});

t.test('what happens is written below a rule, and the rest is left as it was', async (t) => {
  const text = '# Mine.\n\n# Three.\nnodes abc\ntick a 1\n\nstatus a\n----\nanything\n';
  t.equal(
    playScenario('mine.txt', parseScenario('mine.txt', text)),
    [
      '# Mine.\n',
      '# Three.\nnodes abc\ntick a 1\n----\nnothing\n',
      'status a\n----',
      'a: follower at term 0, leader -, vote -, of abc, last 0/0, durable 0, commit 0, applied 0\n',
    ].join('\n'),
  );
});
