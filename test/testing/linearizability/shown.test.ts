import { readFileSync } from 'node:fs';
import t from 'tap';
import {
  checkLinearizability,
  explain,
  KVHistory,
  type KVInput,
  kvModel,
  pictureOf,
  timelineOf,
} from '../../../lib/testing/index.js';
import { generatedHistory } from './generated.js';

const PAGE = readFileSync('docs/testing.md', 'utf8');

t.test('a counter-example is told as the page on testing shows it', async (t) => {
  const text = explain(checkLinearizability(kvModel, orders().operations));
  const [, shown] = /```text\n(.*?)\n```/s.exec(PAGE)!;
  t.equal(text, shown);
});

t.test('an unknown operation runs on to the end, beside what its client does next', async (t) => {
  const history = new KVHistory();
  const put = (value: string): KVInput => ({ kind: 'put', key: 'x', value, ifRevision: null });
  const get: KVInput = { kind: 'get', key: 'x', consistency: 'linearizable' };
  const entry = (value: string, modRevision: number) => {
    return { kind: 'entry', entry: { value, modRevision, createRevision: 1, version: 1 } } as const;
  };
  history.begin('a', put('1')).lose();
  history.begin('a', get).acknowledge(entry('1', 2));
  history.begin('a', get).acknowledge({ kind: 'entry', entry: null });
  const { counterexamples } = checkLinearizability(kvModel, history.operations);
  t.equal(
    timelineOf(counterexamples[0]!),
    `"x": 3 of 3 operations, and no order explains them

              a                            a
      1.0 ms  ┌ put "1", outcome unknown
      3.0 ms  ╎                            ┌ get
      4.0 ms  ╎                            └ get → "1" @2  (2)
      5.0 ms  ╎                            ┌ get
      6.0 ms  ╎                            └ get → nothing  ✗
              ╎

Initially nothing. An order of the others, and what is held then:
    1  a: put "1"       "1" @2
    2  a: get → "1" @2  "1" @2
    ✗  a: get → nothing  has no place: while it ran, "1" @2 was held`,
  );
});

t.test('a picture is one page by itself, in which every text is text', async (t) => {
  const history = new KVHistory();
  const value = `<script>alert("&")</script>`;
  history.begin('<b>', { kind: 'get', key: '"&', consistency: 'linearizable' }).acknowledge({
    kind: 'entry',
    entry: { value, modRevision: 1, createRevision: 1, version: 1 },
  });
  const { counterexamples } = checkLinearizability(kvModel, history.operations);
  const page = pictureOf(counterexamples, { title: 'seed <1>' });
  t.notMatch(page, /<script|<b>|src=|href=|@import|url\(|http/);
  t.match(page, '<title>seed &#60;1&#62;</title>');
  t.match(page, '&#60;script&#62;');
  t.same(unclosed(page), []);
});

t.test(
  'in a picture every call is a bar, every effect inside its own, and one is red',
  async (t) => {
    const wrong = generatedHistory({ seed: 4, operations: 60, clients: 4, fault: 'stale read' });
    const { counterexamples } = checkLinearizability(kvModel, [...wrong, ...orders().operations]);
    t.equal(counterexamples.length, 2);
    for (const counterexample of counterexamples) {
      const page = pictureOf([counterexample]);
      const { operations } = counterexample;
      const bars = [
        ...page.matchAll(/<g class="(known|unknown|blocked)">.*?x="([\d.]+)".*?width="([\d.]+)"/gs),
      ];
      t.equal(bars.length, operations.length);
      t.equal(bars.filter(([, kind]) => kind === 'blocked').length, 1);
      const dots = [...page.matchAll(/<circle cx="([\d.]+)".*?<text.*?>(\d+)</g)];
      t.same(
        dots.map(([, , place]) => Number(place)),
        operations.slice(1).map((_, i) => i + 1),
      );
      for (const [, cx, place] of dots) {
        const position = operations.findIndex((shown) => shown.place === Number(place));
        const [, , x, width] = bars[position]!;
        t.ok(Number(cx) > Number(x) && Number(cx) < Number(x) + Number(width));
      }
      t.same(unclosed(page), []);
    }
  },
);

/** Three clients of one order: a read goes back behind another one that has returned. */
function orders(): KVHistory {
  let now = 0;
  const history = new KVHistory({
    clock: {
      now: () => {
        now += 10;
        return now;
      },
    },
  });
  const begin = (client: string, call: Partial<KVInput>) => {
    const defaults = { kind: 'get', key: 'order/17', consistency: 'linearizable' } as const;
    return history.begin(client, { ...defaults, ...call } as KVInput);
  };
  const put = (value: string) => ({ kind: 'put', value, ifRevision: null }) as const;
  const entry = (value: string, modRevision: number) => {
    return { kind: 'entry', entry: { value, modRevision, createRevision: 4, version: 1 } } as const;
  };
  begin('ann', put('new')).acknowledge({ kind: 'put', revision: 4, created: true });
  const paid = begin('ben', put('paid'));
  begin('cas', {}).acknowledge(entry('paid', 7));
  const slow = begin('cas', {});
  begin('ann', {}).acknowledge(entry('new', 4));
  slow.acknowledge(entry('paid', 7));
  const late = begin('cas', {});
  paid.acknowledge({ kind: 'put', revision: 7, created: false });
  late.acknowledge(entry('paid', 7));
  begin('ann', {}).acknowledge(entry('paid', 7));
  begin('ben', {}).acknowledge(entry('paid', 7));
  begin('cas', {}).acknowledge(entry('paid', 7));
  return history;
}

/** Tags that were opened and not closed, or closed and not opened. */
function unclosed(page: string): readonly string[] {
  const open: string[] = [];
  for (const [, slash, name, rest] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b([^>]*)>/g)) {
    if (rest!.endsWith('/') || name === 'meta') continue;
    if (slash === '') open.push(name!);
    else if (open.at(-1) === name) open.pop();
    else return [...open, `/${name}`];
  }
  return open;
}
