import type { GroupId } from '../base/index.js';
import type { StateMachine } from '../interfaces/index.js';
import type { GroupOptions } from './group-options.js';
import type { NodeSettings } from './options.js';
import type { PeerLink } from './peer-link.js';

/** What a group is opened with. */
export interface OpenGroupOptions {
  readonly id: GroupId;
  readonly machine: StateMachine;
  /** Longest command that the group accepts, in bytes. */
  readonly maxCommandBytes: number;
}

/** What a host is to one of its groups. */
export interface GroupSurroundings
  extends Pick<GroupOptions, 'self' | 'onConfigured' | 'onFault'>,
    Pick<GroupOptions['calls'], 'explainNoLeader' | 'onBusy'> {
  readonly settings: NodeSettings;
  /** Null without peers. */
  readonly links: PeerLink | null;
}

/** The longest that closing waits for another leader, whatever the timing. */
const MAX_HAND_OVER_MS = 2000;

/** Everything that a group works with, of what its host has. */
export function groupOptions(
  { id, machine, maxCommandBytes }: OpenGroupOptions,
  { settings, links, self, onConfigured, onFault, explainNoLeader, onBusy }: GroupSurroundings,
): GroupOptions {
  const { clock, random, events, metrics, logger, limits, timing, checked } = settings;
  const origin = { nodeId: settings.id, group: id };
  return {
    id,
    self,
    storage: settings.storage.group(id),
    machine,
    timing,
    limits,
    checked,
    clock,
    random: () => random.next(),
    events,
    metrics,
    logger: logger.child(origin),
    origin,
    calls: {
      callTimeoutMs: settings.callTimeoutMs,
      maxPendingCalls: limits.maxPendingCalls,
      maxPendingBytes: limits.maxPendingBytes,
      maxCommandBytes,
      ask: links === null ? null : (peer, call, timeoutMs) => links.ask(peer, call, timeoutMs),
      explainNoLeader,
      onBusy,
    },
    send: (message) => links?.send(message) ?? false,
    handOverMs: Math.min(timing.electionTimeoutMaxMs, MAX_HAND_OVER_MS),
    pull:
      links === null ? null : (from, request, timeoutMs) => links.pull(from, request, timeoutMs),
    onConfigured,
    onFault,
  };
}
