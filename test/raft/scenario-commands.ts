import type { MemberId } from '../../lib/base/index.js';
import {
  type Configuration,
  configurationVersion,
  type MembershipChange,
  type RaftStatus,
} from '../../lib/raft/index.js';
import { Member, TIMING } from './harness.js';
import {
  configurationOf,
  parseMessage,
  printConfiguration,
  printLog,
  printMessage,
} from './notation.js';
import type { Stage } from './scenario.js';
import type { Words } from './scenario-file.js';

/*
 * The commands of scenarios. Each takes its words and moves the stage; words that are left are an
 * error. `quietly` and `briefly` before a command write down nothing of it, or only what is reached.
 */

type Command = (stage: Stage, words: Words) => void;

export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['nodes', addNodes],
  ['add', addOne],
  ['join', join],
  ['tick', tick],
  ['clock', clock],
  ['disk', disk],
  ['deliver', deliver],
  ['receive', receive],
  ['settle', (stage): void => stage.settle()],
  ['run', run],
  ['elect', elect],
  ['campaign', (stage, words): void => stage.step(upMember(stage, words), { kind: 'campaign' })],
  ['resign', (stage, words): void => stage.step(upMember(stage, words), { kind: 'resign' })],
  ['transfer', transfer],
  ['disconnect', disconnect],
  ['propose', propose],
  ['change', change],
  ['look', look],
  ['read', read],
  ['lease', lease],
  ['snapshot', snapshot],
  ['fetch', fetch],
  ['isolate', isolate],
  ['split', split],
  ['cut', cut],
  ['heal', (stage): void => stage.cuts.clear()],
  ['crash', crash],
  ['damage', damage],
  ['restart', (stage, words): void => stage.cluster.restart(member(stage, words))],
  ['status', status],
  ['log', log],
  ['messages', messages],
]);

/** `nodes abc learners=d term=1 log=[1/1 1/2] lease=100`: all founding members, who stored the same. */
function addNodes(stage: Stage, words: Words): void {
  const voters = words.next('who votes');
  const learners = words.option('learners') ?? '';
  const options = storedBy(words);
  for (const id of voters + learners) addMember(stage, id, { ...options, voters, learners });
}

/** `add d voters=abc term=1 log=[1/1]`: one more, that may have stored something else. */
function addOne(stage: Stage, words: Words): void {
  const id = words.next('a member');
  const voters = words.option('voters') ?? id;
  const learners = words.option('learners') ?? '';
  addMember(stage, id, { ...storedBy(words), voters, learners });
}

/** `join d`: a new one, that knows of nobody until it is added and sent the log. */
function join(stage: Stage, words: Words): void {
  addMember(stage, words.next('a member'), { ...storedBy(words), voters: '', learners: '' });
}

interface Stored {
  readonly term: number | undefined;
  readonly votedFor: string | undefined;
  readonly log: string;
  readonly timeouts: readonly number[];
  readonly window: number | undefined;
  readonly appendBytes: number | undefined;
  readonly uncommittedBytes: number | undefined;
  readonly trailing: number | undefined;
  readonly logBytes: number | undefined;
  readonly lease: number | undefined;
}

function storedBy(words: Words): Stored {
  return {
    term: words.number('term'),
    votedFor: words.option('vote'),
    log: (words.option('log') ?? '').replace(/[[\]]/g, ''),
    timeouts: (words.option('timeouts') ?? '15').split(',').map(Number),
    window: words.number('window'),
    appendBytes: words.number('appendBytes'),
    uncommittedBytes: words.number('uncommittedBytes'),
    trailing: words.number('trailing'),
    logBytes: words.number('logBytes'),
    lease: words.number('lease'),
  };
}

function addMember(
  stage: Stage,
  id: string,
  options: Stored & { readonly voters: string; readonly learners: string },
): void {
  if (!/^[a-z]$/.test(id)) throw new Error(`"${id}" is no single letter`);
  if (stage.cluster.members.has(id)) throw new Error(`${id} is there already`);
  const { electionMinTicks, electionMaxTicks } = TIMING;
  const timeouts = [...options.timeouts];
  const { window, appendBytes, uncommittedBytes, trailing, logBytes } = options;
  const member = new Member(id, {
    configuration: foundedWith(options),
    // A log was stored in the term of its last entry, or a later one.
    term: options.term ?? (Number(/(\d+)\/\d+$/.exec(options.log)?.[1] ?? 0) || undefined),
    votedFor: options.votedFor,
    log: options.log,
    limits: {
      ...(window === undefined ? {} : { maxInflightAppends: window }),
      ...(appendBytes === undefined ? {} : { maxAppendBytes: appendBytes }),
      ...(uncommittedBytes === undefined ? {} : { maxUncommittedBytes: uncommittedBytes }),
      ...(trailing === undefined ? {} : { trailingEntries: trailing }),
      ...(logBytes === undefined ? {} : { maxLogBytes: logBytes }),
    },
    random: () => {
      const timeout = (timeouts.length > 1 ? timeouts.shift() : timeouts[0]) ?? Number.NaN;
      if (!(timeout >= electionMinTicks && timeout < electionMaxTicks)) {
        throw new Error(`timeouts are from ${electionMinTicks} to ${electionMaxTicks - 1} ticks`);
      }
      return (timeout - electionMinTicks + 0.5) / (electionMaxTicks - electionMinTicks);
    },
  });
  stage.cluster.add(member);
  stage.cluster.heldDisks.add(id);
}

