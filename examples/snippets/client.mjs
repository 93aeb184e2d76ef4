import { connect } from 'quorate/client';

const kv = await connect({ endpoints: ['127.0.0.1:8001'] });
console.log(await kv.get('greeting')); // hello: the same KVStore, from another process
await kv.close();
