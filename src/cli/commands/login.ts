/** `g8ufs login`: credentials for a hub, checked and kept. */
import { Command, Option } from 'commander';
import { G8Error } from '../../base/errors.ts';
import type { Scope } from '../../store/hub-admin.ts';
import type { Login } from '../../store/logins.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly user?: string;
  readonly scope: Scope;
  readonly days: string;
  readonly helper?: string;
}

export function command(context: Context): Command {
  const login = new Command('login')
    .description('keep a token for a hub, which all commands and mounts then use there')
    .argument('[hub]', 'URL of the hub (default: G8UFS_HUB)')
    .option('-u, --user <name>', 'log in by the password of this user: a token is made for it')
    .addOption(
      new Option('--scope <what>', 'what a token that is made is good for')
        .choices(['read', 'publish', 'admin'])
        .default('publish'),
    )
    .option('--days <number>', 'how long it is good for', '90')
    .option('--helper <name>', 'keep the token by docker-credential-<name> instead of the file')
    .action((hub: string | undefined, flags: Flags) => run(context, hub, flags));
  return addHelpSections(login, {
    notes: [
      'The token, or with --user the password, is asked for on the terminal or read from stdin. It is never an argument: others can read those. It is checked at the hub before it is kept.',
      'Tokens are kept in ~/.config/g8ufs/credentials.json (G8UFS_CREDENTIALS names another file), which is not used when others may read it. A password is kept nowhere. A mount that runs takes up a new login when its token is refused.',
    ],
    examples: [
      ['login https://hub.example', 'with a token, which is asked for'],
      ['login https://hub.example < token', 'in a script'],
      ['login https://hub.example --user alice', 'with a password'],
    ],
    settings: ['hub', 'credentialHelper'],
    failures: [
      'ERR_PERMISSION',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_CREATE',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, named: string | undefined, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.ts');
  const { hubOf } = await import('../hub-access.ts');
  const { askSecret } = await import('../ui/ask-secret.ts');
  const { HubAdmin } = await import('../../store/hub-admin.ts');
  const { hubName, saveLogin } = await import('../../store/logins.ts');
  const { user } = flags;
  const hub = hubName(await hubOf(context, named));
  const config = await loadConfig(context.env, { credentialHelper: flags.helper });
  assertBare(hub);
  warnOfPlainHttp(context, hub);
  const secret = await askSecret(context, user === undefined ? 'Token' : `Password of ${user}`);
  const { signal, env } = context;
  const made = user === undefined ? undefined : await makeToken(context, hub, user, secret, flags);
  const token = made ?? secret;
  const admin = new HubAdmin(hub, { token });
  let login: Login;
  let scope: Scope;
  try {
    const who = await admin.whoAmI({ signal });
    login = { user: who.name, token, isMade: made !== undefined };
    scope = who.scope;
  } finally {
    await admin.close();
  }
  const helper = config.get('credentialHelper') || undefined;
  await saveLogin(hub, login, { env, signal, helper });
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { hub, user: login.user, scope });
  } else if (!context.quiet) {
    context.stdout.write(`${hub}: logged in as ${login.user}, scope ${scope}\n`);
  }
}

/** A token of their own for whoever has the password. */
async function makeToken(
  context: Context,
  hub: string,
  username: string,
  password: string,
  { scope, days: text }: Flags,
): Promise<string> {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > 3650) {
    throw new G8Error('ERR_USAGE', `--days is '${text}', not a number from 1 to 3650`);
  }
  const { hostname } = await import('node:os');
  const { HubAdmin } = await import('../../store/hub-admin.ts');
  const { signal } = context;
  const anybody = new HubAdmin(hub);
  let session: string;
  try {
    session = await anybody.signIn({ username, password, scope: 'admin' }, { signal });
  } finally {
    await anybody.close();
  }
  const admin = new HubAdmin(hub, { token: session });
  const note = `g8ufs login on ${hostname()}`;
  try {
    return (await admin.createToken({ scope, days, note }, { signal })).token;
  } finally {
    await admin.close();
  }
}

/** @throws ERR_USAGE */
function assertBare(hub: string): void {
  const { search } = new URL(hub);
  if (search !== '') throw new G8Error('ERR_USAGE', 'The URL of a hub has no query');
}

function warnOfPlainHttp(context: Context, hub: string): void {
  const { protocol, hostname } = new URL(hub);
  const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol === 'https:' || isLocal || context.quiet) return;
  context.stderr.write(`Without https others on the network can read the token for ${hostname}\n`);
}
