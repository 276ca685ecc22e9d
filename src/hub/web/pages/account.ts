/** `/account`: who is logged in, and their tokens. */
import type { FastifyReply } from 'fastify';
import { actorOf, writeAudit } from '../../access/audit.ts';
import { hasScope } from '../../access/identity.ts';
import { createToken, listTokens, TOKEN_COUNT_MAX, usageOf } from '../../access/users.ts';
import { SCOPES, type Scope, TOKEN, type Token, USER } from '../../catalogue/records.ts';
import { Problem } from '../../problem.ts';
import { formOf } from '../form.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { redirect, requireUser } from '../page.ts';
import { ACTIONS, badge, copyButton, facts, sizeOf, table, timeOf } from '../parts.ts';
import type { Visit } from '../visit.ts';

const DAY_MS = 86_400_000;
const DAYS_MAX = 3650;
const NOTE_LENGTH_MAX = 200;

export async function accountPage(visit: Visit): Promise<Page | FastifyReply> {
  if (visit.identity.user === undefined) return redirect(visit, '/login');
  return await view(visit);
}

/** Makes or revokes a token, as `do` says. */
export async function changeAccount(visit: Visit): Promise<Page | FastifyReply> {
  const field = await formOf(visit);
  const user = requireUser(visit);
  // A token that leaks must not beget others that outlive it.
  if (!hasScope(visit.identity, 'admin')) throw new Problem(403, 'This needs the scope admin');
  if (field('do') === 'revoke') {
    await revoke(visit, user, field('token'));
    return redirect(visit, '/account');
  }
  const scope = SCOPES.find((one) => one === field('scope'));
  const days = Number(field('days'));
  if (scope === undefined) throw new Problem(400, 'There is no such scope');
  if (!(Number.isInteger(days) && days >= 1 && days <= DAYS_MAX)) {
    throw new Problem(400, `A token is good for 1 to ${DAYS_MAX} days`);
  }
  return await view(visit, await make(visit, user, scope, field('note'), days));
}

async function make(
  { context, request, identity }: Visit,
  user: string,
  scope: Scope,
  note: string,
  days: number,
): Promise<string> {
  const { catalogue } = context;
  if ((await listTokens(catalogue, user)).length >= TOKEN_COUNT_MAX) {
    throw new Problem(409, `A user has ${TOKEN_COUNT_MAX} tokens at most: revoke some`);
  }
  const token = {
    user,
    scope,
    note: note.slice(0, NOTE_LENGTH_MAX),
    expires: Date.now() + days * DAY_MS,
  };
  return await catalogue.transaction(async (transaction) => {
    const { id, text } = createToken(transaction, token);
    writeAudit(transaction, actorOf(request, identity), 'token.create', `${user}: ${id} ${scope}`);
    return text;
  });
}

async function revoke(
  { context, request, identity }: Visit,
  user: string,
  id: string,
): Promise<void> {
  const known = /^[0-9a-f]{16}$/.test(id) ? await context.catalogue.get(TOKEN, id) : undefined;
  if (known?.user !== user) throw new Problem(404, 'There is no such token');
  await context.catalogue.transaction(async (transaction) => {
    transaction.delete(TOKEN, [id]);
    writeAudit(transaction, actorOf(request, identity), 'token.revoke', `${user}: ${id}`);
  });
}

async function view({ context, identity }: Visit, made?: string): Promise<Page> {
  const name = identity.user as string;
  const { catalogue } = context;
  const [user, used, tokens] = [
    await catalogue.get(USER, name),
    await usageOf(catalogue, name),
    await listTokens(catalogue, name),
  ];
  const mayChange = hasScope(identity, 'admin');
  const body = html`
<div class="head"><h1><bdi>${name}</bdi></h1>${identity.isAdmin && badge('administrator', 'good')}
  <form method="post" action="/logout"><button class="quiet">Log out</button></form></div>
${facts([
  ['This session may', identity.scope],
  [
    'Uploaded',
    html`${sizeOf(used)}${user?.quota !== undefined && html` of ${sizeOf(user.quota)}`}`,
  ],
])}
${made !== undefined && newToken(made)}
<section aria-labelledby="tokens"><h2 id="tokens">Tokens</h2>
${tokens.length === 0 ? html`<p class="empty">No tokens.</p>` : tokenTable(tokens, mayChange ? '/account' : undefined)}
</section>
${
  mayChange &&
  html`<section aria-labelledby="new-token"><h2 id="new-token">New token</h2>
<form method="post" action="/account" class="row">
  <label>For what <input name="note" maxlength="${NOTE_LENGTH_MAX}" placeholder="laptop"></label>
  <label>May <select name="scope"><option>read</option><option selected>publish</option><option>admin</option></select></label>
  <label>Days <input name="days" type="number" min="1" max="${DAYS_MAX}" value="90" required></label>
  <button name="do" value="make">Make a token</button>
</form></section>`
}`;
  return { title: name, body };
}

function newToken(text: string): Html {
  return html`<div class="note good" role="status"><p>The new token. It is shown this once.</p>
<div class="command"><pre tabindex="0"><code>${text}</code></pre>${copyButton(text, 'Copy the token')}</div></div>`;
}

/** @param action where a form that revokes goes; without, there is none */
export function tokenTable(
  tokens: readonly (Token & { readonly id: string })[],
  action: string | undefined,
  withUser = false,
): Html {
  const columns = [
    { name: 'Token', kind: 'mono' },
    ...(withUser ? [{ name: 'User' }] : []),
    { name: 'For', kind: 'main' },
    { name: 'May' },
    { name: 'Used', kind: 'time wide' },
    { name: 'Until', kind: 'time' },
    ...(action === undefined ? [] : [ACTIONS]),
  ];
  const rows = tokens.map(({ id, user, note, scope, used, expires }) => [
    id,
    ...(withUser ? [user] : []),
    html`<bdi>${note}</bdi>`,
    scope,
    used === undefined ? 'never' : timeOf(used),
    expires === undefined ? 'no end' : timeOf(expires),
    ...(action === undefined
      ? []
      : [
          html`<form method="post" action="${action}"><input type="hidden" name="token" value="${id}"><button class="quiet" name="do" value="revoke">Revoke<span class="out"> ${id}</span></button></form>`,
        ]),
  ]);
  return table('Tokens', columns, rows);
}
