// Says in English what an avatar looks like, in many ways, and which attributes were named.

import { HATS, LONG_TOPS } from './attributes.mjs';

const COLOR_WORDS = {
  blond: ['blond', 'blonde', 'golden'],
  gray: ['gray', 'grey'],
  purple: ['purple', 'purple', 'violet'],
};

const EXPRESSION_BEFORE = {
  smiling: ['smiling', 'happy', 'cheerful'],
  neutral: ['neutral', 'calm', 'serious'],
  sad: ['sad', 'unhappy', 'crying'],
  angry: ['angry', 'mad', 'furious'],
  surprised: ['surprised', 'shocked', 'amazed'],
  winking: ['winking'],
  loving: ['loving', 'heart-eyed'],
  sleeping: ['sleeping', 'sleepy'],
  tongue: ['silly', 'playful'],
};

const EXPRESSION_AFTER = {
  smiling: ['with a smile', 'who is smiling'],
  neutral: ['with a neutral face', 'with a serious face'],
  sad: ['with a sad face', 'looking sad'],
  angry: ['with an angry face', 'looking angry'],
  surprised: ['looking surprised', 'with an open mouth'],
  winking: ['who is winking', 'with a wink'],
  loving: ['with heart eyes', 'in love'],
  sleeping: ['with closed eyes', 'who is asleep'],
  tongue: ['with tongue out', 'sticking out the tongue'],
};

/** `{c}` stands for the colour. */
const TOP_PHRASES = {
  short: ['short {c} hair', '{c} short hair'],
  bald: ['a bald head', 'no hair'],
  bob: ['a {c} bob', 'a {c} bob haircut', '{c} bob hair'],
  bun: ['a {c} bun', '{c} hair in a bun'],
  curly: ['curly {c} hair', '{c} curly hair', '{c} curls'],
  wavy: ['wavy {c} hair', 'long wavy {c} hair'],
  dreads: ['{c} dreadlocks', '{c} dreads'],
  afro: ['a {c} afro', '{c} afro hair'],
  spiky: ['spiky {c} hair', '{c} spiky hair'],
  shaggy: ['shaggy {c} hair', 'messy {c} hair'],
  quiff: ['a {c} quiff', 'a {c} mohawk'],
  long: ['long {c} hair', '{c} long hair', 'long straight {c} hair'],
  hat: ['a {c} hat'],
  beanie: ['a {c} beanie', 'a {c} winter hat', 'a {c} woolly hat'],
  hijab: ['a {c} hijab', 'a {c} headscarf'],
  turban: ['a {c} turban'],
};

const CLOTHING_NOUNS = {
  't-shirt': ['t-shirt', 'shirt', 'tee'],
  hoodie: ['hoodie'],
  jacket: ['jacket', 'blazer'],
  overalls: ['overalls', 'dungarees'],
  sweater: ['sweater', 'jumper'],
};

const ACCESSORY_PHRASES = {
  glasses: ['glasses', 'a pair of glasses', 'spectacles'],
  sunglasses: ['sunglasses', 'dark glasses', 'shades'],
  eyepatch: ['an eyepatch', 'a pirate eyepatch'],
};

const SKIN_WORDS = {
  light: ['light', 'pale', 'fair'],
  tan: ['tan', 'tanned', 'olive'],
  brown: ['brown'],
  dark: ['dark', 'black'],
};

const BACKGROUND_PHRASES = [
  '{c} background',
  'on a {c} background',
  'in front of a {c} wall',
  '{c} backdrop',
  'on {c}',
];
const OPENINGS = [
  '',
  '',
  '',
  'an avatar of ',
  'a portrait of ',
  'a drawing of ',
  'a cartoon of ',
  'a picture of ',
  'a photo of ',
];
const FILLERS = [
  'beautiful',
  'masterpiece',
  'best quality',
  '4k',
  '8k',
  'highly detailed',
  'flat design',
  'vector art',
  'digital art',
  'illustration',
  'trending on artstation',
  'cute',
  'simple',
];
const LIKELIHOOD = {
  expression: 0.8,
  top: 0.9,
  topColor: 0.93,
  onlyHairColor: 0.1,
  accessory: 0.95,
  facialHair: 0.95,
  clothing: 0.65,
  skin: 0.35,
  background: 0.7,
  noAccessory: 0.08,
  filler: 0.15,
  typo: 0.06,
  tags: 0.25,
};

const article = (words) => (/^[aeiou]/.test(words) ? `an ${words}` : `a ${words}`);
const withoutArticle = (words) => words.replace(/^an? /, '');

/**
 * One caption.
 * @returns {{ text: string, names: string[] }} the caption and the attributes that it determines
 */
export function caption(labels, random) {
  const parts = phrases(labels, random);
  let text = random.chance(LIKELIHOOD.tags) ? asTags(parts, random) : asSentence(parts, random);
  if (random.chance(LIKELIHOOD.filler)) text = withFiller(text, random);
  if (random.chance(LIKELIHOOD.typo)) text = withTypo(text, random);
  return { text, names: parts.names };
}

