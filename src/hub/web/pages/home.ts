/** `/`: the repositories, and what was published last. */
import { type Identity, mayAccess } from '../../access/identity.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { listAllEntries } from '../../catalogue/entries.ts';
import type { Entry, Repository } from '../../catalogue/records.ts';
import { listRepositories } from '../../catalogue/repositories.ts';
import { href, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { badge, countOf, flistHref, named, table, timeOf } from '../parts.ts';
import type { Visit } from '../visit.ts';

/** Looked at for one page: a hub with more shows the first ones, all others are found by search. */
const REPOSITORY_COUNT_MAX = 500;
const ENTRY_COUNT_MAX = 20_000;
const RECENT_COUNT = 12;

interface Seen {
  readonly repository: Repository;
  count: number;
  updated: number;
}

interface Recent {
  readonly repository: string;
  readonly file: string;
  readonly updated: number;
}

export async function homePage({ context, identity }: Visit): Promise<Page> {
  const { repositories, recent, isCut } = await overview(context.catalogue, identity);
  const rows = [...repositories].map(([name, { repository, count, updated }]) => [
    html`<a class="name" href="${href([name])}"><bdi>${name}</bdi></a>
      ${repository.official && badge('official', 'good')}
      ${repository.visibility === 'private' && badge('private', 'warn')}`,
    countOf(count),
    timeOf(updated),
  ]);
  const columns = [
    { name: 'Repository', kind: 'main' },
    { name: 'Entries', kind: 'number' },
    { name: 'Updated', kind: 'time' },
  ];
  const body = html`
<h1 class="out">Repositories and latest flists</h1>
<div class="columns">
<section aria-labelledby="repositories">
  <h2 id="repositories">Repositories</h2>
  ${
    rows.length === 0
      ? html`<p class="empty">Nothing is published here yet. <a href="/upload">Upload</a> an archive or a flist, or
        run <code>g8ufs push app.flist ${'<this hub>'}/demo/app</code>.</p>`
      : table('Repositories', columns, rows)
  }
  ${isCut && html`<p class="dim">The first ${countOf(rows.length)}; <a href="/search">search</a> finds all.</p>`}
</section>
<section aria-labelledby="latest">
  <h2 id="latest">Latest</h2>
  <ol class="list">${recent.map(
    ({ repository, file, updated }) => html`
    <li>${named('flist', flistHref(repository, file), `${repository}/${file}`)} ${timeOf(updated)}</li>`,
  )}</ol>
  ${recent.length === 0 && html`<p class="empty">No flists.</p>`}
</section>
</div>`;
  return { title: 'Repositories', body };
}

async function overview(catalogue: Catalogue, identity: Identity) {
  const repositories = new Map<string, Seen>();
  let isCut = false;
  for await (const { parts, value } of listRepositories(catalogue)) {
    const name = parts[0] as string;
    if (!mayAccess(identity, name, value, 'read')) continue;
    if (repositories.size === REPOSITORY_COUNT_MAX) {
      isCut = true;
      break;
    }
    repositories.set(name, { repository: value, count: 0, updated: value.created });
  }
  const recent: Recent[] = [];
  for await (const { parts, value } of listAllEntries(catalogue, { limit: ENTRY_COUNT_MAX })) {
    const [repository, file] = parts as [string, string];
    const seen = repositories.get(repository);
    if (seen === undefined) continue;
    seen.count++;
    const updated = updatedOf(value);
    seen.updated = Math.max(seen.updated, updated);
    if (value.kind !== 'flist') continue;
    recent.push({ repository, file, updated });
    if (recent.length > 2 * RECENT_COUNT) cutRecent(recent);
  }
  cutRecent(recent);
  return { repositories, recent, isCut };
}

function cutRecent(recent: Recent[]): void {
  recent.sort((a, b) => b.updated - a.updated);
  recent.splice(RECENT_COUNT);
}

function updatedOf(entry: Entry): number {
  return entry.kind === 'flist' ? entry.updated : entry.linked;
}
