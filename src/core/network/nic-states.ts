/**
 * Configures the nics of containers that are there, waits for leases where one is wanted, and notes what has become of
 * each. Concurrency: calls for one container follow each other.
 */
import { createAbortController } from '../../base/abort.ts';
import { isG8Error } from '../../base/errors.ts';
import type { Logger } from '../../fs/log.ts';
import { type Lease, requestLease } from './dhcp.ts';
import { configureNics, namespacePath, type PlacedNic } from './namespace.ts';
import { type NicState, nameInside } from './nic.ts';
import type { RecordFile } from './record.ts';
import type { NetworkSettings } from './settings.ts';

export interface NicStatesOptions {
  readonly settings: NetworkSettings;
  readonly records: RecordFile;
  readonly log: Logger;
  /** Called when a lease brings name servers. */
  readonly onNameServers: (container: number, servers: readonly string[]) => void;
}

export class NicStates {
  readonly #options: NicStatesOptions;
  readonly #leases = new Map<number, AbortController>();

  constructor(options: NicStatesOptions) {
    this.#options = options;
  }

  /** Ends what still waits for leases of a container. */
  end(container: number): void {
    this.#leases.get(container)?.abort();
    this.#leases.delete(container);
  }

  /** Ends what still waits for leases. */
  close(): void {
    for (const controller of this.#leases.values()) controller.abort();
  }

  /** Configures nics that are there, notes their states, and starts to wait for leases. */
  async configure(container: number, nics: readonly PlacedNic[]): Promise<void> {
    const failures = await configureNics(container, nics, this.#options.settings);
    for (const [index, err] of failures) {
      this.#options.log.warn({ container, nic: index, err }, 'Nic cannot be configured');
    }
    const states = nics.map(({ index, config }): [number, NicState] => {
      if (failures.has(index)) return [index, 'error'];
      return [index, config.dhcp ? 'unknown' : 'configured'];
    });
    await this.#note(container, new Map(states));
    for (const placed of nics) {
      if (placed.config.dhcp && !failures.has(placed.index)) void this.#lease(container, placed);
    }
  }

  /** Never fails: what goes wrong becomes the nic's state. */
  async #lease(container: number, { nic, index }: PlacedNic): Promise<void> {
    const controller = this.#leases.get(container) ?? createAbortController();
    this.#leases.set(container, controller);
    try {
      const lease = await requestLease({
        netnsPath: namespacePath(container, this.#options.settings),
        interface: nameInside(nic, index),
        folder: this.#options.settings.stateDir,
        signal: controller.signal,
      });
      await this.#useLease(container, { nic, index, config: { ...lease, dhcp: false } }, lease);
    } catch (error) {
      if (isG8Error(error, 'ERR_ABORTED')) return; // The container has gone.
      this.#options.log.warn({ container, nic: index, err: error }, 'Nic gets no lease');
      await this.#note(container, new Map([[index, 'error']])).catch(() => {});
    }
  }

  async #useLease(container: number, placed: PlacedNic, lease: Lease): Promise<void> {
    const failures = await configureNics(container, [placed], this.#options.settings);
    if (failures.size > 0) throw failures.get(placed.index);
    await this.#note(container, new Map([[placed.index, 'configured']]));
    if (lease.dns.length > 0) this.#options.onNameServers(container, lease.dns);
  }

  async #note(container: number, states: ReadonlyMap<number, NicState>): Promise<void> {
    if (states.size === 0) return;
    await this.#options.records.change(async (record) => {
      for (const [index, state] of states) {
        const nic = record.containers[container]?.nics[index];
        if (nic !== undefined) nic.state = state;
      }
    });
  }
}
