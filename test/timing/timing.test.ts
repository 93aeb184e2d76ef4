import t from 'tap';
import {
  HOST_TIMINGS,
  resolveTiming,
  SystemClock,
  systemRandom,
  TIMING_PRESETS,
  type TimingOptions,
} from '../../lib/timing/index.js';

t.test('resolveTiming', async (t) => {
  t.test(
    'nothing given is fast: ticks of 10 ms, 5 a heartbeat, 15 to 30 an election',
    async (t) => {
      t.match(resolveTiming(), {
        tickMs: 10,
        heartbeatTicks: 5,
        electionMinTicks: 15,
        electionMaxTicks: 30,
        networkDelayMs: 0,
      });
      t.same(resolveTiming(), resolveTiming('fast'));
    },
  );

  t.test('every preset and every timing of the table of hosts holds', async (t) => {
    for (const preset of ['fast', 'debug', 'demo'] as const) {
      t.match(resolveTiming(preset), TIMING_PRESETS[preset]);
      t.same(resolveTiming(TIMING_PRESETS[preset]), resolveTiming(preset));
    }
    for (const { host, timing } of HOST_TIMINGS) t.ok(resolveTiming(timing), host);
  });

  t.test('a tick that is left out divides all three and gives five a heartbeat', async (t) => {
    const ticks = (heartbeatMs: number, electionTimeoutMinMs: number, max: number): number =>
      resolveTiming({ heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs: max }).tickMs;
    t.equal(ticks(500, 1000, 2000), 100);
    t.equal(ticks(200, 1000, 2000), 40);
    t.equal(ticks(75, 300, 600), 15);
    t.equal(ticks(33, 150, 301), 1);
    t.equal(ticks(2, 4, 8), 1);
  });

  t.test('what cannot hold is refused, with what would', async (t) => {
    const cases: [TimingOptions, RegExp][] = [
      [{ heartbeatMs: 150 }, /heartbeatMs \(150\) must be less than .*MinMs \(150\).*450 or more/],
      [{ electionTimeoutMinMs: 300 }, /MinMs \(300\) must be less than .*MaxMs \(300\).*600/],
      [{ networkDelayMs: 75 }, /networkDelayMs \(75\) there and back .*MinMs \(150\)/],
      [{ tickMs: 20 }, /tickMs \(20\) must divide heartbeatMs \(50\).*; 10 does/],
      [{ heartbeatMs: 0 }, /heartbeatMs must be whole milliseconds from 1 .* not 0/],
      [{ heartbeatMs: 12.5 }, /heartbeatMs must be whole milliseconds/],
      [{ electionTimeoutMaxMs: Number.NaN }, /MaxMs must be whole milliseconds .* not NaN/],
      [{ electionTimeoutMaxMs: 1e12 }, /MaxMs must be whole milliseconds/],
      [{ networkDelayMs: -1 }, /networkDelayMs must be whole milliseconds from 0/],
    ];
    for (const [options, message] of cases) {
      t.throws(() => resolveTiming(options), { code: 'ERR_CONFIG', message });
    }
    const untyped = (given: string): unknown => resolveTiming(JSON.parse(given));
    t.throws(() => untyped('"slow"'), { message: /"slow" is not a preset; there are fast, debug/ });
    t.throws(() => untyped('{"heartbeat":5}'), { message: /timing.heartbeat is not an option/ });
    t.throws(() => untyped('{"heartbeatMs":"5"}'), { message: /heartbeatMs must be whole/ });
  });

  t.test('an option that is undefined counts as left out', async (t) => {
    t.same(resolveTiming({ tickMs: undefined, heartbeatMs: undefined }), resolveTiming('fast'));
  });
});

t.test('SystemClock', async (t) => {
  const clock = new SystemClock();

  t.test('a timer never fires before its time by now(), nor inside the call', async (t) => {
    const early: number[] = [];
    for (let i = 0; i < 50; i += 1) {
      const start = clock.now();
      const delayMs = (i % 4) + i / 100;
      let returned = false;
      await new Promise<void>((resolve) => {
        clock.after(delayMs, () => {
          if (clock.now() - start < delayMs || !returned) early.push(i);
          resolve();
        });
        returned = true;
      });
    }
    t.same(early, []);
  });

  t.test('timers of one delay fire in the order they were asked for', async (t) => {
    const fired: number[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 20; i += 1) clock.after(2, () => fired.push(i));
      clock.after(2, resolve);
    });
    t.same(fired, [...Array(20).keys()]);
  });

  t.test('a delay longer than Node can count does not fire at once', async (t) => {
    let fired = false;
    const timer = clock.after(2 ** 40, () => {
      fired = true;
    });
    await new Promise<void>((resolve) => clock.after(5, resolve));
    timer.cancel();
    timer.cancel();
    t.equal(fired, false);
  });

  t.test('a cancelled timer does not fire, and afterPoll comes after soon', async (t) => {
    const order: string[] = [];
    clock.after(0, () => order.push('cancelled')).cancel();
    await new Promise<void>((resolve) => {
      clock.afterPoll(() => {
        order.push('afterPoll');
        resolve();
      });
      clock.soon(() => order.push('soon'));
    });
    t.same(order, ['soon', 'afterPoll']);
  });
});

t.test('systemRandom gives any number of bytes, and numbers in [0, 1)', async (t) => {
  const bytes = systemRandom.bytes(200_000);
  t.equal(bytes.length, 200_000);
  t.ok(
    bytes.subarray(199_900).some((byte) => byte !== 0),
    'the last bytes are filled too',
  );
  const number = systemRandom.next();
  t.ok(number >= 0 && number < 1);
});
