// three terminals: node three-nodes.mjs n1 · node three-nodes.mjs n2 · node three-nodes.mjs n3
import { openKVStore } from 'quorate';
import { walStorage } from 'quorate/storage/wal';
import { tcpTransport } from 'quorate/transports/tcp';

const id = process.argv[2];
const kv = await openKVStore({
  id,
  members: { n1: '127.0.0.1:7001', n2: '127.0.0.1:7002', n3: '127.0.0.1:7003' },
  transport: tcpTransport(), // listens on members[id]
  storage: walStorage(`./data/${id}`),
});
await kv.ready(); // a majority is up
await kv.put(`hello/${id}`, new Date().toISOString());
for await (const { key, value } of kv.list({ prefix: 'hello/' })) console.log(key, value);
