/** `.startup.toml`: what a container of a converted image starts. Pure. */

export interface Startup {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly environ: ReadonlyMap<string, string>;
  readonly workdir: string;
}

export function formatStartup({ argv, environ, workdir }: Startup): string {
  const [program = '', ...args] = argv;
  const variables = [...environ].map(([name, value]) => `${quote(name)} = ${quote(value)}\n`);
  return [
    '[startup.entry]\n',
    'name = "core.system"\n',
    '\n[startup.entry.args]\n',
    `name = ${quote(program)}\n`,
    `args = [${args.map(quote).join(', ')}]\n`,
    `dir = ${quote(workdir)}\n`,
    '\n[startup.entry.args.env]\n',
    ...variables,
  ].join('');
}

/** A basic string of TOML: as in JSON, but for DEL and halves of surrogate pairs. */
function quote(text: string): string {
  return JSON.stringify(text.replace(/\p{Surrogate}/gu, '\ufffd')).replaceAll('\x7f', '\\u007f');
}
