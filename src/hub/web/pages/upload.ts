/** `/upload`, `/merge` and `/readonly`: forms whose work is done by the routes of the same names. */
import type { FastifyReply } from 'fastify';
import { isRepositoryName } from '../../names.ts';
import { queryText } from '../../route.ts';
import { type Html, href, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { redirect } from '../page.ts';
import type { Visit } from '../visit.ts';

const MERGE_FIELD_COUNT = 4;

export async function uploadPage(visit: Visit): Promise<Page | FastifyReply> {
  const { user } = visit.identity;
  const elsewhere = awayFrom(visit);
  if (elsewhere !== undefined || user === undefined) return redirect(visit, elsewhere ?? '/login');
  const body = html`
<h1>Upload</h1>
${target(user)}
<div class="cards">
${card(
  user,
  'archive',
  'Archive',
  '/upload',
  html`<label>A .tar.gz with a root file system <input type="file" name="file" accept=".tar.gz,.gz" required></label>`,
  'Make a flist',
  'Its files become chunks of this hub. A file .README.md at its root becomes the readme.',
)}
${card(
  user,
  'flist',
  'Flist',
  '/upload-flist',
  html`<label>A .flist <input type="file" name="file" accept=".flist" required></label>`,
  'Publish',
  'All chunks that it names have to be here already: g8ufs push --store brings them along.',
)}
${card(
  user,
  'image',
  'Registry image',
  '/docker-convert',
  html`<label>Name of the image <input name="docker-input" required maxlength="400" placeholder="debian:bookworm-slim" autocomplete="off" autocapitalize="none" spellcheck="false"></label>`,
  'Convert',
  'The hub fetches it from its registry, without running anything of it.',
)}
</div>
<section aria-labelledby="progress" class="job" hidden>
  <h2 id="progress">Progress</h2>
  <progress max="100" value="0" aria-labelledby="progress"></progress>
  <div class="log" role="log" tabindex="0" aria-label="What happens"></div>
</section>
<p class="dim">Several flists become one by <a href="/merge">merging</a>.</p>`;
  return { title: 'Upload', body };
}

export async function mergePage(visit: Visit): Promise<Page | FastifyReply> {
  const { user } = visit.identity;
  const elsewhere = awayFrom(visit);
  if (elsewhere !== undefined || user === undefined) return redirect(visit, elsewhere ?? '/login');
  const first = queryText(visit.request, 'flist') ?? '';
  const fields = Array.from(
    { length: MERGE_FIELD_COUNT },
    (_, i) =>
      html`<label>${i === 0 ? 'First: it wins where several have a name' : `Flist ${i + 1}`}
<input name="flists[]" value="${i === 0 && first}" placeholder="repository/name" maxlength="420" autocomplete="off" spellcheck="false"${i < 2 && html` required`}></label>`,
  );
  const body = html`
<div class="narrow">
<h1>Merge</h1>
${target(user)}
<form method="post" action="/merge" class="stack">
  ${fields}
  <label>Name of the new flist <input name="name" required maxlength="200" autocomplete="off" spellcheck="false"></label>
  <button>Merge</button>
</form></div>`;
  return { title: 'Merge', body };
}

export async function readOnlyPage(): Promise<Page> {
  const body = html`<div class="notice"><h1>This hub takes nothing</h1>
<p>It is read-only for now: flists are found, looked into and mounted as always. <a href="/">Go on</a></p></div>`;
  return { title: 'Read-only', body };
}

/** Where a visitor goes who cannot publish. */
function awayFrom({ context, identity }: Visit): string | undefined {
  if (context.readOnly) return '/readonly';
  return identity.user === undefined ? '/login-method' : undefined;
}

function target(user: string): Html {
  if (isRepositoryName(user)) {
    return html`<p>It appears in your repository <a class="mono" href="${href([user])}">${user}</a>.</p>`;
  }
  return html`<p class="note warn" role="status">The user ${user} has no repository: log in as another to publish.</p>`;
}

function card(
  user: string,
  id: string,
  title: string,
  action: string,
  fields: Html,
  button: string,
  hint: string,
): Html {
  return html`<section class="card" aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
<form method="post" action="${action}" class="stack" data-job="${user}"${action !== '/docker-convert' && html` enctype="multipart/form-data"`}>
  ${fields}
  <p class="hint">${hint}</p>
  <button>${button}</button>
</form></section>`;
}
