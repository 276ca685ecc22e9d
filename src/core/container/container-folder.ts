/** Where what belongs to a container is: one folder for each below the state folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export class ContainerFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Mount point of the root. */
  get root(): string {
    return join(this.path, 'rootfs');
  }

  /** Holds the writable layer, or is the mount point of one with a limited size. */
  get layer(): string {
    return join(this.path, 'layer');
  }

  /** What was written into the root. */
  get upper(): string {
    return join(this.layer, 'upper');
  }

  get work(): string {
    return join(this.layer, 'work');
  }

  /** Mount point of a flist that is seen somewhere below the root, and its layer. */
  mount(index: number): { point: string; upper: string; work: string } {
    const name = String(index);
    return {
      point: join(this.path, 'mounts', name),
      upper: join(this.layer, `mount-${name}`),
      work: join(this.layer, `mount-${name}.work`),
    };
  }

  /** Another root with the same writable layer, see flist-layer.ts: its flist, mount point and work folder. */
  layered(number: number): { flist: string; point: string; work: string } {
    const name = String(number);
    return {
      flist: join(this.path, 'roots', `${name}.flist`),
      point: join(this.path, 'roots', name),
      work: join(this.layer, `work-${name}`),
    };
  }

  /** What the runtime reads, and its own files. */
  get bundle(): string {
    return join(this.path, 'bundle');
  }

  /** Files of ours that are seen in the container's /etc. */
  file(name: 'hosts' | 'hostname' | 'resolv.conf'): string {
    return join(this.path, 'files', name);
  }

  /** Is there when somebody has ended the container, and its command is not to be started again. */
  get stopped(): string {
    return join(this.path, 'stopped');
  }

  /** What the first process writes. */
  get log(): string {
    return join(this.path, 'container.log');
  }

  /** Short-lived files of jobs. */
  get jobs(): string {
    return join(this.path, 'jobs');
  }
}

/** Whether the command of a container stays ended, once it is. */
export function isToStay(folder: ContainerFolder): boolean {
  return existsSync(folder.stopped);
}

/** Name of a container for the runtime. */
export function runtimeName(id: number): string {
  return `core-${id}`;
}
