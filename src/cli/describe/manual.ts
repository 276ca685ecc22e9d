/** What the manual says besides the commands: settings, files, other variables of the environment. */
import type { Command } from 'commander';
import { SETTINGS, type SettingName } from '../../config/schema.ts';
import { createContext } from '../context.ts';
import { loadProgram } from '../program.ts';
import { packageVersion } from '../version.ts';
import { type ManFacts, manPages } from './man.ts';
import { describeCommand } from './model.ts';

/** All pages by file name. */
export async function manual(): Promise<Map<string, string>> {
  const context = createContext(process, {}, new AbortController().signal, () => ({}));
  return manPages(manFacts(await loadProgram(context)));
}

function manFacts(program: Command): ManFacts {
  return {
    program: describeCommand(program),
    version: packageVersion(),
    settings: (Object.keys(SETTINGS) as SettingName[]).map((name) => ({
      name,
      env: SETTINGS[name].env,
      description: `${SETTINGS[name].description}: ${SETTINGS[name].expected}; ${name} in the configuration file`,
    })),
    variables: [
      ['G8UFS_CONFIG', 'configuration file, instead of the usual places'],
      ['G8UFS_RUN_DIR', 'folder in which mount daemons register'],
      ['TMPDIR', 'folder for temporary files'],
      ['NO_COLOR', 'no colours, whatever it holds'],
    ],
    files: [
      ['~/.config/g8ufs/config.yaml', 'settings of a user, names as config show lists them'],
      ['/etc/g8ufs/config.yaml', 'settings of the machine, read when the user has none'],
      ['/var/cache/g8ufs', 'content cache of root; ~/.cache/g8ufs for others'],
      ['/run/g8ufs', 'running mount daemons of root; g8ufs in $XDG_RUNTIME_DIR for others'],
    ],
  };
}
