import t from 'tap';
import { diagnose, type Patient, type PatientGroup } from '../../examples/kvctl/diagnosis.js';

const GROUP: PatientGroup = {
  group: 'default',
  state: { term: 2, votedFor: null },
  base: { index: 0, term: 0 },
  last: { index: 9, term: 2 },
  members: ['n1', 'n2', 'n3'].map((id) => ({ id, role: 'voter' as const })),
  snapshotIndex: null,
};

const PATIENT: Patient = {
  directory: 'data',
  identity: { nodeId: 'n1', incarnation: 'a', clusterId: 'c' },
  groups: [GROUP],
  snapshots: [],
  damage: [],
  damagedSnapshots: [],
  repairs: [],
  tornTail: null,
  salvage: null,
};

const FAULT = { path: '/data/x', offset: null, what: 'is damaged' };
const ALONE: PatientGroup = { ...GROUP, members: [{ id: 'n1', role: 'voter' }] };
const CUT_OFF = { base: { index: 5, term: 1 } };

const cases: readonly (readonly [string, Partial<Patient>, boolean, RegExp])[] = [
  ['in order', {}, true, /^start the node: nothing is wrong$/],
  ['new', { identity: null, groups: [] }, true, /the directory is new/],
  [
    'with a torn tail',
    { tornTail: { path: '/data/log/1', offset: 4096, bytes: 512 } },
    true,
    /the torn tail of 512 bytes at 4096 of \/data\/log\/1 was never acknowledged, and is cut off/,
  ],
  ['after a crash', { repairs: [FAULT] }, true, /puts right what a crash left/],
  [
    'with an older snapshot',
    { damagedSnapshots: [FAULT], groups: [{ ...GROUP, snapshotIndex: 3 }] },
    false,
    /passes the damaged snapshot over/,
  ],
  [
    'without a snapshot, of three',
    { groups: [{ ...GROUP, ...CUT_OFF }] },
    false,
    /takes part in no decision until the leader has sent it a snapshot/,
  ],
  [
    'without a snapshot, alone',
    { groups: [{ ...ALONE, ...CUT_OFF, snapshotIndex: 3 }] },
    false,
    /nobody else has what it stored/,
  ],
  ['damaged, of three', { damage: [FAULT] }, false, /gets everything from n2, n3$/m],
  [
    'damaged, alone, without a snapshot',
    { damage: [FAULT], groups: [ALONE] },
    false,
    /no snapshot is good: kvctl snapshot restore takes your newest backup/,
  ],
  [
    'damaged, of nobody knows how many',
    { damage: [FAULT], groups: [] },
    false,
    /who the voters were cannot be read\nif others have its data: .*\n.*\nif it was the only voter: /,
  ],
  [
    'half restored',
    { identity: { nodeId: 'n1', incarnation: 'a', clusterId: null } },
    false,
    /a restore into this directory was cut short/,
  ],
  [
    'half recovered',
    { identity: { nodeId: 'n1', incarnation: 'b', clusterId: 'd', formerClusterId: 'c' } },
    true,
    /a recovery was cut short/,
  ],
];

for (const [what, patient, isHealthy, advice] of cases) {
  t.test(`a directory ${what} is told what can be done`, async (t) => {
    const diagnosis = diagnose({ ...PATIENT, ...patient });
    t.equal(diagnosis.isHealthy, isHealthy);
    t.match(diagnosis.advice.join('\n'), advice);
  });
}
