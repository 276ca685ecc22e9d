/**
 * The catalogue in PostgreSQL: for any number of hubs on any number of machines.
 *
 * One table of key and value, and one function that checks and writes in a single round trip. Commits
 * that share a key wait for each other on advisory locks, which end with the connection that took them, so
 * a hub that dies holds none. Settings that a URL has not (password file, certificates) come from
 * libpq's environment variables and `.pgpass`.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { G8Error } from '../../base/errors.ts';
import {
  type CatalogueEngine,
  type CatalogueEntry,
  type Commit,
  endOfPrefix,
  PAGE_COUNT,
  type ScanOptions,
} from './engine.ts';

/** Connections of one hub. */
const CONNECTION_COUNT_MAX = 10;
const CONNECT_MS = 5_000;
/** A commit of thousands of records takes less than a second. */
const QUERY_MS = 20_000;
/** Locks of all commits together: so many can go on side by side, and a large one takes no more. */
const LOCK_COUNT = 64;
/** First half of the advisory locks' numbers, so that they are nobody else's: "g8" and the version. */
const LOCK_SPACE = 0x6738_0001;

const SETUP = `
select pg_advisory_xact_lock(${LOCK_SPACE}, -1);
create table if not exists g8ufs_catalogue (key bytea primary key, value bytea not null);
create or replace function g8ufs_commit_1(
  check_keys bytea[], expected bytea[], write_keys bytea[], new_values bytea[], locks int[]
) returns boolean language plpgsql as $body$
declare
  number int;
begin
  foreach number in array locks loop
    perform pg_advisory_xact_lock(${LOCK_SPACE}, number);
  end loop;
  -- A statement of its own, so that it sees what was committed while this waited.
  if exists (
    select from unnest(check_keys, expected) as c(key, value)
    left join g8ufs_catalogue t on t.key = c.key
    where t.value is distinct from c.value
  ) then
    return false;
  end if;
  delete from g8ufs_catalogue t using unnest(write_keys, new_values) as w(key, value)
    where t.key = w.key and w.value is null;
  insert into g8ufs_catalogue
    select w.key, w.value from unnest(write_keys, new_values) as w(key, value)
    where w.value is not null
    on conflict (key) do update set value = excluded.value;
  return true;
end
$body$;`;

