import { readFileSync } from 'node:fs';
import t from 'tap';
import ts from 'typescript';
import { allMutations } from './all-mutations.js';
import { mutatedText } from './mutation.js';
import { objectionTo, readResults } from './results.js';

t.test('mutations', async (t) => {
  const mutations = allMutations();
  const results = readResults();

  t.test('there are enough, each under a name of its own', async (t) => {
    t.ok(mutations.length >= 45);
    t.equal(new Set(mutations.map(({ id }) => id)).size, mutations.length);
  });

  t.test('each stands in its source once, and is a program', async (t) => {
    for (const mutation of mutations) {
      const { id, file } = mutation;
      const source = ts.createSourceFile(
        file,
        mutatedText(mutation, readFileSync(file, 'utf8')),
        ts.ScriptTarget.ES2022,
      );
      t.same('parseDiagnostics' in source ? source.parseDiagnostics : null, [], id);
    }
  });

  t.test('each was tried as it is now, and was noticed (or run: npm run mutate)', async (t) => {
    for (const { id, bug } of mutations) {
      const result = results[id];
      t.equal(result?.bug, bug, `${id} was tried; else: npm run mutate -- --only ${id}`);
      if (result !== undefined) t.equal(objectionTo(result), null, id);
    }
  });
});
