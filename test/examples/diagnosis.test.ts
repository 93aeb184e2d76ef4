import t from 'tap';
import {
  diagnose,
  type Patient,
  type PatientGroup,
  type SalvagedState,
} from '../../examples/kvctl/diagnosis.js';
import type { Salvage } from '../../storage/wal/index.js';

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
  members: GROUP.members,
  snapshots: [],
  damage: [],
  damagedSnapshots: [],
  repairs: [],
  tornTail: null,
  salvage: null,
  states: [],
};

const FAULT = { path: '/data/x', offset: null, what: 'is damaged' };
const ALONE: PatientGroup = { ...GROUP, members: [{ id: 'n1', role: 'voter' }] };
const CUT_OFF = { base: { index: 5, term: 1 } };

const SALVAGE: Salvage = {
  folder: '/out',
  files: [
    {
      path: 'groups/g/snapshot-3.snap',
      group: 'default',
      kind: 'snapshot',
      firstIndex: 3,
      lastIndex: 3,
    },
  ],
  histories: [],
};
const STATE: SalvagedState = {
  group: 'default',
  path: 'groups/g/state-9.snap',
  index: 9,
  snapshotIndex: 3,
  reachesEnd: true,
};

const cases: readonly (readonly [string, Partial<Patient>, boolean, RegExp])[] = [
  ['in order', {}, true, /^start the node: nothing is wrong$/],
  ['new', { identity: null, groups: [] }, true, /the directory is new/],
  [
    'with a torn tail',
    { tornTail: { path: '/data/log/1', offset: 4096, bytes: 512 } },
    true,
    /the torn tail of 512 bytes at 4096 of \/data\/log\/1 was never acknowledged, and is cut off/,
  ],
  ['after a crash', { repairs: [FAULT] }, true, /nothing is lost$/],
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
    { groups: [{ ...ALONE, ...CUT_OFF, snapshotIndex: 3 }], members: ALONE.members },
    false,
    /nobody else has what it stored/,
  ],
  ['damaged, of three', { damage: [FAULT] }, false, /gets everything from n2, n3$/m],
  [
    'damaged, alone, without a snapshot',
    { damage: [FAULT], groups: [ALONE], members: ALONE.members },
    false,
    /keep data as it is\nkvctl doctor --data-dir data --salvage OUT saves what is good/,
  ],
  [
    'damaged, of nobody knows how many',
    { damage: [FAULT], groups: [], members: null },
    false,
    /who the voters were cannot be read\n(if others have its data: .*\n)+if it was the only voter: /,
  ],
  [
    'damaged, of three, salvaged',
    { damage: [FAULT], salvage: SALVAGE, states: [STATE] },
    false,
    /holds most: kvctl snapshot restore \/out\/groups\/g\/state-9.snap .* as of entry 9; whether what follows entry 3 was decided is not known; that is the last one/,
  ],
  [
    'damaged, alone, salvaged',
    { damage: [FAULT], groups: [ALONE], members: ALONE.members, salvage: SALVAGE },
    false,
    /^nobody else .*\nkvctl snapshot restore \/out\/groups\/g\/snapshot-3.snap .* as of entry 3; whatever was stored after that is not in it/,
  ],
  [
    'damaged, alone, with nothing good',
    {
      damage: [FAULT],
      groups: [ALONE],
      members: ALONE.members,
      salvage: { ...SALVAGE, files: [] },
    },
    false,
    /no snapshot is good, and no log from its first entry on: kvctl snapshot restore of your newest backup/,
  ],
  [
    'of the only voter, whose identity is lost',
    { damage: [FAULT], identity: null, groups: [ALONE], members: ALONE.members },
    false,
    /^nobody else has what it stored: keep data as it is$/m,
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
