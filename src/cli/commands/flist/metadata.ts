/** `g8ufs flist metadata get|set|rm|list`: settings that go with a flist. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { addOutputFlag, EDIT_FAILURES, type EditFlags, editFlist } from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';
import type { SettingFlags } from '../../setting-values.ts';

interface ShowFlags {
  readonly showSecrets?: boolean;
}

export function command(context: Context): Command {
  const metadata = new Command('metadata').description('settings that go with a flist');
  for (const part of [get, list, rm, set]) metadata.addCommand(part(context));
  return addHelpSections(metadata, {
    examples: [
      ['flist metadata list web.flist', 'all of them'],
      [
        'flist metadata set web.flist entrypoint -- /usr/sbin/nginx -g "daemon off;"',
        'what to run',
      ],
    ],
  });
}

function list(context: Context): Command {
  const command = new Command('list')
    .description('list the settings of a flist')
    .argument('<flist>', 'flist file or URL')
    .option('--show-secrets', 'show passwords and tokens')
    .action((flist: string, flags: ShowFlags) => runList(context, flist, flags));
  return addHelpSections(command, {
    examples: [['flist metadata list web.flist', 'keys and values']],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

function get(context: Context): Command {
  const command = new Command('get')
    .description('print one setting of a flist')
    .argument('<flist>', 'flist file or URL')
    .argument('<key>', 'such as entrypoint')
    .option('--show-secrets', 'show passwords and tokens')
    .action((flist: string, key: string, flags: ShowFlags) => runGet(context, flist, key, flags));
  return addHelpSections(command, {
    examples: [['flist metadata get web.flist entrypoint', 'the text as it is stored']],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

function set(context: Context): Command {
  const command = new Command('set')
    .description('set one setting of a flist')
    .argument('<flist>', 'flist file')
    .argument('<key>', 'entrypoint, environ, port, volume, backend, readme, or any other')
    .argument('[value...]', 'words, or JSON, or - for standard input')
    .option('--import <file>', 'readme: take the text of a file')
    .option('--license <name>', 'readme: name a license');
  addOutputFlag(command).action(
    (flist: string, key: string, values: string[], flags: EditFlags & SettingFlags) =>
      runSet(context, flist, key, values, flags),
  );
  return addHelpSections(command, {
    notes: [
      'Known keys: entrypoint takes the words of a command line; environ NAME=VALUE, port PROTOCOL/IN:OUT or IN:OUT and volume TARGET[:HOST], each as often as you like, add to what is there; backend zdb://HOST:PORT[/NAMESPACE]; readme takes --import and --license. Instead of words, all of them take their JSON as one value, which replaces what is there. A value with a password is best read from standard input, with - as the value. Other keys hold free text.',
    ],
    examples: [
      [
        'flist metadata set web.flist entrypoint -- /usr/sbin/nginx -g "daemon off;"',
        'what to run',
      ],
      ['flist metadata set web.flist environ LANG=C.UTF-8 TZ=UTC', 'variables'],
      ['flist metadata set web.flist port 80:8080 udp/53:53', 'ports'],
      ['flist metadata set web.flist volume /data /var/log:/srv/log', 'volumes'],
      ['flist metadata set web.flist readme --import README.md --license MIT', 'a description'],
      ['flist metadata set web.flist backend - < backend.json', 'with a password in it'],
    ],
    failures: EDIT_FAILURES,
  });
}

function rm(context: Context): Command {
  const command = new Command('rm')
    .description('remove one setting of a flist, or members of it')
    .argument('<flist>', 'flist file')
    .argument('<key>', 'such as environ')
    .argument(
      '[member...]',
      'variables, ports or volumes to remove; without any, the whole setting',
    );
  addOutputFlag(command).action((flist: string, key: string, members: string[], flags: EditFlags) =>
    runRemove(context, flist, key, members, flags),
  );
  return addHelpSections(command, {
    examples: [
      ['flist metadata rm web.flist readme', 'the whole setting'],
      ['flist metadata rm web.flist environ TZ', 'one variable'],
    ],
    failures: EDIT_FAILURES,
  });
}

async function runList(context: Context, flist: string, flags: ShowFlags): Promise<void> {
  const settings = await readSettings(context, flist, flags);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, Object.fromEntries(settings));
    return;
  }
  const { escapeName } = await import('../../../base/name-text.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const shown = (text: string): string => escapeName(Buffer.from(text));
  const width = Math.max(0, ...[...settings.keys()].map((key) => shown(key).length)) + 2;
  const lines = [...settings].map(([key, value]) => `${shown(key).padEnd(width)}${shown(value)}\n`);
  if (lines.length > 0) await writeAll(context.stdout, lines.join(''), context.signal);
}

async function runGet(
  context: Context,
  flist: string,
  key: string,
  flags: ShowFlags,
): Promise<void> {
  const value = (await readSettings(context, flist, flags)).get(key);
  if (value === undefined) throw new G8Error('ERR_NO_INPUT', `${flist} has no setting ${key}`);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { key, value });
    return;
  }
  const { escapeName } = await import('../../../base/name-text.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const text = context.stdout.isTTY === true ? escapeName(Buffer.from(value)) : value;
  await writeAll(context.stdout, `${text}\n`, context.signal);
}

async function readSettings(
  context: Context,
  flist: string,
  flags: ShowFlags,
): Promise<Map<string, string>> {
  const { withImage } = await import('../../image-access.ts');
  const { maskSetting } = await import('../../../format/flist/settings.ts');
  let settings = new Map<string, string>();
  await withImage(context, flist, async ({ metadata }) => {
    settings = new Map(metadata);
  });
  if (flags.showSecrets === true) return settings;
  return new Map([...settings].map(([key, value]) => [key, maskSetting(key, value)]));
}

async function runSet(
  context: Context,
  flist: string,
  key: string,
  values: readonly string[],
  flags: EditFlags & SettingFlags,
): Promise<void> {
  const { settingText } = await import('../../setting-values.ts');
  await editFlist(context, flist, flags, async ({ metadata }) => {
    const text = await settingText(context, { key, values, known: metadata.get(key) }, flags);
    metadata.set(key, text);
  });
}

async function runRemove(
  context: Context,
  flist: string,
  key: string,
  members: readonly string[],
  flags: EditFlags,
): Promise<void> {
  const { withoutMembers } = await import('../../setting-values.ts');
  await editFlist(context, flist, flags, ({ metadata }) => {
    const text = metadata.get(key);
    if (text === undefined) throw new G8Error('ERR_NO_INPUT', `${flist} has no setting ${key}`);
    const rest = members.length === 0 ? undefined : withoutMembers(key, text, members);
    if (rest === undefined) metadata.delete(key);
    else metadata.set(key, rest);
  });
}
