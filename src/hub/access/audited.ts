/** A catalogue whose changes leave a line in the audit log, in the same transaction. */
import { Catalogue, type Transaction } from '../catalogue/catalogue.ts';
import { type Actor, writeAudit } from './audit.ts';

class AuditedCatalogue extends Catalogue {
  readonly #line: { actor: Actor; action: string; target: string };

  constructor(catalogue: Catalogue, line: { actor: Actor; action: string; target: string }) {
    super(catalogue.engine);
    this.#line = line;
  }

  override async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return await super.transaction(async (transaction) => {
      const result = await work(transaction);
      const { actor, action, target } = this.#line;
      if (transaction.hasWrites) writeAudit(transaction, actor, action, target);
      return result;
    });
  }
}

/** For one change: whatever writes through it says who did it. */
export function audited(
  catalogue: Catalogue,
  actor: Actor,
  action: string,
  target: string,
): Catalogue {
  return new AuditedCatalogue(catalogue, { actor, action, target });
}
