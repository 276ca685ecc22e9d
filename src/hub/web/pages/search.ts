/** `/search?q=`: flists and repositories whose names have all words. */
import { mayAccess } from '../../access/identity.ts';
import { listAllEntries } from '../../catalogue/entries.ts';
import type { Entry } from '../../catalogue/records.ts';
import { listRepositories } from '../../catalogue/repositories.ts';
import { hasWords, wordsOf } from '../../name-words.ts';
import { queryText } from '../../route.ts';
import { href, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { ENTRY_COLUMNS, entryRow, named, table } from '../parts.ts';
import type { Visit } from '../visit.ts';

const RESULT_COUNT_MAX = 100;
/** Entries looked at for one page; the next page goes on behind them. */
const SCAN_COUNT_MAX = 100_000;

interface Hit {
  readonly repository: string;
  readonly file: string;
  readonly entry: Entry;
}

export async function searchPage(visit: Visit): Promise<Page> {
  const query = (queryText(visit.request, 'q') ?? '').trim();
  const after = queryText(visit.request, 'after');
  const words = wordsOf(query);
  const { hits, repositories, next } = await find(visit, words, after);
  const rows = hits.map(({ repository, file, entry }) => {
    const [name, ...rest] = entryRow(repository, file, entry);
    return [
      html`<a class="dim mono" href="${href([repository])}">${repository}/</a>${name}`,
      ...rest,
    ];
  });
  const title = query === '' ? 'All flists' : `Search: ${query}`;
  const body = html`
<h1>${query === '' ? 'All flists' : html`Flists with <q>${query}</q>`}</h1>
${
  repositories.length > 0 &&
  after === undefined &&
  html`<p class="chips">${repositories.map((name) => named('folder', href([name]), name))}</p>`
}
${rows.length > 0 ? table('Found flists', ENTRY_COLUMNS, rows) : html`<p class="empty" role="status">${next === undefined ? 'Nothing is named so.' : 'Nothing so far.'}</p>`}
${next !== undefined && html`<p><a class="more" href="${href(['search'], { q: query, after: next })}">Go on</a></p>`}`;
  return { title, body, query };
}

async function find(
  { context, identity }: Visit,
  words: readonly string[],
  after: string | undefined,
) {
  const { catalogue } = context;
  const seen = new Set<string>();
  const repositories: string[] = [];
  for await (const { parts, value } of listRepositories(catalogue)) {
    const name = parts[0] as string;
    if (!mayAccess(identity, name, value, 'read')) continue;
    seen.add(name);
    const isWanted = words.length > 0 && hasWords(name, words);
    if (isWanted && repositories.length < RESULT_COUNT_MAX) repositories.push(name);
  }
  const hits: Hit[] = [];
  let scanned = 0;
  let next: string | undefined;
  const slash = after?.indexOf('/') ?? -1;
  const position =
    after === undefined || slash < 1 ? undefined : [after.slice(0, slash), after.slice(slash + 1)];
  for await (const { parts, value } of listAllEntries(catalogue, { after: position })) {
    const [repository, file] = parts as [string, string];
    if (seen.has(repository) && hasWords(`${repository}/${file}`, words)) {
      hits.push({ repository, file, entry: value });
    }
    if (hits.length === RESULT_COUNT_MAX || ++scanned === SCAN_COUNT_MAX) {
      next = `${repository}/${file}`;
      break;
    }
  }
  return { hits, repositories, next };
}
