import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { type Entry, packEntries, QuorateError, toHex } from '../../lib/base/index.js';
import type { Message } from '../../lib/raft/messages.js';
import type { RawEntry } from '../../lib/store/types.js';
import { quorate } from '../../lib/wire/generated/quorate.js';
import {
  type ClientAnswer,
  type ClientCall,
  decodeClientFrame,
  decodeFailure,
  decodeGreeting,
  decodePeerAnswer,
  decodePeerCall,
  decodeProbe,
  decodeRaftMessage,
  decodeServerFrame,
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodeClientFrame,
  encodeFailure,
  encodeGreeting,
  encodePeerAnswer,
  encodePeerCall,
  encodeProbe,
  encodeRaftMessage,
  encodeServerFrame,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
  packLinkFrame,
  packLinkIdentity,
  unpackLinkFrame,
  unpackLinkIdentity,
} from '../../lib/wire/index.js';

/** A message of every kind, by the file and line of `proto/golden` that holds its bytes. */
interface Case<T> {
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
  readonly values: Readonly<Record<string, T>>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const entries: readonly Entry[] = packEntries(
  { group: 'default', term: 7, firstIndex: 12, logTimeMs: 345 },
  [
    { kind: 'noop', commandVersion: 0, payload: bytes() },
    { kind: 'command', commandVersion: 1, payload: bytes(1, 2, 3) },
    { kind: 'configuration', commandVersion: 2, payload: bytes(9) },
  ],
);

const head = {
  group: 'default',
  from: 'n1#00112233445566ff',
  to: 'n2#ffeeddccbbaa9988',
  term: 7,
} as const;

const raw: RawEntry = {
  key: bytes(107),
  value: bytes(0, 255),
  createRevision: 1,
  modRevision: 4_294_967_296,
  version: 3,
  lease: null,
};

const hello = {
  kind: 'hello',
  protocolVersion: 1,
  nodeId: 'n1',
  clusterId: '0123456789abcdef',
  maxKeyBytes: 8192,
  maxValueBytes: 1_048_576,
  maxPendingCalls: 256,
} as const;

const status = {
  id: 'n1',
  incarnation: '00112233445566ff',
  group: 'default',
  clusterId: '0123456789abcdef',
  role: 'leader',
  term: 7,
  votedFor: 'n1',
  leader: { id: 'n1', address: '127.0.0.1:7001', clientAddress: null },
  lastIndex: 14,
  durableIndex: 14,
  commitIndex: 13,
  appliedIndex: 12,
  lacksState: false,
  kept: {
    firstIndex: 9,
    logBytes: 1234,
    snapshots: [{ index: 11, sizeBytes: 70_000 }],
    reasons: [
      { kind: 'notInSnapshot', index: 11, member: null },
      { kind: 'memberReceives', index: 11, member: 'n2' },
    ],
  },
  members: [
    {
      id: 'n1',
      incarnation: '00112233445566ff',
      role: 'voter',
      peerAddress: '127.0.0.1:7001',
      clientAddress: null,
      priority: 5,
    },
  ],
  membershipVersion: 'fedcba9876543210',
  progress: [{ id: 'n2', matchIndex: 13, nextIndex: 15 }],
  leadership: { leaderLeaseMs: 100, closeHint: false },
  pendingCalls: 2,
} as const;

const raft: Case<Message> = {
  encode: encodeRaftMessage,
  decode: decodeRaftMessage,
  values: {
    preVote: { ...head, kind: 'preVote', lastIndex: 11, lastTerm: 6 },
    preVoteReply: { ...head, kind: 'preVoteReply', granted: true },
    vote: { ...head, kind: 'vote', lastIndex: 0, lastTerm: 0 },
    voteReply: { ...head, kind: 'voteReply', granted: false },
    append: { ...head, kind: 'append', prevIndex: 11, prevTerm: 6, commitIndex: 10, entries },
    appendEmpty: {
      ...head,
      kind: 'append',
      prevIndex: 0,
      prevTerm: 0,
      commitIndex: 0,
      entries: [],
    },
    appendAccepted: { ...head, kind: 'appendAccepted', matchIndex: 14 },
    appendRejected: { ...head, kind: 'appendRejected', prevIndex: 11, hintIndex: 8, hintTerm: 5 },
    heartbeat: { ...head, kind: 'heartbeat', commitIndex: 14, readRound: 3 },
    heartbeatReply: { ...head, kind: 'heartbeatReply', readRound: 3 },
    snapshotOffer: {
      ...head,
      kind: 'snapshotOffer',
      snapshot: { id: '0000000000000011-s1', index: 11, term: 6 },
    },
    timeoutNow: { ...head, kind: 'timeoutNow' },
    snapshotNeeded: { ...head, kind: 'snapshotNeeded', fromIndex: 11 },
    leaseHeartbeat: {
      ...head,
      kind: 'heartbeat',
      commitIndex: 13,
      readRound: 0,
      lease: { sentMs: 1234, leaseMs: 100 },
    },
    leasePromised: {
      ...head,
      kind: 'heartbeatReply',
      readRound: 0,
      lease: { sentMs: 1234, leaseMs: 100 },
    },
    transferVote: { ...head, kind: 'vote', lastIndex: 14, lastTerm: 7, isTransfer: true },
    withoutIncarnation: { ...head, from: 'n1', to: 'n2', kind: 'voteReply', granted: true },
  },
};

const greeting: Case<ReturnType<typeof decodeGreeting>> = {
  encode: encodeGreeting,
  decode: decodeGreeting,
  values: {
    greeting: {
      protocolVersion: 1,
      clusterId: '0123456789abcdef',
      nodeId: 'n1',
      incarnation: '00112233445566ff',
      instance: 'fedcba9876543210',
      lane: 'bulk',
    },
    greetingOfNewNode: {
      protocolVersion: 1,
      clusterId: null,
      nodeId: 'n1',
      incarnation: '00112233445566ff',
      instance: 'fedcba9876543210',
      lane: 'control',
    },
  },
};

const peerCalls: Case<ReturnType<typeof decodePeerCall>> = {
  encode: encodePeerCall,
  decode: decodePeerCall,
  values: {
    propose: {
      kind: 'propose',
      group: 'default',
      commandVersion: 1,
      command: bytes(1, 2),
      timeoutMs: 5000,
    },
    readIndex: { kind: 'readIndex', group: 'default', timeoutMs: 5000 },
    transfer: { kind: 'transfer', group: 'default', to: 'n2', timeoutMs: 5000 },
    transferToAny: { kind: 'transfer', group: 'default', to: null, timeoutMs: 5000 },
    addLearner: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: {
        kind: 'addLearner',
        member: head.to,
        addresses: { peer: '127.0.0.1:7002', client: '127.0.0.1:8002' },
      },
      expect: '0123456789abcdef',
    },
    promote: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: { kind: 'promote', member: head.to },
      expect: null,
    },
    remove: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: { kind: 'remove', member: head.to },
      expect: null,
    },
    replace: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: { kind: 'replace', member: head.from, by: head.to },
      expect: null,
    },
    changePriority: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: { kind: 'changePriority', member: head.to, priority: 0 },
      expect: null,
    },
    changeAddresses: {
      kind: 'changeMembership',
      group: 'default',
      timeoutMs: 5000,
      change: { kind: 'changeAddresses', member: head.to, addresses: { peer: '', client: null } },
      expect: null,
    },
    leasesOn: {
      kind: 'changeLeadership',
      group: 'default',
      timeoutMs: 5000,
      leadership: { leaderLeaseMs: 100 },
      expect: '0123456789abcdef',
    },
    leasesOff: {
      kind: 'changeLeadership',
      group: 'default',
      timeoutMs: 5000,
      leadership: { leaderLeaseMs: null, closeHint: false },
      expect: null,
    },
  },
};

