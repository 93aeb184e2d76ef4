import { readdir } from 'node:fs/promises';
import { relative } from 'node:path';
import { storedMembers } from 'quorate';
import {
  type DirectoryExamination,
  examineDirectory,
  type FoundDamage,
  type Salvage,
  salvageDirectory,
  storedEngine,
  type WalExamination,
} from 'quorate/storage/wal';
import { ENGINES } from '../cli/storage.js';
import { UsageError } from '../cli/usage-error.js';
import { type Command, DAMAGED, DONE, type Output } from './command.js';
import { type Diagnosis, diagnose, type PatientGroup, type PatientMember } from './diagnosis.js';
import { required } from './offline-commands.js';
import { type RebuiltStates, rebuildStates } from './salvaged-states.js';

/** Looks into a directory, and repairs nothing: what is done about it is for people to decide. */
export const DOCTOR_COMMANDS: readonly Command[] = [
  {
    names: ['doctor'],
    usage: '--data-dir DIR [--salvage OUT]',
    help: 'looks into the directory of a stopped node, changes nothing, and says what can be done',
    words: [0, 0],
    flags: [
      { name: 'data-dir', value: 'DIR', help: 'of a node that is stopped' },
      {
        name: 'salvage',
        value: 'OUT',
        help: 'a new folder for what is good, and for a snapshot of it to restore from',
      },
    ],
    prepareOffline: ({ settings }) => {
      const directory = required(settings, 'data-dir', './data/n1');
      const target = settings.get('salvage')?.text;
      return (out) => examine(directory, target ?? null, out);
    },
  },
];

async function examine(directory: string, target: string | null, out: Output): Promise<number> {
  const { examination, salvage } = await look(directory, target);
  const groups = examination.groups.map((group) => told(group, examination));
  const rebuilt = await rebuildStates(salvage);
  const { states } = rebuilt;
  const members = membersOf(groups, examination);
  const patient = { ...examination, directory, groups, members, salvage, states };
  const diagnosis = diagnose(patient);
  const words = [
    ...described(examination, groups),
    ...saved(salvage, rebuilt),
    ...advised(diagnosis),
  ];
  out.line(words.join('\n'), recordOf(examination, groups, { salvage, ...rebuilt }, diagnosis));
  return diagnosis.isHealthy ? DONE : DAMAGED;
}

interface Looked {
  readonly examination: DirectoryExamination & Partial<WalExamination>;
  readonly salvage: Salvage | null;
}

async function look(directory: string, target: string | null): Promise<Looked> {
  const engine = await engineIn(directory);
  if (!ENGINES.some((one) => one === engine)) {
    throw new UsageError(
      `${directory} was written by ${engine}, which this version does not know; use a newer version`,
    );
  }
  if (engine === 'level') {
    const level = await import('quorate/storage/level');
    if (target !== null) return await level.salvageDirectory(directory, target);
    return { examination: await level.examineDirectory(directory), salvage: null };
  }
  if (target !== null) return await salvageDirectory(directory, target);
  return { examination: await examineDirectory(directory), salvage: null };
}

/** By what lies there, where the directory no longer says so. What it says may be damaged as well. */
async function engineIn(directory: string): Promise<string> {
  const stored = await storedEngine(directory).catch(() => null);
  if (stored !== null) return stored;
  const names: readonly string[] = await readdir(`${directory}/log`).catch(() => []);
  return names.includes('CURRENT') ? 'level' : 'wal';
}

function told(
  { configuration, ...group }: DirectoryExamination['groups'][number],
  { snapshots }: DirectoryExamination,
): PatientGroup {
  const good = snapshots.filter((one) => one.group === group.group && one.index !== null);
  const newest = good.toSorted((a, b) => (b.index ?? 0) - (a.index ?? 0)).at(0) ?? null;
  const known = configuration ?? newest?.configuration ?? null;
  const members = known === null ? null : membersIn(known);
  return { ...group, members, snapshotIndex: newest?.index ?? null };
}

/** Of all groups; a snapshot says it where the log of its group cannot be read. */
function membersOf(
  groups: readonly PatientGroup[],
  { snapshots }: DirectoryExamination,
): readonly PatientMember[] | null {
  const unread = snapshots.filter(({ group }) => !groups.some((one) => one.group === group));
  const known = [
    ...groups.flatMap(({ members }) => members ?? []),
    ...unread.flatMap(({ configuration }) => (configuration && membersIn(configuration)) ?? []),
  ];
  return known.length === 0 ? null : known;
}

/** Null where a later version wrote it: then nothing is said of them. */
function membersIn(configuration: Uint8Array): PatientGroup['members'] {
  try {
    return storedMembers(configuration).map(({ id, role }) => ({ id, role }));
  } catch {
    return null;
  }
}

