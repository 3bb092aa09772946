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
  const budget = numberOption('memory-budget-mb', values['memory-budget-mb']);
  const device = deviceNames.find((name) => name === values.device);
  if (values.device !== undefined && !device)
    throw new UsageError(`--device: expected one of ${deviceNames.join(', ')}, got '${values.device}'`);
  return {
    device,
    precision: values.precision,
    threads: numberOption('threads', values.threads),
    memoryBudgetBytes: budget === undefined ? undefined : budget * 2 ** 20,
  };
}
