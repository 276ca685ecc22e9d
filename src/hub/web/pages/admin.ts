/** `/admin`: users, tokens and repositories of the hub, its size, and who changed what. For administrators. */
import { listAudit } from '../../access/audit.ts';
import { listTokens, usageOf } from '../../access/users.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { listAllEntries } from '../../catalogue/entries.ts';
import {
  type AuditLine,
  PACKAGE,
  type Repository,
  TEXT,
  USER,
  type User,
} from '../../catalogue/records.ts';
import { listRepositories } from '../../catalogue/repositories.ts';
import { type Html, href, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { ACTIONS, badge, countOf, named, sizeOf, table, timeOf } from '../parts.ts';
import type { Visit } from '../visit.ts';
import { tokenTable } from './account.ts';

/** Rows of each table, and records that are counted: a larger hub is administered by its API. */
const ROW_COUNT_MAX = 500;
const SCAN_COUNT_MAX = 50_000;
const AUDIT_COUNT = 30;

export async function adminPage(visit: Visit): Promise<Page> {
  await visit.context.access.authorizeAdmin(visit.request);
  const { catalogue } = visit.context;
  const users: { name: string; user: User; used: number }[] = [];
  for await (const { parts, value } of catalogue.list(USER, [], { limit: ROW_COUNT_MAX })) {
    const name = parts[0] as string;
    users.push({ name, user: value, used: await usageOf(catalogue, name) });
  }
  const repositories: { name: string; repository: Repository }[] = [];
  for await (const { parts, value } of listRepositories(catalogue, { limit: ROW_COUNT_MAX })) {
    repositories.push({ name: parts[0] as string, repository: value });
  }
  const tokens = (await listTokens(catalogue)).slice(0, ROW_COUNT_MAX);
  const { lines } = await listAudit(catalogue, undefined, AUDIT_COUNT);
  const body = html`
<h1>Administration</h1>
${await numbers(catalogue)}
<section aria-labelledby="users"><h2 id="users">Users</h2>
${userTable(users, visit.identity.user)}
<form method="post" action="/admin" class="row" aria-label="New user">
  <label>Name <input name="user" required maxlength="200" autocapitalize="none" spellcheck="false" autocomplete="off"></label>
  <label>Password <input name="password" type="password" minlength="10" maxlength="200" autocomplete="new-password" placeholder="none: by token only"></label>
  <label>Role <select name="role"><option>user</option><option>admin</option></select></label>
  <label>Quota, GiB <input name="quota" type="number" min="0" step="any" placeholder="none"></label>
  <button name="do" value="user.create">Make a user</button>
</form></section>
<section aria-labelledby="repositories"><h2 id="repositories">Repositories</h2>
${repositoryTable(repositories)}</section>
<section aria-labelledby="tokens"><h2 id="tokens">Tokens</h2>
${tokenTable(tokens, '/admin', true)}</section>
<section aria-labelledby="audit"><h2 id="audit">Latest changes</h2>
${auditTable(lines)}</section>`;
  return { title: 'Administration', body };
}

async function numbers(catalogue: Catalogue): Promise<Html> {
  let [entries, flists, packages, bytes, signed] = [0, 0, 0, 0, 0];
  const options = { limit: SCAN_COUNT_MAX };
  for await (const { value } of listAllEntries(catalogue, options)) {
    entries++;
    if (value.kind === 'flist') flists++;
  }
  for await (const { value } of catalogue.list(PACKAGE, [], options)) {
    packages++;
    bytes += value.size;
  }
  for await (const { parts } of catalogue.list(TEXT, [], options)) if (parts[2] === 'sig') signed++;
  const number = (value: Html | string, text: string) => html`<li><b>${value}</b> ${text}</li>`;
  return html`<ul class="counts">
${number(countOf(flists), flists === 1 ? 'flist' : 'flists')}
${number(countOf(entries - flists), entries - flists === 1 ? 'link' : 'links')}
${number(countOf(signed), 'signed')}
${number(countOf(packages), packages === 1 ? 'package' : 'packages')}
${number(sizeOf(bytes), 'of packages')}
</ul>`;
}

/** A button that says for screen readers of whom. */
function action(name: string, value: string, what: string, text: string): Html {
  return html`<form method="post" action="/admin"><input type="hidden" name="${name}" value="${value}"><button class="quiet" name="do" value="${what}">${text}<span class="out"> ${value}</span></button></form>`;
}

function userTable(
  users: readonly { name: string; user: User; used: number }[],
  self: string | undefined,
): Html {
  const columns = [
    { name: 'User', kind: 'main' },
    { name: 'Signs in by', kind: 'wide' },
    { name: 'Used', kind: 'number' },
    { name: 'Quota', kind: 'number wide' },
    { name: 'Since', kind: 'time wide' },
    ACTIONS,
  ];
  const rows = users.map(({ name, user, used }) => [
    html`<bdi>${name}</bdi> ${user.role === 'admin' && badge('administrator', 'good')} ${user.disabled && badge('disabled', 'warn')}`,
    user.password === undefined ? 'token' : 'password, token',
    sizeOf(used),
    user.quota === undefined ? 'none' : sizeOf(user.quota),
    timeOf(user.created),
    name !== self &&
      (user.disabled
        ? action('user', name, 'user.enable', 'Enable')
        : action('user', name, 'user.disable', 'Disable')),
  ]);
  return table('Users', columns, rows);
}

function repositoryTable(all: readonly { name: string; repository: Repository }[]): Html {
  const columns = [
    { name: 'Repository', kind: 'main' },
    { name: 'Owner' },
    { name: 'Members', kind: 'number wide' },
    { name: 'Seen by' },
    { name: 'Since', kind: 'time wide' },
    ACTIONS,
  ];
  const rows = all.map(({ name, repository }) => {
    const { owner, members, visibility, official, created } = repository;
    const isPrivate = visibility === 'private';
    return [
      html`${named('folder', href([name]), name)} ${official && badge('official', 'good')}`,
      owner ?? 'nobody',
      countOf(members.length),
      isPrivate ? badge('members', 'warn') : 'all',
      timeOf(created),
      isPrivate
        ? action('repository', name, 'repository.public', 'Make public')
        : action('repository', name, 'repository.private', 'Make private'),
    ];
  });
  return rows.length === 0
    ? html`<p class="empty">None.</p>`
    : table('Repositories', columns, rows);
}

function auditTable(lines: readonly AuditLine[]): Html {
  const columns = [
    { name: 'When', kind: 'time' },
    { name: 'Who' },
    { name: 'What', kind: 'mono' },
    { name: 'Of', kind: 'main mono' },
    { name: 'From', kind: 'wide mono' },
  ];
  const rows = lines.map(({ time, user, action: what, target, address }) => [
    timeOf(time),
    user ?? 'anonymous',
    what,
    html`<bdi>${target}</bdi>`,
    address,
  ]);
  return rows.length === 0
    ? html`<p class="empty">Nothing yet.</p>`
    : table('Latest changes', columns, rows);
}
