import {
  type Limits,
  type NodeId,
  QuorateError,
  resolveLimits,
  validateName,
} from '../base/index.js';
import { EmitterEventBus } from '../events/index.js';
import type {
  Clock,
  EventBus,
  Logger,
  Metrics,
  NetworkTransport,
  Random,
  StorageEngine,
  Tracer,
} from '../interfaces/index.js';
import { noMetrics, noTracer, silentLogger } from '../observe/index.js';
import {
  resolveTiming,
  type Timing,
  type TimingOptions,
  type TimingPreset,
} from '../timing/index.js';

/** How a node is opened. Everything has a default: nothing given is one node in memory. */
export interface NodeOptions {
  /** This node's name. Default `'n1'`, only when `members` is absent. */
  readonly id?: NodeId | undefined;
  /**
   * Who forms the cluster when it starts for the first time: id to peer address, or a list of ids
   * where the transport needs no addresses. Afterwards the log decides, and this is only dialled, where a
   * member does not answer at the address in the log. The entry of this node is where it is: a node that
   * is restarted with another one has the others told.
   */
  readonly members?: Readonly<Record<NodeId, string>> | readonly NodeId[] | undefined;
  /**
   * Instead of `members`: nodes or addresses of a cluster that runs. The node is let in as a learner, and
   * becomes a voter when it has caught up. Only while its storage is new; afterwards the log decides.
   */
  readonly join?: readonly string[] | undefined;
  /**
   * Where peers reach this node, with `join` on a transport that has addresses. As with `members`, another
   * one after a restart is told to the others.
   */
  readonly peerAddress?: string | undefined;
  /**
   * What becomes of a member that comes back with an empty disk. `auto` (the default): it is let in as a
   * learner and, when it has caught up, takes the place of what it was. `manual`: it waits for
   * `membership.replace`. In neither case does it vote or count before.
   */
  readonly readmit?: 'auto' | 'manual' | undefined;
  /** Told apart before a cluster has an id; nodes of another name are not waited for. Default `'quorate'`. */
  readonly clusterName?: string | undefined;
  /** How members reach each other. Handed over: closing the node closes it. Default: none. */
  readonly transport?: NetworkTransport | undefined;
  /** Where the node keeps its data. Handed over: closing the node closes it. Default: in memory. */
  readonly storage?: StorageEngine | undefined;
  /** A preset, or numbers. Default `'fast'`. */
  readonly timing?: TimingPreset | TimingOptions | undefined;
  /** Milliseconds after which a call gives up. Default 10,000. */
  readonly callTimeoutMs?: number | undefined;
  /**
   * Where this node serves clients, as others are told to reach it. Default: nowhere, or after a restart
   * what the others were told before.
   */
  readonly clientAddress?: string | undefined;
  readonly limits?: { readonly [K in keyof Limits]?: Limits[K] | undefined } | undefined;
  readonly events?: EventBus | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** What a composition root puts in place of what was not given. */
export interface NodeDefaults {
  readonly storage: () => StorageEngine;
  readonly clock: Clock;
  readonly random: Random;
  /** Prints one line where neither a logger nor a listener hears of a fault. */
  readonly report: (line: string) => void;
  /** Checks the core's invariants after every step. For tests and the simulator. */
  readonly checked: boolean;
}

/** Options with everything filled in and checked. */
export interface NodeSettings {
  readonly id: NodeId;
  /** Id to peer address, this node among them. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** Whom to ask to be let in; null for a node that does not join. */
  readonly join: readonly string[] | null;
  readonly readmit: 'auto' | 'manual';
  readonly clusterName: string;
  readonly transport: NetworkTransport | null;
  readonly storage: StorageEngine;
  readonly timing: Timing;
  readonly callTimeoutMs: number;
  readonly clientAddress: string | null;
  readonly limits: Limits;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly random: Random;
  readonly checked: boolean;
}

const OPTION_NAMES: ReadonlySet<string> = new Set([
  'id',
  'members',
  'join',
  'peerAddress',
  'readmit',
  'clusterName',
  'transport',
  'storage',
  'timing',
  'callTimeoutMs',
  'clientAddress',
  'limits',
  'events',
  'logger',
  'metrics',
  'tracer',
  'clock',
  'random',
] satisfies (keyof NodeOptions)[]);

const DEFAULT_ID = 'n1';
const DEFAULT_CALL_TIMEOUT_MS = 10_000;

/** Whatever is wrong with the options is ERR_CONFIG, and nothing was opened. */
export function resolveSettings(options: NodeOptions, defaults: NodeDefaults): NodeSettings {
  checkNames(options);
  const logger = options.logger ?? silentLogger;
  const id = idOf(options);
  const members = membersOf(options, id);
  const transport = options.transport ?? null;
  checkTransport(members, transport);
  checkJoin(options);
  const clusterName = options.clusterName ?? 'quorate';
  validateName('clusterName', clusterName);
  return {
    id,
    members,
    join: options.join ?? null,
    readmit: readmitOf(options),
    clusterName,
    transport,
    storage: options.storage ?? defaults.storage(),
    timing: resolveTiming(options.timing),
    callTimeoutMs: callTimeoutOf(options),
    clientAddress: options.clientAddress ?? null,
    limits: resolveLimits(options.limits),
    events: options.events ?? defaultEvents(options.logger, defaults),
    logger,
    metrics: options.metrics ?? noMetrics,
    tracer: options.tracer ?? noTracer,
    clock: options.clock ?? defaults.clock,
    random: options.random ?? defaults.random,
    checked: defaults.checked,
  };
}

function checkNames(options: NodeOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.has(name)) throw wrong(`${JSON.stringify(name)} is not an option of a node`);
  }
}

