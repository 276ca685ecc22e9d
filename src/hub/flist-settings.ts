/** A flist of the catalogue as its records say it. */

import type { Metadata } from '../format/flist/metadata.ts';
import type { Flist } from '../format/flist/open.ts';
import type { Json } from '../format/flist/settings.ts';
import type { HubContext } from './route.ts';

/** Reads the package of a flist and works on it (`RecordsReader.with`). */
export async function readFlistOf<T>(
  context: HubContext,
  { digest }: { readonly digest: string },
  work: (flist: Flist) => Promise<T> | T,
): Promise<T> {
  return await context.records.with(async () => {
    const saved = await context.packages.find(digest);
    if (saved === undefined) throw new Error(`Package ${digest} has no record`);
    return context.packages.read(saved);
  }, work);
}

/** Settings by key: JSON where the text is JSON, else the text. */
export function settingsOf(metadata: Metadata): Record<string, Json> {
  // Not by assignment: a key may be `__proto__`.
  return Object.fromEntries([...metadata].map(([key, text]) => [key, settingOf(text)]));
}

function settingOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