const peerAnswers: Case<ReturnType<typeof decodePeerAnswer>> = {
  encode: encodePeerAnswer,
  decode: decodePeerAnswer,
  values: {
    proposed: { kind: 'propose', result: bytes(7) },
    readReady: { kind: 'readIndex', index: 14 },
    transferred: { kind: 'transfer', leader: 'n2' },
    membershipChanged: { kind: 'changeMembership' },
    leadershipChanged: { kind: 'changeLeadership' },
  },
};

const snapshotRequests: Case<ReturnType<typeof decodeSnapshotRequest>> = {
  encode: encodeSnapshotRequest,
  decode: decodeSnapshotRequest,
  values: { next: { group: 'default', snapshotId: 's-11', offset: 65_536 } },
};

const snapshotChunks: Case<ReturnType<typeof decodeSnapshotChunk>> = {
  encode: encodeSnapshotChunk,
  decode: decodeSnapshotChunk,
  values: {
    last: {
      index: 11,
      term: 6,
      logTimeMs: 345,
      configuration: bytes(1, 2),
      sizeBytes: 65_539,
      content: bytes(3, 4, 5),
    },
    empty: {
      index: 1,
      term: 1,
      logTimeMs: 0,
      configuration: bytes(1),
      sizeBytes: 0,
      content: bytes(),
    },
  },
};

