/** Changing a user, with the rules that hold whoever asks for it. */
import { USAGE, USER, type User } from '../catalogue/records.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { type Actor, writeAudit } from './audit.ts';
import { hashPassword } from './password.ts';
import { isActiveAdmin, otherAdmins } from './users.ts';

/** `null` takes a value away, what is absent stays. */
export interface UserChange {
  readonly role?: User['role'] | undefined;
  readonly disabled?: boolean | undefined;
  readonly quota?: number | null | undefined;
  readonly password?: string | null | undefined;
  /** Bytes that count as used from now on. */
  readonly used?: number | undefined;
}

/** @throws Problem 404 when there is no such user, 409 when no administrator would be left */
export async function changeUser(
  { catalogue }: Pick<HubContext, 'catalogue'>,
  actor: Actor,
  name: string,
  change: UserChange,
): Promise<void> {
  const losesAdmin = change.role === 'user' || change.disabled === true;
  const others = losesAdmin ? await otherAdmins(catalogue, name) : [];
  const password = change.password ? await hashPassword(change.password) : change.password;
  await catalogue.transaction(async (transaction) => {
    const user = await transaction.get(USER, name);
    if (user === undefined) throw new Problem(404, 'There is no such user');
    if (losesAdmin && isActiveAdmin(user)) {
      // Read here so that two who take each other away do not both succeed.
      const left = await Promise.all(others.map((other) => transaction.get(USER, other)));
      if (!left.some(isActiveAdmin)) throw new Problem(409, 'The last administrator stays one');
    }
    transaction.put(USER, [name], changed(user, { ...change, password }));
    if (change.used !== undefined) transaction.put(USAGE, [name], { bytes: change.used });
    const what = Object.keys(change).sort().join(' ');
    writeAudit(transaction, actor, 'user.change', `${name}: ${what}`);
  });
}

/** @param change its password is hashed */
function changed(user: User, { role, disabled, quota, password }: UserChange): User {
  const { quota: oldQuota, password: oldPassword, ...rest } = user;
  const nextQuota = quota === undefined ? oldQuota : (quota ?? undefined);
  const nextPassword = password === undefined ? oldPassword : (password ?? undefined);
  return {
    ...rest,
    role: role ?? user.role,
    disabled: disabled ?? user.disabled,
    ...(nextQuota !== undefined && { quota: nextQuota }),
    ...(nextPassword !== undefined && { password: nextPassword }),
    // Whoever had a session by the old password has to give the new one.
    ...(password !== undefined && { sessionsFrom: Date.now() }),
  };
}
