/**
 * Ports that the host's own firewall lets in, for hosts whose administrator has said so: rules are added to a
 * chain of theirs, marked as ours, and nothing else in it is touched.
 */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import { formatNetwork, parseCidr } from './addresses.ts';
import { checkPort } from './forward.ts';
import { runProgram } from './run-program.ts';
import { isInterfaceName } from './settings.ts';

const PURPOSE = 'to open ports in the firewall';
/** `inet filter input` */
const CHAIN = /^(?:inet|ip) [A-Za-z][A-Za-z0-9_-]{0,63} [A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** Of the comment of each rule of ours; what follows is the rule. */
const MARK = 'g8ufs: ';

const rulesSchema = z.object({
  nftables: z.array(
    z.object({
      rule: z.object({ handle: z.int(), comment: z.string().optional() }).optional(),
    }),
  ),
});

export interface OpenPort {
  readonly port: number;
  /** Only what arrives there; empty: everywhere. */
  readonly interface: string;
  /** Only what comes from there, an address or a network; empty: everywhere. */
  readonly subnet: string;
}

export class OpenPorts {
  readonly #chain: string;

  /** @param chain family, table and chain of the host's firewall, `inet filter input`; empty: nothing is opened */
  constructor(chain: string) {
    if (chain !== '' && !CHAIN.test(chain)) {
      throw new G8Error('ERR_CONFIG', `'${chain}' is not of the form 'inet filter input'`);
    }
    this.#chain = chain;
  }

  /** @throws ERR_USAGE when it is open already, ERR_CONFIG when nothing is to be opened here, ERR_IO */
  async open(port: OpenPort): Promise<void> {
    const rule = ruleOf(port);
    if ((await this.#rules()).has(rule)) throw new G8Error('ERR_USAGE', `'${rule}' exists already`);
    const comment = `comment "${MARK}${rule.replaceAll('"', "'")}"`;
    await this.#nft(`insert rule ${this.#chain} ${rule} ${comment}\n`);
  }

  /** @throws ERR_NO_INPUT when it is not open, ERR_CONFIG, ERR_IO */
  async drop(port: OpenPort): Promise<void> {
    const rule = ruleOf(port);
    const handle = (await this.#rules()).get(rule);
    if (handle === undefined) throw new G8Error('ERR_NO_INPUT', `There is no rule '${rule}'`);
    await this.#nft(`delete rule ${this.#chain} handle ${handle}\n`);
  }

  async has(port: OpenPort): Promise<boolean> {
    return this.#chain !== '' && (await this.#rules()).has(ruleOf(port));
  }

  /** Rules of ours, as nftables writes them. */
  async list(): Promise<string[]> {
    return this.#chain === '' ? [] : [...(await this.#rules()).keys()];
  }

  /** Handles by rule. */
  async #rules(): Promise<Map<string, number>> {
    if (this.#chain === '') {
      throw new G8Error(
        'ERR_CONFIG',
        "The host's firewall is left alone: setting coreFirewallChain names no chain",
      );
    }
    const text = await runProgram('nft', ['-j', 'list', 'chain', ...this.#chain.split(' ')], {
      purpose: PURPOSE,
    });
    const rules = new Map<string, number>();
    for (const { rule } of rulesSchema.parse(JSON.parse(text)).nftables) {
      if (rule?.comment?.startsWith(MARK) !== true) continue;
      rules.set(rule.comment.slice(MARK.length).replaceAll("'", '"'), rule.handle);
    }
    return rules;
  }

  async #nft(input: string): Promise<void> {
    await runProgram('nft', ['-f', '-'], { input, purpose: PURPOSE });
  }
}

/** @throws ERR_USAGE */
function ruleOf({ port, interface: name, subnet }: OpenPort): string {
  if (name !== '' && !isInterfaceName(name)) {
    throw new G8Error('ERR_USAGE', `'${name}' is not an interface's name`);
  }
  const network = parseCidr(subnet);
  if (subnet !== '' && network === undefined && !isIPv4(subnet)) {
    throw new G8Error('ERR_USAGE', `'${subnet}' is neither an address nor a network`);
  }
  return [
    ...(name === '' ? [] : [`iifname "${name}"`]),
    ...(subnet === ''
      ? []
      : [`ip saddr ${network === undefined ? subnet : formatNetwork(network)}`]),
    `tcp dport ${checkPort(port)} accept`,
  ].join(' ');
}
