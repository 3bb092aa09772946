/** Loads a model file that has to be one kind of network and no other. */
import { DiffusionError } from '../errors';
import { Model, type ModelOptions } from './model';

/**
 * @param part what `info` has where it is that kind
 * @param expected in words
 * @throws what {@link Model.load} throws; MISSING_COMPONENT with what the file was recognised as instead
 */
export async function loadPart(
  path: string,
  options: ModelOptions,
  part: 'controlNet' | 'upscaler',
  expected: string,
): Promise<Model> {
  const model = await Model.load(path, options);
  if (model.info[part]) return model;
  await model.dispose();
  throw new DiffusionError('MISSING_COMPONENT', `${path}: recognised as ${model.info.title}; expected ${expected}`);
}
