/** Tells what a model file is without loading it. */
import { loadAddon } from '../binding/load';
import { checkPath } from '../files';
import { callNative } from './cancellation';
import type { ModelInfo } from './model';

/**
 * Reads the headers of a model file or folder: family, parts, sizes. Loads no weights.
 *
 * @throws FILE_NOT_FOUND, FILE_INVALID, UNKNOWN_ARCHITECTURE, MISSING_TENSOR, TENSOR_SHAPE
 */
export async function inspectModel(path: string): Promise<ModelInfo> {
  checkPath(path);
  return callNative(undefined, () => loadAddon().inspect(path));
}