function foundedWith(options: {
  readonly voters: string;
  readonly learners: string;
  readonly lease: number | undefined;
}): Configuration {
  const { voters, learners, lease: leaderLeaseMs } = options;
  const configuration = configurationOf(voters, learners);
  if (leaderLeaseMs === undefined) return configuration;
  return { ...configuration, leadership: { leaderLeaseMs, closeHint: true } };
}

/** `tick abc 2`: each of them one tick, then each of them the next. */
function tick(stage: Stage, words: Words): void {
  const ids = upMembers(stage, words);
  const count = words.count(1);
  for (let i = 0; i < count; i += 1) for (const id of ids) stage.step(id, { kind: 'tick' });
}

/** `clock abc 1000` sets their clocks, in milliseconds; `clock a +50` moves one on. Nobody ticks. */
function clock(stage: Stage, words: Words): void {
  const ids = members(stage, words);
  const time = words.next('a time');
  if (!/^\+?\d+$/.test(time)) throw new Error(`"${time}" is no time`);
  for (const id of ids) {
    const { nowMs } = stage.cluster.member(id);
    stage.cluster.member(id).nowMs = time.startsWith('+') ? nowMs + Number(time) : Number(time);
  }
}

/** `run 20`: everybody ticks, and all that follows from it settles, as often as that. */
function run(stage: Stage, words: Words): void {
  const count = words.count(1);
  for (let i = 0; i < count; i += 1) {
    for (const id of stage.cluster.members.keys()) {
      if (!stage.cluster.isDown(id)) stage.step(id, { kind: 'tick' });
    }
    stage.settle();
  }
}

/** `disk a 1` finishes the oldest write; `disk a` all of them; `disk a fast|slow` those to come. */
function disk(stage: Stage, words: Words): void {
  const ids = upMembers(stage, words);
  const [fast, slow] = [words.flag('fast'), words.flag('slow')];
  const count = words.count(Number.MAX_SAFE_INTEGER);
  for (const id of ids) {
    if (fast) stage.cluster.heldDisks.delete(id);
    if (slow) stage.cluster.heldDisks.add(id);
    if (slow) continue;
    const { pending } = stage.cluster.member(id).disk;
    if (pending.length === 0 && !fast) throw new Error(`${id} has no write under way`);
    stage.finishWrites(id, Math.min(count, pending.length));
  }
}

/** `deliver b from=a kind=append count=1`, and `drop` to lose them, `keep` to repeat them later. */
function deliver(stage: Stage, words: Words): void {
  const [drop, keep] = [words.flag('drop'), words.flag('keep')];
  const [from, kind] = [words.option('from'), words.option('kind')];
  const count = words.number('count') ?? Number.MAX_SAFE_INTEGER;
  const to = words.match(/^[a-z]+$/);
  const picked = stage.cluster.messages
    .filter((message) => to === undefined || to.includes(message.to))
    .filter((message) => from === undefined || from.includes(message.from))
    .filter((message) => kind === undefined || kind === message.kind)
    .slice(0, count);
  if (picked.length === 0) throw new Error('no such message waits');
  if (!keep) stage.cluster.take((message) => picked.includes(message));
  if (!drop) stage.deliver(picked);
}

/** `receive a append from=b term=2 prev=1/1 commit=0 [2/2]`: a message that nobody here has sent. */
function receive(stage: Stage, words: Words): void {
  const to = upMember(stage, words);
  const message = parseMessage(to, words.rest('a message'));
  stage.step(to, { kind: 'receive', message });
}

/** `elect a`: the others forget their leader, `a` stands, and all settles. */
function elect(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  for (const [other, { status }] of stage.cluster.members) {
    if (other === id || stage.cluster.isDown(other) || status.role !== 'follower') continue;
    for (let i = 0; i < TIMING.electionMinTicks; i += 1) stage.step(other, { kind: 'tick' });
  }
  stage.cluster.take();
  stage.step(id, { kind: 'campaign' });
  stage.settle();
  if (stage.cluster.member(id).status.role !== 'leader') throw new Error(`${id} does not lead`);
}