/** Chooses what is said: adjectives before the noun, what the person has, what they wear, and what closes the sentence. */
function phrases(labels, random) {
  const parts = { names: [], noun: noun(labels, random), before: [], has: [], wears: [], after: [] };
  const say = (list, phrase, ...names) => {
    list.push(phrase);
    parts.names.push(...names);
  };
  const color = (name) => random.pick(COLOR_WORDS[name] ?? [name]);

  if (random.chance(LIKELIHOOD.expression)) {
    if (random.chance(0.65)) say(parts.before, random.pick(EXPRESSION_BEFORE[labels.expression]), 'expression');
    else say(parts.after, random.pick(EXPRESSION_AFTER[labels.expression]), 'expression');
  }
  if (random.chance(LIKELIHOOD.top)) sayTop(labels, random, parts, say, color);
  if (labels.accessory === 'none') {
    if (random.chance(LIKELIHOOD.noAccessory)) say(parts.after, 'without glasses', 'accessory');
  } else if (random.chance(LIKELIHOOD.accessory)) {
    say(random.chance(0.5) ? parts.has : parts.wears, random.pick(ACCESSORY_PHRASES[labels.accessory]), 'accessory');
  }
  if (labels.facialHair !== 'none' && random.chance(LIKELIHOOD.facialHair)) {
    const kind = labels.facialHair === 'beard' ? 'beard' : random.pick(['moustache', 'mustache']);
    const adjective = !HATS.includes(labels.top) && random.chance(0.35) ? `${color(labels.topColor)} ` : '';
    say(parts.has, article(adjective + kind), 'facialHair');
  }
  if (random.chance(LIKELIHOOD.clothing)) {
    const garment = random.pick(CLOTHING_NOUNS[labels.clothing]);
    const words = `${color(labels.clothesColor)} ${garment}`;
    say(parts.wears, labels.clothing === 'overalls' ? words : article(words), 'clothing', 'clothesColor');
  }
  if (random.chance(LIKELIHOOD.skin)) {
    const word = random.pick(SKIN_WORDS[labels.skin]);
    if (random.chance(0.5)) say(parts.before, `${word}-skinned`, 'skin');
    else say(parts.has, `${word} skin`, 'skin');
  }
  if (random.chance(LIKELIHOOD.background)) {
    say(parts.after, random.pick(BACKGROUND_PHRASES).replace('{c}', color(labels.background)), 'background');
  }
  for (const list of ['before', 'has', 'wears', 'after']) parts[list] = random.shuffle(parts[list]);
  return parts;
}

function sayTop(labels, random, parts, say, color) {
  const isHat = HATS.includes(labels.top);
  // "red hair" alone says nothing about the cut
  const onlyColor = !isHat && labels.top !== 'bald' && random.chance(LIKELIHOOD.onlyHairColor);
  const phrase = onlyColor ? '{c} hair' : random.pick(TOP_PHRASES[labels.top]);
  const namesColor = phrase.includes('{c}') && (onlyColor || random.chance(LIKELIHOOD.topColor));
  const words = phrase
    .replace('{c}', namesColor ? color(labels.topColor) : '')
    .replace(/ +/g, ' ')
    .trim();
  const names = [...(onlyColor ? [] : ['top']), ...(namesColor ? ['topColor'] : [])];
  say(isHat ? parts.wears : parts.has, /^an? /.test(words) ? article(withoutArticle(words)) : words, ...names);
}

function noun(labels, random) {
  if (random.chance(0.6)) {
    if (labels.facialHair === 'none' && LONG_TOPS.includes(labels.top)) return random.pick(['woman', 'girl', 'lady']);
    if (labels.facialHair !== 'none' || ['short', 'bald', 'turban'].includes(labels.top)) {
      return random.pick(['man', 'guy', 'boy']);
    }
  }
  return random.pick(['avatar', 'person', 'character', 'portrait', 'face']);
}

function asTags({ noun, before, has, wears, after }, random) {
  return random.shuffle([...before, noun, ...has, ...wears, ...after].map(withoutArticle)).join(', ');
}

function asSentence({ noun, before, has, wears, after }, random) {
  const opening = random.pick(OPENINGS);
  const subject = opening && ['avatar', 'portrait', 'face'].includes(noun) ? 'person' : noun;
  const list = (items) =>
    items.length < 2
      ? items.join('')
      : items.slice(0, -1).join(', ') + random.pick([' and ', ' and ', ', ']) + items[items.length - 1];
  const clauses = random.shuffle([
    ...(has.length > 0 ? [`${random.pick(['with', 'with', 'has'])} ${list(has)}`] : []),
    ...(wears.length > 0 ? [`${random.pick(['wearing', 'wearing', 'in'])} ${list(wears)}`] : []),
  ]);
  let text = opening + article([...before, subject].join(' '));
  if (clauses.length > 0) text += ` ${clauses.join(random.pick([' ', ', ', ' and ']))}`;
  if (after.length > 0) text += (random.chance(0.6) ? ', ' : ' ') + after.join(', ');
  return random.chance(0.1) ? withoutArticle(text) : text;
}

function withFiller(text, random) {
  const words = random.pick(FILLERS);
  return random.chance(0.5) ? `${text}, ${words}` : `${words}, ${text}`;
}

/** Swaps two neighbouring letters inside one word of five letters or more. */
function withTypo(text, random) {
  const words = text.split(' ');
  const long = words.map((word, i) => [word, i]).filter(([word]) => /^[a-z]{5,}$/.test(word));
  if (long.length === 0) return text;
  const [word, i] = random.pick(long);
  const at = 1 + Math.floor(random.next() * (word.length - 3));
  words[i] = word.slice(0, at) + word[at + 1] + word[at] + word.slice(at + 2);
  return words.join(' ');
}
