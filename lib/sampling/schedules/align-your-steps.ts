/** NVIDIA's optimised schedules. */
import { checkSteps, type Schedule } from './schedule';

/** The eleven levels of ten steps that the authors publish beside arXiv 2404.14507 ("Align Your Steps"). */
const published = {
  sd15: [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
  sdxl: [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.38, 0.234, 0.113, 0.029],
} as const;

/**
 * Optimised for Stable Diffusion 1.5 in ten steps; for other numbers the levels are interpolated in log(sigma), as the
 * authors say. The last level becomes 0, as in diffusers and ComfyUI; A1111 has a 0 after it.
 */
export const aysSd15Schedule: Schedule = (steps, model) => interpolated(published.sd15, steps, model.trainSteps);

/** The same for Stable Diffusion XL. */
export const aysSdxlSchedule: Schedule = (steps, model) => interpolated(published.sdxl, steps, model.trainSteps);

function interpolated(levels: readonly number[], steps: number, mostSteps: number): number[] {
  checkSteps(steps, mostSteps);
  const last = levels.length - 1;
  const levelAt = (i: number) => {
    const at = (i * last) / steps;
    const low = Math.floor(at);
    return levels[low] ** (1 - (at - low)) * levels[low + 1] ** (at - low);
  };
  return [...Array.from({ length: steps }, (_, i) => levelAt(i)), 0];
}
