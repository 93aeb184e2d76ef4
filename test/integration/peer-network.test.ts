import t, { type Test } from 'tap';
import { PeerNetwork } from '../chaos/peer-network.js';
import { freePorts } from './programs.js';
import { closeAll, served, TcpNode, until } from './tcp-nodes.js';

t.test('what is sent over a cut link comes when it is mended, the other way goes on', async (t) => {
  const { network, a, b } = await pairBehindProxies(t);
  const link = network.link('a', 'b');
  link.cut();
  a.send('b', 'held');
  await until('it is held', () => link.heldBytes > 0);
  await served(b, a);
  t.notOk(b.received.some((text) => text.includes('held')));
  link.mend();
  await until('it comes', () => b.received.some((text) => text.includes('held')));
});

t.test('a delayed link keeps the order', async (t) => {
  const { network, a, b } = await pairBehindProxies(t);
  const link = network.link('a', 'b');
  link.delay(50);
  a.send('b', 'first');
  await until('the first is under way', () => link.delayedPieces > 0);
  link.delay(0);
  a.send('b', 'second');
  await until('both come', () => b.received.filter(isText).length === 2);
  t.same(b.received.filter(isText).map(lastWord), ['first', 'second']);
});

t.test('a reset in the middle of a frame costs that frame alone', async (t) => {
  const { network, a, b } = await pairBehindProxies(t);
  const link = network.link('a', 'b');
  link.armReset();
  a.send('b', 'torn');
  await until('it is reset', () => link.resets === 1);
  await reaches(a, b);
  t.notOk(b.received.some((text) => text.includes('torn')));
});

t.test(
  'a connection that is closed slowly lives on for one side, and is dialled anew',
  async (t) => {
    const { network, a, b } = await pairBehindProxies(t);
    t.ok(network.closeSlowly(['a', 'b'], 200) > 0);
    await until('one of them has lost it', () => [a, b].some(({ events }) => events.some(isLoss)));
    await reaches(a, b);
    await reaches(b, a);
  },
);

async function pairBehindProxies(
  t: Test,
): Promise<{ readonly network: PeerNetwork; readonly a: TcpNode; readonly b: TcpNode }> {
  const network = new PeerNetwork((greeting) => Buffer.from(greeting).toString().split(' ')[0]!);
  const a = await TcpNode.start('a');
  const b = await TcpNode.start('b');
  t.teardown(async () => {
    await closeAll(a.transport, b.transport);
    await network.close();
  });
  const addresses = new Map<string, string>();
  const ports = await freePorts(2);
  for (const [i, node] of [a, b].entries()) {
    await network.add(node.name, { proxy: ports[i]!, node: Number(node.address.split(':')[1]) });
    addresses.set(node.name, `127.0.0.1:${ports[i]!}`);
  }
  a.setPeers({ name: 'b', address: addresses.get('b')! });
  b.setPeers({ name: 'a', address: addresses.get('a')! });
  await until('the pair is connected', () => a.has('+b') && b.has('+a'));
  await served(a, b);
  await served(b, a);
  a.events.length = 0;
  b.events.length = 0;
  return { network, a, b };
}

/** Frames may be lost with a connection: one comes in the end. */
async function reaches(from: TcpNode, to: TcpNode): Promise<void> {
  to.received.length = 0;
  await until('one arrives', () => {
    from.send(to.name, 'again');
    return to.received.some((text) => text.endsWith('again'));
  });
}

function isLoss(event: string): boolean {
  return event.startsWith('-');
}

function isText(text: string): boolean {
  return /first|second/.test(text);
}

function lastWord(text: string): string {
  return text.split(' ').at(-1) ?? '';
}
