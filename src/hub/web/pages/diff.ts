/** `/diff?a=repository/name&b=repository/name`: what differs between two flists. */
import { Limiter } from '../../../base/limit.ts';
import { escapeName } from '../../../base/name-text.ts';
import { type Change, type DiffSummary, ImageDiff } from '../../../image/diff.ts';
import type { Image } from '../../../image/open.ts';
import { Problem } from '../../problem.ts';
import { queryText } from '../../route.ts';
import { type Html, href, html, type Part } from '../html.ts';
import type { Page } from '../layout.ts';
import { entryHref, pathNames } from '../names.ts';
import { countOf, flistHref, named, sizeOf, table } from '../parts.ts';
import { findFlist, type ShownFlist, type Visit } from '../visit.ts';

/** Shown; all are counted. */
const CHANGE_COUNT_MAX = 1000;
/** Two images are read whole. */
const RUNNING_COUNT_MAX = 2;
const QUEUE_COUNT_MAX = 16;
const TIME_MS = 20_000;

const limiter = new Limiter({ shares: [RUNNING_COUNT_MAX], queueCountMax: QUEUE_COUNT_MAX });

interface Compared {
  readonly changes: readonly Change[];
  readonly summary: DiffSummary;
}

export async function diffPage(visit: Visit): Promise<Page> {
  const a = queryText(visit.request, 'a')?.trim() ?? '';
  const b = queryText(visit.request, 'b')?.trim() ?? '';
  const isTimeless = queryText(visit.request, 'times') === 'ignore';
  const result = a === '' || b === '' ? undefined : await compare(visit, a, b, isTimeless);
  const field = (name: string, label: string, value: string) =>
    html`<label>${label}<input name="${name}" value="${value}" required maxlength="420" placeholder="repository/name" autocomplete="off" spellcheck="false"></label>`;
  const body = html`
<h1>Compare</h1>
<form class="compare" action="/diff" method="get">
  ${field('a', 'Before', a)}
  ${field('b', 'After', b)}
  <label class="check"><input type="checkbox" name="times" value="ignore"${isTimeless && html` checked`}> Ignore times</label>
  <button>Compare</button>
  ${a !== '' && b !== '' && html`<a class="quiet button" href="${href(['diff'], { a: b, b: a, ...(isTimeless && { times: 'ignore' }) })}">Swap</a>`}
</form>
${result}`;
  return { title: result === undefined ? 'Compare' : `${a} and ${b}`, body };
}

async function compare(visit: Visit, a: string, b: string, isTimeless: boolean): Promise<Html> {
  const [before, after] = [await flistNamed(visit, a), await flistNamed(visit, b)];
  const { images } = visit.context;
  const compared = await limiter.run(
    () =>
      images.with(before.flist.digest, (one) =>
        images.with(after.flist.digest, (two) => changesOf(one.image, two.image, isTimeless)),
      ),
    { priority: 0 },
  );
  return view(before, after, compared);
}

async function flistNamed(visit: Visit, text: string): Promise<ShownFlist> {
  const slash = text.indexOf('/');
  if (slash < 1) throw new Problem(400, 'A flist is named by repository/name');
  return await findFlist(visit, text.slice(0, slash), text.slice(slash + 1));
}

async function changesOf(a: Image, b: Image, isTimeless: boolean): Promise<Compared> {
  const signal = AbortSignal.timeout(TIME_MS);
  const diff = new ImageDiff(a, b, { signal, ignored: new Set(isTimeless ? ['mtime'] : []) });
  const changes: Change[] = [];
  try {
    for await (const change of diff.changes()) {
      if (changes.length < CHANGE_COUNT_MAX) changes.push(change);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Problem(503, 'These flists are too large to be compared here: use g8ufs flist diff');
  }
  return { changes, summary: diff.summary };
}

function view(before: ShownFlist, after: ShownFlist, { changes, summary }: Compared): Html {
  const { added, removed, changed, same, chunks, chunkBytes, newBytes, oldBytes } = summary;
  const name = ({ shown }: ShownFlist) =>
    named('flist', flistHref(shown.repository, shown.file), `${shown.repository}/${shown.file}`);
  const number = (kind: string, text: string, count: number) =>
    html`<li class="${kind}"><b>${countOf(count)}</b> ${text}</li>`;
  const rows = changes.map((change) => rowOf(before, after, change));
  const columns = [
    { name: 'Change', kind: 'sign' },
    { name: 'Path', kind: 'main' },
    { name: 'What', kind: 'wide' },
    { name: 'Size', kind: 'number' },
  ];
  return html`<section aria-labelledby="result">
<h2 id="result" class="out">Differences</h2>
<p>From ${name(before)} to ${name(after)}</p>
<ul class="counts">
  ${number('added', 'added', added)}
  ${number('removed', 'removed', removed)}
  ${number('changed', 'changed', changed)}
  ${number('same', 'the same', same)}
  <li><b>${sizeOf(chunkBytes)}</b> to fetch in ${countOf(chunks)} chunks</li>
  <li><b>+${sizeOf(newBytes)} −${sizeOf(oldBytes)}</b> of files</li>
</ul>
${rows.length === 0 ? html`<p class="empty">The trees are the same.</p>` : table('Differences', columns, rows)}
${added + removed + changed > rows.length && html`<p class="dim">The first ${countOf(rows.length)}; <code>g8ufs flist diff</code> shows all.</p>`}
</section>`;
}

function rowOf(before: ShownFlist, after: ShownFlist, change: Change): Part[] {
  const { kind, path } = change;
  const text = escapeName(path);
  const side = kind === 'removed' ? before : after;
  const link = html`<a class="mono" href="${entryHref(side.shown, 'tree', pathNames(path))}"><bdi>${text}</bdi></a>`;
  const sign = html`<span class="${kind}" title="${kind}"><span aria-hidden="true">${SIGNS[kind]}</span><span class="out">${kind}</span></span>`;
  if (change.kind !== 'changed') {
    const { type, size } = change.inode;
    return [sign, link, type === 'file' ? '' : type, type === 'file' && sizeOf(size)];
  }
  const { fields } = change.differences;
  const [one, two] = [change.before, change.after];
  const isFile = one.type === 'file' && two.type === 'file';
  const sizes =
    isFile &&
    (one.size === two.size ? sizeOf(two.size) : html`${sizeOf(one.size)} → ${sizeOf(two.size)}`);
  return [sign, link, fields.join(', '), sizes];
}

const SIGNS = { added: '+', removed: '−', changed: '~' } as const;
