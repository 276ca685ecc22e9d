/** Who may do what in a repository: a part of its page for those who manage it, and what its forms change. */
import type { FastifyReply } from 'fastify';
import { actorOf } from '../../access/audit.ts';
import { changeRepository, type MemberRight, setMember } from '../../access/change-repository.ts';
import { mayAccess } from '../../access/identity.ts';
import type { Repository } from '../../catalogue/records.ts';
import { Problem } from '../../problem.ts';
import { formOf } from '../form.ts';
import { type Html, href, html } from '../html.ts';
import { redirect } from '../page.ts';
import { ACTIONS, table } from '../parts.ts';
import { repositoryOf, type Visit } from '../visit.ts';

const RIGHTS: readonly MemberRight[] = ['read', 'publish'];

/** Nothing for those who may not manage the repository. */
export function membersPart(
  { identity }: Visit,
  name: string,
  repository: Repository,
): Html | false {
  if (!mayAccess(identity, name, repository, 'manage')) return false;
  const { members, owner } = repository;
  const to = href([name]);
  const rows = members.map(({ user, right }) => [
    html`<bdi>${user}</bdi>`,
    right,
    html`<form method="post" action="${to}"><input type="hidden" name="user" value="${user}"><button class="quiet" name="do" value="member.remove">Remove<span class="out"> ${user}</span></button></form>`,
  ]);
  return html`
<section aria-labelledby="members"><h2 id="members">Members</h2>
${
  rows.length === 0
    ? html`<p class="empty">Nobody besides the owner.</p>`
    : table('Members', [{ name: 'User', kind: 'main' }, { name: 'May' }, ACTIONS], rows)
}
<form method="post" action="${to}" class="row" aria-label="New member">
  <label>User ${userInput('')}</label>
  <label>May <select name="right">${RIGHTS.map((right) => html`<option>${right}</option>`)}</select></label>
  <button name="do" value="member.set">Let them</button>
</form>
${
  identity.isAdmin &&
  html`<form method="post" action="${to}" class="row" aria-label="Owner">
  <label>Owner ${userInput(owner ?? '')}</label>
  <button name="do" value="owner.set">Hand over</button>
</form>`
}</section>`;
}

/** `POST /{repository}` */
export async function changeMembers(visit: Visit): Promise<FastifyReply> {
  const field = await formOf(visit);
  const { context, request } = visit;
  const { name } = await repositoryOf(visit);
  const identity = await context.access.authorize(request, { repository: name, right: 'manage' });
  const actor = actorOf(request, identity);
  const user = field('user');
  switch (field('do')) {
    case 'member.set': {
      const right = RIGHTS.find((one) => one === field('right'));
      if (right === undefined) throw new Problem(400, 'There is no such right');
      await setMember(context, actor, name, { user, right });
      break;
    }
    case 'member.remove':
      await setMember(context, actor, name, { user, right: undefined });
      break;
    case 'owner.set':
      await context.access.authorizeAdmin(request);
      await changeRepository(context, actor, name, { owner: user });
      break;
    default:
      throw new Problem(400, 'There is no such change');
  }
  return redirect(visit, href([name]));
}

function userInput(value: string): Html {
  return html`<input name="user" value="${value}" required maxlength="200" autocapitalize="none" spellcheck="false" autocomplete="off">`;
}
