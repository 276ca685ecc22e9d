/** `info.*`: facts of a place. */
import { readDmi } from '../fact/dmi.ts';
import {
  readCpus,
  readDisks,
  readMemory,
  readNics,
  readPorts,
  readSystem,
} from '../fact/read-facts.ts';
import { texts } from './arguments.ts';
import type { CommandHandler } from './registry.ts';

/** Of the host alone: what its firmware says of the machine. */
export const DMI: Record<string, CommandHandler> = {
  'info.dmi': async (args) => readDmi(texts(args, 'types')),
};

/** @param version of the program */
export function infoCommands(version: string): Record<string, CommandHandler> {
  return {
    'info.cpu': async (_args, { guest }) => readCpus(guest),
    'info.mem': async (_args, { guest }) => readMemory(guest),
    'info.disk': async (_args, { guest }) => readDisks(guest),
    'info.nic': async (_args, { guest, place }) => readNics(guest, place),
    'info.os': async (_args, { guest }) => readSystem(guest),
    'info.port': async (_args, { guest }) => readPorts(guest),
    'info.version': async () => ({ branch: version, revision: 'g8ufs', dirty: false }),
  };
}
