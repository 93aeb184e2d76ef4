import type { DirectoryExamination, Salvage, WalExamination } from 'quorate/storage/wal';

/** A group as it is told to people. */
export interface PatientGroup
  extends Omit<DirectoryExamination['groups'][number], 'configuration'> {
  /** By the last configuration that could be read; null where there is none. */
  readonly members: readonly { readonly id: string; readonly role: 'voter' | 'learner' }[] | null;
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
  readonly salvage: Salvage | null;
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
  if (repairs.length > 0) advice.push('start the node: it puts right what a crash left');
  return advice.length > 0 ? advice : ['start the node: nothing is wrong'];
}

/** A node does not start from it. */
function refused(patient: Patient): readonly string[] {
  const others = otherVoters(patient);
  if (others !== null && others.length > 0) return withOthers(patient, others);
  const alone = withoutOthers(patient);
  if (others !== null) return alone;
  return [
    'who the voters were cannot be read',
    ...withOthers(patient, []).map((sentence) => `if others have its data: ${sentence}`),
    ...alone.map((sentence) => `if it was the only voter: ${sentence}`),
  ];
}

function withOthers({ directory }: Patient, others: readonly string[]): readonly string[] {
  const who = others.length === 0 ? 'the others' : others.join(', ');
  return [
    `while a majority runs without it: remove ${directory} and start the node again, with the same ` +
      `command: with readmit, which is the default, it is replaced, and gets everything from ${who}`,
    'do so for one member at a time, and wait until kvctl member list has it as a voter again',
  ];
}

function withoutOthers(patient: Patient): readonly string[] {
  const { directory, salvage, identity, groups, damage } = patient;
  const id = identity?.nodeId ?? 'NAME';
  const steps = [`nobody else has what it stored: keep ${directory} as it is`];
  if (salvage === null) {
    steps.push(`save what is good: kvctl doctor --data-dir ${directory} --salvage OUT`);
  }
  const newest = groups.reduce((most, one) => Math.max(most, one.snapshotIndex ?? 0), 0);
  const isEverySnapshotGone = newest === 0 && damage.length > 0;
  steps.push(
    isEverySnapshotGone
      ? 'no snapshot is good: kvctl snapshot restore takes your newest backup'
      : `kvctl snapshot restore ${snapshotIn(salvage)} --data-dir NEW --id ${id} --cluster ` +
          `${id}=HOST:PORT makes a new cluster as of entry ${newest}, or take a newer backup`,
    'entries after that are lines of JSON beside it, for whoever writes them again; member recover ' +
      'takes no damaged data',
  );
  return steps;
}

function snapshotIn(salvage: Salvage | null): string {
  const newest = salvage?.files
    .filter(({ kind }) => kind === 'snapshot')
    .toSorted((a, b) => b.lastIndex - a.lastIndex)
    .at(0);
  return newest === undefined
    ? 'OUT/groups/GROUP/snapshot-N.snap'
    : `${salvage?.folder}/${newest.path}`;
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
function otherVoters({ identity, groups }: Patient): readonly string[] | null {
  const known = groups.flatMap(({ members }) => members ?? []);
  if (known.length === 0) return null;
  const voters = known.filter(({ role }) => role === 'voter').map(({ id }) => id);
  return [...new Set(voters)].filter((id) => id !== identity?.nodeId).sort();
}
