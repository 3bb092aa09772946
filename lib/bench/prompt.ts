/** What is drawn while it is measured, by all peers. */
export const benchPrompt = {
  prompt: 'a smiling woman with curly red hair and sunglasses',
  negativePrompt: 'a grey background',
};
