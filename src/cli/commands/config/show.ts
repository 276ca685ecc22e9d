/** `g8ufs config show`: every setting, its value and where that came from. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const show = new Command('show')
    .description('show the effective settings and where each comes from')
    .action(() => run(context));
  return addHelpSections(show, {
    examples: [
      ['config show', 'all settings'],
      ['config show --json', 'the same for a script, sizes in bytes'],
    ],
    failures: ['ERR_CONFIG'],
  });
}

async function run(context: Context): Promise<void> {
  const { loadConfig } = await import('../../../config/config.ts');
  const { SETTINGS } = await import('../../../config/schema.ts');
  const config = await loadConfig(context.env);
  const names = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[];
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    const settings = names.map((name) => {
      const { unit, env, description } = SETTINGS[name];
      const effective = config.effective(name);
      const value = withoutUsers(effective.value);
      return [name, { ...effective, value, unit, env, description }] as const;
    });
    await printJson(context, Object.fromEntries(settings));
    return;
  }
  const { printTable } = await import('../../ui/table.ts');
  const rows = names.map((name) => {
    const { value, origin, source } = config.effective(name);
    return [
      name,
      display(SETTINGS[name].unit, withoutUsers(value)),
      origin,
      source ?? SETTINGS[name].env,
    ];
  });
  const columns = ['SETTING', 'VALUE', 'ORIGIN', 'SOURCE'].map((title) => ({ title }));
  await printTable(context, columns, rows);
}

function display(unit: string, value: unknown): string {
  if (unit === 'bytes') return formatSize(value as number);
  if (unit === 'milliseconds') return `${value} ms`;
  return Array.isArray(value) ? value.join(' ') || '-' : String(value);
}

/** URLs without the users and passwords in them. */
function withoutUsers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUsers);
  return typeof value === 'string' ? value.replace(/:\/\/[^/@]*@/, '://') : value;
}
