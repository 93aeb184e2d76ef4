import { readdir } from 'node:fs/promises';
import { type MemberRecovery, QuorateError, recoverMember, restoreSnapshot } from 'quorate';
import { snapshotFile } from 'quorate/storage/wal';
import { CLIENT_PORT_OFFSET, formatEndpoint, MAX_PORT, parseMemberList } from '../cli/addresses.js';
import type { Flag, Settings } from '../cli/flags.js';
import { type EngineName, engineOf, STORAGE_FLAG, storageIn } from '../cli/storage.js';
import { UsageError } from '../cli/usage-error.js';
import { type Command, DONE, type Output, USAGE } from './command.js';

const DATA_DIR: Flag = { name: 'data-dir', value: 'DIR', help: 'of a node that is stopped' };
/** A file that is in every data directory. */
const FORMAT = 'FORMAT';

/** Commands that work on files, and ask no cluster. */
export const OFFLINE_COMMANDS: readonly Command[] = [
  {
    names: ['snapshot restore'],
    usage: 'FILE --data-dir DIR --id N --cluster n1=HOST:PORT,…',
    help: 'makes a member of a new cluster; run it for each, with the same FILE and --cluster',
    words: [1, 1],
    flags: [
      { ...DATA_DIR, help: 'new or empty' },
      { name: 'id', value: 'NAME', help: 'this member, one of --cluster' },
      { name: 'token', value: 'TEXT', help: 'keeps this restore apart from others of the same' },
      STORAGE_FLAG,
    ],
    prepareOffline: ({ words: [file = ''], settings }) => {
      const directory = required(settings, 'data-dir', './data/n1');
      const id = required(settings, 'id', 'n1');
      const listed = membersOf(settings, id);
      const token = settings.get('token')?.text;
      const engine = engineOf(settings);
      return (out) => restore({ file, directory, id, listed, token, engine }, out);
    },
  },
  {
    names: ['member recover'],
    usage: '--data-dir DIR [--force]',
    help: 'the majority is lost for good: makes this stopped member a cluster of its own',
    words: [0, 0],
    flags: [
      DATA_DIR,
      { name: 'force', value: null, help: 'do it; without, it says what it would do' },
      STORAGE_FLAG,
    ],
    prepareOffline: ({ settings }) => {
      const directory = required(settings, 'data-dir', './data/n1');
      const force = settings.get('force')?.text === 'true';
      const engine = engineOf(settings);
      return (out) => recover({ directory, force, engine }, out);
    },
  },
];

interface RestoreWish {
  readonly file: string;
  readonly directory: string;
  readonly id: string;
  readonly listed: Members;
  readonly token: string | undefined;
  readonly engine: EngineName | null;
}

interface Members {
  readonly members: Readonly<Record<string, string>>;
  readonly clientAddresses: Readonly<Record<string, string>>;
}

async function restore(wish: RestoreWish, out: Output): Promise<number> {
  const { file, directory, id, listed, token, engine } = wish;
  const snapshot = await snapshotFile(file).open();
  try {
    await checkEmpty(directory);
    const storage = await storageIn(directory, engine);
    const made = await restoreSnapshot({ snapshot, storage, id, ...listed, token });
    const { clusterId, incarnation, index, term, sizeBytes, digest } = made;
    out.line(
      `restored ${id}#${incarnation} of the new cluster ${clusterId} into ${directory}\n` +
        `  index ${index}, term ${term}, ${sizeBytes} bytes, sha256 ${digest}`,
      { id, directory, ...made },
    );
    return DONE;
  } finally {
    await snapshot.close();
  }
}

interface RecoverWish {
  readonly directory: string;
  readonly force: boolean;
  readonly engine: EngineName | null;
}

async function recover(wish: RecoverWish, out: Output): Promise<number> {
  const { directory, force, engine } = wish;
  // Opening one that is no data directory would make it one.
  if (!(await namesIn(directory)).includes(FORMAT)) throw wrong(`${directory} holds no data`);
  const storage = await storageIn(directory, engine);
  const recovery = await recoverMember({ storage, force });
  out.line(described(recovery, directory), { directory, ...recovery });
  if (recovery.isDone) return DONE;
  out.note('kvctl: nothing was changed; add --force to do it');
  return USAGE;
}

/** Loud: what is kept, what is lost, and what has to be done now. */
function described(recovery: MemberRecovery, directory: string): string {
  const { nodeId, isDone, isResumed, formerClusterId, clusterId, incarnation, groups } = recovery;
  const removed = [...new Set(groups.flatMap((group) => group.removed))].sort().join(', ');
  const what = isDone
    ? `RECOVERED ${nodeId} in ${directory}: it is ${nodeId}#${incarnation}, the only member of the ` +
      `new cluster ${clusterId}; it was of cluster ${formerClusterId}`
    : `would make ${nodeId} in ${directory} the only member of a NEW cluster; it is of cluster ` +
      formerClusterId;
  return [
    what,
    ...(isResumed ? ['  this recovery was begun before, and was cut short'] : []),
    ...groups.map(
      ({ group, lastIndex, lastTerm, snapshotIndex }) =>
        `  group ${group}: last entry ${lastIndex}, term ${lastTerm}; known to be committed up to ` +
        `${snapshotIndex}, unknown after that: ALL UP TO ${lastIndex} IS KEPT`,
    ),
    `  LOST: whatever ${removed || 'others'} acknowledged that never reached ${nodeId}`,
    `  REMOVED: ${removed || 'nobody'}; with their old data they are of another cluster, and refused:`,
    '  give each an empty data directory and start it with --join',
  ].join('\n');
}

function membersOf(settings: Settings, id: string): Members {
  const { text, source } = settings.get('cluster') ?? {
    text: required(settings, 'cluster', 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003'),
    source: '--cluster',
  };
  const listed = parseMemberList(text, source).map((member, place) => {
    return { id: member.id ?? String(place + 1), peer: member.peer };
  });
  const ids = listed.map((member) => member.id);
  const twice = ids.find((one, place) => ids.indexOf(one) !== place);
  if (twice !== undefined) throw new UsageError(`${source} lists ${twice} twice`);
  if (!ids.includes(id)) {
    throw new UsageError(`--id ${id} is not in ${source}, which lists ${ids.join(', ')}`);
  }
  // Where clients are served by convention; a node that serves them elsewhere tells the others.
  const served = listed.filter(({ peer }) => peer.port + CLIENT_PORT_OFFSET <= MAX_PORT);
  const client = ({ peer }: (typeof listed)[number]): string =>
    formatEndpoint({ ...peer, port: peer.port + CLIENT_PORT_OFFSET });
  return {
    members: Object.fromEntries(listed.map((member) => [member.id, formatEndpoint(member.peer)])),
    clientAddresses: Object.fromEntries(served.map((member) => [member.id, client(member)])),
  };
}

export function required(settings: Settings, name: string, example: string): string {
  const text = settings.get(name)?.text ?? '';
  if (text !== '') return text;
  throw new UsageError(`--${name} is missing; for example --${name} ${example}`);
}

async function checkEmpty(directory: string): Promise<void> {
  if ((await namesIn(directory)).length === 0) return;
  throw wrong(`${directory} is not empty; a member is restored into a new directory`);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw wrong(`cannot use data directory ${directory}: ${String(error)}`);
  }
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
