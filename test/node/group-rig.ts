import {
  DEFAULT_LIMITS,
  type EntryDraft,
  memberId,
  packEntries,
  type QuorateError,
} from '../../lib/base/index.js';
import { EmitterEventBus } from '../../lib/events/index.js';
import type { CommittedCommand, StateMachine } from '../../lib/interfaces/index.js';
import { Group } from '../../lib/node/group.js';
import { loadGroup } from '../../lib/node/loaded-group.js';
import { noMetrics, silentLogger } from '../../lib/observe/index.js';
import { type Configuration, encodeConfiguration, type Message } from '../../lib/raft/index.js';
import { VirtualTime } from '../../lib/testing/test-time.js';
import { resolveTiming } from '../../lib/timing/index.js';
import type { PeerAnswer, PeerCall } from '../../lib/wire/index.js';
import { memoryDisk, memoryStorage } from '../../storage/memory/index.js';

const A = memberId('a', 'a'.repeat(16));
const B = memberId('b', 'b'.repeat(16));
const C = memberId('c', 'c'.repeat(16));
/** The members, by node. */
export const MEMBERS = { a: A, b: B, c: C } as const;

/** All three, as voters. */
export const CONFIGURATION: Configuration = {
  clusterId: '0'.repeat(16),
  incoming: [A, B, C],
  outgoing: [],
  learners: [],
  addresses: new Map([A, B, C].map((member) => [member, { peer: '', client: null }])),
};

/** Answers every command with its own bytes, and remembers the order. */
export class EchoMachine implements StateMachine {
  readonly applied: string[] = [];

  apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    for (const { index, command } of commands) {
      this.applied.push(`${index} ${new TextDecoder().decode(command)}`);
    }
    return commands.map(({ command }) => command);
  }

  query(query: Uint8Array): Uint8Array {
    return query;
  }

  async *snapshot(): AsyncIterable<Uint8Array> {}

  async restore(): Promise<void> {}
}

export interface Rig {
  readonly group: Group;
  readonly machine: EchoMachine;
  readonly time: VirtualTime;
  readonly disk: ReturnType<typeof memoryDisk>;
  /** What the group has sent since it was last looked at. */
  sent(): readonly Message[];
  readonly faults: QuorateError[];
  /** What the group has asked of peers. */
  readonly asked: { readonly peer: string; readonly call: PeerCall }[];
  /** Tells the group that a message has come, and lets everything follow. */
  deliver(...messages: readonly Message[]): Promise<void>;
  /** Makes this member, `a`, the leader of `term`. */
  lead(term: number): Promise<void>;
  settle(): Promise<void>;
}

export interface RigOptions {
  readonly ask?: (peer: string, call: PeerCall) => Promise<PeerAnswer>;
  readonly machine?: EchoMachine;
  /** In entry 1. Default: none is stated. */
  readonly leadership?: Configuration['leadership'];
  /** Without a log, as before the first start. */
  readonly isNew?: boolean;
  readonly maxPendingCalls?: number;
  readonly maxPendingBytes?: number;
  readonly maxUncommittedBytes?: number;
}

/** One member, `a` of a, b and c, between whose turns the test is the network. It begins at term 1 with entry 1. */
export async function rig(options: RigOptions = {}): Promise<Rig> {
  const { machine = new EchoMachine(), maxPendingCalls = 100 } = options;
  const time = new VirtualTime();
  const { clock } = time;
  const disk = memoryDisk();
  const engine = memoryStorage({ disk });
  const finish = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    work.then(() => {
      isOver = true;
    });
    await time.until(() => isOver, 1000);
    return await work;
  };
  await finish(engine.open({ clock, logger: silentLogger }));
  await finish(engine.initialise({ nodeId: 'a', incarnation: 'a'.repeat(16), clusterId: null }));
  const storage = engine.group('g');
  const { isNew = false } = options;
  if (!isNew) await finish(storage.state.save({ term: 1, votedFor: null }));
  const found = await finish(loadGroup('g', storage, machine));
  const configuration = { ...CONFIGURATION, leadership: options.leadership };
  const entries = packEntries({ group: 'g', term: 1, firstIndex: 1, logTimeMs: 0 }, [
    { kind: 'configuration', commandVersion: 0, payload: encodeConfiguration(configuration) },
  ]);
  if (!isNew) await finish(storage.log.append(entries));
  let outbox: Message[] = [];
  const faults: QuorateError[] = [];
  const asked: { readonly peer: string; readonly call: PeerCall }[] = [];
  const { ask } = options;
  const group = new Group(
    {
      id: 'g',
      self: A,
      storage,
      machine,
      timing: resolveTiming('fast'),
      limits: {
        ...DEFAULT_LIMITS,
        maxUncommittedBytes: options.maxUncommittedBytes ?? DEFAULT_LIMITS.maxUncommittedBytes,
      },
      checked: true,
      clock,
      random: () => 0.5,
      events: new EmitterEventBus({ onListenerError: () => {}, onUnobservedFault: () => {} }),
      logger: silentLogger,
      metrics: noMetrics,
      origin: { nodeId: 'a', group: 'g' },
      calls: {
        callTimeoutMs: 10_000,
        maxPendingCalls,
        maxPendingBytes: options.maxPendingBytes ?? DEFAULT_LIMITS.maxPendingBytes,
        maxCommandBytes: 1000,
        ask:
          ask === undefined
            ? null
            : (peer, call) => {
                asked.push({ peer, call });
                return ask(peer, call);
              },
        explainNoLeader: () => '',
        onBusy: () => {},
      },
      send: (message) => outbox.push(message) > 0,
      handOverMs: 300,
      pull: null,
      onConfigured: () => {},
      onFault: (error) => faults.push(error),
    },
    { ...found, loaded: { ...found.loaded, entries: isNew ? [] : entries } },
  );
  const settle = async (): Promise<void> => {
    await time.elapse(0);
    await time.elapse(0);
  };
  const deliver = async (...messages: readonly Message[]): Promise<void> => {
    for (const message of messages) group.receive(message);
    await settle();
  };
  return {
    group,
    machine,
    time,
    disk,
    faults,
    asked,
    settle,
    deliver,
    sent: () => {
      const messages = outbox;
      outbox = [];
      return messages;
    },
    lead: async (term) => {
      group.campaign();
      await settle();
      const reply = { group: 'g', from: B, to: A, granted: true, term } as const;
      await deliver({ ...reply, kind: 'preVoteReply' });
      await deliver({ ...reply, kind: 'voteReply' });
    },
  };
}

/** An append of the leader `from`, with entries of its term after `prev`. */
export function append(
  from: string,
  term: number,
  [prevTerm, prevIndex]: readonly [number, number],
  drafts: readonly string[],
  commitIndex: number,
): Message {
  const entries = packEntries(
    { group: 'g', term, firstIndex: prevIndex + 1, logTimeMs: 0 },
    drafts.map(
      (text): EntryDraft => ({ kind: 'command', commandVersion: 1, payload: text8(text) }),
    ),
  );
  return {
    kind: 'append',
    group: 'g',
    from,
    to: A,
    term,
    prevIndex,
    prevTerm,
    commitIndex,
    entries,
  };
}

export function accepted(from: string, term: number, matchIndex: number): Message {
  return { kind: 'appendAccepted', group: 'g', from, to: A, term, matchIndex };
}

export function text8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
