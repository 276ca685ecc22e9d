/** `g8ufs hub repo`: repositories of a hub and their members. */
import { Argument, Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { RepositoryView } from '../../../store/hub-access-protocol.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { withHubAdmin } from '../../hub-access.ts';
import {
  addAdminSections,
  addAll,
  collected,
  type HubFlags,
  printAll,
  printDone,
  printFacts,
} from '../../hub-admin-access.ts';

interface AddFlags extends HubFlags {
  readonly private?: boolean;
}

interface ChangeFlags extends HubFlags {
  readonly visibility?: 'public' | 'private';
  readonly owner?: string;
  readonly official?: boolean;
}

type Right = 'read' | 'publish' | 'none';

export function command(context: Context): Command {
  const repo = new Command('repo').description('look after the repositories of a hub');
  addAll(repo, [
    addCommand(context),
    listCommand(context),
    memberCommand(context),
    setCommand(context),
    showCommand(context),
  ]);
  return addHelpSections(repo, {
    examples: [
      ['hub repo list', 'those you may read'],
      ['hub repo add secret --private', 'before anything is published there'],
      ['hub repo member secret bob read', 'let somebody in'],
    ],
  });
}

function listCommand(context: Context): Command {
  const list = new Command('list')
    .description('list the repositories that you may read')
    .action(async (flags: HubFlags) => {
      const { signal } = context;
      const repositories = await withHubAdmin(context, flags.hub, (admin) =>
        collected(admin.listRepositories({ signal })),
      );
      await printAll(context, repositories, [
        { title: 'Name', text: ({ name }) => name },
        { title: 'Visibility', text: ({ visibility }) => visibility },
        { title: 'Owner', text: ({ owner }) => owner ?? 'nobody' },
      ]);
    });
  return addAdminSections(list, { examples: [['hub repo list --json', 'for a program']] });
}

function showCommand(context: Context): Command {
  const show = new Command('show')
    .description('show a repository, with its members to who manages it')
    .argument('<repository>', 'name')
    .action(async (name: string, flags: HubFlags) => {
      const { signal } = context;
      await print(
        context,
        await withHubAdmin(context, flags.hub, (admin) => admin.getRepository(name, { signal })),
      );
    });
  return addAdminSections(show, { examples: [['hub repo show demo', 'who may publish there']] });
}

function addCommand(context: Context): Command {
  const add = new Command('add')
    .description('make a repository, which is yours then')
    .argument('<repository>', 'name')
    .option('--private', 'only its owner, members and administrators may read it')
    .action(async (name: string, flags: AddFlags) => {
      const { signal } = context;
      const visibility = flags.private === true ? 'private' : 'public';
      await print(
        context,
        await withHubAdmin(context, flags.hub, (admin) =>
          admin.createRepository({ name, visibility }, { signal }),
        ),
      );
    });
  return addAdminSections(add, { examples: [['hub repo add secret --private', 'a private one']] });
}

function setCommand(context: Context): Command {
  const set = new Command('set')
    .description('change a repository')
    .argument('<repository>', 'name')
    .addOption(new Option('--visibility <what>', 'who may read it').choices(['public', 'private']))
    .option('--owner <name>', 'give it to this user (administrators)')
    .option('--official', 'mark it as official (administrators)')
    .option('--no-official', 'take the mark away')
    .action(async (name: string, flags: ChangeFlags) => {
      const { signal } = context;
      const { visibility, owner, official } = flags;
      const change = {
        ...(visibility !== undefined && { visibility }),
        ...(owner !== undefined && { owner }),
        ...(official !== undefined && { official }),
      };
      if (Object.keys(change).length === 0) throw new G8Error('ERR_USAGE', 'Nothing is to change');
      await print(
        context,
        await withHubAdmin(context, flags.hub, (admin) =>
          admin.changeRepository(name, change, { signal }),
        ),
      );
    });
  return addAdminSections(set, {
    notes: [
      'What was public once is in caches: making it private hides its flists, not what was read.',
    ],
    examples: [['hub repo set demo --visibility public', 'for everybody']],
  });
}

function memberCommand(context: Context): Command {
  const member = new Command('member')
    .description('say what a user may do in a repository')
    .argument('<repository>', 'name')
    .argument('<user>', 'name')
    .addArgument(new Argument('<right>', 'what').choices(['read', 'publish', 'none']))
    .action(async (name: string, user: string, right: Right, flags: HubFlags) => {
      const { signal } = context;
      await withHubAdmin(context, flags.hub, (admin) =>
        admin.setMember(name, user, right === 'none' ? undefined : right, { signal }),
      );
      await printDone(context, { repository: name, user, right }, `${name}: ${user} ${right}`);
    });
  return addAdminSections(member, {
    examples: [
      ['hub repo member secret bob read', 'who may mount from there'],
      ['hub repo member secret bob none', 'any more'],
    ],
  });
}

async function print(context: Context, repository: RepositoryView): Promise<void> {
  const { name, visibility, owner, official, members, created } = repository;
  await printFacts(context, repository, [
    ['Name', name],
    ['Visibility', visibility],
    ['Owner', owner ?? 'nobody'],
    ['Official', official ? 'yes' : 'no'],
    ['Created', created],
    ['Members', members?.map(({ user, right }) => `${user} ${right}`).join(', ') || undefined],
  ]);
}
