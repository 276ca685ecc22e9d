/** What is shown beside a flist under its name with another extension: `.txt`, `.json`, `.md`. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseUrl } from '../base-url.ts';
import type { FlistRecord } from '../catalogue/records.ts';
import { readFlistOf } from '../flist-settings.ts';
import { escapeHtml, htmlPage, PAGE_HEADERS } from '../html.ts';
import { flistFile, parseFlistName } from '../names.ts';
import type { HubContext } from '../route.ts';
import { countContents, type Statistics } from './contents.ts';

const VIEWS = ['txt', 'json', 'md'] as const;
export type View = (typeof VIEWS)[number];

/** What a file name asks for: `<name>.flist.<view>` or `<name>.<view>`. */
export function parseView(
  file: string,
): { readonly view: View; readonly name: string } | undefined {
  const view = VIEWS.find((extension) => file.endsWith(`.${extension}`));
  if (view === undefined) return undefined;
  const name = parseFlistName(file.slice(0, -(view.length + 1)));
  return name === undefined ? undefined : { view, name };
}

export interface ViewedFlist {
  readonly repository: string;
  /** Without extension. */
  readonly name: string;
  readonly flist: FlistRecord;
}

/** Sends a view of a flist that may be seen. */
export async function sendView(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  view: View,
  viewed: ViewedFlist,
): Promise<FastifyReply> {
  const facts = factsOf(context, request, viewed);
  if (view === 'json') return reply.send(facts);
  if (view === 'txt') return reply.type('text/plain; charset=utf-8').send(formatFacts(facts));
  const { readme, statistics } = await readFlistOf(
    context,
    viewed.flist,
    ({ metadata, database }) => ({
      readme: metadata.get('readme'),
      statistics: countContents(database),
    }),
  );
  return reply.headers(PAGE_HEADERS).send(previewPage(facts, statistics, readme));
}

/** In the order in which they are shown. */
interface Facts {
  readonly flist: string;
  readonly uploader: string;
  readonly source: string;
  readonly storage: string;
  readonly checksum: string;
}

function factsOf(
  context: HubContext,
  request: FastifyRequest,
  { repository, name, flist }: ViewedFlist,
): Facts {
  const base = baseUrl(context, request);
  const { publicBackend } = context;
  const file = flistFile(name);
  return {
    flist: file,
    uploader: flist.uploader ?? repository,
    source: `${base}/${encodeURIComponent(repository)}/${encodeURIComponent(file)}`,
    storage:
      publicBackend === undefined ? base : `zdb://${publicBackend.host}:${publicBackend.port}`,
    checksum: flist.md5,
  };
}

function formatFacts({ flist, uploader, source, storage, checksum }: Facts): string {
  const rows = [
    ['File:', flist],
    ['Uploader:', uploader],
    ['Source:', source],
    ['Storage:', storage],
    ['Checksum:', checksum],
  ] as const;
  return rows.map(([title, value]) => `${title.padEnd(10)}${value}\n`).join('');
}

function previewPage(facts: Facts, statistics: Statistics, readme: string | undefined): string {
  const rows = Object.entries({ ...facts, ...statistics })
    .filter(([key]) => key !== 'flist')
    .map(([key, value]) => `<dt>${escapeHtml(key)}</dt><dd>${escapeHtml(String(value))}</dd>`);
  const text = readme === undefined ? '' : `<pre>${escapeHtml(readmeText(readme))}</pre>`;
  return htmlPage(facts.flist, `<dl>${rows.join('\n')}</dl>\n${text}`);
}

/** The text in the setting `readme`, which is an object with it in most flists. */
function readmeText(setting: string): string {
  try {
    const { readme } = JSON.parse(setting) as { readme?: unknown };
    return typeof readme === 'string' ? readme : setting;
  } catch {
    return setting;
  }
}
