/** `g8ufs hub token`: tokens of users of a hub. */
import { Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Scope } from '../../../store/hub-admin.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { withHubAdmin } from '../../hub-access.ts';
import {
  addAdminSections,
  addAll,
  type HubFlags,
  printAll,
  printDone,
} from '../../hub-admin-access.ts';

interface ListFlags extends HubFlags {
  readonly user?: string;
}

interface AddFlags extends ListFlags {
  readonly scope: Scope;
  readonly days: string;
  readonly note?: string;
}

export function command(context: Context): Command {
  const token = new Command('token').description('look after the tokens of a hub');
  addAll(token, [addCommand(context), listCommand(context), removeCommand(context)]);
  return addHelpSections(token, {
    notes: [
      'The own ones; those of others with a login of an administrator. It needs --scope admin.',
    ],
    examples: [
      ['hub token list', 'the own ones'],
      ['hub token add --user alice --note build', 'one for somebody else'],
    ],
  });
}

function listCommand(context: Context): Command {
  const list = new Command('list')
    .description('list tokens; their secrets are known to nobody any more')
    .option('--user <name>', 'whose (default: the own ones)')
    .action(async (flags: ListFlags) => {
      const { signal } = context;
      const tokens = await withHubAdmin(context, flags.hub, (admin) =>
        admin.listTokens(flags.user, { signal }),
      );
      await printAll(context, tokens, [
        { title: 'Token', text: ({ id }) => id },
        { title: 'User', text: ({ user }) => user },
        { title: 'Scope', text: ({ scope }) => scope },
        { title: 'Expires', text: ({ expires }) => expires ?? 'never' },
        { title: 'Used', text: ({ used }) => used ?? 'never' },
        { title: 'Note', text: ({ note }) => note.replace(/[^\x20-\x7e]/g, '?') },
      ]);
    });
  return addAdminSections(list, { examples: [['hub token list --user alice', 'of somebody']] });
}

function addCommand(context: Context): Command {
  const add = new Command('add')
    .description('make a token and print it, once')
    .option('--user <name>', 'whose (default: the own one)')
    .addOption(
      new Option('--scope <what>', 'what it is good for')
        .choices(['read', 'publish', 'admin'])
        .default('publish'),
    )
    .option('--days <number>', 'how long it is good for', '90')
    .option('--note <text>', 'what it is for')
    .action(async (flags: AddFlags) => {
      const { signal } = context;
      const { user, scope, note } = flags;
      const days = Number(flags.days);
      if (!Number.isInteger(days) || days < 1 || days > 3650) {
        throw new G8Error('ERR_USAGE', `--days is '${flags.days}', not a number from 1 to 3650`);
      }
      const more = { ...(user !== undefined && { user }), ...(note !== undefined && { note }) };
      const made = await withHubAdmin(context, flags.hub, (admin) =>
        admin.createToken({ scope, days, ...more }, { signal }),
      );
      // It is what was asked for: also with --quiet.
      if (context.json) await printDone(context, made, '');
      else context.stdout.write(`${made.token}\n`);
    });
  return addAdminSections(add, {
    examples: [
      ['hub token add --scope read --days 30 --note mounts', 'for machines that only mount'],
      ['hub token add --user ci --note build > token', 'for a program'],
    ],
  });
}

function removeCommand(context: Context): Command {
  const remove = new Command('rm')
    .description('revoke tokens')
    .argument('<token...>', 'their ids: what is between the underscores')
    .action(async (ids: string[], flags: HubFlags) => {
      const { signal } = context;
      await withHubAdmin(context, flags.hub, async (admin) => {
        for (const id of ids) await admin.revokeToken(idOf(id), { signal });
      });
      await printDone(context, { revoked: ids.map(idOf) }, `${ids.map(idOf).join(' ')} revoked`);
    });
  return addAdminSections(remove, { examples: [['hub token rm 0123456789abcdef', 'at once']] });
}

/** Whoever has found a token may give all of it: only its id is sent and shown. */
function idOf(text: string): string {
  return /^g8_([0-9a-f]{16})_/.exec(text)?.[1] ?? text;
}
