/** The first start of a catalogue: an administrator, and a token that only its operator gets to see. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toG8Error } from '../../base/errors.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { TOKEN, USER } from '../catalogue/records.ts';
import { FIRST_ADMIN } from '../names.ts';
import { hashSecret, makeToken } from './token.ts';
import { createUser } from './users.ts';

const FILE = 'admin-token';

export interface FirstAdmin {
  readonly user: string;
  readonly token: string;
  /** Where the token lies, readable by the hub's own user only. */
  readonly path: string;
}

/**
 * Makes the administrator when the catalogue has no users at all.
 *
 * @returns `undefined` when it has some, or another hub was faster
 * @throws ERR_IO when the token cannot be written
 */
export async function ensureAdmin(
  catalogue: Catalogue,
  dataDir: string,
): Promise<FirstAdmin | undefined> {
  for await (const _ of catalogue.list(USER, [], { limit: 1 })) return undefined;
  const { id, secret, text } = makeToken();
  const path = join(dataDir, FILE);
  // The file first: a token that is nowhere to be read would be one that nobody has.
  await writeSecret(path, `${text}\n`);
  const isMade = await catalogue.transaction(async (transaction) => {
    const made = await createUser(transaction, FIRST_ADMIN, { role: 'admin' });
    if (!made) return false;
    transaction.put(TOKEN, [id], {
      user: FIRST_ADMIN,
      hash: hashSecret(secret),
      scope: 'admin',
      note: 'made at the first start',
      created: Date.now(),
    });
    return true;
  });
  if (isMade) return { user: FIRST_ADMIN, token: text, path };
  await rm(path, { force: true });
  return undefined;
}

async function writeSecret(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw toG8Error(error, 'ERR_IO', `Cannot write the administrator's token to ${path}`);
  }
}
