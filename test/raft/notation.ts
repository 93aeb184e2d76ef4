import {
  type Entry,
  type EntryKind,
  encodeUtf8,
  type MemberId,
  packEntries,
  unreachable,
} from '../../lib/base/index.js';
import type {
  Configuration,
  Effect,
  HardState,
  LeaseStamp,
  Message,
  SnapshotReference,
} from '../../lib/raft/index.js';

/*
 * How tests and scenarios of the core write things down: an entry or a position in the log is
 * `term/index`, a log is a list of those, an effect is one line. Members are single letters.
 */

export const GROUP = 'g';

/** Voters, learners and the outgoing half of a joint configuration, one letter each. */
export function configurationOf(voters: string, learners = '', outgoing = ''): Configuration {
  return {
    clusterId: 'test',
    incoming: [...voters],
    outgoing: [...outgoing],
    learners: [...learners],
    addresses: new Map(
      [...new Set(voters + outgoing + learners)].map((id) => [
        id,
        { peer: `${id}:1`, client: null },
      ]),
    ),
  };
}

/** `2/5` as a position; `0/0` is before the first entry. */
export function position(text: string): { readonly term: number; readonly index: number } {
  const [term, index] = text.split('/').map(Number);
  return { term: term ?? Number.NaN, index: index ?? Number.NaN };
}

/** `1/1 1/2 2/3` as entries. Equal positions are equal entries: the payload names the position. */
export function entries(text: string): readonly Entry[] {
  return text
    .split(' ')
    .filter((part) => part !== '')
    .flatMap((part) => entry(position(part).term, position(part).index));
}

/** `count` entries of one term, from `firstIndex` on. */
export function run(term: number, firstIndex: number, count: number): readonly Entry[] {
  return Array.from({ length: count }, (_, i) => entry(term, firstIndex + i));
}

export function entry(term: number, index: number, payload = `${term}/${index}`): Entry {
  const draft = { kind: 'command', commandVersion: 0, payload: encodeUtf8(payload) } as const;
  return packEntries({ group: GROUP, term, firstIndex: index, logTimeMs: 0 }, [draft])[0]!;
}

/** One entry of any kind. */
export function pack(kind: EntryKind, term: number, index: number, payload: Uint8Array): Entry {
  const draft = { kind, commandVersion: 0, payload };
  return packEntries({ group: GROUP, term, firstIndex: index, logTimeMs: 0 }, [draft])[0]!;
}

export function lines(effects: readonly Effect[]): readonly string[] {
  return effects.map(printEffect);
}

export function printEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'write':
      return `write #${effect.writeId}${printHardState(effect.hardState)}${printReset(effect.reset)} ${printLog(effect.entries)}`;
    case 'send':
      return `send ${effect.message.to} ${printMessage(effect.message)}`;
    case 'apply':
      return `apply ${printLog(effect.entries)}`;
    case 'proposed':
      return `proposed #${effect.proposalId} at ${effect.term}/${effect.firstIndex}`;
    case 'proposalRejected':
      return `proposal #${effect.proposalId} rejected: ${effect.reason}`;
    case 'readReady':
      return `read #${effect.readId} ready at ${effect.index}`;
    case 'fetchSnapshot':
      return `fetch ${printSnapshot(effect.snapshot)} from ${effect.from}`;
    case 'takeSnapshot':
      return 'take a snapshot';
    case 'restore':
      return `restore ${effect.snapshotId} at ${effect.index}`;
    case 'readRejected':
      return `read #${effect.readId} rejected: ${effect.reason}`;
    case 'changeAppended':
      return `change #${effect.changeId} at ${effect.term}/${effect.index}`;
    case 'changeRejected':
      return `change #${effect.changeId} rejected: ${effect.reason}`;
    case 'transferRefused':
      return `transfer #${effect.transferId} refused: ${effect.reason}`;
    case 'configured':
      return `configured ${printConfiguration(effect.configuration)}`;
    case 'became':
      return `${effect.role} at term ${effect.term}, leader ${effect.leader ?? '-'}`;
    case 'electionTimedOut':
      return 'election timed out';
    case 'heartbeatTimedOut':
      return 'heartbeat timed out';
    default:
      return unreachable(effect);
  }
}

