/** `g8ufs hub user`: users of a hub. */
import { Command, Option } from 'commander';
import { formatSize, parseSize } from '../../../base/bytes.ts';
import { G8Error } from '../../../base/errors.ts';
import type { UserView } from '../../../store/hub-access-protocol.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { withHubAdmin } from '../../hub-access.ts';
import {
  addAdminSections,
  addAll,
  collected,
  type HubFlags,
  printAll,
  printFacts,
} from '../../hub-admin-access.ts';

interface UserFlags extends HubFlags {
  readonly role?: 'user' | 'admin';
  readonly quota?: string;
  readonly password?: boolean;
}

interface ChangeFlags extends UserFlags {
  readonly disable?: boolean;
  readonly enable?: boolean;
  readonly used?: string;
}

export function command(context: Context): Command {
  const user = new Command('user').description('look after the users of a hub');
  addAll(user, [
    addCommand(context),
    listCommand(context),
    setCommand(context),
    showCommand(context),
  ]);
  return addHelpSections(user, {
    notes: ['All but the own password needs a login with --scope admin, of an administrator.'],
    examples: [
      ['hub user list', 'who there is'],
      ['hub user add alice', 'a new one'],
    ],
  });
}

function listCommand(context: Context): Command {
  const list = new Command('list').description('list the users').action(async (flags: HubFlags) => {
    const { signal } = context;
    const users = await withHubAdmin(context, flags.hub, (admin) =>
      collected(admin.listUsers({ signal })),
    );
    await printAll(context, users, [
      { title: 'Name', text: ({ name }) => name },
      { title: 'Role', text: ({ role }) => role },
      { title: 'State', text: stateOf },
      { title: 'Used', text: usageOf },
    ]);
  });
  return addAdminSections(list, { examples: [['hub user list --hub https://hub.example', 'all']] });
}

function showCommand(context: Context): Command {
  const show = new Command('show')
    .description('show a user')
    .argument('<user>', 'name')
    .action(async (name: string, flags: HubFlags) => {
      const { signal } = context;
      const user = await withHubAdmin(context, flags.hub, (admin) =>
        admin.getUser(name, { signal }),
      );
      await print(context, user);
    });
  return addAdminSections(show, { examples: [['hub user show alice', 'with the bytes used']] });
}

function addCommand(context: Context): Command {
  const add = new Command('add').description('make a user').argument('<user>', 'name');
  addUserFlags(add).action(async (name: string, flags: UserFlags) => {
    const { signal } = context;
    const { role } = flags;
    const quota = sizeOf(flags.quota, '--quota');
    const password = await passwordOf(context, name, flags);
    const user = await withHubAdmin(context, flags.hub, (admin) =>
      admin.createUser(
        {
          name,
          ...(role !== undefined && { role }),
          ...(quota !== undefined && { quota }),
          ...(password !== undefined && { password }),
        },
        { signal },
      ),
    );
    await print(context, user);
  });
  return addAdminSections(add, {
    examples: [
      ['hub user add alice --quota 100GiB', 'who gets tokens by hub token add'],
      ['hub user add bob --password < password', 'who logs in with a password'],
    ],
  });
}

function setCommand(context: Context): Command {
  const set = new Command('set').description('change a user').argument('<user>', 'name');
  addUserFlags(set)
    .addOption(new Option('--disable', 'refuse all credentials of the user').conflicts('enable'))
    .option('--enable', 'take them again')
    .option('--used <size>', 'bytes that count as used from now on')
    .action(async (name: string, flags: ChangeFlags) => {
      const { signal } = context;
      const { role, disable, enable } = flags;
      const quota = flags.quota === 'none' ? null : sizeOf(flags.quota, '--quota');
      const used = sizeOf(flags.used, '--used');
      const password = await passwordOf(context, name, flags);
      const change = {
        ...(role !== undefined && { role }),
        ...(quota !== undefined && { quota }),
        ...(used !== undefined && { used }),
        ...(password !== undefined && { password }),
        ...((disable ?? enable) !== undefined && { disabled: disable === true }),
      };
      if (Object.keys(change).length === 0) throw new G8Error('ERR_USAGE', 'Nothing is to change');
      const user = await withHubAdmin(context, flags.hub, (admin) =>
        admin.changeUser(name, change, { signal }),
      );
      await print(context, user);
    });
  return addAdminSections(set, {
    examples: [
      ['hub user set alice --disable', 'at once, for all her tokens'],
      ['hub user set alice --quota none', 'no bound'],
      ['hub user set alice --password', 'a new one, which is asked for; ends her sessions'],
    ],
  });
}

function addUserFlags(command: Command): Command {
  return command
    .addOption(new Option('--role <what>', 'what the user is').choices(['user', 'admin']))
    .option('--quota <size>', 'bytes the user may upload in all (default: no bound)')
    .option('--password', 'give the user a password: it is asked for, or read from stdin');
}

async function passwordOf(
  context: Context,
  name: string,
  { password }: UserFlags,
): Promise<string | undefined> {
  if (password !== true) return undefined;
  const { askSecret } = await import('../../ui/ask-secret.ts');
  return await askSecret(context, `New password of ${name}`);
}

function sizeOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const size = parseSize(text);
  if (size !== undefined) return size;
  throw new G8Error('ERR_USAGE', `${flag} is '${text}', not a size such as 100GiB`);
}

async function print(context: Context, user: UserView): Promise<void> {
  await printFacts(context, user, [
    ['Name', user.name],
    ['Role', user.role],
    ['State', stateOf(user)],
    ['Used', usageOf(user)],
    ['Created', user.created],
  ]);
}

function stateOf({ disabled, hasPassword }: UserView): string {
  if (disabled) return 'disabled';
  return hasPassword ? 'password' : 'tokens only';
}

function usageOf({ used, quota }: UserView): string {
  return quota === undefined ? formatSize(used) : `${formatSize(used)} of ${formatSize(quota)}`;
}
