import { HttpClient } from '../../../src/store/http-client.ts';
import { collectResult, runAtHub } from '../../../src/store/hub-runs.ts';
import { adminToken } from './state.ts';

/** One collection of garbage, to its end. @throws what `HttpClient` throws when the hub is killed meanwhile */
export async function collect(
  url: string,
  dir: string,
  graceMs: number,
): Promise<{ readonly deleted: number }> {
  const client = new HttpClient(url, { token: await adminToken(dir) });
  try {
    const run = { path: '/api/v1/collect/gc', body: { graceMs }, result: collectResult };
    return await runAtHub(client, run);
  } finally {
    await client.close();
  }
}