function idOf({ id, members }: NodeOptions): NodeId {
  if (id === undefined && members !== undefined) {
    throw wrong('members are given, so id must say which of them this node is');
  }
  validateName('id', id ?? DEFAULT_ID);
  return id ?? DEFAULT_ID;
}

function membersOf(options: NodeOptions, id: NodeId): ReadonlyMap<NodeId, string> {
  const { members, peerAddress } = options;
  if (members === undefined) return new Map([[id, peerAddress ?? '']]);
  const pairs: [string, string][] = Array.isArray(members)
    ? members.map((member: string) => [member, ''])
    : Object.entries(members);
  const resolved = new Map<NodeId, string>();
  for (const [member, address] of pairs) {
    validateName('the member id', member);
    if (resolved.has(member)) throw wrong(`the member ${member} is listed twice`);
    if (typeof address !== 'string') throw wrong(`the address of ${member} must be text`);
    resolved.set(member, address);
  }
  if (!resolved.has(id)) {
    throw wrong(
      `id ${JSON.stringify(id)} is not among the members ${[...resolved.keys()].join(', ')}`,
    );
  }
  return resolved;
}

function checkTransport(
  members: ReadonlyMap<NodeId, string>,
  transport: NetworkTransport | null,
): void {
  if (members.size === 1 || transport !== null) return;
  throw wrong(`${members.size} members but no transport; pass transport: tcpTransport()`);
}

function checkJoin({ id, members, join, transport }: NodeOptions): void {
  if (join === undefined) return;
  if (members !== undefined) throw wrong('join and members exclude each other');
  if (id === undefined) throw wrong('a node that joins needs an id of its own');
  if (transport === undefined)
    throw wrong('join needs a transport; pass transport: tcpTransport()');
  if (join.length === 0) throw wrong('join lists nobody to ask');
}

function readmitOf({ readmit = 'auto' }: NodeOptions): 'auto' | 'manual' {
  if (readmit === 'auto' || readmit === 'manual') return readmit;
  throw wrong(`readmit must be auto or manual, not ${String(readmit)}`);
}

function callTimeoutOf({ callTimeoutMs = DEFAULT_CALL_TIMEOUT_MS }: NodeOptions): number {
  if (Number.isFinite(callTimeoutMs) && callTimeoutMs > 0) return callTimeoutMs;
  throw wrong(`callTimeoutMs must be a number of milliseconds above 0, not ${callTimeoutMs}`);
}

function defaultEvents(logger: Logger | undefined, { report }: NodeDefaults): EventBus {
  return new EmitterEventBus({
    onListenerError: (error, name) => {
      const line = `a listener of ${name} threw: ${String(error)}`;
      if (logger === undefined) report(line);
      else logger.error({ event: 'listenerFailed', name, error }, 'A listener threw.');
    },
    onUnobservedFault: ({ nodeId, group, error }) => {
      // A logger has heard of it from the node itself.
      if (logger === undefined) report(`${nodeId}/${group ?? '-'} has stopped: ${error.message}`);
    },
  });
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
