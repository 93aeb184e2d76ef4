import { defineStateMachine, openRaftNode } from 'quorate';

const counter = defineStateMachine({
  initial: 0,
  apply: (count, add) => ({ state: count + add, result: count + add }),
  query: (count) => count,
});
const node = await openRaftNode({ stateMachine: counter });
await node.ready();
const result = await node.propose(counter.encodeCommand(5));
console.log(counter.decodeResult(result)); // 5, on every node of the cluster
await node.close();
