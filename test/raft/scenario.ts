import { InvariantViolation, type MemberId } from '../../lib/base/index.js';
import type { Effect, Input, MembershipChange, Message, RaftStatus } from '../../lib/raft/index.js';
import { Cluster, Member, TIMING } from './harness.js';
import {
  configurationOf,
  parseMessage,
  printConfiguration,
  printEffect,
  printLog,
  printMessage,
} from './notation.js';
import {
  formatScenario,
  isCommand,
  type Paragraph,
  type ScenarioFile,
  Words,
} from './scenario-file.js';

/*
 * Scenarios: what a cluster of cores does, command by command, with every effect written down below.
 * Nothing moves on its own. A disk is slow until it is told otherwise: its writes wait for `disk` or
 * `settle`. Messages wait for `deliver` or `settle`. Members are single letters.
 */

/** The file as it would be if all that happens now was expected. Throws where a command is wrong. */
export function playScenario(name: string, file: ScenarioFile): string {
  const stage = new Stage();
  const played = file.paragraphs.map((paragraph) => {
    return { paragraph, happens: playParagraph(name, stage, paragraph) };
  });
  return formatScenario(played);
}

function playParagraph(name: string, stage: Stage, paragraph: Paragraph): readonly string[] {
  for (const line of paragraph.lines.filter(isCommand)) {
    try {
      stage.play(line.text);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${name}:${line.number}: ${message}`, { cause: error });
    }
  }
  return stage.takeLines();
}

/** How much of what happens is written down. */
type Detail = 'all' | 'events' | 'none';

type Command = (stage: Stage, words: Words) => void;

/** One scenario under way. */
class Stage {
  readonly cluster = new Cluster([]);
  /** Messages from the first to the second member are lost. */
  readonly cuts = new Set<string>();
  /** What members were asked to fetch, and from whom; the latest only. */
  readonly fetches = new Map<MemberId, { readonly from: MemberId; readonly id: string }>();
  proposals = 0;
  reads = 0;
  changes = 0;
  snapshots = 0;
  #detail: Detail = 'all';
  #lines: string[] = [];
  /** Something was done since the lines were taken, and not quietly. */
  #acted = false;
  readonly #decided = new Map<number, number>();
  readonly #leaders = new Map<number, MemberId>();

  constructor() {
    this.cluster.watch = (id, effects): void => {
      for (const effect of effects) this.#note(id, effect);
    };
  }

  play(line: string): void {
    const words = new Words(line);
    this.#detail = words.flag('quietly') ? 'none' : words.flag('briefly') ? 'events' : 'all';
    const name = words.next('a command');
    const command = COMMANDS.get(name);
    if (command === undefined) throw new Error(`unknown command "${name}"`);
    command(this, words);
    words.end();
  }

  /** What happened since they were taken last. Empty where nothing was to be seen. */
  takeLines(): readonly string[] {
    const lines = this.#lines.length === 0 && this.#acted ? ['nothing'] : this.#lines;
    this.#lines = [];
    this.#acted = false;
    return lines;
  }

  /** What was asked for is written down, however quiet the command. */
  print(line: string): void {
    this.#lines.push(line);
  }

  step(id: MemberId, input: Input): void {
    this.carefully(id, () => this.cluster.step(id, input));
  }

  /** A member that finds itself in a wrong state stops; the others go on. */
  carefully(id: MemberId, act: () => void): void {
    if (this.#detail !== 'none') this.#acted = true;
    try {
      act();
    } catch (error) {
      if (!(error instanceof InvariantViolation)) throw error;
      this.print(`${id}: stops, ${error.message}`);
      this.cluster.crash(id);
    }
    this.cluster.take((message) => this.#isLost(message));
  }

  /** Delivers, in order, what waits now and is picked. */
  deliver(picked: readonly Message[]): void {
    for (const message of picked) {
      if (!this.cluster.members.has(message.to) || this.cluster.isDown(message.to)) continue;
      this.step(message.to, { kind: 'receive', message });
    }
  }

  /** Finishes up to `count` writes of a member. False when none was under way. */
  finishWrites(id: MemberId, count: number): boolean {
    const member = this.cluster.member(id);
    if (this.cluster.isDown(id) || member.disk.pending.length === 0) return false;
    this.carefully(id, () => this.cluster.perform(id, member.finishWrites(count)));
    return true;
  }

  /** Finishes what a member was asked to fetch. False when there is nothing, or nobody to give it. */
  finishFetch(id: MemberId): boolean {
    const fetch = this.fetches.get(id);
    if (fetch === undefined || this.cluster.isDown(id) || this.cluster.isDown(fetch.from))
      return false;
    if (this.cuts.has(`${fetch.from}${id}`) || this.cuts.has(`${id}${fetch.from}`)) return false;
    this.fetches.delete(id);
    const { snapshot } = this.cluster.member(fetch.from).disk;
    if (snapshot?.id !== fetch.id) return false;
    const member = this.cluster.member(id);
    this.carefully(id, () => {
      this.cluster.perform(id, member.storeSnapshot(fetch.id, snapshot.position));
    });
    return true;
  }

  settle(): void {
    for (let i = 0; i < 1000; i += 1) {
      const messages = this.cluster.take();
      this.deliver(messages);
      const ids = [...this.cluster.members.keys()];
      const wrote = ids.filter((id) => this.finishWrites(id, 1000));
      const fetched = ids.filter((id) => this.finishFetch(id));
      if (messages.length + wrote.length + fetched.length === 0) return;
    }
    throw new Error('it never settles');
  }

  loseWhatIsCut(): void {
    this.cluster.take((message) => this.#isLost(message));
  }

  #isLost({ from, to }: Message): boolean {
    return this.cuts.has(`${from}${to}`);
  }

  #note(id: MemberId, effect: Effect): void {
    this.#lookAt(id, effect);
    if (this.#detail === 'none') return;
    if (this.#detail === 'events' && isDetail(effect)) return;
    const lost = effect.kind === 'send' && this.#isLost(effect.message) ? ' (lost)' : '';
    this.print(`${id}: ${printEffect(effect)}${lost}`);
  }

  /** Whatever the file expects: a term has one leader, and an index has one entry. */
  #lookAt(id: MemberId, effect: Effect): void {
    if (effect.kind === 'became' && effect.role === 'leader') {
      const other = this.#leaders.get(effect.term) ?? id;
      if (other !== id) throw new Error(`${other} and ${id} both lead term ${effect.term}`);
      this.#leaders.set(effect.term, id);
    }
    if (effect.kind === 'fetchSnapshot') {
      this.fetches.set(id, { from: effect.from, id: effect.snapshot.id });
    }
    if (effect.kind !== 'apply') return;
    for (const { index, term } of effect.entries) {
      const decided = this.#decided.get(index) ?? term;
      if (decided !== term) {
        throw new Error(`${id} applies ${term}/${index} where ${decided}/${index} was applied`);
      }
      this.#decided.set(index, term);
    }
  }
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['nodes', addNodes],
  ['add', addOne],
  ['join', join],
  ['tick', tick],
  ['disk', disk],
  ['deliver', deliver],
  ['receive', receive],
  ['settle', (stage): void => stage.settle()],
  ['run', run],
  ['elect', elect],
  ['campaign', (stage, words): void => stage.step(upMember(stage, words), { kind: 'campaign' })],
  ['resign', (stage, words): void => stage.step(upMember(stage, words), { kind: 'resign' })],
  ['disconnect', disconnect],
  ['propose', propose],
  ['change', change],
  ['read', read],
  ['snapshot', snapshot],
  ['fetch', fetch],
  ['isolate', isolate],
  ['split', split],
  ['cut', cut],
  ['heal', (stage): void => stage.cuts.clear()],
  ['crash', crash],
  ['restart', (stage, words): void => stage.cluster.restart(member(stage, words))],
  ['status', status],
  ['log', log],
  ['messages', messages],
]);

/** `nodes abc learners=d term=1 log=[1/1 1/2]`: all founding members, who stored the same. */
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
    configuration: configurationOf(options.voters, options.learners),
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

/** `tick abc 2`: each of them one tick, then each of them the next. */
function tick(stage: Stage, words: Words): void {
  const ids = upMembers(stage, words);
  const count = words.count(1);
  for (let i = 0; i < count; i += 1) for (const id of ids) stage.step(id, { kind: 'tick' });
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

/** `disconnect b a`: the connections of b to its leader a break, and b is told so. */
function disconnect(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  stage.step(id, { kind: 'leaderLost', leader: member(stage, words) });
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

/** `change a add d`, `promote d`, `remove b`, `replace b d`: one change of the members. */
function change(stage: Stage, words: Words): void {
  const id = upMember(stage, words);
  const kind = words.next('a change');
  const asked = membershipChange(kind, words.next('a member'), words);
  stage.changes += 1;
  stage.step(id, {
    kind: 'changeMembership',
    changeId: stage.changes,
    change: asked,
    expect: words.option('expect') ?? null,
  });
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
    default:
      throw new Error(`no change is called "${kind}"`);
  }
}

function read(stage: Stage, words: Words): void {
  stage.reads += 1;
  stage.step(upMember(stage, words), { kind: 'read', readId: stage.reads });
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
  const { firstIndex, lastTerm, lastIndex, durableIndex, commitIndex, appliedIndex } = status;
  const first = firstIndex === 1 ? '' : `holds ${firstIndex} on, `;
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

/** Effects that `briefly` passes over: how it is done, not what is reached. */
function isDetail(effect: Effect): boolean {
  return effect.kind === 'send' || effect.kind === 'write' || effect.kind === 'heartbeatTimedOut';
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
