// Pictures over HTTP: node examples/express/server.mjs, then
// curl 'localhost:3000/picture?prompt=a+smiling+woman&seed=7' -o out.png
import express from 'express';
import { DiffusionError, Pipeline } from 'node-diffusion';

const pipeline = await Pipeline.load();
const app = express();

app.get('/picture', async (request, response) => {
  // A client that hangs up ends its own request; those of others go on.
  const cancel = new AbortController();
  response.on('close', () => cancel.abort());
  const { prompt = '', seed } = request.query;
  try {
    const { images } = await pipeline.txt2img({
      prompt: String(prompt),
      ...(seed !== undefined && { seed: Number(seed) }),
      signal: cancel.signal,
    });
    response.type('png').send(Buffer.from(await images[0].toPNG()));
  } catch (error) {
    if (!(error instanceof DiffusionError)) throw error;
    if (error.code === 'ABORTED') return;
    response.status(error.code === 'INVALID_REQUEST' ? 400 : 500).json({ code: error.code, message: error.message });
  }
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);
});

process.once('SIGTERM', () => {
  server.close();
  void pipeline.dispose();
});
