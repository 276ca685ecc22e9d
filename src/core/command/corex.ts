/** `corex.*`: containers. */
import { randomUUID } from 'node:crypto';
import { isG8Error } from '../../base/errors.ts';
import type { ContainerArguments } from '../container/arguments.ts';
import type { Cells } from '../container/cells.ts';
import type { Container, EndReason } from '../container/container.ts';
import type { Containers } from '../container/containers.ts';
import { parseContainerArguments } from '../container/parse-arguments.ts';
import type { Usage } from '../job/usage.ts';
import type { Network } from '../network/network.ts';
import { type Command, parseCommand } from '../transport/command.ts';
import { type Arguments, integer, object, text, texts } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

export interface CorexServices {
  readonly containers: Containers;
  readonly cells: Cells;
  /** Where chunks are unless a container says it; empty: where its flist says. */
  readonly storage: string;
  /** Bridge of default nics. */
  readonly bridge: string;
  /** Nics and forwards of a container as they are now; absent: as it was made. */
  readonly network: Pick<Network, 'nicsOf' | 'forwardsOf'> | undefined;
  /** Called with each container that was made. */
  readonly onCreated: (container: Container) => void;
  /** Hands a command to a container; its client has been told by then that it was taken. */
  readonly dispatch: (container: Container, command: Command, signal: AbortSignal) => Promise<void>;
}

/** A container as clients see it. */
interface ContainerView {
  readonly arguments: Record<string, unknown>;
  readonly root: string;
  readonly pid: number;
}

export function corexCommands(services: CorexServices): Record<string, CommandHandler> {
  const { containers, cells } = services;

  const create = async (args: Arguments, command: Command): Promise<Container> => {
    if (containers.isFull) throw new CommandError(503, 'there are too many containers');
    const order = { arguments: argumentsOf(args, command, services) };
    const container = await containers.create(order);
    services.onCreated(container);
    return container;
  };

  const view = async (container: Container): Promise<ContainerView> => {
    const { arguments: args, init } = container.record;
    const [nics = args.nics, forwards = {}] = await Promise.all([
      services.network?.nicsOf(container.id),
      services.network?.forwardsOf(container.id),
    ]);
    const port = Object.keys(forwards).length === 0 ? null : forwards;
    return {
      arguments: { ...args, port, nics: nics.map(nicView) },
      root: container.root,
      pid: init?.pid ?? 0,
    };
  };

  const list = async (
    wanted: (container: Container) => boolean,
  ): Promise<Record<string, Usage & { container: ContainerView }>> => {
    const entries = containers
      .list()
      .filter(wanted)
      .map(async (container) => {
        const usage = await cells.of(container).usage.measure();
        return [String(container.id), { ...usage, container: await view(container) }] as const;
      });
    return Object.fromEntries(await Promise.all(entries));
  };

  return {
    'corex.create': async (args, { job }) => (await create(args, job.command)).id,

    'corex.create-sync': async (args, { job }) => {
      const startedAt = Date.now();
      const container = await create(args, job.command);
      const reason = await container.gone;
      return endDocument(container, reason, startedAt);
    },

    'corex.list': async () => await list(() => true),

    'corex.find': async (args) => {
      const tags = texts(args, 'tags');
      return await list(({ record }) => tags.every((tag) => record.arguments.tags?.includes(tag)));
    },

    'corex.get': async (args) => {
      const container = find(containers, args['query']);
      return container === undefined
        ? null
        : { container: await view(container), id: container.id };
    },

    'corex.terminate': async (args) => {
      await containers.terminate(integer(args, 'container'));
    },

    'corex.flist-layer': async (args, { job }) => {
      await existing(containers, args).layer(text(args, 'flist'), job.signal);
    },

    'corex.flist.create': async (args, { job }) => {
      const container = existing(containers, args);
      const output = text(args, 'flist');
      const { packFolder } = await import('../container/pack-folder.ts');
      await packFolder(container, {
        source: text(args, 'src', '/'),
        output,
        storage: text(args, 'storage'),
        signal: job.signal,
      });
      return output;
    },

    'corex.backup': async (args, { job }) => {
      const container = existing(containers, args);
      const { backUp, parseBackupUrl } = await import('../container/backup.ts');
      return await backUp(container, parseBackupUrl(text(args, 'url')).folder, job.signal);
    },

    'corex.restore': async (args, { job }) => {
      const { parseBackupUrl, readBackup } = await import('../container/backup.ts');
      const { folder, name } = parseBackupUrl(text(args, 'url'));
      if (name === undefined) throw new CommandError(400, 'the URL names no backup');
      const { tags, ...made } = await readBackup(folder, name);
      // Those of the command, as for a new one; otherwise it is as it was.
      const command = { ...job.command, tags: job.command.tags ?? tags };
      return (await create({ ...made }, command)).id;
    },

    'corex.dispatch': async (args, { job }) => {
      const id = integer(args, 'container');
      if (id === 0) throw new CommandError(500, 'invalid container id');
      const container = containers.find(id);
      if (container === undefined) throw new CommandError(500, 'container does not exist');
      const command = innerCommand(object(args, 'command'));
      await services.dispatch(container, command, job.signal);
      return command.id;
    },
  };
}

/** @throws CommandError 400 for wrong shapes; ERR_USAGE for values that no container can have */
function argumentsOf(
  args: Arguments,
  command: Command,
  { storage, bridge }: CorexServices,
): ContainerArguments {
  try {
    return parseContainerArguments(args, { tags: command.tags, storage, bridge });
  } catch (error) {
    if (!isG8Error(error, 'ERR_PROTOCOL')) throw error;
    throw new CommandError(400, error.message, { cause: error });
  }
}

function innerCommand(value: Arguments): Command {
  try {
    return parseCommand(value, randomUUID);
  } catch (error) {
    if (!isG8Error(error, 'ERR_PROTOCOL')) throw error;
    throw new CommandError(400, error.message, { cause: error });
  }
}

/** @throws CommandError 404 when there is none */
function existing(containers: Containers, args: Arguments): Container {
  const container = containers.find(integer(args, 'container'));
  if (container === undefined) throw new CommandError(404, 'container does not exist');
  return container;
}

/** By number, or by name without regard to case; of several, the one with the lowest number. */
function find(containers: Containers, query: unknown): Container | undefined {
  if (typeof query === 'number') return containers.find(query);
  if (typeof query !== 'string') throw new CommandError(400, "argument 'query' is missing");
  const name = query.toLowerCase();
  return containers.list().find(({ record }) => record.arguments.name.toLowerCase() === name);
}

/** Without an empty name, as clients know it. */
function nicView({ name, ...nic }: ContainerArguments['nics'][number]): Record<string, unknown> {
  return name === '' ? nic : { ...nic, name };
}

/** The result of a container's own job, as whoever waited for it gets it. */
function endDocument(
  { id, record }: Container,
  reason: EndReason,
  startedAt: number,
): Record<string, unknown> {
  const isSuccess = reason === 'terminated' || reason === 'ended';
  return {
    id: `core-${id}`,
    command: 'corex',
    data: '',
    level: 0,
    state: isSuccess ? 'SUCCESS' : 'ERROR',
    code: isSuccess ? 0 : 500,
    starttime: startedAt,
    time: Date.now() - startedAt,
    tags: record.arguments.tags,
    container: 0,
    ...(isSuccess ? {} : { critical: reason }),
  };
}
