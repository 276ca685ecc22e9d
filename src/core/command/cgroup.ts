/** `cgroup.*`: named control groups of the host. */
import { SUBSYSTEMS, type Subsystem } from '../cgroup/group-files.ts';
import type { NamedCgroups } from '../cgroup/named-cgroups.ts';
import { type Arguments, integer, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';
import { withCodes } from './with-codes.ts';

const CODES = { ERR_USAGE: 400 } as const;

export function cgroupCommands(groups: NamedCgroups): Record<string, CommandHandler> {
  const command =
    (run: (subsystem: Subsystem, name: string, args: Arguments) => Promise<unknown>) =>
    async (args: Arguments) =>
      withCodes(CODES, () => run(subsystemOf(args), text(args, 'name'), args));
  return {
    'cgroup.list': async () => withCodes(CODES, () => groups.list()),
    'cgroup.ensure': command((subsystem, name) => groups.ensure(subsystem, name)),
    'cgroup.remove': command((subsystem, name) => groups.remove(subsystem, name)),
    'cgroup.reset': command((subsystem, name) => groups.reset(subsystem, name)),
    'cgroup.tasks': command((subsystem, name) => groups.tasks(subsystem, name)),
    'cgroup.task-add': command((subsystem, name, args) =>
      groups.addTask(subsystem, name, integer(args, 'pid')),
    ),
    'cgroup.task-remove': command((subsystem, name, args) =>
      groups.removeTask(subsystem, name, integer(args, 'pid')),
    ),
    'cgroup.memory.spec': async (args) =>
      withCodes(CODES, () =>
        groups.memory(text(args, 'name'), {
          mem: integer(args, 'mem', 0),
          swap: integer(args, 'swap', 0),
        }),
      ),
    'cgroup.cpuset.spec': async (args) =>
      withCodes(CODES, () => {
        // Empty means the same as null: leave it.
        const cpus = text(args, 'cpus', '');
        const mems = text(args, 'mems', '');
        const spec = { ...(cpus !== '' && { cpus }), ...(mems !== '' && { mems }) };
        return groups.cpuset(text(args, 'name'), spec);
      }),
  };
}

function subsystemOf(args: Arguments): Subsystem {
  const name = text(args, 'subsystem');
  const subsystem = SUBSYSTEMS.find((known) => known === name);
  if (subsystem === undefined) throw new CommandError(400, `unknown subsystem '${name}'`);
  return subsystem;
}
