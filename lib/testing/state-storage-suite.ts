import { deepEqual, equal } from 'node:assert/strict';
import type { StateStorage } from '../interfaces/index.js';
import type { PortFixture } from './storage-ports.js';
import type { SuiteTest } from './suite.js';

/** `create` gives state that was never saved, `reopen` the same state as after a restart. */
export interface StateStorageSuite extends PortFixture<StateStorage> {
  readonly name: string;
  readonly test: SuiteTest;
}

/** Checks the contract of `StateStorage`. */
export function stateStorageSuite({ name, test, create, reopen }: StateStorageSuite): void {
  const it = (behaviour: string, body: () => Promise<void>): unknown =>
    test(`${name}: ${behaviour}`, body);

  it('state that was never saved is null, also after a restart', async () => {
    const state = await create();
    equal(await state.load(), null);
    equal(await (await reopen(state)).load(), null);
  });

  it('the last save is what a restart finds, term and vote together', async () => {
    let state = await create();
    await state.load();
    await state.save({ term: 1, votedFor: 'n1#0123456789abcdef' });
    await state.save({ term: 5, votedFor: null });
    state = await reopen(state);
    deepEqual(await state.load(), { term: 5, votedFor: null });
    await state.save({ term: 5, votedFor: 'n2#fedcba9876543210' });
    state = await reopen(state);
    deepEqual(await state.load(), { term: 5, votedFor: 'n2#fedcba9876543210' });
  });

  it('the longest names and the largest term are kept whole', async () => {
    const state = await create();
    await state.load();
    const votedFor = `${'x'.repeat(64)}#0123456789abcdef`;
    await state.save({ term: Number.MAX_SAFE_INTEGER, votedFor });
    deepEqual(await (await reopen(state)).load(), { term: Number.MAX_SAFE_INTEGER, votedFor });
  });

  it('shares no memory with its callers (schedule I5)', async () => {
    const state = await create();
    await state.load();
    const given = { term: 3, votedFor: 'n1#0123456789abcdef' };
    const saving = state.save(given);
    given.term = 4;
    await saving;
    deepEqual(await (await reopen(state)).load(), { term: 3, votedFor: 'n1#0123456789abcdef' });
  });
}
