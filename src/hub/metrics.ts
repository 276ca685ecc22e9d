/**
 * Metrics of a hub in the text format of Prometheus: what was asked and how it was answered, by route as it is
 * declared, so that no label has more values than there are routes.
 */
import type { FastifyInstance } from 'fastify';
import { escapeLabel, MetricsText } from '../base/metrics-text.ts';
import type { ChunkCacheStatus } from './chunk-cache/chunk-cache.ts';

/** Ends of the classes of times, seconds. */
const TIME_ENDS_S: readonly number[] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

export class HubMetrics {
  /** Answers by their labels. */
  readonly #answers = new Map<string, number>();
  readonly #timeCounts: number[] = new Array(TIME_ENDS_S.length + 1).fill(0);
  #timeSum = 0;
  #timeCount = 0;
  #running = 0;

  /** Counts what the app is asked from now on. */
  watch(app: FastifyInstance): void {
    app.addHook('onRequest', async (_request, reply) => {
      this.#running++;
      // Also when the client goes away before the answer.
      reply.raw.once('close', () => {
        this.#running--;
      });
    });
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'none';
      const status = `${Math.floor(reply.statusCode / 100)}xx`;
      this.#count(request.method, route, reply.statusCode === 429 ? '429' : status);
      this.#time(reply.elapsedTime / 1000);
    });
  }

  /**
   * @param isReady what `/ready` would say
   * @param cache of the chunk cache, if there is one
   */
  text(isReady: boolean, cache?: ChunkCacheStatus): string {
    const text = new MetricsText();
    const { heapUsed, rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    text.gauge('g8ufs_hub_ready', 'Whether catalogue and backend can be used', isReady ? 1 : 0);
    text.gauge('g8ufs_hub_requests_running', 'Requests under way', this.#running);
    text.family('counter', 'g8ufs_hub_requests_total', 'Requests that were answered', () => [
      ...this.#answers,
    ]);
    text.histogram('g8ufs_hub_request_seconds', 'Time from a request to the end of its answer', {
      ends: TIME_ENDS_S,
      counts: this.#timeCounts,
      count: this.#timeCount,
      sum: this.#timeSum,
    });
    if (cache !== undefined) addCache(text, cache);
    text.gauge('process_resident_memory_bytes', 'Resident memory', rss);
    text.gauge('nodejs_heap_used_bytes', 'JavaScript heap in use', heapUsed);
    text.counter('process_cpu_seconds_total', 'CPU time', (user + system) / 1e6);
    return text.toString();
  }

  #count(method: string, route: string, status: string): void {
    const labels = `method="${escapeLabel(method)}",route="${escapeLabel(route)}",status="${status}"`;
    this.#answers.set(labels, (this.#answers.get(labels) ?? 0) + 1);
  }

  #time(seconds: number): void {
    const index = TIME_ENDS_S.findIndex((end) => seconds <= end);
    const at = index < 0 ? TIME_ENDS_S.length : index;
    this.#timeCounts[at] = (this.#timeCounts[at] ?? 0) + 1;
    this.#timeCount++;
    this.#timeSum += seconds;
  }
}

function addCache(text: MetricsText, cache: ChunkCacheStatus): void {
  const { hits, misses, evicted, count, size, sizeMax } = cache;
  text.counter('g8ufs_hub_chunk_cache_hits_total', 'Chunks served from the cache', hits);
  text.counter('g8ufs_hub_chunk_cache_misses_total', 'Chunks taken from the backend', misses);
  text.counter('g8ufs_hub_chunk_cache_evicted_total', 'Chunks that had to go', evicted);
  text.gauge('g8ufs_hub_chunk_cache_chunks', 'Chunks in the cache', count);
  text.gauge('g8ufs_hub_chunk_cache_bytes', 'Size of the cache', size);
  text.gauge('g8ufs_hub_chunk_cache_bytes_max', 'Bound of the size', sizeMax);
}
