/** Processors, as /proc/cpuinfo tells them. Pure. */

export interface CpuFacts {
  readonly cpu: number;
  readonly vendorId: string;
  readonly family: string;
  readonly model: string;
  readonly stepping: number;
  readonly physicalId: string;
  readonly coreId: string;
  readonly cores: 1;
  readonly modelName: string;
  readonly mhz: number;
  /** KiB. */
  readonly cacheSize: number;
  readonly flags: readonly string[];
  readonly microcode: string;
}

/** One for each logical processor; what an architecture does not tell is empty or 0. */
export function parseCpuinfo(source: string): CpuFacts[] {
  return source
    .split('\n\n')
    .map((block) => new Map(block.split('\n').map(splitField)))
    .filter((fields) => fields.has('processor'))
    .map((fields) => {
      const text = (...names: string[]): string =>
        names.map((name) => fields.get(name)).find((value) => value !== undefined) ?? '';
      const number = (name: string): number => Number.parseFloat(text(name)) || 0;
      return {
        cpu: number('processor'),
        vendorId: text('vendor_id', 'CPU implementer'),
        family: text('cpu family', 'CPU architecture'),
        model: text('model', 'CPU part'),
        stepping: number('stepping'),
        physicalId: text('physical id'),
        coreId: text('core id'),
        cores: 1,
        modelName: text('model name'),
        mhz: number('cpu MHz'),
        cacheSize: number('cache size'),
        flags: text('flags', 'Features')
          .split(' ')
          .filter((each) => each !== ''),
        microcode: text('microcode'),
      };
    });
}

function splitField(line: string): [name: string, value: string] {
  const at = line.indexOf(':');
  return at === -1 ? ['', ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}