const probes: Case<ReturnType<typeof decodeProbe>> = {
  encode: encodeProbe,
  decode: decodeProbe,
  values: {
    probe: {
      group: 'default',
      nodeId: 'n1',
      incarnation: '00112233445566ff',
      clusterId: null,
      members: [
        { id: 'n1', address: '127.0.0.1:7001' },
        { id: 'n2', address: '127.0.0.1:7002' },
      ],
      clusterName: 'quorate',
      hasLog: true,
      clientAddress: '127.0.0.1:8001',
      joins: true,
      undecided: null,
    },
    probeOfOneThatIsLeftOut: {
      group: 'default',
      nodeId: 'n4',
      incarnation: '00112233445566ff',
      clusterId: '0123456789abcdef',
      members: [],
      clusterName: 'quorate',
      hasLog: true,
      clientAddress: null,
      joins: true,
      undecided: { index: 7, term: 2 },
    },
  },
};

const failures: Case<QuorateError> = {
  encode: encodeFailure,
  decode: decodeFailure,
  values: {
    notLeader: new QuorateError('ERR_NOT_LEADER', {
      message: 'n1 leads',
      leader: { id: 'n1', address: '127.0.0.1:7001' },
    }),
    unknown: new QuorateError('ERR_TIMEOUT', { message: 'no answer', outcome: 'unknown' }),
    conditionWithEntry: new QuorateError('ERR_CONDITION', { message: 'it stands', entry: raw }),
    conditionWithout: new QuorateError('ERR_CONDITION', { message: 'nothing there', entry: null }),
  },
};

