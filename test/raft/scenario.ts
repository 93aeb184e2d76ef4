import { InvariantViolation, type MemberId } from '../../lib/base/index.js';
import type { Effect, Input, Message } from '../../lib/raft/index.js';
import { Cluster } from './harness.js';
import { printEffect } from './notation.js';
import { COMMANDS } from './scenario-commands.js';
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

/** One scenario under way. */
export class Stage {
  readonly cluster = new Cluster([]);
  /** Messages from the first to the second member are lost. */
  readonly cuts = new Set<string>();
  /** What members were asked to fetch, and from whom; the latest only. */
  readonly fetches = new Map<MemberId, { readonly from: MemberId; readonly id: string }>();
  /** Versions of the members that somebody has seen, by the name that they were given. */
  readonly seen = new Map<string, string>();
  proposals = 0;
  reads = 0;
  changes = 0;
  transfers = 0;
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

/** Effects that `briefly` passes over: how it is done, not what is reached. */
function isDetail(effect: Effect): boolean {
  return effect.kind === 'send' || effect.kind === 'write' || effect.kind === 'heartbeatTimedOut';
}