function described(
  examination: Looked['examination'],
  groups: readonly PatientGroup[],
): readonly string[] {
  const { directory, engine, version, identity, damage, damagedSnapshots } = examination;
  const { repairs, unknownNames } = examination;
  const node =
    identity === null ? 'no identity' : `node ${identity.nodeId}#${identity.incarnation}`;
  const cluster = identity?.clusterId ?? null;
  const line = ({ path, offset, what }: FoundDamage): string => {
    const where = relative(directory, path) || path;
    return offset === null ? `${where}: ${what}` : `${where} at ${offset}: ${what}`;
  };
  return [
    `${directory}: storage engine ${engine}, version ${version ?? 'unknown'}`,
    `  ${node}, ${cluster === null ? 'of no cluster yet' : `cluster ${cluster}`}`,
    ...(damage.length > 0 ? ['  as far as it could be read:'] : []),
    ...groups.flatMap((group) => [groupLine(group), ...snapshotLines(examination, group.group)]),
    ...unreadGroups(examination).flatMap((group) => [
      `  group ${group}: nothing of its log could be read`,
      ...snapshotLines(examination, group),
    ]),
    ...logLines(examination),
    ...damage.map((one) => `  DAMAGE ${line(one)}`),
    ...damagedSnapshots.map((one) => `  DAMAGED SNAPSHOT ${line(one)}`),
    ...repairs.map((one) => `  put right by the next start: ${line(one)}`),
    ...unknownNames.map((name) => `  not ours: ${name}`),
  ];
}

function groupLine({ group, state, base, last, members }: PatientGroup): string {
  const saved =
    state === null ? 'no term known' : `term ${state.term}, vote ${state.votedFor ?? '-'}`;
  const range =
    last.index === base.index
      ? `no entries after ${base.index}`
      : `entries ${base.index + 1} to ${last.index}, the last of term ${last.term}`;
  const voters = members?.filter(({ role }) => role === 'voter').map(({ id }) => id);
  return `  group ${group}: ${saved}; ${range}; voters ${voters?.join(', ') ?? 'unknown'}`;
}

/** Those that have snapshots alone. */
function unreadGroups({ groups, snapshots }: DirectoryExamination): readonly string[] {
  const names = new Set(snapshots.map(({ group }) => group));
  for (const { group } of groups) names.delete(group);
  return [...names];
}

function snapshotLines({ snapshots }: DirectoryExamination, group: string): readonly string[] {
  return snapshots
    .filter((one) => one.group === group && one.index !== null)
    .map(({ index, term, sizeBytes }) => {
      return `    snapshot of entry ${index}, term ${term}, ${sizeBytes} bytes: good`;
    });
}

function logLines({ directory, segments, mark }: Looked['examination']): readonly string[] {
  if (segments === undefined) return [];
  const place = mark ?? null;
  const marked =
    place === null
      ? 'no mark'
      : `marked up to ${place.offset} of ${relative(directory, place.path)}`;
  return [
    `  log: ${segments.length} ${segments.length === 1 ? 'segment' : 'segments'}, ${marked}`,
    ...segments.map(({ path, state, usedBytes }) => {
      const used = usedBytes === null ? '' : `, ${usedBytes} bytes used`;
      return `    ${relative(directory, path)}: ${state}${used}`;
    }),
  ];
}

function saved(salvage: Salvage | null, { states, failures }: RebuiltStates): readonly string[] {
  if (salvage === null) return [];
  const { folder, files } = salvage;
  return [
    `saved into ${folder}, with a manifest.json:${files.length === 0 ? ' nothing is good' : ''}`,
    ...files.map(({ path, kind, firstIndex, lastIndex }) => {
      const what = kind === 'snapshot' ? `of entry ${lastIndex}` : `${firstIndex} to ${lastIndex}`;
      return `  ${path}: ${kind} ${what}`;
    }),
    ...states.map(({ path, index, snapshotIndex }) => {
      const start =
        snapshotIndex === 0 ? 'entries' : `the snapshot of ${snapshotIndex} and entries`;
      return `  ${path}: made of ${start} ${snapshotIndex + 1} to ${index}`;
    }),
    ...failures.map(({ group, reason }) => `  group ${group}: no state was made of it: ${reason}`),
  ];
}

function advised({ isHealthy, advice }: Diagnosis): readonly string[] {
  return [isHealthy ? 'in order' : 'NOT IN ORDER', ...advice.map((sentence) => `- ${sentence}`)];
}

function recordOf(
  examination: Looked['examination'],
  groups: readonly PatientGroup[],
  { salvage, ...rebuilt }: Pick<Looked, 'salvage'> & RebuiltStates,
  diagnosis: Diagnosis,
): object {
  const snapshots = examination.snapshots.map(({ configuration: _, ...snapshot }) => snapshot);
  const { folder, files } = salvage ?? {};
  const saved = salvage === null ? null : { folder, files, ...rebuilt };
  return { ...examination, groups, snapshots, salvage: saved, ...diagnosis };
}
