import {
  type Incarnation,
  memberId,
  type NodeId,
  QuorateError,
  validateName,
} from '../base/index.js';
import type {
  GroupStorage,
  SavedSnapshot,
  StorageContext,
  StorageEngine,
} from '../interfaces/index.js';
import { type Configuration, decodeConfiguration, encodeConfiguration } from '../raft/index.js';
import { derivedId } from './derived-ids.js';
import { successorConfiguration } from './successor-configuration.js';

/** What one member of a new cluster is made of. */
export interface RestoreOptions {
  readonly snapshot: SavedSnapshot;
  /** New: ERR_CONFIG where anything was ever stored. Closed on return, where it could be opened. */
  readonly storage: StorageEngine;
  /** This member; one of `members`. */
  readonly id: NodeId;
  /** All members of the new cluster, this one included: id to peer address. All are voters. */
  readonly members: Readonly<Record<NodeId, string>>;
  /** Where they serve clients, as far as that is known. */
  readonly clientAddresses?: Readonly<Record<NodeId, string>> | undefined;
  /** Keeps this restore apart from another one of the same snapshot to the same members. */
  readonly token?: string | undefined;
}

/** What a restore has made. */
export interface RestoredMember {
  readonly clusterId: string;
  readonly incarnation: Incarnation;
  readonly group: string;
  readonly index: number;
  readonly term: number;
  /** Of the state. */
  readonly sizeBytes: number;
  readonly digest: string;
}

const COPY_BYTES = 64 * 1024;

/**
 * Makes one member of a new cluster out of a saved snapshot, in storage that is new. Run with the same
 * snapshot, members and token for each member, all arrive at the same cluster and know each other:
 *
 *     cluster id   = hash(digest of the snapshot, members, token)
 *     incarnations = hash(cluster id, node id)
 *
 * The cluster is another one than the snapshot was taken of, so that no member of that one is heard.
 * The price of not having to talk: the same restore done twice gives the *same* members. Whoever
 * restores one member again that has lived since brings back one that has forgotten its votes: wipe it
 * and let it join instead, or restore all members, with another token.
 *
 * The cluster id is stored last: storage of a restore that was cut short belongs to no cluster, holds
 * data, and is refused by every node.
 */
export async function restoreSnapshot(
  options: RestoreOptions,
  context: StorageContext,
): Promise<RestoredMember> {
  const { storage, id, snapshot } = options;
  const plan = planOf(options);
  const { clusterId, incarnation, configuration } = plan;
  // What refuses to open is left alone: another node may be using it.
  const stored = await storage.open(context);
  try {
    if (stored !== null) {
      throw wrong('the storage holds data already; restore into one that is new');
    }
    await storage.initialise({ nodeId: id, incarnation, clusterId: null });
    await fill(storage.group(snapshot.group), snapshot, encodeConfiguration(configuration));
    await storage.initialise({ nodeId: id, incarnation, clusterId });
  } finally {
    await storage.close();
  }
  const { group, digest, description } = snapshot;
  const { index, term, sizeBytes } = description;
  return { clusterId, incarnation, group, index, term, sizeBytes, digest };
}

interface RestorePlan {
  readonly clusterId: string;
  readonly incarnation: Incarnation;
  readonly configuration: Configuration;
}

/** Who everybody will be: the same for all members, whoever of them asks. */
function planOf({
  snapshot,
  id,
  members,
  clientAddresses = {},
  token = '',
}: RestoreOptions): RestorePlan {
  const listed = Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [member] of listed) validateName('the member id', member);
  if (!Object.hasOwn(members, id)) {
    throw wrong(`${id} is not among the members ${listed.map(([member]) => member).join(', ')}`);
  }
  const clusterId = derivedId(['cluster', snapshot.digest, token, ...listed.flat()]);
  const incarnationOf = (member: NodeId): Incarnation =>
    derivedId(['incarnation', clusterId, member]);
  const clients = new Map(Object.entries(clientAddresses));
  const addresses = new Map(
    listed.map(([member, peer]) => {
      const client = clients.get(member) ?? null;
      return [memberId(member, incarnationOf(member)), { peer, client }];
    }),
  );
  const former = decodeConfiguration(snapshot.description.configuration);
  const configuration = successorConfiguration(former, clusterId, addresses);
  return { clusterId, incarnation: incarnationOf(id), configuration };
}

async function fill(
  { state, snapshots, log }: GroupStorage,
  snapshot: SavedSnapshot,
  configuration: Uint8Array,
): Promise<void> {
  const { index, term, logTimeMs, sizeBytes } = snapshot.description;
  // A term that nobody was ever elected in: no vote of the past can be repeated in it.
  await state.save({ term: term + 1, votedFor: null });
  const writer = await snapshots.create({ index, term, logTimeMs, configuration });
  try {
    for (let offset = 0; offset < sizeBytes; ) {
      const chunk = await snapshot.read(offset, COPY_BYTES);
      if (chunk.length === 0) throw cutShort(offset, sizeBytes);
      await writer.write(chunk);
      offset += chunk.length;
    }
    await writer.commit();
  } finally {
    await writer.abort();
  }
  await log.open();
  await log.reset(index, term);
}

function cutShort(offset: number, sizeBytes: number): QuorateError {
  const message = `the snapshot ends after ${offset} bytes; it says that it has ${sizeBytes}`;
  return new QuorateError('ERR_CORRUPT', { message });
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
