/** A catalogue for one test, in a folder of its own. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Catalogue } from '../../src/hub/catalogue/catalogue.ts';
import { LevelEngine } from '../../src/hub/catalogue/level-engine.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export async function testCatalogue(context: TestContext): Promise<Catalogue> {
  let catalogue: Catalogue | undefined;
  context.after(() => catalogue?.close());
  const path = join(temporaryDirectory(context), 'catalogue');
  catalogue = new Catalogue(await LevelEngine.open(path, { fsync: false }));
  return catalogue;
}

/** All that a listing gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
