/** `POST /admin`: what its forms change. */
import type { FastifyReply } from 'fastify';
import { newUser } from '../../../store/hub-access-protocol.ts';
import { type Actor, actorOf, writeAudit } from '../../access/audit.ts';
import { changeRepository } from '../../access/change-repository.ts';
import { changeUser } from '../../access/change-user.ts';
import { hashPassword } from '../../access/password.ts';
import { createUser } from '../../access/users.ts';
import { TOKEN } from '../../catalogue/records.ts';
import { isUserName } from '../../names.ts';
import { Problem } from '../../problem.ts';
import { formOf } from '../form.ts';
import { redirect } from '../page.ts';
import type { Visit } from '../visit.ts';

const GIB = 2 ** 30;

type Field = (name: string) => string;
type Change = (visit: Visit, actor: Actor, field: Field) => Promise<void>;

const CHANGES: Readonly<Record<string, Change>> = {
  'user.create': makeUser,
  'user.disable': ({ context }, actor, field) =>
    changeUser(context, actor, field('user'), { disabled: true }),
  'user.enable': ({ context }, actor, field) =>
    changeUser(context, actor, field('user'), { disabled: false }),
  'repository.public': (visit, actor, field) => setVisibility(visit, actor, field, 'public'),
  'repository.private': (visit, actor, field) => setVisibility(visit, actor, field, 'private'),
  revoke: revokeToken,
};

export async function changeHub(visit: Visit): Promise<FastifyReply> {
  const field = await formOf(visit);
  const { context, request } = visit;
  const actor = actorOf(request, await context.access.authorizeAdmin(request));
  const change = Object.hasOwn(CHANGES, field('do')) ? CHANGES[field('do')] : undefined;
  if (change === undefined) throw new Problem(400, 'There is no such change');
  await change(visit, actor, field);
  return redirect(visit, '/admin');
}

async function makeUser({ context }: Visit, actor: Actor, field: Field): Promise<void> {
  const [password, quota] = [field('password'), field('quota')];
  const parsed = newUser.safeParse({
    name: field('user'),
    role: field('role'),
    ...(password !== '' && { password }),
    ...(quota !== '' && { quota: Math.round(Number(quota) * GIB) }),
  });
  const wanted = parsed.data;
  if (wanted === undefined) {
    throw new Problem(400, `The ${parsed.error?.issues[0]?.path.join('.')} is not allowed`);
  }
  const { name, role = 'user' } = wanted;
  if (!isUserName(name)) throw new Problem(400, 'The user name is not allowed');
  const hash = wanted.password === undefined ? undefined : await hashPassword(wanted.password);
  const user = { role, password: hash, quota: wanted.quota };
  const isMade = await context.catalogue.transaction(async (transaction) => {
    const made = await createUser(transaction, name, user);
    if (made) writeAudit(transaction, actor, 'user.create', name);
    return made;
  });
  if (!isMade) throw new Problem(409, 'There is a user or a repository of that name');
}

async function setVisibility(
  { context }: Visit,
  actor: Actor,
  field: Field,
  visibility: 'public' | 'private',
): Promise<void> {
  await changeRepository(context, actor, field('repository'), { visibility });
}

async function revokeToken({ context }: Visit, actor: Actor, field: Field): Promise<void> {
  const id = field('token');
  const token = /^[0-9a-f]{16}$/.test(id) ? await context.catalogue.get(TOKEN, id) : undefined;
  if (token === undefined) throw new Problem(404, 'There is no such token');
  await context.catalogue.transaction(async (transaction) => {
    transaction.delete(TOKEN, [id]);
    writeAudit(transaction, actor, 'token.revoke', `${token.user}: ${id}`);
  });
}
