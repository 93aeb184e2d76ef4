import t from 'tap';
import { EmitterEventBus } from '../../lib/events/index.js';
import type { NodeEvents } from '../../lib/interfaces/index.js';

const origin = { nodeId: 'n1', group: 'default' };
const leader: NodeEvents['raft.leaderChanged'] = { ...origin, leader: 'n2', term: 3 };
const fault: NodeEvents['raft.faulted'] = { ...origin, error: new Error('disk') };

t.test('listeners run at once, in the order they were added, with the payload', async (t) => {
  const { bus } = create();
  const seen: unknown[] = [];
  bus.on('raft.leaderChanged', (event) => seen.push(['first', event]));
  bus.on('raft.leaderChanged', (event) => seen.push(['second', event]));
  t.equal(
    bus.emit('raft.leaderChanged', () => leader),
    true,
  );
  t.same(seen, [
    ['first', leader],
    ['second', leader],
  ]);
});

t.test('an event that nobody listens to is never built', async (t) => {
  const { bus } = create();
  bus.on('raft.stateChanged', () => {});
  let built = 0;
  const answered = bus.emit('raft.leaderChanged', () => {
    built += 1;
    return leader;
  });
  t.same([answered, built], [false, 0]);
});

t.test('a listener that throws reaches neither the emitter nor the other listeners', async (t) => {
  const { bus, errors } = create();
  let reached = 0;
  bus.on('raft.leaderChanged', () => {
    throw new Error('mine');
  });
  bus.on('raft.leaderChanged', async () => {
    throw new Error('later');
  });
  bus.on('raft.leaderChanged', () => {
    reached += 1;
  });
  t.equal(
    bus.emit('raft.leaderChanged', () => leader),
    true,
  );
  t.equal(reached, 1);
  await new Promise(setImmediate);
  t.same(errors, ['raft.leaderChanged: Error: mine', 'raft.leaderChanged: Error: later']);
});

t.test('a fault without a listener goes to onUnobservedFault, and only then', async (t) => {
  const { bus, faults } = create();
  t.equal(
    bus.emit('raft.faulted', () => fault),
    false,
  );
  t.same(faults, [fault]);
  const off = bus.on('raft.faulted', () => {});
  t.equal(
    bus.emit('raft.faulted', () => fault),
    true,
  );
  t.equal(faults.length, 1);
  off();
  bus.emit('raft.faulted', () => fault);
  t.equal(faults.length, 2);
});

t.test('removing is exact, may be done twice, and holds at once', async (t) => {
  const { bus } = create();
  let calls = 0;
  const listener = (): void => {
    calls += 1;
  };
  const off = bus.on('raft.leaderChanged', listener);
  bus.on('raft.leaderChanged', listener);
  off();
  off();
  bus.emit('raft.leaderChanged', () => leader);
  t.equal(calls, 1, 'the other addition of the same function stays');

  const second = create().bus;
  let removed = 0;
  let offLater = (): void => {};
  second.on('raft.leaderChanged', () => offLater());
  offLater = second.on('raft.leaderChanged', () => {
    removed += 1;
  });
  second.emit('raft.leaderChanged', () => leader);
  t.equal(removed, 0, 'a listener removed by an earlier one is not called any more');
});

function create(): {
  bus: EmitterEventBus;
  errors: string[];
  faults: NodeEvents['raft.faulted'][];
} {
  const errors: string[] = [];
  const faults: NodeEvents['raft.faulted'][] = [];
  const bus = new EmitterEventBus({
    onListenerError: (error, name) => errors.push(`${name}: ${error}`),
    onUnobservedFault: (event) => faults.push(event),
  });
  return { bus, errors, faults };
}
