/** The catalogue contract, run by every engine. */
import { join } from 'node:path';
import { LevelEngine } from '../../src/hub/catalogue/level-engine.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { catalogueContract } from './catalogue-contract.ts';

catalogueContract('LevelEngine', async (t) => {
  const path = join(temporaryDirectory(t), 'catalogue');
  const engine = await LevelEngine.open(path, { fsync: false });
  t.after(() => engine.close());
  return engine;
});
