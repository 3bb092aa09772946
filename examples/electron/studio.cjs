'use strict';
// The app's one pipeline, and the requests that run on it by the window that asked.
const { Pipeline } = require('node-diffusion');

class Studio {
  #pipeline;
  #running = new Map();

  /** One picture; `onStep` hears the step, of how many, and a preview as PNG bytes. Resolves to PNG bytes. */
  async draw(window, request, onStep) {
    this.cancel(window);
    const cancel = new AbortController();
    this.#running.set(window, cancel);
    try {
      // The engine runs in a process of its own, so that no file and no driver takes the window down with it.
      this.#pipeline ??= Pipeline.load(undefined, { isolate: true });
      const pipeline = await this.#pipeline.catch((error) => {
        this.#pipeline = undefined; // the next request tries again
        throw error;
      });
      for await (const step of pipeline.steps({ ...request, signal: cancel.signal })) {
        const [picture] = step.step === step.steps ? await step.decode() : await step.preview();
        const png = await picture.toPNG();
        if (step.step === step.steps) return png;
        onStep({ step: step.step, steps: step.steps, png });
      }
    } finally {
      if (this.#running.get(window) === cancel) this.#running.delete(window);
    }
  }

  cancel(window) {
    this.#running.get(window)?.abort();
  }

  async close() {
    for (const cancel of this.#running.values()) cancel.abort();
    await (await this.#pipeline?.catch(() => undefined))?.dispose();
  }
}

module.exports = { Studio };
