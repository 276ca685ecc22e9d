/** `g8ufs completion`: prints a script that teaches a shell the commands. */
import { Argument, Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

type Shell = 'bash' | 'zsh' | 'fish';

export function command(context: Context): Command {
  const completion = new Command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'shell to print it for').choices(['bash', 'zsh', 'fish']))
    .action((shell: Shell) => run(context, shell));
  return addHelpSections(completion, {
    examples: [
      ['completion bash > /usr/share/bash-completion/completions/g8ufs', 'for all users of bash'],
      ['completion zsh > /usr/local/share/zsh/site-functions/_g8ufs', 'for all users of zsh'],
      ['completion fish > ~/.config/fish/completions/g8ufs.fish', 'for one user of fish'],
      ['completion bash | less', 'to read it first'],
    ],
    failures: ['ERR_IO'],
  });
}

async function run(context: Context, shell: Shell): Promise<void> {
  const { loadProgram } = await import('../program.ts');
  const { describeCommand } = await import('../describe/model.ts');
  const model = describeCommand(await loadProgram(context));
  const { writeAll } = await import('../ui/output.ts');
  await writeAll(context.stdout, await scriptFor(shell, model), context.signal);
}

async function scriptFor(
  shell: Shell,
  model: import('../describe/model.ts').CommandModel,
): Promise<string> {
  if (shell === 'bash') return (await import('../describe/bash.ts')).bashCompletion(model);
  if (shell === 'zsh') return (await import('../describe/zsh.ts')).zshCompletion(model);
  return (await import('../describe/fish.ts')).fishCompletion(model);
}
