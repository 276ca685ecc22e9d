/** The catalogue contract, run by every engine. */
import { join } from 'node:path';
import { after, before } from 'node:test';
import pg from 'pg';
import { LevelEngine } from '../../src/hub/catalogue/level-engine.ts';
import { PostgresEngine } from '../../src/hub/catalogue/postgres-engine.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { catalogueContract } from './catalogue-contract.ts';

let postgres: PostgresServer;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.stop());

catalogueContract('LevelEngine', async (t) => {
  const path = join(temporaryDirectory(t), 'catalogue');
  const engine = await LevelEngine.open(path, { fsync: false });
  t.after(() => engine.close());
  return engine;
});

catalogueContract('PostgresEngine', async (t) => {
  const engine = await PostgresEngine.open(postgres.url);
  t.after(() => engine.close());
  // Quicker than a new database for each.
  const client = new pg.Client(postgres.url);
  await client.connect();
  await client.query('truncate g8ufs_catalogue');
  await client.end();
  return engine;
});
