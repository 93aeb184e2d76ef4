import type { Flag, FlagTable } from '../cli/flags.js';
import { columns, describeFlags } from '../cli/help.js';
import { CLUSTER_COMMANDS } from './cluster-commands.js';
import type { Command } from './command.js';
import { DATA_COMMANDS } from './data-commands.js';
import { DOCTOR_COMMANDS } from './doctor-command.js';
import { LEADERSHIP_COMMANDS } from './leadership-commands.js';
import { MEMBER_COMMANDS } from './member-commands.js';
import { OFFLINE_COMMANDS } from './offline-commands.js';
import { SNAPSHOT_COMMANDS } from './snapshot-commands.js';

/** Every command, as the help shows them. */
export const COMMANDS: readonly Command[] = [
  ...DATA_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...MEMBER_COMMANDS,
  ...LEADERSHIP_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  ...OFFLINE_COMMANDS,
  ...DOCTOR_COMMANDS,
];

/** Flags of every command. */
const COMMON_FLAGS: readonly Flag[] = [
  {
    name: 'cluster',
    value: 'HOST:PORT,…',
    help: 'peer addresses; clients are 1000 above; default: $QUORATE_CTL_CLUSTER or 127.0.0.1:7001',
  },
  { name: 'endpoints', aliases: ['seeds'], value: 'HOST:PORT,…', help: 'client addresses' },
  { name: 'timeout', value: 'TIME', help: 'until it gives up: 10s, 500ms; default: 10s' },
  { name: 'json', value: null, help: 'one JSON object a line' },
  { name: 'help', short: 'h', value: null, help: 'this text' },
  { name: 'version', value: null, help: 'the version' },
];

const COMMAND_FLAGS = new Map(
  COMMANDS.flatMap(({ flags }) => flags).map((flag) => [flag.name, flag]),
);

/** Everything that `kvctl` can be told by flags, whichever command it is told. */
export const KVCTL_FLAGS: FlagTable = {
  program: 'kvctl',
  flags: [...COMMON_FLAGS, ...COMMAND_FLAGS.values()],
  later: ['ttl', 'acks', 'revision', 'prefix', 'from'],
};

/** First words of commands that a later version knows. */
export const LATER_COMMANDS: readonly string[] = [
  'watch',
  'txn',
  'lock',
  'lease',
  'compact',
  'completion',
];

/** Whether a flag may stand beside this command. */
export function takesFlag(command: Command, name: string): boolean {
  return [...COMMON_FLAGS, ...command.flags].some((flag) => flag.name === name);
}

export function help(): string {
  const rows = COMMANDS.map(({ names: [name = '', ...aliases], usage, help: text }) => [
    [`${name} ${usage}`.trimEnd(), ...aliases].join(', '),
    text,
  ]);
  const own = COMMANDS.filter(({ flags }) => flags.length > 0).map(
    ({ names: [name = ''], flags }) => `${name}:\n${describeFlags(flags)}`,
  );
  return `kvctl: asks a running cluster, and repairs one that is gone.

  kvctl --cluster 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003 put greeting hello

${columns([...rows, ['(none)', 'the console']])}

${describeFlags(COMMON_FLAGS)}

${own.join('\n')}

Exit: 0 done; 1 key not found, condition failed, or damage found; 2 usage; 3 did not happen, safe
to retry; 4 outcome unknown; 130 interrupted.
`;
}
