import t from 'tap';
import {
  CapturingLogger,
  lineLogger,
  MemoryMetrics,
  noMetrics,
  noTracer,
  silentLogger,
} from '../../lib/observe/index.js';

t.test('a captured line has the fields of its parents, and its own win', async (t) => {
  const logger = new CapturingLogger({ maxLines: 2 });
  logger.trace({}, 'dropped when the list is full');
  const child = logger.child({ nodeId: 'n1', group: 'a' }).child({ group: 'b' });
  child.warn({ event: 'x' }, 'one');
  child.error({ nodeId: 'n2' }, 'two');
  t.same(logger.lines, [
    { level: 'warn', fields: { nodeId: 'n1', group: 'b', event: 'x' }, message: 'one' },
    { level: 'error', fields: { nodeId: 'n2', group: 'b' }, message: 'two' },
  ]);
});

t.test('a JSON line is one object on one line, whatever the fields are', async (t) => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const fields = {
    event: 'disk',
    level: 'forged',
    cycle,
    big: 2n ** 60n,
    bytes: new Uint8Array(12),
    none: undefined,
    error: new Error('write failed', { cause }),
    many: Array.from({ length: 1000 }, (_, i) => i),
  };
  const line = written('json', fields, 'the disk is full');
  t.equal(line.split('\n').length, 2);
  const parsed = JSON.parse(line);
  t.match(parsed, {
    level: 'error',
    time: 1_704_067_201_234,
    msg: 'the disk is full',
    event: 'disk',
    big: '1152921504606846976',
    bytes: '(12 bytes)',
    none: '(undefined)',
    error: { message: 'write failed', cause: { code: 'ENOSPC', message: 'no space' } },
  });
  t.equal(parsed.many.length, 50);
});

t.test('text from outside cannot forge a line or steer a terminal', async (t) => {
  const evil = 'a\nERROR forged\r\u001b[2J\u009b2J\u202egnp\u2028\u007f';
  for (const format of ['json', 'pretty'] as const) {
    const line = written(format, { peer: evil, [evil]: 1, list: [evil] }, evil);
    t.equal(line.indexOf('\n'), line.length - 1, format);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
    t.notMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/, format);
  }
  t.same(JSON.parse(written('json', { peer: evil }, 'm')).peer, evil, 'JSON gives it back whole');
});

t.test('a pretty line has time, level, message and fields, quoted where needed', async (t) => {
  t.equal(
    written('pretty', { peer: 'n2', reason: 'timed out', count: 3 }, 'a peer is lost'),
    '00:00:01.234 ERROR a peer is lost peer=n2 reason="timed out" count=3\n',
  );
});

t.test(
  'lines below the level are dropped, and a field that throws does not stop the line',
  async (t) => {
    const lines: string[] = [];
    const logger = lineLogger({ write: (line) => lines.push(line), level: 'warn' });
    logger.info({}, 'dropped');
    const trap = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('trap');
        },
      },
    );
    logger.warn({ trap }, 'kept');
    t.same(lines, ['{"level":"warn","trap":"(cannot be shown)","msg":"kept"}\n']);
  },
);

t.test('metrics in memory add, keep and sum up by name and labels', async (t) => {
  const metrics = new MemoryMetrics();
  metrics.count('sent', { peer: 'n2', lane: 'bulk' });
  metrics.count('sent', { lane: 'bulk', peer: 'n2' }, 4);
  metrics.count('sent', { peer: 'n3', lane: 'bulk' });
  t.equal(metrics.counted('sent', { peer: 'n2', lane: 'bulk' }), 5);
  t.equal(metrics.counted('received'), 0);
  metrics.gauge('queued', 3);
  metrics.gauge('queued', 2);
  t.equal(metrics.gauged('queued'), 2);
  t.equal(metrics.gauged('other'), null);
  for (const value of [3, 1, 8]) metrics.observe('fsyncMs', value);
  t.same(metrics.observed('fsyncMs'), { count: 3, sum: 12, min: 1, max: 8 });
  t.equal(metrics.observed('other'), null);
});

t.test('the silent ones take everything and give nothing', async (t) => {
  t.doesNotThrow(() => {
    silentLogger.child({ a: 1 }).fatal({ b: 2 }, 'nobody hears this');
    noMetrics.count('a');
    noMetrics.gauge('a', 1);
    noMetrics.observe('a', 1);
    noTracer.start('span').end(new Error('unseen'));
  });
});

function written(
  format: 'json' | 'pretty',
  fields: Readonly<Record<string, unknown>>,
  message: string,
): string {
  let text = '';
  const wallNow = (): number => 1_704_067_201_234.5;
  const write = (line: string): void => {
    text += line;
  };
  lineLogger({ write, format, wallNow }).error(fields, message);
  return text;
}
