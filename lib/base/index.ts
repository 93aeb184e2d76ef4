/**
 * The vocabulary that every folder speaks: names, bytes, entries, limits, errors, assertions. It
 * imports nothing, holds no state and reads no clock.
 */
export * from './assert.js';
export * from './bytes.js';
export * from './entry.js';
export * from './errors.js';
export * from './limits.js';
export * from './packing.js';
export * from './vocabulary.js';