const clientFrames: Case<ReturnType<typeof decodeClientFrame>> = {
  encode: encodeClientFrame,
  decode: decodeClientFrame,
  values: {
    hello: { kind: 'hello', protocolVersion: 1 },
    ...requests({
      get: { kind: 'get', key: bytes(107), consistency: 'linearizable' },
      put: { kind: 'put', key: bytes(107), value: bytes(1), condition: null },
      putIfAbsent: {
        kind: 'put',
        key: bytes(107),
        value: bytes(),
        condition: { modRevision: 0 },
      },
      delete: { kind: 'delete', key: bytes(107), condition: { modRevision: 9 } },
      getAtLeast: { kind: 'get', key: bytes(107), consistency: 'stale', minRevision: 14 },
      getUnderLease: { kind: 'get', key: bytes(107), consistency: 'leaderLease' },
      range: {
        kind: 'range',
        from: bytes(),
        to: null,
        limit: 100,
        reverse: true,
        consistency: 'stale',
        cursor: null,
      },
      rangeOfEmptyInterval: {
        kind: 'range',
        from: bytes(1),
        to: bytes(),
        limit: 1,
        reverse: false,
        consistency: 'linearizable',
        cursor: 'c1',
      },
      release: { kind: 'release', cursor: 'c1' },
      status: { kind: 'status' },
      ready: { kind: 'ready' },
      transfer: { kind: 'transfer', to: 'n2' },
      transferToAny: { kind: 'transfer', to: null },
      save: { kind: 'save', cursor: null },
      saveMore: { kind: 'save', cursor: 'c1' },
      addMember: {
        kind: 'member',
        action: 'add',
        id: 'n4',
        by: null,
        peerAddress: '127.0.0.1:7004',
        clientAddress: '127.0.0.1:8004',
        expect: '0123456789abcdef',
        priority: null,
      },
      updateMember: {
        kind: 'member',
        action: 'update',
        id: 'n3',
        by: null,
        peerAddress: null,
        clientAddress: null,
        expect: null,
        priority: 0,
      },
      replaceMember: {
        kind: 'member',
        action: 'replace',
        id: 'n3',
        by: 'n4',
        peerAddress: null,
        clientAddress: null,
        expect: null,
        priority: null,
      },
      getStale: { kind: 'get', key: bytes(107), consistency: 'stale', maxStalenessMs: 500 },
      leasesOn: { kind: 'leadership', leadership: { leaderLeaseMs: 100 }, expect: null },
      hintOff: {
        kind: 'leadership',
        leadership: { closeHint: false },
        expect: '0123456789abcdef',
      },
    }),
  },
};

const serverFrames: Case<ReturnType<typeof decodeServerFrame>> = {
  encode: encodeServerFrame,
  decode: decodeServerFrame,
  values: {
    hello,
    refusal: {
      kind: 'refusal',
      error: new QuorateError('ERR_BUSY', { message: '1024 connections are open' }),
    },
    ...responses({
      get: { kind: 'get', entry: raw, revision: 12 },
      getNothing: { kind: 'get', entry: null, revision: 12 },
      put: { kind: 'put', revision: 13, created: true },
      delete: { kind: 'delete', revision: 13, deleted: false },
      conditionFailed: { kind: 'conditionFailed', entry: raw },
      conditionFailedWithout: { kind: 'conditionFailed', entry: null },
      range: { kind: 'range', items: [raw, raw], cursor: 'c1', revision: 13 },
      release: { kind: 'release' },
      status: { kind: 'status', status },
      ready: { kind: 'ready' },
      memberChanged: { kind: 'member' },
      transferred: { kind: 'transfer', leader: 'n2' },
      saved: {
        kind: 'save',
        part: {
          group: 'default',
          index: 12,
          term: 3,
          logTimeMs: 1500,
          configuration: bytes(123, 125),
          revision: 9,
          keyCount: 4,
          content: bytes(1, 2, 3),
          cursor: 'c1',
        },
      },
      failure: {
        kind: 'failure',
        error: new QuorateError('ERR_NO_LEADER', { message: 'no leader for 5.0 s' }),
      },
      leadershipChanged: { kind: 'leadership' },
    }),
  },
};

/** A link frame is given its identity packed, so its case packs one. */
const linkFrames: Case<ReturnType<typeof unpackLinkFrame>> = {
  encode: packLinkFrame,
  decode: unpackLinkFrame,
  values: {
    oneWay: {
      channel: 'raft',
      kind: 'oneWay',
      identity: packLinkIdentity({
        clusterId: '0123456789abcdef',
        incarnation: '00112233445566ff',
        instance: 'fedcba9876543210',
      }),
      correlation: 0,
      payload: bytes(1, 2, 3),
    },
    failureOfNewNode: {
      channel: 'admin',
      kind: 'failure',
      identity: packLinkIdentity({
        clusterId: null,
        incarnation: '00112233445566ff',
        instance: 'fedcba9876543210',
      }),
      correlation: 0xffff_ffff,
      payload: bytes(),
    },
  },
};

