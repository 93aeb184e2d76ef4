import type { DirectoryExamination, Salvage, WalExamination } from 'quorate/storage/wal';

export interface PatientMember {
  readonly id: string;
  readonly role: 'voter' | 'learner';
}

/** A group as it is told to people. */
export interface PatientGroup
  extends Omit<DirectoryExamination['groups'][number], 'configuration'> {
  /** By the last configuration that could be read; null where there is none. */
  readonly members: readonly PatientMember[] | null;
  /** Of the newest snapshot that is good. */
  readonly snapshotIndex: number | null;
}

export interface Patient
  extends Pick<
      DirectoryExamination,
      'identity' | 'snapshots' | 'damage' | 'damagedSnapshots' | 'repairs'
    >,
    Partial<Pick<WalExamination, 'tornTail'>> {
  /** As it was typed. */
  readonly directory: string;
  readonly groups: readonly PatientGroup[];
  /** Of all groups, by the last configurations that could be read; null where there is none. */
  readonly members: readonly PatientMember[] | null;
  readonly salvage: Salvage | null;
  /** Made of what was salvaged. */
  readonly states: readonly SalvagedState[];
}

/** A snapshot that `snapshot restore` takes. */
export interface SalvagedState {
  readonly group: string;
  /** From the folder of the salvage on. */
  readonly path: string;
  /** The last entry that is in it. */
  readonly index: number;
  /** Up to where it was certainly decided; 0: nothing was. */
  readonly snapshotIndex: number;
  /** Whether the log ends there. */
  readonly reachesEnd: boolean;
}

export interface Diagnosis {
  /** Nothing is damaged or missing; what a crash leaves is in order. */
  readonly isHealthy: boolean;
  /** What can be done, in sentences. */
  readonly advice: readonly string[];
}

/** What a start would make of it, and what people can do. */
export function diagnose(patient: Patient): Diagnosis {
  const { damage, damagedSnapshots, groups, identity } = patient;
  if (damage.length > 0) return { isHealthy: false, advice: refused(patient) };
  if (isHalfRestored(patient)) {
    const again = 'a restore into this directory was cut short: remove it, and restore it again';
    return { isHealthy: false, advice: [again] };
  }
  const lacking = groups.filter(lacksSnapshot);
  if (lacking.length > 0) return { isHealthy: false, advice: stateless(patient, lacking) };
  const advice: string[] = [];
  if (identity?.formerClusterId !== undefined) {
    advice.push('a recovery was cut short: start the node, or run kvctl member recover again');
  }
  if (damagedSnapshots.length > 0) {
    advice.push(
      'start the node: it passes the damaged snapshot over, and removes it once a later one is durable',
    );
  } else {
    advice.push(...started(patient));
  }
  return { isHealthy: damagedSnapshots.length === 0, advice };
}

function started({ tornTail = null, repairs, identity }: Patient): readonly string[] {
  if (identity === null) return ['start the node: the directory is new'];
  const advice: string[] = [];
  if (tornTail !== null) {
    const { path, offset, bytes } = tornTail;
    advice.push(
      `start the node: the torn tail of ${bytes} bytes at ${offset} of ${path} was never ` +
        'acknowledged, and is cut off',
    );
  }
  if (repairs.length > 0)
    advice.push('start the node: what it puts right is named above, and nothing is lost');
  return advice.length > 0 ? advice : ['start the node: nothing is wrong'];
}

/** A node does not start from it. */
function refused(patient: Patient): readonly string[] {
  const others = otherVoters(patient);
  if (others !== null && others.length > 0) return withOthers(patient, others);
  if (others !== null) return withoutOthers(patient);
  return [
    'who the voters were cannot be read',
    ...withOthers(patient, []).map((sentence) => `if others have its data: ${sentence}`),
    ...withoutOthers(patient).map((sentence) => `if it was the only voter: ${sentence}`),
  ];
}