export function printMessage(message: Message): string {
  const head = `${message.kind} term=${message.term}`;
  switch (message.kind) {
    case 'preVote':
    case 'vote': {
      const transfer = message.isTransfer === true ? ' transfer' : '';
      return `${head} last=${message.lastTerm}/${message.lastIndex}${transfer}`;
    }
    case 'timeoutNow':
      return head;
    case 'preVoteReply':
    case 'voteReply':
      return `${head} ${message.granted ? 'granted' : 'refused'}`;
    case 'append': {
      const { prevTerm, prevIndex, commitIndex } = message;
      return `${head} prev=${prevTerm}/${prevIndex} commit=${commitIndex} ${printLog(message.entries)}`;
    }
    case 'appendAccepted':
      return `${head} match=${message.matchIndex}`;
    case 'appendRejected':
      return `${head} prev=${message.prevIndex} hint=${message.hintTerm}/${message.hintIndex}`;
    case 'heartbeat':
      return `${head} commit=${message.commitIndex} round=${message.readRound}${printLease(message.lease)}`;
    case 'heartbeatReply':
      return `${head} round=${message.readRound}${printLease(message.lease)}`;
    case 'snapshotOffer':
      return `${head} ${printSnapshot(message.snapshot)}`;
    case 'snapshotNeeded':
      return `${head} reaching=${message.fromIndex}`;
    default:
      return unreachable(message);
  }
}

/** What `printMessage` prints, with `from=` somewhere after the kind. */
export function parseMessage(to: MemberId, words: readonly string[]): Message {
  const [kind = '', ...rest] = words;
  const option = (name: string): string => {
    const word = rest.find((other) => other.startsWith(`${name}=`));
    if (word === undefined) throw new Error(`${name}= is missing`);
    return word.slice(name.length + 1);
  };
  const number = (name: string): number => Number(option(name));
  const head = { group: GROUP, to, from: option('from'), term: number('term') };
  switch (kind) {
    case 'preVote':
    case 'vote': {
      const last = position(option('last'));
      const isTransfer = rest.includes('transfer');
      const asked = { ...head, kind, lastTerm: last.term, lastIndex: last.index };
      return isTransfer ? { ...asked, isTransfer } : asked;
    }
    case 'preVoteReply':
    case 'voteReply':
      return { ...head, kind, granted: rest.includes('granted') };
    case 'append': {
      const prev = position(option('prev'));
      const log = entries((rest.find((word) => word.startsWith('[')) ?? '').replace(/[[\]]/g, ''));
      const commitIndex = number('commit');
      return {
        ...head,
        kind,
        prevTerm: prev.term,
        prevIndex: prev.index,
        commitIndex,
        entries: log,
      };
    }
    case 'appendAccepted':
      return { ...head, kind, matchIndex: number('match') };
    case 'appendRejected': {
      const hint = position(option('hint'));
      return {
        ...head,
        kind,
        prevIndex: number('prev'),
        hintTerm: hint.term,
        hintIndex: hint.index,
      };
    }
    case 'heartbeat': {
      const asked = { commitIndex: number('commit'), readRound: number('round') };
      return { ...head, kind, ...asked, ...leaseIn(rest) };
    }
    case 'heartbeatReply':
      return { ...head, kind, readRound: number('round'), ...leaseIn(rest) };
    case 'timeoutNow':
      return { ...head, kind };
    case 'snapshotNeeded':
      return { ...head, kind, fromIndex: number('reaching') };
    case 'snapshotOffer': {
      const [, id, place] = rest.map((word) => /^(s\d+)=(.+)$/.exec(word)).find(Boolean) ?? [];
      if (id === undefined || place === undefined) throw new Error('a snapshot is missing');
      return { ...head, kind, snapshot: { id, ...position(place) } };
    }
    default:
      throw new Error(`no message is called "${kind}"`);
  }
}

function leaseIn(words: readonly string[]): { readonly lease?: LeaseStamp } {
  const [, sent, length] =
    words.map((word) => /^lease=(\d+)\+(\d+)$/.exec(word)).find(Boolean) ?? [];
  if (sent === undefined || length === undefined) return {};
  return { lease: { sentMs: Number(sent), leaseMs: Number(length) } };
}

function printLease(lease: LeaseStamp | undefined): string {
  return lease === undefined ? '' : ` lease=${lease.sentMs}+${lease.leaseMs}`;
}

export function printLog(log: readonly Entry[]): string {
  return `[${log.map(({ term, index }) => `${term}/${index}`).join(' ')}]`;
}

function printSnapshot({ id, term, index }: SnapshotReference): string {
  return `${id}=${term}/${index}`;
}

function printReset(reset: (Effect & { kind: 'write' })['reset']): string {
  return reset === undefined ? '' : ` reset=${reset.term}/${reset.index}`;
}

function printHardState(hardState: HardState | null): string {
  return hardState === null ? '' : ` term=${hardState.term} vote=${hardState.votedFor ?? '-'}`;
}

export function printConfiguration(configuration: Configuration): string {
  const { incoming, outgoing, learners, leadership, priorities = new Map() } = configuration;
  const part = (name: string, members: readonly string[], separator = ''): string =>
    members.length === 0 ? '' : ` ${name}=${members.join(separator)}`;
  return [
    incoming.join(''),
    part('outgoing', outgoing),
    part('learners', learners),
    part(
      'priorities',
      [...priorities].map((pair) => pair.join(':')),
      ',',
    ),
    leadership === undefined ? '' : ` lease=${leadership.leaderLeaseMs ?? 'off'}`,
  ].join('');
}
