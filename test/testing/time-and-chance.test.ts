import fc from 'fast-check';
import t from 'tap';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';

t.test('VirtualClock', async (t) => {
  t.test('runs callbacks by due time, then in the order they were asked for', async () => {
    fc.assert(
      fc.property(fc.array(fc.record({ delay: fc.nat(9), cancelled: fc.boolean() })), (asked) => {
        const clock = new VirtualClock();
        const ran: number[] = [];
        asked.forEach(({ delay, cancelled }, id) => {
          const timer = clock.after(delay, () => ran.push(id));
          if (cancelled) timer.cancel();
        });
        const expected = asked
          .map((one, id) => ({ ...one, id }))
          .filter((one) => !one.cancelled)
          .sort((a, b) => a.delay - b.delay || a.id - b.id)
          .map((one) => one.id);
        if (clock.pending !== expected.length) return false;
        while (clock.runNext());
        return JSON.stringify(ran) === JSON.stringify(expected) && clock.pending === 0;
      }),
    );
  });

  t.test('advance runs what falls due inside, at its own time, and no more', async (t) => {
    const clock = new VirtualClock({ wallStartMs: 1000 });
    const ran: string[] = [];
    clock.after(10, () => {
      ran.push(`a at ${clock.now()}`);
      clock.after(10, () => ran.push(`b at ${clock.now()}`));
      clock.after(11, () => ran.push('too late'));
    });
    clock.advance(20);
    t.same(ran, ['a at 10', 'b at 20']);
    t.equal(clock.now(), 20);
    t.equal(clock.wallNow(), 1020);
    t.equal(clock.nextDueMs, 21);
  });

  t.test('elapse lets promises settle between two callbacks', async (t) => {
    const clock = new VirtualClock();
    const order: string[] = [];
    clock.after(1, () => {
      order.push('timer 1');
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => order.push('promise'));
    });
    clock.after(1, () => order.push('timer 2'));
    await clock.elapse(1);
    t.same(order, ['timer 1', 'promise', 'timer 2']);
  });

  t.test(
    'after a held loop what is late runs first, and afterPoll behind waiting input',
    async (t) => {
      const clock = new VirtualClock();
      const order: string[] = [];
      clock.after(5, () => {
        order.push(`timer at ${clock.now()}`);
        clock.afterPoll(() => order.push('afterPoll'));
      });
      clock.after(6, () => clock.soon(() => order.push('input')));
      clock.hold(100);
      t.same(order, []);
      clock.advance(0);
      t.same(order, ['timer at 100', 'input', 'afterPoll']);
    },
  );

  t.test('a callback may cancel itself, and a timer twice, without harm', async (t) => {
    const clock = new VirtualClock();
    const timer = clock.after(1, () => timer.cancel());
    clock.advance(1);
    timer.cancel();
    t.equal(clock.pending, 0);
    t.equal(clock.runNext(), false);
  });
});

t.test('SeededRandom', async (t) => {
  t.test('the same seed gives the same numbers, on every machine', async (t) => {
    const random = new SeededRandom(7);
    const drawn = [random.below(1000), random.below(1000), random.below(1000), random.below(1000)];
    t.same(drawn, [415, 939, 744, 460]);
    t.same(new SeededRandom('7').bytes(8), new SeededRandom(7).bytes(8));
    t.notSame(new SeededRandom(8).bytes(8), new SeededRandom(7).bytes(8));
  });

  t.test('a fork depends on seed and name, not on what was drawn before', async (t) => {
    const random = new SeededRandom('seed');
    const before = random.fork('network').bytes(16);
    random.bytes(100);
    t.same(random.fork('network').bytes(16), before);
    t.notSame(random.fork('disk').bytes(16), before);
  });

  t.test('numbers fill [0, 1) evenly', async (t) => {
    const random = new SeededRandom('even');
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i += 1) {
      const bucket = random.below(10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) t.ok(Math.abs(count - 10_000) < 500, `${count} of 10,000`);
    let sum = 0;
    for (let seed = 0; seed < 1000; seed += 1) sum += new SeededRandom(seed).next();
    t.ok(Math.abs(sum / 1000 - 0.5) < 0.05, 'first numbers of neighbouring seeds are even too');
  });
});
