/** What every subcommand that loads networks takes of them. */
import { deviceNames } from '../model/devices';
import type { ModelOptions } from '../model/model';
import { numberOption, UsageError } from './usage';

export interface NetworkValues {
  device?: string;
  precision?: string;
  threads?: string;
  'memory-budget-mb'?: string;
}

/** Throws UsageError. */
export function networkOptions(
  values: NetworkValues,
): Pick<ModelOptions, 'device' | 'precision' | 'threads' | 'memoryBudgetBytes'> {
  const device = deviceNames.find((name) => name === values.device);
  if (values.device !== undefined && !device)
    throw new UsageError(`--device: expected one of ${deviceNames.join(', ')}, got '${values.device}'`);
  return {
    device,
    precision: values.precision,
    threads: numberOption('threads', values.threads),
    memoryBudgetBytes: budgetBytes(values['memory-budget-mb']),
  };
}

/** Of MiB, which may have a fraction. */
function budgetBytes(value: string | undefined): number | undefined {
  const budget = numberOption('memory-budget-mb', value);
  if (budget === undefined) return undefined;
  const bytes = Math.round(budget * 2 ** 20);
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new UsageError(`--memory-budget-mb: expected a number of MiB, 0 or more, got '${value}'`);
  return bytes;
}