const CASES: Readonly<Record<string, Case<never>>> = {
  raft: erased(raft),
  greeting: erased(greeting),
  'peer-call': erased(peerCalls),
  'peer-answer': erased(peerAnswers),
  probe: erased(probes),
  'snapshot-request': erased(snapshotRequests),
  'snapshot-chunk': erased(snapshotChunks),
  failure: erased(failures),
  'client-frame': erased(clientFrames),
  'server-frame': erased(serverFrames),
  'link-frame': erased(linkFrames),
};

t.test(
  'every message has the bytes that the golden files hold, and comes back from them',
  async (t) => {
    for (const [file, { encode, decode, values }] of Object.entries(CASES)) {
      const path = new URL(`../../../proto/golden/${file}.txt`, import.meta.url);
      const written = Object.entries(values).map(([name, v]) => `${name} ${toHex(encode(v))}\n`);
      if (process.env['REWRITE'] === '1') writeFileSync(path, written.join(''));
      t.equal(written.join(''), readFileSync(path, 'utf8'), `bytes of ${file}`);
      for (const [name, value] of Object.entries(values)) {
        t.strictSame(comparable(decode(encode(value))), comparable(value), `${file}: ${name}`);
      }
    }
  },
);

t.test(
  'bytes that are random, cut off or flipped are ERR_PROTOCOL or a valid message (faults E1, E3)',
  async (t) => {
    for (const [file, { encode, decode, values }] of Object.entries(CASES)) {
      const samples = Object.values(values).map(encode);
      const damaged = fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc
          .tuple(fc.constantFrom(...samples), fc.nat())
          .map(([sample, cut]) => sample.slice(0, cut % (sample.length + 1))),
        fc
          .tuple(fc.constantFrom(...samples), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }))
          .map(flipped),
      );
      let accepted = 0;
      fc.assert(
        fc.property(damaged, (input) => {
          const before = toHex(input);
          const value = valueOrProtocolError(decode, input);
          if (toHex(input) !== before) throw new Error('decoding changed its input');
          // What was accepted can be said again and is understood in the same way.
          if (value === null) return;
          accepted += 1;
          assert.deepEqual(comparable(decode(encode(value))), comparable(value), file);
        }),
        { numRuns: 400 },
      );
      t.ok(accepted > 0, `${file}: some of it is understood`);
    }
  },
);

t.test('every prefix of an append is ERR_PROTOCOL, whatever its length (fault D17)', async (t) => {
  const whole = encodeRaftMessage(raft.values['append']!);
  for (let length = 0; length < whole.length; length += 1) {
    t.throws(() => decodeRaftMessage(whole.slice(0, length)), { code: 'ERR_PROTOCOL' });
  }
});

t.test('terms and indexes survive unchanged up to 2^53 - 2 (schedule I6)', async (t) => {
  const edges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 2];
  for (const value of edges) {
    const beat: Message = {
      ...head,
      term: value,
      kind: 'heartbeat',
      commitIndex: value,
      readRound: value,
    };
    t.strictSame(decodeRaftMessage(encodeRaftMessage(beat)), beat);
    const accepted: Message = { ...head, kind: 'appendAccepted', matchIndex: value };
    t.strictSame(decodeRaftMessage(encodeRaftMessage(accepted)), accepted);
  }
  for (const firstIndex of [2 ** 31 - 1, 2 ** 32 - 1, 2 ** 53 - 4]) {
    const term = 2 ** 53 - 2;
    const command = { kind: 'command', commandVersion: 1, payload: bytes(1) } as const;
    const append: Message = {
      ...head,
      term,
      kind: 'append',
      prevIndex: firstIndex - 1,
      prevTerm: term,
      commitIndex: firstIndex,
      entries: packEntries({ group: 'default', term, firstIndex, logTimeMs: 2 ** 53 - 1 }, [
        command,
        command,
      ]),
    };
    t.strictSame(comparable(decodeRaftMessage(encodeRaftMessage(append))), comparable(append));
  }
});

