import type { Flag, FlagTable } from '../cli/flags.js';
import { STORAGE_FLAG } from '../cli/storage.js';

const FLAGS: readonly Flag[] = [
  { name: 'id', aliases: ['node-id'], value: 'NAME', help: "this node's name; required" },
  {
    name: 'bind',
    value: 'HOST:PORT',
    help: 'peer address to listen on; :PORT or PORT is loopback, :0 picks one; required',
  },
  {
    name: 'advertise',
    value: 'HOST:PORT',
    help: 'the peer address that others are told; default: --bind',
  },
  {
    name: 'advertise-client',
    value: 'HOST:PORT',
    help: 'the client address that others are told; default: host of --advertise, client port',
  },
  {
    name: 'cluster',
    value: 'ID=HOST:PORT,…',
    help: 'members at the first start, then only dialled; without ids numbered 1, 2, 3 …; default: itself alone',
  },
  {
    name: 'join',
    value: 'HOST:PORT,…',
    help: 'peer addresses of a cluster that runs: join it; only while the directory is new',
  },
  { name: 'data-dir', value: 'DIR', help: 'where data is kept; default: none, memory only' },
  STORAGE_FLAG,
  { name: 'transport', value: 'tcp', help: 'how peers talk; default: tcp' },
  { name: 'timing', value: 'PRESET', help: 'fast, debug or demo; default: fast' },
  mode('fast'),
  mode('debug'),
  mode('demo'),
  { name: 'heartbeat-interval', value: 'MS', help: 'time between two heartbeats of a leader' },
  { name: 'election-timeout-min', value: 'MS', help: 'shortest silence before an election' },
  { name: 'election-timeout-max', value: 'MS', help: 'longest silence before an election' },
  { name: 'network-delay', value: 'MS', help: 'holds every message back, each way' },
  {
    name: 'client-port',
    value: 'PORT',
    help: 'port for clients; 0 picks one; default: peer port + 1000',
  },
  {
    name: 'snapshot-entries',
    value: 'N',
    help: 'entries after which the next snapshot is taken; default: 100000',
  },
  {
    name: 'trailing-entries',
    value: 'N',
    help: 'entries before a snapshot that stay for members not far behind; default: 5000',
  },
  { name: 'console', value: null, help: 'an interactive console; the node ends with it' },
  { name: 'config', value: 'FILE', help: 'a JSON file with the same names; flags win' },
  { name: 'verbose', short: 'v', value: null, help: 'log every step' },
  {
    name: 'log-format',
    value: 'FORMAT',
    help: 'json or pretty; default: pretty on a terminal, else json',
  },
  { name: 'help', short: 'h', value: null, help: 'this text' },
  { name: 'version', value: null, help: 'the version' },
];

/** Everything that `kvnode` can be told. */
export const KVNODE_FLAGS: FlagTable = {
  program: 'kvnode',
  flags: FLAGS,
  later: ['redirect', 'tls-cert', 'tls-key', 'tls-ca', 'secret-file', 'token-file'],
};

function mode(preset: string): Flag {
  return {
    name: `${preset}-mode`,
    value: null,
    help: `the same as --timing ${preset}`,
    means: { name: 'timing', value: preset },
  };
}