/** `transfer a b`: a is asked to hand over to b; `transfer a` to whoever is most caught up. */
function transfer(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const to = words.match(/^[a-z]$/) ?? null;
  stage.transfers += 1;
  stage.step(id, { kind: 'transferLeadership', transferId: stage.transfers, to });
}

/** `disconnect b a`: b's last connection to a has ended, without a `goodbye` unless that is said. */
function disconnect(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const saidGoodbye = words.flag('goodbye');
  stage.step(id, { kind: 'peerLost', member: member(stage, words), saidGoodbye });
}

/** `propose a x y`: two commands in one proposal. */
function propose(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  stage.proposals += 1;
  const { proposals } = stage;
  const commands = words.rest('a command');
  stage.carefully(id, () => {
    stage.cluster.perform(id, stage.cluster.member(id).propose(proposals, ...commands));
  });
}

/**
 * `change a add d`, `promote d`, `remove b`, `replace b d`, `move b b:2`, `priority b 5`: one change
 * of the members;
 * `change a lease 100`, `lease off`: of what they promise their leaders.
 */
function change(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const kind = words.next('a change');
  const expect = expected(stage, words);
  stage.changes += 1;
  const { changes: changeId } = stage;
  if (kind === 'lease') {
    const leaderLeaseMs = words.flag('off') ? null : words.count(0);
    const leadership = { leaderLeaseMs, closeHint: true };
    stage.step(id, { kind: 'changeLeadership', changeId, leadership, expect });
    return;
  }
  const asked = membershipChange(kind, words.next('a member'), words);
  stage.step(id, { kind: 'changeMembership', changeId, change: asked, expect });
}

/** `look b as=seen`: somebody takes note of the members as b has them, for `expect=seen`. */
function look(stage: Stage, words: Words): void {
  const { configuration } = stage.cluster.member(upMember(stage, words)).status;
  stage.seen.set(words.option('as') ?? '', configurationVersion(configuration));
}

function expected(stage: Stage, words: Words): string | null {
  const name = words.option('expect');
  if (name === undefined) return null;
  const version = stage.seen.get(name);
  if (version === undefined) throw new Error(`nobody has seen "${name}"`);
  return version;
}

function membershipChange(kind: string, member: MemberId, words: Words): MembershipChange {
  switch (kind) {
    case 'add':
      return { kind: 'addLearner', member, addresses: { peer: `${member}:1`, client: null } };
    case 'promote':
    case 'remove':
      return { kind, member };
    case 'replace':
      return { kind, member, by: words.next('a learner') };
    case 'move': {
      const addresses = { peer: words.next('an address'), client: null };
      return { kind: 'changeAddresses', member, addresses };
    }
    case 'priority':
      return { kind: 'changePriority', member, priority: Number(words.next('a priority')) };
    default:
      throw new Error(`no change is called "${kind}"`);
  }
}

function read(stage: Stage, words: Words): void {
  stage.reads += 1;
  stage.step(upMember(stage, words), { kind: 'read', readId: stage.reads });
}

/** `lease a`: what a read there needs to have applied now, where it need not ask anybody. */
function lease(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const { nowMs } = stage.cluster.member(id);
  const index = stage.cluster.member(id).leaseIndex(nowMs);
  stage.print(`${id}: ${index === null ? 'no lease' : `lease, at ${index}`} at ${nowMs} ms`);
}

/** `snapshot a`: it stores what it has applied; the first snapshot of a scenario is `s1`. */
function snapshot(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  stage.snapshots += 1;
  const name = `s${stage.snapshots}`;
  stage.carefully(id, () => {
    stage.cluster.perform(id, stage.cluster.member(id).takeSnapshot(name));
  });
  const position = stage.cluster.member(id).disk.snapshot?.position;
  if (position !== undefined)
    stage.print(`${id}: stored ${name}=${position.term}/${position.index}`);
}

/** `fetch c`: it has stored what it was asked to fetch; `drop` where that fails. */
function fetch(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const drop = words.flag('drop');
  if (!stage.fetches.has(id)) throw new Error(`${id} fetches nothing`);
  if (drop) stage.fetches.delete(id);
  else if (!stage.finishFetch(id)) throw new Error(`nobody gives ${id} what it fetches`);
}