t.test('a term or index above 2^53 - 2 is refused and never rounded (fault E9)', async (t) => {
  // What JavaScript cannot hold, another implementation may still send.
  const terms = [
    { low: 0xffff_ffff, high: 0x001f_ffff },
    { low: 0, high: 0x0020_0000 },
    { low: 1, high: 0x0020_0000 },
    { low: 0, high: -0x8000_0000 },
    { low: -1, high: -1 },
  ];
  for (const { low, high } of terms) {
    const long = { low, high, unsigned: true } as never;
    const body = quorate.v1.RaftMessage.encode({ ...head, term: long, voteReply: {} }).finish();
    t.throws(() => decodeRaftMessage(body), { code: 'ERR_PROTOCOL' }, `term ${high}:${low}`);
    const beat = { ...head, heartbeat: { commitIndex: long } };
    const index = quorate.v1.RaftMessage.encode(beat).finish();
    t.throws(() => decodeRaftMessage(index), { code: 'ERR_PROTOCOL' }, `index ${high}:${low}`);
  }
  const last = { ...head, term: 1, append: { prevIndex: 2 ** 53 - 2, prevTerm: 1 } };
  const [entry] = packEntries(
    { group: 'default', term: 1, firstIndex: 2 ** 53 - 1, logTimeMs: 0 },
    [{ kind: 'noop', commandVersion: 0, payload: bytes() }],
  );
  const append = { ...last, append: { ...last.append, entries: entry?.packed ?? bytes() } };
  const beyond = quorate.v1.RaftMessage.encode(append).finish();
  t.throws(() => decodeRaftMessage(beyond), { code: 'ERR_PROTOCOL' }, 'the last index of all');
  for (const term of [2 ** 53 - 1, 2 ** 53, -1, 1.5, Number.NaN, '5' as never, 7n as never]) {
    const outgoing: Message = { ...head, term, kind: 'voteReply', granted: true };
    t.throws(() => encodeRaftMessage(outgoing), { name: 'InvariantViolation' }, `sent ${term}`);
  }
});

t.test('integers of other messages are never rounded either (schedule I6)', async (t) => {
  for (const value of [2 ** 32, 2 ** 53 - 1]) {
    const answer = { kind: 'readIndex', index: value } as const;
    t.strictSame(decodePeerAnswer(encodePeerAnswer(answer)), answer);
  }
  const long = { low: 1, high: 0x0020_0000, unsigned: true } as never;
  const answer = quorate.v1.PeerAnswer.encode({ readIndex: { index: long } }).finish();
  t.throws(() => decodePeerAnswer(answer), { code: 'ERR_PROTOCOL' });
  const put = { response: { id: 1, put: { revision: long } } };
  const response = quorate.v1.ServerFrame.encode(put).finish();
  t.throws(() => decodeServerFrame(response), { code: 'ERR_PROTOCOL' });
});

t.test('a greeting or probe that names no valid cluster, node or lane is refused', async (t) => {
  const valid = { ...greeting.values['greeting'], lane: 1 };
  t.equal(decodeGreeting(quorate.v1.Greeting.encode(valid).finish()).lane, 'control');
  const wrong = [
    { clusterId: '0'.repeat(16) },
    { clusterId: '' },
    { nodeId: '' },
    { nodeId: 'a b' },
    { incarnation: 'X'.repeat(16) },
    { instance: '1'.repeat(15) },
    { lane: 0 },
    { lane: 3 },
  ];
  for (const changes of wrong) {
    const bytes = quorate.v1.Greeting.encode({ ...valid, ...changes }).finish();
    t.throws(() => decodeGreeting(bytes), { code: 'ERR_PROTOCOL' }, JSON.stringify(changes));
  }
});

