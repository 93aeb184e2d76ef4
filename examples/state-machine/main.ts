// One's own state machine on three nodes, here in one process: node main.js
import { openRaftNode, QuorateError, type RaftNode } from 'quorate';
import { memoryNetwork } from 'quorate/transports/memory';
import { type Book, type Booked, seatsMachine } from './seats.js';

const network = memoryNetwork();
const members = ['a', 'b', 'c'];
const nodes = await Promise.all(
  members.map((id) =>
    openRaftNode({ id, members, transport: network.transport(id), stateMachine: seatsMachine() }),
  ),
);
const machine = seatsMachine();

console.log(await book({ seat: 'A1', guest: 'Ada' })); // { holder: 'Ada' }
console.log(await book({ seat: 'A1', guest: 'Bob' })); // { holder: 'Ada' }: sold already
console.log(await book({ seat: 'A2', guest: 'Bob' })); // { holder: 'Bob' }

for (const node of nodes) {
  const answer = await node.query(machine.encodeQuery({ kind: 'count' }));
  console.log(`${node.id}: ${machine.decodeAnswer(answer)} seats sold`); // 2, whichever is asked
}
await Promise.all(nodes.map((node) => node.close()));

/** Proposes to the leader. What was refused because another node leads did not happen. */
async function book(command: Book): Promise<Booked> {
  for (;;) {
    const leader = await leaderOf(nodes);
    try {
      return machine.decodeResult(await leader.propose(machine.encodeCommand(command)));
    } catch (error) {
      if (!QuorateError.is(error) || error.code !== 'ERR_NOT_LEADER') throw error;
    }
  }
}

async function leaderOf(all: readonly RaftNode[]): Promise<RaftNode> {
  for (;;) {
    await Promise.all(all.map((node) => node.ready()));
    const leader = all.find((node) => node.status().role === 'leader');
    if (leader !== undefined) return leader;
  }
}
