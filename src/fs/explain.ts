/**
 * What the control socket tells of mounts: figures for `stats` and `top`, pages of a trace. Reads counters
 * that others keep, and names what it tells of.
 */
import { isG8Error } from '../base/errors.ts';
import type { ContentCache } from '../cache/cache.ts';
import type { Survey } from '../cache/survey.ts';
import { healthOf, type StoreReport } from '../store/health.ts';
import type { MissReport } from './miss.ts';
import type { MissLog, MissTotals } from './miss-log.ts';
import { type MountRecord, recordOf, type ServedMount } from './mount-record.ts';
import type { MountTable } from './mounts.ts';
import { fieldsOfPath, type Place } from './path-names.ts';
import type { TraceEvent } from './trace-ring.ts';

/** A survey of a large image takes a while: at most this share of the time goes into it. */
const SURVEY_SHARE = 0.1;
const SURVEY_AGE_MS_MIN = 500;
/** Waits of the moment that are listed. */
const WAITING_MAX = 64;

/** A wait as it is told: with the path instead of the inode. */
export type NamedMiss = Omit<MissReport, 'atMs'> & {
  readonly path: string;
  readonly pathHex?: string;
  /** ISO 8601. */
  readonly at: string;
};

/** Opens and reads of one mount. What the kernel reads by itself from complete files is not seen. */
export interface Accesses {
  /** Opens of files and reads that came to the driver. */
  readonly total: number;
  /** Of these, how many had to wait for data. */
  readonly waited: number;
  /** 0 to 1; null when there was nothing yet. */
  readonly hitRate: number | null;
}

/** One mount in figures, cheap enough to be asked for every second. */
export interface MountFigures extends Omit<MountRecord, 'stats'> {
  readonly accesses: Accesses;
  /** Contents of the image, each once, without holes. */
  readonly local: Survey;
  readonly requests: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly totals: MissTotals;
}

/** Figures, and the waits behind them. */
export interface MountStats extends MountFigures {
  /** A wait of this length is slow. */
  readonly slowReadMs: number;
  /** Where its chunks come from, and how that does. */
  readonly stores: readonly StoreReport[];
  readonly waiting: readonly NamedMiss[];
  readonly slowest: readonly NamedMiss[];
}

export type NamedEvent =
  | ({ readonly type: 'miss' } & NamedMiss)
  | {
      readonly type: 'first-open';
      readonly path: string;
      readonly pathHex?: string;
      readonly at: string;
      /** `local`: all of it; `partial`: reads of the rest will wait. */
      readonly reason: 'local' | 'partial';
    };

export interface NamedPage {
  readonly events: readonly NamedEvent[];
  readonly next: number;
  readonly lost: number;
}

interface KnownSurvey {
  readonly survey: Promise<Survey>;
  readonly atMs: number;
  tookMs: number;
}

export class Explainer {
  readonly #mounts: MountTable;
  readonly #cache: Pick<ContentCache, 'survey' | 'collectTouched'>;
  readonly #slowReadMs: number;
  readonly #surveys = new WeakMap<ServedMount, KnownSurvey>();

  constructor(
    mounts: MountTable,
    cache: Pick<ContentCache, 'survey' | 'collectTouched'>,
    slowReadMs: number,
  ) {
    this.#mounts = mounts;
    this.#cache = cache;
    this.#slowReadMs = slowReadMs;
  }