t.test('entries that do not fit their message are refused (fault E10)', async (t) => {
  const append = { ...head, kind: 'append', prevIndex: 11, prevTerm: 6, commitIndex: 10 } as const;
  const command = { kind: 'command', commandVersion: 1, payload: bytes(1) } as const;
  const at = (group: string, term: number, firstIndex: number): Entry =>
    packEntries({ group, term, firstIndex, logTimeMs: 0 }, [command])[0]!;
  const wrong: Readonly<Record<string, readonly Entry[]>> = {
    'a gap after prevIndex': [at('default', 7, 13)],
    'an overlap with prevIndex': [at('default', 7, 11)],
    'a gap between entries': [at('default', 7, 12), at('default', 7, 14)],
    'a repeated index': [at('default', 7, 12), at('default', 7, 12)],
    'a term above the message': [at('default', 8, 12)],
    'a term below prevTerm': [at('default', 5, 12)],
    'falling terms': [at('default', 7, 12), at('default', 6, 13)],
    'another group': [at('other', 7, 12)],
  };
  for (const [name, wrongEntries] of Object.entries(wrong)) {
    const body = { prevIndex: 11, prevTerm: 6, commitIndex: 10 };
    const packed = wrongEntries.map((entry) => toHex(entry.packed)).join('');
    const wire = { ...head, append: { ...body, entries: Buffer.from(packed, 'hex') } };
    const encoded = quorate.v1.RaftMessage.encode(wire).finish();
    t.throws(() => decodeRaftMessage(encoded), { code: 'ERR_PROTOCOL' }, name);
    t.throws(() => encodeRaftMessage({ ...append, entries: wrongEntries }), {
      name: 'InvariantViolation',
    });
  }
  const whole = encodeRaftMessage({ ...append, entries });
  t.strictSame(comparable(decodeRaftMessage(whole)), comparable({ ...append, entries }));
});

t.test(
  'a message that names no valid group, member, log position or kind is refused',
  async (t) => {
    const wrong: readonly quorate.v1.RaftMessage.$Properties[] = [
      { ...head, group: '', voteReply: {} },
      { ...head, group: 'a b', voteReply: {} },
      { ...head, from: '', voteReply: {} },
      { ...head, from: 'n1#', voteReply: {} },
      { ...head, from: 'n1#00112233445566FF', voteReply: {} },
      { ...head, to: '#00112233445566ff', voteReply: {} },
      { ...head, to: 'n1#00112233445566ff#', voteReply: {} },
      { ...head, vote: { lastIndex: 1, lastTerm: 0 } },
      { ...head, vote: { lastIndex: 0, lastTerm: 1 } },
      { ...head, preVote: { lastIndex: 9, lastTerm: 8 } },
      { ...head, append: { prevIndex: 9, prevTerm: 8 } },
      { ...head },
    ];
    for (const wire of wrong) {
      const encoded = quorate.v1.RaftMessage.encode(wire).finish();
      t.throws(() => decodeRaftMessage(encoded), { code: 'ERR_PROTOCOL' }, JSON.stringify(wire));
    }
  },
);

t.test('what was decoded shares no memory with the receive buffer (schedule I5)', async (t) => {
  const frame = Buffer.from(encodeRaftMessage(raft.values['append']!));
  const message = decodeRaftMessage(frame);
  const put = Buffer.from(encodeClientFrame(clientFrames.values['request-put']!));
  const request = decodeClientFrame(put);
  const call = Buffer.from(encodePeerCall(peerCalls.values['propose']!));
  const propose = decodePeerCall(call);
  for (const buffer of [frame, put, call]) buffer.fill(0xee);
  t.strictSame(comparable(message), comparable(raft.values['append']));
  t.strictSame(request, clientFrames.values['request-put']);
  t.strictSame(propose, peerCalls.values['propose']);
});

t.test('a field of a later version is passed over', async (t) => {
  const known = encodeRaftMessage(raft.values['heartbeat']!);
  // Field 99, a varint.
  const later = Uint8Array.from([...known, 0x98, 0x06, 0x01]);
  t.strictSame(decodeRaftMessage(later), raft.values['heartbeat']);
});