/** `isolate c`: it hears nobody, and nobody hears it. What is under way there is lost. */
function isolate(stage: Stage, words: Words): void {
  for (const id of members(stage, words)) {
    for (const other of stage.cluster.members.keys()) {
      stage.cuts.add(id + other);
      stage.cuts.add(other + id);
    }
  }
  stage.loseWhatIsCut();
}

/** `split ab cde`: the parts do not hear each other. */
function split(stage: Stage, words: Words): void {
  const parts = words.rest('the first part');
  for (const part of parts) {
    for (const id of part) {
      if (!stage.cluster.members.has(id)) throw new Error(`${id} is no member`);
      for (const other of stage.cluster.members.keys()) {
        if (!part.includes(other)) stage.cuts.add(id + other);
      }
    }
  }
  stage.loseWhatIsCut();
}

/** `cut a b`: `b` does not hear `a`; `a` still hears `b`. */
function cut(stage: Stage, words: Words): void {
  const from = members(stage, words);
  const to = members(stage, words);
  for (const id of from) for (const other of to) stage.cuts.add(id + other);
  stage.loseWhatIsCut();
}

/** `crash a reached=1 torn`: one write had reached the disk, and of the next its term and vote. */
function crash(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  stage.cluster.crash(id, words.number('reached') ?? 0, words.flag('torn'));
  stage.fetches.delete(id);
  stage.cluster.take(({ to }) => to === id);
}

/** `damage c 5`, while it is down: its snapshots cannot be read, and its log begins after entry 5. */
function damage(stage: Stage, words: Words): void {
  const id = member(stage, words);
  if (!stage.cluster.isDown(id)) throw new Error(`${id} is up`);
  stage.cluster.member(id).disk.loseSnapshot(words.count(0) || undefined);
}

function status(stage: Stage, words: Words): void {
  for (const id of members(stage, words)) {
    if (stage.cluster.isDown(id)) stage.print(`${id}: down`);
    else for (const line of printStatus(stage.cluster.member(id).status)) stage.print(line);
  }
}

function log(stage: Stage, words: Words): void {
  for (const id of members(stage, words)) {
    const { log, disk } = stage.cluster.member(id);
    const stored = printLog(disk.log);
    if (stage.cluster.isDown(id)) {
      stage.print(`${id}: down, on disk ${stored}`);
      continue;
    }
    const rest = stored === printLog(log) ? '' : `, on disk ${stored}`;
    stage.print(`${id}: ${printLog(log)}${rest}`);
  }
}

/** Those that wait, oldest first. */
function messages(stage: Stage, _words: Words): void {
  for (const message of stage.cluster.messages) {
    stage.print(`${message.from} to ${message.to}: ${printMessage(message)}`);
  }
}

function printStatus(status: RaftStatus): readonly string[] {
  const { self, role, term, votedFor, leader } = status;
  const { firstIndex, lastTerm, lastIndex, lacksState, durableIndex, commitIndex, appliedIndex } =
    status;
  const lost = lacksState ? 'lacks its state, ' : '';
  const first = firstIndex === 1 ? lost : `${lost}holds ${firstIndex} on, `;
  const who = `${self}: ${role} at term ${term}, leader ${leader ?? '-'}, vote ${votedFor ?? '-'}`;
  const members = `of ${printConfiguration(status.configuration)}`;
  const how = `${first}last ${lastTerm}/${lastIndex}, durable ${durableIndex}`;
  return [
    `${who}, ${members}, ${how}, commit ${commitIndex}, applied ${appliedIndex}`,
    ...[...status.progress].map(([id, { mode, matchIndex, nextIndex }]) => {
      return `${self}: knows ${id} ${mode} match=${matchIndex} next=${nextIndex}`;
    }),
  ];
}

/** Letters, each a member; all of them where no word is left. */
function members(stage: Stage, words: Words): readonly MemberId[] {
  const ids = [...(words.match(/^[a-z]+$/) ?? [...stage.cluster.members.keys()].join(''))];
  for (const id of ids) {
    if (!stage.cluster.members.has(id)) throw new Error(`${id} is no member`);
  }
  return ids;
}

function member(stage: Stage, words: Words): MemberId {
  const id = words.next('a member');
  if (!stage.cluster.members.has(id)) throw new Error(`${id} is no member`);
  return id;
}

function upMembers(stage: Stage, words: Words): readonly MemberId[] {
  const ids = [...words.next('whose')];
  for (const id of ids) {
    if (!stage.cluster.members.has(id)) throw new Error(`${id} is no member`);
    if (stage.cluster.isDown(id)) throw new Error(`${id} is down`);
  }
  return ids;
}

function upMember(stage: Stage, words: Words): MemberId {
  const id = member(stage, words);
  if (stage.cluster.isDown(id)) throw new Error(`${id} is down`);
  return id;
}
