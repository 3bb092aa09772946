/** What A1111 calls samplers and schedules, through its versions and in its web API, in this package's names. */
import { type SamplerName, type ScheduleName, samplerTitles, scheduleTitles } from './infotext';

/** What could be made of the labels; a part that has no counterpart here is left out. */
export interface Stepping {
  sampler?: SamplerName;
  schedule?: ScheduleName;
}

const samplersByName = byName<SamplerName>(samplerTitles, {
  euler_ancestral: 'euler_a',
  dpm_2: 'dpm2',
  dpm_2_a: 'dpm2_a',
  dpm_2_ancestral: 'dpm2_a',
  dpmpp_2s_ancestral: 'dpmpp_2s_a',
  uni_pc: 'unipc',
});

// "Normal" is "Uniform" over again. "Align Your Steps" and "KL Optimal" differ from ours in where they end. The API of before 1.9 says
// "k_dpmpp_2m_ka".
const schedulesByName = byName<ScheduleName>(scheduleTitles, {
  normal: 'discrete',
  align_your_steps: 'ays_sd15',
  ka: 'karras',
  exp: 'exponential',
});

/** The web UI's samplers that bring their own timesteps and heed no schedule. */
const ownTimesteps = new Map<SamplerName, ScheduleName>([
  ['ddim', 'ddim_uniform'],
  ['plms', 'ddim_uniform'],
  ['unipc', 'sgm_uniform'],
]);

/** What "Automatic" stands for where it is not "Uniform": the options that `/sdapi/v1/samplers` lists. */
const automaticSchedules = new Map<SamplerName, ScheduleName>([
  ...ownTimesteps,
  ...(['dpmpp_2m', 'dpmpp_sde', 'dpmpp_2s_a', 'dpm2', 'dpm2_a'] as const).map((name) => [name, 'karras'] as const),
  ...(['dpmpp_2m_sde', 'dpmpp_3m_sde'] as const).map((name) => [name, 'exponential'] as const),
]);

/**
 * Sampler and schedule from their labels, in any case. The schedule may stand at the end of the sampler's label, as it did before
 * version 1.9 ("DPM++ 2M Karras"). Names of ours are understood too.
 *
 * @param unsaid what no schedule at all means: the sampler's plain one before 1.9, "automatic" in the web API
 */
export function readStepping(samplerLabel: string, scheduleLabel = '', unsaid: 'automatic' | '' = ''): Stepping {
  const [samplerName, suffix] = splitSuffix(normalised(samplerLabel));
  const sampler = samplersByName.get(samplerName);
  const said = normalised(scheduleLabel);
  const isOpen = said === '' || said === 'automatic';
  const schedule = scheduleOf(isOpen ? (suffix ?? (said || unsaid)) : said, sampler);
  return { ...(sampler && { sampler }), ...(schedule && { schedule }) };
}

function scheduleOf(name: string, sampler: SamplerName | undefined): ScheduleName | undefined {
  if (name !== 'automatic' && name !== '') return schedulesByName.get(name);
  if (!sampler) return undefined;
  return (name === '' ? ownTimesteps : automaticSchedules).get(sampler) ?? 'discrete';
}

/** Whether the label names a schedule here, or lets the sampler choose one. */
export function knowsSchedule(label: string): boolean {
  const name = normalised(label);
  return name === 'automatic' || schedulesByName.has(name);
}

function splitSuffix(name: string): [sampler: string, schedule?: string] {
  if (samplersByName.has(name)) return [name];
  const schedule = [...schedulesByName.keys()].find((key) => name.endsWith(`_${key}`));
  return schedule ? [name.slice(0, -schedule.length - 1), schedule] : [name];
}

function byName<Name extends string>(titles: ReadonlyMap<string, string>, aliases: Record<string, Name>) {
  const own = [...titles.keys()] as Name[];
  return new Map<string, Name>([
    ...own.map((name) => [name, name] as const),
    ...own.map((name) => [normalised(titles.get(name)!), name] as const),
    ...Object.entries(aliases),
  ]);
}

/** "DPM++ 2S a", "k_dpmpp_2s_a" -> "dpmpp_2s_a". */
function normalised(label: string): string {
  const name = label
    .trim()
    .toLowerCase()
    .replaceAll('++', 'pp')
    .replace(/[\s_-]+/g, '_');
  return name.replace(/^(k|sample)_/, '');
}
