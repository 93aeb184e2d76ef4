import { openKVStore } from 'quorate';

const kv = await openKVStore(); // one node, in memory, nothing to configure
await kv.put('greeting', 'hello');
console.log(await kv.get('greeting')); // hello
await kv.close();
