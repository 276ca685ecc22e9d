/**
 * What the daemon has for each container besides the container itself: a place for jobs, its files, its job table.
 * They come with the first use and go with the container.
 */
import type { CommandRegistry } from '../command/registry.ts';
import { Guest } from '../guest/guest.ts';
import { Jobs, type JobsOptions } from '../job/jobs.ts';
import type { Container } from './container.ts';
import { ContainerPlace } from './container-place.ts';
import { ContainerUsage } from './container-usage.ts';

export interface Cell {
  readonly place: ContainerPlace;
  readonly guest: Guest;
  readonly jobs: Jobs;
  readonly usage: ContainerUsage;
}

/** Shared with the jobs of the host. */
export type CellServices = Pick<JobsOptions, 'sink' | 'slots' | 'onChange'> & {
  /** The commands that exist in a container. */
  readonly registry: CommandRegistry;
};

export class Cells {
  readonly #services: CellServices;
  readonly #cells = new Map<number, Cell>();

  constructor(services: CellServices) {
    this.#services = services;
  }

  of(container: Container): Cell {
    const known = this.#cells.get(container.id);
    if (known !== undefined) return known;
    const place = new ContainerPlace(container);
    const guest = new Guest(place);
    const jobs = new Jobs({ place, guest, ...this.#services });
    const cell = { place, guest, jobs, usage: new ContainerUsage(container) };
    this.#cells.set(container.id, cell);
    return cell;
  }

  all(): Cell[] {
    return [...this.#cells.values()];
  }

  /** Its processes are gone; whatever of its jobs still waits is ended. */
  async remove(id: number): Promise<void> {
    const cell = this.#cells.get(id);
    this.#cells.delete(id);
    await cell?.jobs.stop(0);
    await cell?.guest.stop();
  }

  /** Ends all jobs in containers; the containers go on. */
  async stop(graceMs: number): Promise<void> {
    const ends = this.all().map(async ({ jobs, guest }) => {
      await jobs.stop(graceMs);
      await guest.stop();
    });
    await Promise.all(ends);
  }
}
