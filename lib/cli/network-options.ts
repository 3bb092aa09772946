/** What every subcommand that loads networks takes of them. */
import type { ModelOptions } from '../model/model';
import { numberOption } from './usage';

export interface NetworkValues {
  precision?: string;
  threads?: string;
  'memory-budget-mb'?: string;
}

/** Throws UsageError. */
export function networkOptions(
  values: NetworkValues,
): Pick<ModelOptions, 'precision' | 'threads' | 'memoryBudgetBytes'> {
  const budget = numberOption('memory-budget-mb', values['memory-budget-mb']);
  return {
    precision: values.precision,
    threads: numberOption('threads', values.threads),
    memoryBudgetBytes: budget === undefined ? undefined : budget * 2 ** 20,
  };
}
