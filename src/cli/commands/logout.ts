/** `g8ufs logout`: forgets the credentials for a hub. */
import { Command } from 'commander';
import { G8Error, isG8Error } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const logout = new Command('logout')
    .description('forget the token for a hub; one that login made is revoked there')
    .argument('[hub]', 'URL of the hub (default: G8UFS_HUB)')
    .action((hub: string | undefined) => run(context, hub));
  return addHelpSections(logout, {
    examples: [['logout https://hub.example', 'nothing is left of the login']],
    settings: ['hub'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_CREATE', 'ERR_CONFIG'],
  });
}

async function run(context: Context, named: string | undefined): Promise<void> {
  const { hubOf } = await import('../hub-access.ts');
  const { findLogin, hubName, removeLogin } = await import('../../store/logins.ts');
  const hub = hubName(await hubOf(context, named));
  const { env, signal } = context;
  const login = await findLogin(hub, { env, signal });
  const isGone = await removeLogin(hub, { env, signal });
  if (!isGone) throw new G8Error('ERR_NO_INPUT', `There is no login for ${hub}`);
  const isRevoked = login?.isMade === true && (await revoke(context, hub, login.token));
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { hub, revoked: isRevoked });
  } else if (!context.quiet) {
    context.stdout.write(`${hub}: logged out${isRevoked ? ', token revoked' : ''}\n`);
  }
}

/** Does not fail: what was asked for, to have no token here any more, is done. */
async function revoke(context: Context, hub: string, token: string): Promise<boolean> {
  const { HubAdmin } = await import('../../store/hub-admin.ts');
  const id = /^g8_([0-9a-f]{16})_/.exec(token)?.[1];
  if (id === undefined) return false;
  const admin = new HubAdmin(hub, { token });
  try {
    await admin.revokeToken(id, { signal: context.signal });
    return true;
  } catch (error) {
    if (!isG8Error(error)) throw error;
    context.stderr.write(`The token was not revoked: ${error.message}\n`);
    return false;
  } finally {
    await admin.close();
  }
}
