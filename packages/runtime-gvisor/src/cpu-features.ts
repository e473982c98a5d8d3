import { readFileSync } from 'node:fs'

/** Words that Linux puts among the flags for what it found, does or works around, which programs cannot use. */
const NOT_OF_THE_CPU = new Set(
  (
    'pti ibrs ibpb stibp ssbd retpoline rep_good nopl cpuid xtopology tsc_known_freq constant_tsc nonstop_tsc ' +
    'tsc_reliable hypervisor arch_perfmon pebs bts up amd_dcm aperfmperf extd_apicid acc_power nonstop_tsc_s3 ' +
    'flush_l1d ibrs_enhanced md_clear arch_capabilities lockup debug_swap'
  ).split(' '),
)

/** CPU features of this host, sorted. */
export function hostCpuFeatures(file = '/proc/cpuinfo'): string[] {
  const text = readFileSync(file, 'utf8')
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? ''
  return [...new Set(line.trim().split(/\s+/))].filter((flag) => flag !== '' && !NOT_OF_THE_CPU.has(flag)).sort()
}
