/** Tells the log, once for each change, how the disk of the cache is. */
import type { HealthEvent } from '../cache/health.ts';
import type { Logger } from './log.ts';

export function logHealth(log: Logger, cacheDir: string, event: HealthEvent): void {
  switch (event.type) {
    case 'degraded': {
      const { reason, message } = event;
      // A line written to that disk would stop the daemon.
      if (reason === 'hanging') log.hold?.(true);
      log.error({ cacheDir, reason, message }, 'degraded: reads are served from memory');
      break;
    }
    case 'recovered':
      if (event.reason === 'hanging') log.hold?.(false);
      log.warn({ cacheDir, reason: event.reason }, 'the disk of the cache is well again');
      break;
    case 'suspect':
      log.error({ cacheDir }, 'the disk of the cache is suspect: no file is handed to the kernel');
      break;
    case 'trusted':
      log.warn({ cacheDir }, 'the disk of the cache is trusted again');
      break;
  }
}
