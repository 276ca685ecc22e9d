/**
 * What the firmware says of the machine's parts, as dmidecode shows it: sections with a title, properties below it, and
 * lists of values below those.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CommandError } from '../command/error.ts';

const TIMEOUT_MS = 10_000;
const OUTPUT_MAX = 4 * 1024 * 1024;
/** A number of the standard, or a word of dmidecode for several of them. */
const TYPE = /^(\d{1,3}|[a-z]{1,16})$/;
const TYPE_NAMES = [
  ...['BIOS', 'System', 'Baseboard', 'Chassis', 'Processor', 'MemoryController'],
  ...['MemoryModule', 'Cache', 'PortConnector', 'SystemSlots', 'OnBoardDevices', 'OEMStrings'],
  ...['SystemConfigurationOptions', 'BIOSLanguage', 'GroupAssociations', 'SystemEventLog'],
  ...['PhysicalMemoryArray', 'MemoryDevice', '32BitMemoryError', 'MemoryArrayMappedAddress'],
  ...['MemoryDeviceMappedAddress', 'BuiltinPointingDevice', 'PortableBattery', 'SystemReset'],
  ...['HardwareSecurity', 'SystemPowerControls', 'VoltageProbe', 'CoolingDevice'],
  ...['TemperatureProbe', 'ElectricalCurrentProbe', 'OutOfBandRemoteAccess'],
  ...['BootIntegrityServices', 'SystemBoot', '64BitMemoryError', 'ManagementDevice'],
  ...['ManagementDeviceComponent', 'ManagementDeviceThresholdData', 'MemoryChannel'],
  ...['IPMIDevice', 'PowerSupply', 'AdditionalInformation', 'OnboardDevicesExtendedInformation'],
  'ManagementControllerHostInterface',
] as const;

export interface DmiSection {
  readonly handleline: string;
  readonly title: string;
  /** Absent: the standard has no such type. */
  readonly typestr?: string;
  readonly typenum: number;
  readonly properties: Readonly<Record<string, DmiProperty>>;
}

export interface DmiProperty {
  readonly value: string;
  /** Absent: none. */
  readonly items?: readonly string[];
}

/**
 * @param types numbers or words of dmidecode; none: everything
 * @returns sections by title; of several with one title, the first
 * @throws CommandError 400 for what is no type, 500 without dmidecode, or when the machine has nothing to tell
 */
export async function readDmi(types: readonly string[]): Promise<Record<string, DmiSection>> {
  const wrong = types.find((type) => !TYPE.test(type));
  if (wrong !== undefined) throw new CommandError(400, `'${wrong}' is no type of DMI`);
  const args = types.flatMap((type) => ['-t', type]);
  const run = promisify(execFile);
  const { stdout, stderr } = await run('dmidecode', args, {
    timeout: TIMEOUT_MS,
    maxBuffer: OUTPUT_MAX,
  }).catch((error: NodeJS.ErrnoException & { stdout?: string; stderr?: string }) => {
    if (error.code === 'ENOENT') throw new CommandError(500, 'dmidecode is not installed');
    // Its own words say why, wherever they are.
    return { stdout: error.stdout ?? '', stderr: error.stderr || error.message };
  });
  const sections = parseDmi(stdout);
  if (Object.keys(sections).length === 0) {
    const words = stderr.trim().split('\n')[0] || lastLine(stdout);
    throw new CommandError(500, `dmidecode tells nothing: ${words}`);
  }
  return sections;
}

/** Lines that belong to no section are left out. */
export function parseDmi(text: string): Record<string, DmiSection> {
  const sections = new Map<string, DmiSection>();
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split('\n');
    const start = lines.findIndex((line) => line.startsWith('Handle '));
    const [handleline = '', title = '', ...rest] = start < 0 ? [] : lines.slice(start);
    const typenum = Number(/DMI type (\d+)/.exec(handleline)?.[1] ?? Number.NaN);
    if (Number.isNaN(typenum) || title === '' || sections.has(title)) continue;
    const typestr = TYPE_NAMES[typenum];
    sections.set(title, {
      handleline,
      title,
      ...(typestr !== undefined && { typestr }),
      typenum,
      properties: properties(rest),
    });
  }
  return Object.fromEntries(sections);
}

/** One tab: a property; two: a value of the one before. */
function properties(lines: readonly string[]): Record<string, DmiProperty> {
  const found = new Map<string, { value: string; items?: string[] }>();
  let last: { value: string; items?: string[] } | undefined;
  for (const line of lines) {
    if (line.startsWith('\t\t')) {
      if (last !== undefined) last.items = [...(last.items ?? []), line.trim()];
      continue;
    }
    const [, key, value = ''] = /^\t([^:]+):(.*)$/.exec(line) ?? [];
    if (key === undefined) continue;
    last = { value: value.trim() };
    found.set(key.trim(), last);
  }
  return Object.fromEntries(found);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'no output';
}
