import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'tap';
import type { Order } from './fixtures/member.js';

const MEMBER = new URL('./fixtures/member.js', import.meta.url);
/** Five times the longest election timeout of `fast`. */
const HOLD_MS = 1500;
const HOLDS = 4;

test('a follower whose event loop is held for five election timeouts starts no election (schedule I2)', async (t) => {
  const members = await freeAddresses(['n1', 'n2', 'n3']);
  const nodes = Object.keys(members).map((id) => fork(MEMBER, [id]));
  t.teardown(() => {
    for (const node of nodes) node.disconnect();
  });
  await Promise.all(nodes.map((node) => ask(node, { kind: 'open', members })));
  const before = await Promise.all(nodes.map(statusOf));
  const { term, leader } = before[0] ?? { term: 0, leader: null };
  const [follower] = nodes.filter((_, position) => before[position]?.role === 'follower');
  for (let hold = 1; hold <= HOLDS; hold += 1) {
    follower?.send({ kind: 'hold', ms: HOLD_MS } satisfies Order);
    // It answers once it is out of the hold, and again after a tick could have started an election.
    for (let look = 0; look < 20; look += 1) await statusOf(follower);
    const after = await Promise.all(nodes.map(statusOf));
    t.match(
      after,
      [
        { term, leader },
        { term, leader },
        { term, leader },
      ],
      `hold ${hold}`,
    );
  }
  const { delays } = await statusOf(follower);
  t.ok(delays >= HOLDS, 'each hold was noticed');
});

interface Status {
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  /** Ticks that came late. */
  readonly delays: number;
  /** Election timeouts that passed since the cluster was ready. */
  readonly elections: number;
}

async function statusOf(node: ChildProcess | undefined): Promise<Status> {
  return (await ask(node, { kind: 'status' })) as Status;
}

/** Sends an order and gives the next message of the process. */
async function ask(node: ChildProcess | undefined, order: Order): Promise<unknown> {
  if (node === undefined) throw new Error('there is no such process');
  const answer = once(node, 'message');
  node.send(order);
  return (await answer)[0];
}

/** Addresses that the system has just given out and taken back. */
async function freeAddresses(ids: readonly string[]): Promise<Record<string, string>> {
  const servers = await Promise.all(
    ids.map(async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const addresses: Record<string, string> = {};
  for (const [position, server] of servers.entries()) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    addresses[ids[position] ?? ''] = `127.0.0.1:${address.port}`;
    server.close();
    await once(server, 'close');
  }
  return addresses;
}