  /** Figures of all mounts but those that go away meanwhile. */
  async figures(): Promise<MountFigures[]> {
    const figures = this.#mounts.served().map(async (mount) => {
      try {
        return await this.#figures(mount);
      } catch (error) {
        if (isG8Error(error, 'ERR_ABORTED')) return undefined;
        throw error;
      }
    });
    return (await Promise.all(figures)).filter((each) => each !== undefined);
  }

  /** @throws ERR_NO_INPUT when this daemon has no such mount */
  async stats(mountPoint: string): Promise<MountStats> {
    const mount = this.#mounts.find(mountPoint);
    const { misses } = mount.session;
    const waiting = misses.waiting().slice(0, WAITING_MAX);
    return {
      ...(await this.#figures(mount)),
      slowReadMs: this.#slowReadMs,
      stores: healthOf(mount.store),
      waiting: await namedMisses(misses, waiting),
      slowest: await namedMisses(misses, misses.slowest()),
    };
  }

  /**
   * The next events of a mount, which are kept from the first call on.
   *
   * @param after `next` of the last page; absent: from now on
   * @throws ERR_NO_INPUT when this daemon has no such mount
   */
  async trace(mountPoint: string, after: number | undefined): Promise<NamedPage> {
    const { misses, opens } = this.#mounts.find(mountPoint).session;
    const { trace } = misses;
    trace.addOpens(opens(true));
    trace.onIdle = () => void opens(false);
    const { events, next, lost } = trace.read(after);
    return {
      events: await Promise.all(events.map((each) => namedEvent(misses, each))),
      next,
      lost,
    };
  }

  async #figures(mount: ServedMount): Promise<MountFigures> {
    const { session } = mount;
    const { stats: _stats, ...record } = recordOf(mount);
    // Whether what was foretold is used; without the state of the cache the figures are a bit older.
    await this.#cache.collectTouched().catch(() => {});
    // Together, before anything is waited for: they belong to one moment.
    const counters = session.stats();
    const requests = session.requests();
    const totals = structuredClone(session.misses.totals);
    const local = await this.#survey(mount);
    return {
      ...record,
      accesses: accessesOf(counters, requests),
      local,
      requests,
      counters,
      totals,
    };
  }

  #survey(mount: ServedMount): Promise<Survey> {
    const known = this.#surveys.get(mount);
    const now = performance.now();
    if (known !== undefined) {
      const ageMax = Math.max(SURVEY_AGE_MS_MIN, known.tookMs / SURVEY_SHARE);
      if (now - known.atMs < ageMax) return known.survey;
    }
    const survey = this.#cache.survey(mount.session.contents.all());
    const entry: KnownSurvey = { survey, atMs: now, tookMs: Number.POSITIVE_INFINITY };
    this.#surveys.set(mount, entry);
    const ended = (): void => {
      entry.tookMs = performance.now() - now;
    };
    survey.then(ended, () => this.#surveys.delete(mount));
    return survey;
  }
}

/** Opens are counted by the driver, reads by operation; a wait belongs to one of either. */
export function accessesOf(
  counters: Readonly<Record<string, number>>,
  requests: Readonly<Record<string, number>>,
): Accesses {
  const opens = (counters['passthroughOpens'] ?? 0) + (counters['cachedOpens'] ?? 0);
  const waited = counters['waits'] ?? 0;
  // An open that waits now is counted when it is answered.
  const total = Math.max(opens + (requests['read'] ?? 0), waited);
  return { total, waited, hitRate: total === 0 ? null : 1 - waited / total };
}

function namedMisses(misses: MissLog, list: readonly MissReport[]): Promise<NamedMiss[]> {
  return Promise.all(list.map((miss) => namedMiss(misses, miss)));
}

async function namedMiss(misses: MissLog, { atMs, ...miss }: MissReport): Promise<NamedMiss> {
  return { ...(await pathFields(misses, miss)), ...miss, at: new Date(atMs).toISOString() };
}

async function namedEvent(misses: MissLog, event: TraceEvent): Promise<NamedEvent> {
  if (event.type === 'miss') return { type: 'miss', ...(await namedMiss(misses, event.miss)) };
  const { atMs, complete } = event;
  return {
    type: 'first-open',
    ...(await pathFields(misses, event)),
    at: new Date(atMs).toISOString(),
    reason: complete ? 'local' : 'partial',
  };
}

/** An index that is broken has no names; what was read is told all the same. */
async function pathFields(
  misses: MissLog,
  place: Place,
): Promise<{ path: string; pathHex?: string }> {
  return fieldsOfPath(await misses.names.find(place).catch(() => undefined), place.nid);
}
