/** Looks whether all that a hub has answered for is there after it was killed. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isG8Error } from '../../../src/base/errors.ts';
import { HttpClient } from '../../../src/store/http-client.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { checkResult, runAtHub } from '../../../src/store/hub-runs.ts';
import { type Acknowledged, adminToken, type Loaded, OWNER } from './state.ts';

const CHECK_COUNT_MAX = 5;

/** @returns what is wrong */
export async function verify(
  { url, dir, token, graceMs }: Loaded,
  known: Acknowledged,
): Promise<string[]> {
  const wrong: string[] = [];
  const client = new HubClient(url, { http: { token } });
  const admin = new HttpClient(url, { token: await adminToken(dir) });
  try {
    const listed = new Set<string>();
    for await (const { name } of client.listFlists()) listed.add(name.replace(/\.flist$/, ''));
    for (const name of new Set([...listed, ...known.flists.keys()])) {
      const md5 = await client.flistMd5({ repository: OWNER, name });
      const isSure = !known.unsure.has(name);
      if (isSure && md5 !== known.flists.get(name)) {
        wrong.push(`${name} is ${md5}, not ${known.flists.get(name)}`);
      }
      if ((md5 !== undefined) !== listed.has(name)) wrong.push(`${name} is listed wrongly`);
      if (md5 !== undefined && md5 !== (await md5OfFlist(url, token, name))) {
        wrong.push(`${name} has other bytes than its MD5 says`);
      }
      known.flists.set(name, md5);
    }
    known.unsure.clear();
    wrong.push(...(await lostChunks(client, known, graceMs)));
    const run = { path: '/api/v1/collect/check', body: {}, result: checkResult };
    const { corrupt, missing, damagedPackages } = await patiently(() => runAtHub(admin, run));
    if (corrupt + missing + damagedPackages.length > 0) {
      wrong.push(`${corrupt} corrupt, ${missing} missing, ${damagedPackages.length} damaged`);
    }
  } finally {
    await Promise.all([client.close(), admin.close()]);
  }
  return wrong;
}

/** On a machine with much other work a hub may say nothing for longer than its clients wait. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      // The run that was given up may not have ended yet.
      const isPassing = isG8Error(error, 'ERR_TIMEOUT') || isG8Error(error, 'ERR_CACHE_LOCKED');
      if (!isPassing || attempt === CHECK_COUNT_MAX) throw error;
      await pause(1_000);
    }
  }
}

async function md5OfFlist(url: string, token: string, name: string): Promise<string> {
  const response = await fetch(`${url}/${OWNER}/${name}.flist`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return createHash('md5').update(bytes).digest('hex');
}

/** Those to which nothing refers have to be there until the grace period is over. */
async function lostChunks(
  client: HubClient,
  known: Acknowledged,
  graceMs: number,
): Promise<string[]> {
  const from = Date.now() - graceMs;
  for (const [id, time] of known.chunks) if (time < from) known.chunks.delete(id);
  const missing = await client.chunks.missing([...known.chunks.keys()]);
  // Asking takes time, too.
  const lost = missing.filter((id) => (known.chunks.get(id) as number) > Date.now() - graceMs);
  return lost.length === 0 ? [] : [`${lost.length} acknowledged chunks are lost`];
}
