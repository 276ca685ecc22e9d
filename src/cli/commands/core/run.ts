/** `g8ufs core run`: one command in a container of its own, from a flist to its exit status. */
import { isAbsolute, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { ContainerArguments } from '../../../core/container/arguments.ts';
import type { ContainerLimits } from '../../../core/container/oci.ts';
import { parseRestartPolicy, type RestartPolicy } from '../../../core/container/restart.ts';
import type { Foreground } from '../../../core/container/run-in-foreground.ts';
import type { Nic } from '../../../core/network/nic.ts';
import { takesCommand } from '../../command-words.ts';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly tty?: boolean;
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly detach?: boolean;
  readonly restart?: RestartPolicy;
  readonly volume: readonly string[];
  readonly publish: readonly string[];
  readonly network: readonly string[];
  readonly name?: string;
  readonly hostname?: string;
  readonly privileged?: boolean;
  readonly memory?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly store: readonly string[];
  readonly cache?: string;
}

export function command(context: Context): Command {
  const run = new Command('run')
    .description('run a command in a new container whose root is a flist')
    .argument('<flist>', 'flist file, its URL on a hub, or a name on the configured hub')
    .argument('[program...]', 'program and arguments (default: those of the image, or /bin/sh)')
    .option('-d, --detach', 'in the background; prints the number of the container')
    .option('-t, --tty', 'with a terminal (default: when stdin and stdout are one)')
    .option('--no-tty', 'without a terminal')
    .option('-e, --env <name=value>', 'set a variable (repeatable)', collect, [])
    .option('-w, --workdir <dir>', 'where it starts (default: where the image says, or /)')
    .option('-u, --user <user>', 'whom it runs as, user[:group] (default: as the image says)')
    .option('--entrypoint <program>', "instead of the image's; empty: none")
    .option('--restart <policy>', 'no, on-failure[:COUNT] or always (default: no)', restartPolicy)
    .option(
      '--volume <source:dir>',
      'show a path or flist of yours inside (repeatable)',
      collect,
      [],
    )
    .option('-p, --publish <port:port>', 'forward a port of the host (repeatable)', collect, [])
    .option(
      '--network <network>',
      'default, none, host, bridge=<name> or macvlan=<parent> (repeatable)',
      collect,
      [],
    )
    .option('--name <name>', 'for other commands')
    .option('--hostname <name>', 'of the container (default: core-<number>)')
    .option('--privileged', 'with all capabilities and devices')
    .option('--memory <size>', 'memory that it may use, or none (default: see config show)', size)
    .option('--cpus <number>', 'processors that it may use, such as 0.5', fraction)
    .option('--pids <number>', 'processes it may have, or none (default: see config show)', count)
    .option('-s, --store <url>', 'where chunks are, asked in this order (repeatable)', collect, [])
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((flist: string, words: string[], flags: Flags, self: Command) =>
      start(context, flist, words, flags, self),
    );
  return addHelpSections(takesCommand(run), {
    notes: [
      'Everything of the container is gone when the command has ended. It needs neither a Redis nor the core daemon; the mount daemon is started when it does not run.',
      'The exit status is that of the command, 128 and the number of the signal that ended it.',
      'What the image says of its program, environment, folder and user is the default, also when it was converted from an OCI image; a program that is given follows the entrypoint of the image, if it has one.',
      'A command that is started again keeps its container with all it has written. It waits half a second first, and twice as long each time up to a minute, unless it ran for ten seconds.',
      'In the background, a process looks after the container: it keeps its output (core logs), starts it again, and takes it away at its end.',
    ],
    examples: [
      ['core run debian.flist', 'a shell in it'],
      ['core run http://hub:8080/demo/python.flist python3 -c "print(1)"', 'one command'],
      ['core run -p 8080:80 --volume /srv/www:/var/www web.flist', 'a server that the host shows'],
      ['core run -d --restart always --name web web.flist', 'one that stays'],
    ],
    settings: ['coreState', 'coreRuntime', 'coreMemory', 'corePids', 'cacheDir', 'stores'],
    failures: [
      ...(['ERR_NO_INPUT', 'ERR_FLIST_FORMAT', 'ERR_STORE_UNAVAILABLE', 'ERR_MOUNT'] as const),
      ...(['ERR_CREATE', 'ERR_CONFIG', 'ERR_PERMISSION', 'ERR_IO', 'ERR_TIMEOUT'] as const),
    ],
  });
}

