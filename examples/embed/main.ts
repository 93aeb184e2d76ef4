// A replicated store inside a plain HTTP server. In three terminals:
//   node main.js n1 3001      node main.js n2 3002      node main.js n3 3003
//   curl -X PUT -d hello localhost:3001/greeting; curl localhost:3003/greeting
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { openKVStore } from 'quorate';
import { walStorage } from 'quorate/storage/wal';
import { tcpTransport } from 'quorate/transports/tcp';

const [id = 'n1', port = '3001', peers = '7001,7002,7003'] = process.argv.slice(2);
const kv = await openKVStore({
  id,
  members: Object.fromEntries(
    peers.split(',').map((peer, i) => [`n${i + 1}`, `127.0.0.1:${peer}`]),
  ),
  transport: tcpTransport(),
  storage: walStorage(`./data/${id}`),
});

const server = createServer(async (request, response) => {
  try {
    const key = decodeURIComponent(request.url ?? '/').slice(1);
    if (request.method === 'PUT') {
      await kv.put(key, await text(request)); // Durable on two of three disks from here on.
      response.end('OK\n');
      return;
    }
    const value = await kv.get(key); // As new as any write that was answered, on any node.
    response.writeHead(value === null ? 404 : 200).end(`${value ?? 'not found'}\n`);
  } catch (error) {
    response.writeHead(503).end(`${error}\n`);
  }
});
server.listen(Number(port), () => console.log(`${id} serves http://localhost:${port}`));

process.once('SIGTERM', async () => {
  server.close();
  await kv.close();
});
