/**
 * How a compliance suite declares a test. Any runner fits: `test` of node:test, tap or vitest, or a
 * function that runs `body` at once. A test fails by rejecting.
 */
export type SuiteTest = (name: string, body: () => Promise<void>) => unknown;
