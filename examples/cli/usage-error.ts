/** The command line is wrong: one line says what, and what would be right. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
