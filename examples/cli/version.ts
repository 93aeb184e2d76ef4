import { createRequire } from 'node:module';

/** The version of the package that this program came with. */
export function packageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('quorate/package.json');
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  return 'unknown';
}
