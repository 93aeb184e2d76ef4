import { walStorage } from '../../../storage/wal/index.js';
import { type MemberId, memberId, type NodeId, QuorateError } from '../../base/index.js';
import { EmitterEventBus } from '../../events/index.js';
import type { EventBus, NetworkTransport, NodeEvents, NodeStatus } from '../../interfaces/index.js';
import { openStoreNode } from '../../kv/index.js';
import type { NodeOptions } from '../../node/index.js';
import { type KVStore, utf8 } from '../../store/index.js';
import type { SeededRandom } from '../seeded-random.js';
import type { VirtualClock } from '../virtual-clock.js';
import { type Ending, SimulatedDisk } from './disks/simulated-disk.js';
import { type DiskPort, SimulatedFiles } from './disks/simulated-files.js';
import { observedStorage, type StorageObserver } from './observed-storage.js';
import { Process } from './process.js';

/** What a node does at the moment. `refused`: its start failed, and it waits for somebody to do something. */
export type NodePhase = 'down' | 'starting' | 'running' | 'refused' | 'stopping';

/** What stands around a node. */
export interface NodeSurroundings {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  /** The options of the next start: all but what is the node's own. */
  options(): Partial<NodeOptions>;
  /** Sizes of the next start's storage. */
  storage(): { readonly segmentBytes: number; readonly maxBatchBytes: number };
  clockRate(): number;
  /** This node's end of the network, for one start. */
  transport(process: Process): NetworkTransport;
  /** The disk as the process reaches it. */
  port(process: Process): DiskPort;
  observer(): StorageObserver;
  /** Hears everything that the node tells while its process lives. */
  hear(events: EventBus): void;
  /** The node runs. */
  started(): void;
  /** The start failed. */
  refused(error: QuorateError): void;
  /** The node stopped by itself. */
  faulted(error: QuorateError): void;
  /** Something happened that cannot. */
  broken(sentence: string): void;
}

/** A node over all its starts: one disk, and at most one process at a time. */
export class SimulatedNode {
  readonly id: NodeId;
  readonly disk: SimulatedDisk;
  readonly #surroundings: NodeSurroundings;
  /** As its storage said last. */
  member: MemberId | null = null;
  /** Settles what waits for the current start. */
  #process: Process | null = null;
  #kv: KVStore | null = null;
  #phase: NodePhase = 'down';
  #starts = 0;
  refusal: QuorateError | null = null;

  constructor(id: NodeId, surroundings: NodeSurroundings) {
    this.id = id;
    this.#surroundings = surroundings;
    this.disk = new SimulatedDisk(surroundings.random.fork(`disk ${id}`));
  }

  get phase(): NodePhase {
    return this.#phase;
  }

  /** Of the running node; null while it does not run. */
  get kv(): KVStore | null {
    return this.#phase === 'running' ? this.#kv : null;
  }

  get process(): Process | null {
    return this.#process;
  }

  status(): NodeStatus | null {
    return this.kv?.status() ?? null;
  }

  /** Begins a start; its end is told. */
  start(): void {
    this.#starts += 1;
    this.#phase = 'starting';
    this.refusal = null;
    const { clock } = this.#surroundings;
    const process = new Process({
      clock,
      rate: this.#surroundings.clockRate(),
      wallOffsetMs: 0,
    });
    this.#process = process;
    this.#open(process).then(
      (kv) => {
        if (process.isDead) return;
        this.#kv = kv;
        this.#phase = 'running';
        this.#surroundings.started();
        void kv.closed.then(({ cause }) => this.#closed(process, cause));
      },
      (error: unknown) => {
        if (!process.isDead) this.#refuse(process, error);
      },
    );
  }

  /** The process is gone, in the middle of whatever it did. */
  kill(ending: Ending): void {
    const process = this.#process;
    if (process === null) return;
    process.kill();
    this.disk.crash(ending);
    this.#end();
  }

  /** Closes the node as its owner does. Resolves when it has ended, one way or the other. */
  async stop(): Promise<void> {
    const process = this.#process;
    const kv = this.kv;
    if (process === null || kv === null) return;
    this.#phase = 'stopping';
    await Promise.race([kv.close(), process.killed]);
    if (process.isDead) return;
    process.kill();
    this.#end();
  }

  /** The machine loses its power while nothing runs on it: what was not synced may be lost still. */
  cutPower(): void {
    this.disk.crash('powerCut');
  }

  async #open(process: Process): Promise<KVStore> {
    const { random, clock } = this.#surroundings;
    const chance = random.fork(`start ${this.id}/${this.#starts}`);
    const { segmentBytes, maxBatchBytes } = this.#surroundings.storage();
    const files = new SimulatedFiles(this.disk, this.#surroundings.port(process));
    const engine = walStorage(`/${this.id}`, {
      ...{ files, segmentBytes, maxBatchBytes, writer: 'main' as const },
    });
    const events = new EmitterEventBus({
      onListenerError: (error) => this.#surroundings.broken(`a listener threw: ${String(error)}`),
      onUnobservedFault: () => {},
    });
    this.#surroundings.hear(events);
    events.on('raft.faulted', (fault) => this.#fault(process, fault));
    const options: NodeOptions = {
      ...this.#surroundings.options(),
      id: this.id,
      transport: this.#surroundings.transport(process),
      storage: observedStorage(engine, this.#observer(process)),
      clock: process.clock,
      random: chance,
      events,
    };
    return await openStoreNode(options, utf8, {
      clock,
      random: chance,
      storage: () => engine,
      report: (line) => this.#surroundings.broken(line),
      checked: true,
    });
  }

  /** Nothing is heard of a process that is gone. */
  #observer(process: Process): StorageObserver {
    const observer = this.#surroundings.observer();
    const living =
      <A extends readonly unknown[]>(tell: (...args: A) => void) =>
      (...args: A): void => {
        if (!process.isDead) tell(...args);
      };
    return {
      identified: living((identity) => {
        this.member = memberId(identity.nodeId, identity.incarnation);
        observer.identified(identity);
      }),
      opened: living(observer.opened),
      loaded: living(observer.loaded),
      saving: living(observer.saving),
      saved: living(observer.saved),
      appending: living(observer.appending),
      appended: living(observer.appended),
      compacting: living(observer.compacting),
      compacted: living(observer.compacted),
      resetting: living(observer.resetting),
      reset: living(observer.reset),
      snapshotBegun: living(observer.snapshotBegun),
      snapshotCommitting: living(observer.snapshotCommitting),
      snapshotCommitted: living(observer.snapshotCommitted),
      snapshotRemoving: living(observer.snapshotRemoving),
    };
  }

  #fault(process: Process, { error }: NodeEvents['raft.faulted']): void {
    if (process.isDead) return;
    if (!QuorateError.is(error)) {
      this.#surroundings.broken(`${this.id} has stopped: ${String(error)}`);
      return;
    }
    this.#surroundings.faulted(error);
  }

  #closed(process: Process, cause: QuorateError | null): void {
    if (process.isDead || cause === null) return;
    process.kill();
    this.disk.crash('kill');
    this.#end();
  }

  #refuse(process: Process, error: unknown): void {
    process.kill();
    this.disk.crash('kill');
    this.#end();
    if (!QuorateError.is(error)) {
      const trace = error instanceof Error ? error.stack : String(error);
      this.#surroundings.broken(`${this.id} does not start: ${trace}`);
      return;
    }
    this.#phase = 'refused';
    this.refusal = error;
    this.#surroundings.refused(error);
  }

  #end(): void {
    this.#process = null;
    this.#kv = null;
    this.#phase = 'down';
  }
}