async function start(
  context: Context,
  flist: string,
  words: readonly string[],
  flags: Flags,
  self: Command,
): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new G8Error('ERR_PERMISSION', 'Containers need root');
  }
  const supervisor = flags.detach === true ? await import('../../supervisor.ts') : undefined;
  if (supervisor?.isSupervisor(context.env) === false) {
    await startDetached(context, argvOf(self));
    return;
  }
  const [{ loadConfig }, { openContainers }, { createLogger }, attached] = await Promise.all([
    import('../../../config/config.ts'),
    import('../../core-system.ts'),
    import('../../../fs/log.ts'),
    import('../../attached-process.ts'),
  ]);
  const config = await loadConfig(context.env, { coreState: flags.state, cacheDir: flags.cache });
  const log = createLogger(context.debug ? 'debug' : 'error');
  const containers = await openContainers({
    config,
    log,
    ...(flags.store.length > 0 && { stores: flags.store }),
  });
  let isOver = false;
  const onSignal = (): void => {
    isOver = true;
  };
  const attach: Foreground['attach'] = async (argv, id) => {
    if (supervisor === undefined) return await attached.runAttached(argv, { onSignal });
    const { folderOf } = await import('../../../core/container/system.ts');
    const folder = folderOf({ stateDir: config.get('coreState') }, id);
    return await supervisor.runLogged(argv, folder, log, { onSignal });
  };
  try {
    const order = {
      arguments: await argumentsOf(context, flist, flags, config.get('coreBridge')),
      fromImage: true,
      ...(words.length > 0 && { command: words }),
      ...(flags.entrypoint !== undefined && {
        entrypoint: flags.entrypoint === '' ? [] : [flags.entrypoint],
      }),
      ...(flags.user !== undefined && { user: flags.user }),
      ...(flags.workdir !== undefined && { cwd: flags.workdir }),
      terminal: supervisor === undefined && attached.isTerminalWanted(flags.tty),
      limits: limitsOf(flags),
    };
    const exitCode = await containers.run(order, {
      attach,
      ...(flags.restart !== undefined && { restart: flags.restart }),
      ...(supervisor !== undefined && { onRunning: supervisor.tellRunning }),
      isOver: () => isOver,
      signal: context.signal,
    });
    context.setExitCode(exitCode);
  } finally {
    await containers.close();
  }
}

/** What the program was called with. */
function argvOf(command: Command): string[] {
  let program: Command = command;
  while (program.parent !== null) program = program.parent;
  return (program as Command & { readonly rawArgs: string[] }).rawArgs;
}

async function startDetached(context: Context, argv: readonly string[]): Promise<void> {
  const { startInBackground } = await import('../../supervisor.ts');
  const started = await startInBackground(argv, context);
  if ('id' in started) {
    const { printJson } = await import('../../ui/json.ts');
    if (context.json) await printJson(context, { id: started.id });
    else context.stdout.write(`${started.id}\n`);
    return;
  }
  context.stderr.write(started.words);
  context.setExitCode(started.exitCode);
}

async function argumentsOf(
  context: Context,
  flist: string,
  flags: Flags,
  bridge: string,
): Promise<ContainerArguments> {
  const { checkArguments } = await import('../../../core/container/arguments.ts');
  const { checkNics } = await import('../../../core/network/nic.ts');
  const { isHubName } = await import('../../../core/container/root-source.ts');
  const { parseVariables } = await import('../../variables.ts');
  const networks = flags.network.length === 0 ? ['default'] : flags.network;
  const env = {
    ...(context.env['TERM'] && { TERM: context.env['TERM'] }),
    ...parseVariables(flags.env),
  };
  const isOnHost = networks.includes('host');
  // A container on the host's network has none of its own.
  const nics = isOnHost ? [] : networks.flatMap(nicOf);
  checkNics(nics, { bridge });
  const args: ContainerArguments = {
    root: /^[a-z]+:\/\//.test(flist) || isHubName(flist) ? flist : resolve(flist),
    env,
    mount: Object.fromEntries(flags.volume.map(volumeOf)),
    port: isOnHost ? null : Object.fromEntries(flags.publish.map(portOf)),
    host_network: isOnHost,
    nics: nics.map((nic) => ({ ...nic, state: 'unknown' })),
    name: flags.name ?? '',
    hostname: flags.hostname ?? '',
    privileged: flags.privileged ?? false,
    ...{ identity: '', storage: '', cgroups: null, config: null, tags: null },
  };
  checkArguments(args);
  return args;
}

function volumeOf(text: string): [source: string, target: string] {
  const at = text.lastIndexOf(':');
  const [source, target] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || !isAbsolute(target)) {
    throw new G8Error('ERR_USAGE', `'${text}' is not of the form SOURCE:/DIR`);
  }
  return [/^[a-z]+:\/\//.test(source) ? source : resolve(source), target];
}

function portOf(text: string): [key: string, port: number] {
  const match = /^(.+):(\d{1,5})(\|[a-z+]+)?$/.exec(text);
  if (match === null) throw new G8Error('ERR_USAGE', `'${text}' is not of the form PORT:PORT`);
  return [`${match[1]}${match[3] ?? ''}`, Number(match[2])];
}

function nicOf(network: string): Nic[] {
  if (network === 'none' || network === 'host') return [];
  const match = /^(?:(default)|(bridge|macvlan)=(.+))$/.exec(network);
  if (match === null) throw new G8Error('ERR_USAGE', `There is no network '${network}'`);
  const [, type = match[2], , id = ''] = match;
  const config = { dhcp: type !== 'default', cidr: '', gateway: '', dns: null };
  return [{ type: type as Nic['type'], id, config, name: '', hwaddr: '', monitor: false }];
}

function limitsOf({ memory, cpus, pids }: Flags): ContainerLimits {
  return {
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(cpus !== undefined && { cpuCount: cpus }),
    ...(pids !== undefined && { pidsCount: pids }),
  };
}

/** 0: no bound. */
function size(text: string): number {
  if (text === 'none') return 0;
  const match = /^(\d{1,12})(|[KMGT])(?:i?B)?$/i.exec(text);
  const power = ['', 'K', 'M', 'G', 'T'].indexOf((match?.[2] ?? '').toUpperCase());
  if (match !== null && Number(match[1]) > 0) return Number(match[1]) * 1024 ** power;
  throw new InvalidArgumentError('Not a size such as 512MiB.');
}

function fraction(text: string): number {
  if (/^\d{1,4}(\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('Not a number above 0.');
}

function restartPolicy(text: string): RestartPolicy {
  try {
    return parseRestartPolicy(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** 0: no bound. */
function count(text: string): number {
  if (text === 'none') return 0;
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Not a whole number above 0.');
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
