/** Texts beside a flist. They go and move with it (`entries.ts`). */
import type { Catalogue } from './catalogue.ts';
import { ENTRY, TEXT, type TextKind } from './records.ts';

/** Keeps a text, in place of the one before. @returns whether there is such a flist */
export async function putText(
  catalogue: Catalogue,
  kind: TextKind,
  repository: string,
  file: string,
  text: string,
): Promise<boolean> {
  return await catalogue.transaction(async (transaction) => {
    const entry = await transaction.get(ENTRY, repository, file);
    if (entry?.kind !== 'flist') return false;
    transaction.put(TEXT, [repository, file, kind], { text, updated: Date.now() });
    return true;
  });
}

export async function findText(
  catalogue: Catalogue,
  kind: TextKind,
  repository: string,
  file: string,
): Promise<string | undefined> {
  return (await catalogue.get(TEXT, repository, file, kind))?.text;
}
