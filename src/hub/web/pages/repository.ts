/** `/{repository}` and `/{repository}/tags/{tag}`: what is in them. */

import { baseUrl } from '../../base-url.ts';
import { listEntries, resolveTagged } from '../../catalogue/entries.ts';
import type { Entry } from '../../catalogue/records.ts';
import { listTag, listTags } from '../../catalogue/tags.ts';
import { Problem } from '../../problem.ts';
import { parameter, queryText } from '../../route.ts';
import { href, html, type Part } from '../html.ts';
import type { Page } from '../layout.ts';
import {
  badge,
  commandOf,
  countOf,
  crumbs,
  ENTRY_COLUMNS,
  entryRow,
  flistHref,
  named,
  sizeOf,
  table,
  tagHref,
  timeOf,
} from '../parts.ts';
import { repositoryOf, type Visit } from '../visit.ts';
import { membersPart } from './members.ts';

const PAGE_COUNT = 500;

export async function repositoryPage(visit: Visit): Promise<Page> {
  const { name, repository } = await repositoryOf(visit);
  const after = queryText(visit.request, 'after');
  const { catalogue } = visit.context;
  const entries: { file: string; entry: Entry }[] = [];
  const options = { after, limit: PAGE_COUNT + 1 };
  for await (const { parts, value } of listEntries(catalogue, name, options)) {
    entries.push({ file: parts[1] as string, entry: value });
  }
  const next = entries.length > PAGE_COUNT ? entries[PAGE_COUNT - 1]?.file : undefined;
  const rows = entries.slice(0, PAGE_COUNT).map(({ file, entry }) => entryRow(name, file, entry));
  const tags = await listTags(catalogue, name);
  const { owner, visibility, official } = repository;
  const body = html`
${crumbs([{ text: name, to: href([name]) }])}
<h1 class="mono"><bdi>${name}</bdi> ${official && badge('official', 'good')} ${visibility === 'private' && badge('private', 'warn')}</h1>
<p class="dim">${owner === undefined ? 'Owned by nobody' : html`Owned by <b>${owner}</b>`}, since ${timeOf(repository.created)}</p>
${
  tags.length > 0 &&
  html`
<section aria-labelledby="tags">
  <h2 id="tags">Tags</h2>
  <p class="chips">${tags.map(({ tag, count }) => html`${named('tag', tagHref(name, tag), tag)}<span class="dim">${count}</span> `)}</p>
</section>`
}
<section aria-labelledby="flists">
  <h2 id="flists">Flists</h2>
  ${
    rows.length > 0
      ? table(`Flists of ${name}`, ENTRY_COLUMNS, rows)
      : html`<p class="empty">This repository is empty.</p>
        ${commandOf(`g8ufs push app.flist ${baseUrl(visit.context, visit.request)}/${name}/app`)}`
  }
  ${next !== undefined && html`<p><a class="more" href="${href([name], { after: next })}">Behind <code>${next}</code></a></p>`}
</section>
${membersPart(visit, name, repository)}`;
  return { title: name, body };
}

export async function tagPage(visit: Visit): Promise<Page> {
  const { name } = await repositoryOf(visit);
  const tag = parameter(visit.request, 'tag');
  const { context, request } = visit;
  const rows: Part[][] = [];
  for await (const { parts, value } of listTag(context.catalogue, name, tag)) {
    const file = parts[2] as string;
    const found = await resolveTagged(context.catalogue, name, tag, file);
    const isSeen =
      found !== undefined && (await context.access.visibility(request, found.through)) !== 'hidden';
    const { repository, file: target } = value.target;
    rows.push([
      isSeen ? named('flist', flistHref(repository, target), file) : html`<bdi>${file}</bdi>`,
      html`<span class="mono">${repository}/${target}</span> ${!isSeen && badge('not here', 'warn')}`,
      isSeen && sizeOf(found.flist.size),
      timeOf(value.linked),
    ]);
  }
  if (rows.length === 0) throw new Problem(404, 'There is no such tag');
  const body = html`
${crumbs([
  { text: name, to: href([name]) },
  { text: `tags/${tag}`, to: tagHref(name, tag) },
])}
<h1 class="mono"><bdi>${tag}</bdi> ${badge('tag')}</h1>
<p class="dim">${countOf(rows.length)} of <a href="${href([name])}">${name}</a></p>
${table(`Flists of the tag ${tag}`, ENTRY_COLUMNS, rows)}`;
  return { title: `${name}/tags/${tag}`, body };
}