export class PostgresEngine implements CatalogueEngine {
  readonly name: string;
  readonly isExclusive = false;
  readonly #pool: pg.Pool;
  readonly #running = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor(name: string, pool: pg.Pool) {
    this.name = name;
    this.#pool = pool;
  }

  /**
   * Connects, and makes the table and the function when they are not there.
   *
   * @param url `postgres://user:password@host:port/database?sslmode=verify-full`
   * @throws ERR_CONFIG, ERR_PERMISSION, ERR_STORE_UNAVAILABLE, ERR_IO
   */
  static async open(url: string): Promise<PostgresEngine> {
    const name = nameOf(url);
    const pool = new pg.Pool({
      connectionString: url,
      application_name: 'g8ufs hub',
      max: CONNECTION_COUNT_MAX,
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: QUERY_MS,
      query_timeout: QUERY_MS + CONNECT_MS,
    });
    // An idle connection that the server ends: the pool makes a new one when it is needed.
    pool.on('error', () => {});
    const engine = new PostgresEngine(name, pool);
    try {
      await engine.#call(() => pool.query(`begin;${SETUP}commit;`));
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.getMany([key]))[0];
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values: (Uint8Array | undefined)[] = [];
    for (let start = 0; start < keys.length; start += PAGE_COUNT) {
      const page = keys.slice(start, start + PAGE_COUNT).map(bufferOf);
      const rows = await this.#rows('get', 'key = any($1)', [page]);
      const found = new Map(rows.map(({ key, value }) => [key.toString('latin1'), value]));
      values.push(...page.map((key) => found.get(key.toString('latin1'))));
    }
    return values;
  }

  async *scan(options: ScanOptions): AsyncGenerator<CatalogueEntry, void, void> {
    const { prefix, limit = Number.POSITIVE_INFINITY } = options;
    const end = endOfPrefix(prefix);
    let count = 0;
    // The first key behind `after` is `after` with a NUL.
    let start = options.after === undefined ? prefix : successor(options.after);
    if (Buffer.compare(start, prefix) < 0) start = prefix;
    for (;;) {
      const page = Math.min(PAGE_COUNT, limit - count);
      if (page <= 0) return;
      const [name, bound] = end === undefined ? ['tail', ''] : ['scan', ' and key < $3'];
      const rows = await this.#rows(name, `key >= $1${bound} order by key limit $2`, [
        bufferOf(start),
        page,
        ...(end === undefined ? [] : [bufferOf(end)]),
      ]);
      yield* rows;
      count += rows.length;
      if (rows.length < page) return;
      start = successor((rows.at(-1) as CatalogueEntry).key);
    }
  }

  async commit({ checks, writes }: Commit): Promise<boolean> {
    const locks = new Set([...checks, ...writes].map(({ key }) => lockOf(key)));
    const values = [
      checks.map(({ key }) => bufferOf(key)),
      checks.map(({ expected }) => expected && bufferOf(expected)),
      writes.map(({ key }) => bufferOf(key)),
      writes.map(({ value }) => value && bufferOf(value)),
      // In one order everywhere, so that no two wait for each other.
      [...locks].sort((a, b) => a - b),
    ];
    const text = 'select g8ufs_commit_1($1, $2, $3, $4, $5) as written';
    const { rows } = await this.#call(() =>
      this.#pool.query<{ written: boolean }>({ name: 'g8ufs-commit', text, values }),
    );
    return rows[0]?.written === true;
  }

  async close(): Promise<void> {
    // The pool alone would leave those without an answer that still wait for a connection.
    this.#closed ??= Promise.allSettled(this.#running).then(() => this.#pool.end());
    await this.#closed;
  }

  async #rows(
    name: string,
    condition: string,
    values: unknown[],
  ): Promise<{ key: Buffer; value: Buffer }[]> {
    const text = `select key, value from g8ufs_catalogue where ${condition}`;
    const { rows } = await this.#call(() =>
      this.#pool.query<{ key: Buffer; value: Buffer }>({ name: `g8ufs-${name}`, text, values }),
    );
    return rows;
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) {
      throw new G8Error('ERR_STORE_UNAVAILABLE', `The catalogue ${this.name} is closed`);
    }
    const running = run();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw this.#errorOf(error);
    } finally {
      this.#running.delete(running);
    }
  }

  #errorOf(error: unknown): G8Error {
    const { code = '', message } = error as { code?: string; message: string };
    const text = `The catalogue ${this.name} failed: ${message}`;
    // SQLSTATE classes: 28 authorization, 42501 privilege, 3D000 no such database.
    if (code.startsWith('28') || code === '42501') {
      return new G8Error('ERR_PERMISSION', text, { cause: error });
    }
    if (code === '3D000') return new G8Error('ERR_CONFIG', text, { cause: error });
    // 53 resources, 57 operator (shutdown, timeout), 08 connection, and what is no answer of the server.
    const passes = !/^[0-9A-Z]{5}$/.test(code) || /^(?:08|53|57)/.test(code);
    return new G8Error(passes ? 'ERR_STORE_UNAVAILABLE' : 'ERR_IO', text, { cause: error });
  }
}

/** The URL as it may be shown. @throws ERR_CONFIG */
function nameOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `postgres://${host}${pathname}`;
  } catch (error) {
    throw new G8Error('ERR_CONFIG', 'The URL of the catalogue is not valid', { cause: error });
  }
}

function lockOf(key: Uint8Array): number {
  return createHash('md5').update(key).digest().readUInt8(0) % LOCK_COUNT;
}

function successor(key: Uint8Array): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
