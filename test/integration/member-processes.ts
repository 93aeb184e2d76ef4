import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Order } from './fixtures/member.js';

const MEMBER = new URL('./fixtures/member.js', import.meta.url);

export interface Status {
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  /** Ticks that came late. */
  readonly delays: number;
  /** Election timeouts that passed since the cluster was ready. */
  readonly elections: number;
}

/** Three nodes on TCP, each in a process of its own, that follow one leader. They end with the test. */
export async function threeMembers(
  t: { teardown(fn: () => void): void },
  options: Omit<Order & { kind: 'open' }, 'kind' | 'members'> = {},
): Promise<readonly ChildProcess[]> {
  const members = await freeAddresses(['n1', 'n2', 'n3']);
  const nodes = Object.keys(members).map((id) => fork(MEMBER, [id]));
  t.teardown(() => {
    for (const node of nodes) node.disconnect();
  });
  await Promise.all(nodes.map((node) => ask(node, { kind: 'open', members, ...options })));
  return nodes;
}

export async function statusOf(node: ChildProcess | undefined): Promise<Status> {
  return (await ask(node, { kind: 'status' })) as Status;
}

/** Sends an order and gives the next message of the process. */
export async function ask(node: ChildProcess | undefined, order: Order): Promise<unknown> {
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