function withOthers(patient: Patient, others: readonly string[]): readonly string[] {
  const { directory, salvage } = patient;
  const who = others.length === 0 ? 'the others' : others.join(', ');
  return [
    `while a majority runs without it: move ${directory} away and start the node again, with the same ` +
      `command: with readmit, which is the default, it is replaced, and gets everything from ${who}`,
    'do so for one member at a time, and wait until kvctl member list has it as a voter again',
    'if no majority runs without it: ask kvctl doctor about the directory of each: kvctl member recover ' +
      'takes one that is in order',
    ...(salvage === null ? [saving(patient)] : restored(patient)).map(
      (sentence) => `if none is in order, and this one holds most: ${sentence}`,
    ),
  ];
}

function withoutOthers(patient: Patient): readonly string[] {
  const { directory, salvage } = patient;
  const keep = `nobody else has what it stored: keep ${directory} as it is`;
  return salvage === null ? [keep, saving(patient)] : [keep, ...restored(patient)];
}

function saving({ directory }: Patient): string {
  return `kvctl doctor --data-dir ${directory} --salvage OUT saves what is good, to be restored from`;
}

/** From what was salvaged: always a new cluster, so that nobody votes with half of a memory. */
function restored(patient: Patient): readonly string[] {
  const { salvage, identity, members } = patient;
  const id = identity?.nodeId ?? 'NAME';
  const backup = 'kvctl snapshot restore of your newest backup is what is left';
  const newest = newestFiles(patient);
  if (newest.length === 0) {
    return [`no snapshot is good, and no log from its first entry on: ${backup}`];
  }
  return newest.map(({ group, path, index, snapshotIndex, reachesEnd }) => {
    const isDecided = members?.length === 1 || index === snapshotIndex;
    return [
      `kvctl snapshot restore ${salvage?.folder}/${path} --data-dir NEW --id ${id} --cluster ` +
        `${id}=HOST:PORT makes a new cluster with group ${group} as of entry ${index}`,
      ...(isDecided
        ? []
        : [`whether what follows entry ${snapshotIndex} was decided is not known`]),
      reachesEnd
        ? 'that is the last one that was stored'
        : 'whatever was stored after that is not in it, and a backup may be newer',
    ].join('; ');
  });
}

/** Of each group what holds most, of what can be restored. */
function newestFiles({ salvage, states }: Patient): readonly SalvagedState[] {
  const files = (salvage?.files ?? [])
    .filter(({ kind }) => kind === 'snapshot')
    .map(({ group, path, lastIndex: index }) => {
      return { group, path, index, snapshotIndex: index, reachesEnd: false };
    });
  const newest = new Map<string, SalvagedState>();
  for (const file of [...files, ...states]) {
    if (file.index > (newest.get(file.group)?.index ?? 0)) newest.set(file.group, file);
  }
  return [...newest.values()];
}

/** The log begins in the middle, and nothing says what was before. */
function stateless(patient: Patient, lacking: readonly PatientGroup[]): readonly string[] {
  const others = otherVoters(patient);
  const names = lacking.map(({ group }) => group).join(', ');
  const what = `no snapshot of group ${names} is good, and its log begins after one`;
  if (others !== null && others.length === 0) return [what, ...withoutOthers(patient)];
  return [
    what,
    'start the node: it takes part in no decision until the leader has sent it a snapshot',
  ];
}

function lacksSnapshot({ base, snapshotIndex }: PatientGroup): boolean {
  return base.index > 0 && (snapshotIndex ?? 0) < base.index;
}

/** Data that belongs to no cluster: the cluster's id is what a restore writes last. */
function isHalfRestored({ identity, groups }: Patient): boolean {
  if (identity === null || identity.clusterId !== null) return false;
  return groups.some(({ state, last }) => last.index > 0 || (state?.term ?? 0) > 1);
}

/** Null where nobody knows. */
function otherVoters({ identity, members }: Patient): readonly string[] | null {
  if (members === null) return null;
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id);
  const all = [...new Set(voters)].sort();
  // Nobody knows which one this is: of a single one it is.
  if (identity === null) return all.length === 1 ? [] : all;
  return all.filter((id) => id !== identity.nodeId);
}