t.test('the header of a link frame of a later version is refused (fault E4)', async (t) => {
  const frame = packLinkFrame(linkFrames.values['oneWay']!);
  for (const [offset, value] of [
    [0, 2],
    [1, 6],
    [2, 4],
    [3, 1],
    [28, 1],
  ] as const) {
    const changed = frame.slice();
    changed[offset] = value;
    t.throws(() => unpackLinkFrame(changed), { code: 'ERR_PROTOCOL' }, `byte ${offset}`);
  }
  t.strictSame(unpackLinkIdentity(unpackLinkFrame(frame).identity), {
    clusterId: '0123456789abcdef',
    incarnation: '00112233445566ff',
    instance: 'fedcba9876543210',
  });
});

t.test(
  'an answer that cannot be read leaves the outcome unknown, a question does not',
  async (t) => {
    for (const input of [bytes(), bytes(255)]) {
      t.throws(() => decodePeerAnswer(input), { code: 'ERR_PROTOCOL', outcome: 'unknown' });
      t.throws(() => decodePeerCall(input), { code: 'ERR_PROTOCOL', outcome: 'rejected' });
    }
  },
);

t.test('an error code of a later version keeps its outcome', async (t) => {
  const later = { code: 'ERR_LATER', outcome: 2, message: 'who knows' };
  const error = decodeFailure(quorate.v1.Failure.encode(later).finish());
  t.equal(error.code, 'ERR_PROTOCOL');
  t.equal(error.outcome, 'unknown');
  t.match(error.message, 'ERR_LATER: who knows');
});

t.test('an error message is cut at its limit and never makes the frame malformed', async (t) => {
  const long = `${'x'.repeat(4095)}\u{1f600}`;
  const error = decodeFailure(encodeFailure(new QuorateError('ERR_BUSY', { message: long })));
  t.equal(error.message, `ERR_BUSY: ${'x'.repeat(4095)}\u{fffd}`);
  const secret = new QuorateError('ERR_BUSY', { message: 'full', cause: new Error('secret') });
  const sent = Buffer.from(encodeFailure(secret)).toString('latin1');
  t.notMatch(sent, /secret|messages\.test/, 'neither cause nor stack is sent');
});

/* Cases of different types in one table: each is only ever used with its own values. */
function erased<T>(value: Case<T>): Case<never> {
  return value as unknown as Case<never>;
}

function requests(calls: Readonly<Record<string, ClientCall>>): typeof clientFrames.values {
  return Object.fromEntries(
    Object.entries(calls).map(([name, call], i) => [
      `request-${name}`,
      { kind: 'request', id: i, timeoutMs: 5000, call },
    ]),
  );
}

function responses(answers: Readonly<Record<string, ClientAnswer>>): typeof serverFrames.values {
  return Object.fromEntries(
    Object.entries(answers).map(([name, answer], i) => [
      `response-${name}`,
      { kind: 'response', id: i, answer },
    ]),
  );
}

function flipped([sample, bits]: [Uint8Array, number[]]): Uint8Array {
  const copy = sample.slice();
  for (const bit of bits) {
    if (copy.length > 0) copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7);
  }
  return copy;
}

function valueOrProtocolError<T>(decode: (input: Uint8Array) => T, input: Uint8Array): T | null {
  try {
    return decode(input);
  } catch (error) {
    if (QuorateError.is(error) && error.code === 'ERR_PROTOCOL') return null;
    throw error;
  }
}

/** Errors compare by what they say, not by where they were made; entries by their bytes as well. */
function comparable(value: unknown): unknown {
  if (QuorateError.is(value)) {
    const { code, outcome, message, leader, entry } = value;
    return { code, outcome, message, leader, entry };
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, comparable(field)]);
  return Object.fromEntries('packed' in value ? [...fields, ['packed', value.packed]] : fields);
}
