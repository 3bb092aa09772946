// The page: asks for a picture, shows its steps.
const element = (id) => document.getElementById(id);

function show(png) {
  URL.revokeObjectURL(element('picture').src);
  element('picture').src = URL.createObjectURL(new Blob([png], { type: 'image/png' }));
}

window.diffusion.onStep(({ step, steps, png }) => {
  element('progress').value = step / steps;
  show(png);
});

element('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  element('cancel').disabled = false;
  element('message').value = '';
  const request = { prompt: element('prompt').value, seed: Math.floor(Math.random() * 2 ** 32), steps: 25 };
  const { png, error } = await window.diffusion.draw(request);
  if (png) show(png);
  else if (error.code !== 'ABORTED') element('message').value = error.message;
  element('progress').value = png ? 1 : 0;
  element('cancel').disabled = true;
});

element('cancel').addEventListener('click', () => window.diffusion.cancel());
