/**
 * Whether what clients saw can be explained by one copy of a service that takes one call at a time.
 *
 *     clients ─▶ History ─▶ checkLinearizability(model, …) ─▶ verdict
 *                                                         └▶ counter-example ─▶ text, picture
 *
 * It looks from outside: nothing here knows of nodes, logs or terms.
 */

export * from './check.js';
export * from './check-kv.js';
export type { Counterexample, ShownOperation } from './counterexample.js';
export * from './history.js';
export type { KVOperation } from './kv-facts.js';
export * from './kv-model.js';
export { type Model, type Reducer, type ReducerInput, reducerModel } from './model.js';
export { type PictureOptions, pictureOf } from './picture.js';
export * from './recorded-store.js';
export { type Explained, explain, timelineOf } from './timeline.js';
