/**
 * The text format of Prometheus, version 0.0.4: families of samples with their help and type. Pure. A
 * library would want to keep the counters itself; ours are kept where they are counted.
 */

/** Content type of the text. */
export const METRICS_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Samples = readonly (readonly [labels: string, value: number])[];

/** Counts by class, not added up; one class more than there are ends. */
export interface Histogram {
  readonly ends: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export class MetricsText {
  readonly #lines: string[] = [];

  counter(name: string, help: string, value: number): void {
    this.family('counter', name, help, () => [['', value]]);
  }

  gauge(name: string, help: string, value: number, labels = ''): void {
    this.family('gauge', name, help, () => [[labels, value]]);
  }

  /** @param samples labels as `name="value"`, separated by commas, values escaped */
  family(type: 'counter' | 'gauge', name: string, help: string, samples: () => Samples): void {
    this.#head(type, name, help);
    for (const [labels, value] of samples()) this.#sample(name, labels, value);
  }

  histogram(name: string, help: string, { ends, counts, count, sum }: Histogram): void {
    this.#head('histogram', name, help);
    let below = 0;
    for (const [index, end] of ends.entries()) {
      below += counts[index] ?? 0;
      this.#sample(`${name}_bucket`, `le="${end}"`, below);
    }
    this.#sample(`${name}_bucket`, 'le="+Inf"', count);
    this.#sample(`${name}_sum`, '', sum);
    this.#sample(`${name}_count`, '', count);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #head(type: string, name: string, help: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  #sample(name: string, labels: string, value: number): void {
    this.#lines.push(`${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
  }
}

/** A value between the quotes of a label. */
export function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}
