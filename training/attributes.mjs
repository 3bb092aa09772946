// What an avatar is made of: the nine attributes, their values, how each is drawn, and how a random avatar is chosen.

/** Colours of hair, as drawn (sRGB hex). */
export const HAIR_COLORS = {
  black: '26201e',
  brown: '6b3f22',
  blond: 'e9c46a',
  red: 'c0271c',
  orange: 'e8762c',
  gray: '9b9b9b',
  white: 'f4f4f4',
  pink: 'f57fb3',
  purple: '8646b8',
  blue: '2f7fe0',
  green: '3ba55d',
};

/** Colours of clothes and of hats. */
export const CLOTHES_COLORS = {
  red: 'd62f2f',
  orange: 'f28c28',
  yellow: 'f6d743',
  green: '3f9b4f',
  blue: '3c78d8',
  purple: '8646b8',
  pink: 'f78fb3',
  black: '2a2a2e',
  white: 'f4f4f4',
  gray: '8f8f8f',
};

/** Colours of the background: paler than clothes, so that a figure always stands out. */
export const BACKGROUND_COLORS = {
  white: 'ffffff',
  gray: 'bdbdbd',
  black: '202024',
  red: 'e5605e',
  orange: 'ffb26b',
  yellow: 'ffe680',
  green: '9fdc9f',
  blue: '8ec9f5',
  purple: 'c3a8ea',
  pink: 'ffc2d6',
};

export const SKIN_COLORS = { light: 'ffdbb4', tan: 'e0a878', brown: 'ae5d29', dark: '614335' };

/** What is on the head: value -> Avataaars `top` variants that look like it. */
export const TOPS = {
  short: ['shortFlat', 'shortRound', 'shortWaved', 'theCaesar'],
  bald: ['sides'],
  bob: ['bob', 'miaWallace'],
  bun: ['bun'],
  curly: ['curly'],
  wavy: ['curvy', 'bigHair'],
  dreads: ['dreads'],
  afro: ['fro'],
  spiky: ['dreads02'],
  shaggy: ['shaggy'],
  quiff: ['frizzle'],
  long: ['straight01', 'straight02', 'straightAndStrand'],
  hat: ['hat'],
  beanie: ['winterHat02', 'winterHat03'],
  hijab: ['hijab'],
  turban: ['turban'],
};

/** Tops whose colour is one of CLOTHES_COLORS; all others take HAIR_COLORS. */
export const HATS = ['hat', 'beanie', 'hijab', 'turban'];

/** Tops that never come with facial hair, and that a caption may call a woman's. */
export const LONG_TOPS = ['bob', 'bun', 'wavy', 'long', 'hijab'];

export const CLOTHES = {
  't-shirt': ['shirtCrewNeck', 'shirtVNeck', 'shirtScoopNeck'],
  hoodie: ['hoodie'],
  jacket: ['blazerAndShirt'],
  overalls: ['overall'],
  sweater: ['collarAndSweater'],
};

/** One joint choice of mouth, eyes and brows. */
export const EXPRESSIONS = {
  smiling: { mouth: ['smile'], eyes: ['default', 'happy'], eyebrows: 'defaultNatural' },
  neutral: { mouth: ['serious'], eyes: ['default'], eyebrows: 'defaultNatural' },
  sad: { mouth: ['sad'], eyes: ['cry', 'default'], eyebrows: 'sadConcernedNatural' },
  angry: { mouth: ['grimace', 'serious'], eyes: ['default'], eyebrows: 'angryNatural' },
  surprised: { mouth: ['disbelief', 'screamOpen'], eyes: ['surprised'], eyebrows: 'raisedExcitedNatural' },
  winking: { mouth: ['smile'], eyes: ['wink'], eyebrows: 'defaultNatural' },
  loving: { mouth: ['smile', 'twinkle'], eyes: ['hearts'], eyebrows: 'defaultNatural' },
  sleeping: { mouth: ['twinkle', 'serious'], eyes: ['closed'], eyebrows: 'defaultNatural' },
  tongue: { mouth: ['tongue'], eyes: ['default', 'happy'], eyebrows: 'defaultNatural' },
};

export const ACCESSORIES = {
  none: [],
  glasses: ['prescription01', 'prescription02', 'round'],
  sunglasses: ['sunglasses', 'wayfarers'],
  eyepatch: ['eyepatch'],
};

/** Expressions that cannot be told behind an accessory. */
const HIDDEN_EXPRESSIONS = {
  sunglasses: ['winking', 'loving', 'sleeping', 'surprised'],
  eyepatch: ['winking', 'loving', 'sleeping'],
};

/** Facial hair has the colour of the hair; brown under a hat. */
export const FACIAL_HAIR = {
  none: [],
  beard: ['beardMedium', 'beardMajestic'],
  moustache: ['moustacheMagnum', 'moustacheFancy'],
};

const ACCESSORY_ODDS = [
  ['none', 0.5],
  ['glasses', 0.25],
  ['sunglasses', 0.17],
  ['eyepatch', 0.08],
];
const FACIAL_HAIR_ODDS = [
  ['none', 0.55],
  ['beard', 0.25],
  ['moustache', 0.2],
];
const HAT_ODDS = 0.25;
const HAIRSTYLES = Object.keys(TOPS).filter((top) => !HATS.includes(top));

/** The pair that is kept out of training, to see whether the model composes: blue hair on a green background. */
export function isWithheld(labels) {
  return labels.background === 'green' && labels.topColor === 'blue' && showsHairColor(labels.top);
}

/** Whether the top shows hair at all (a bald head has two grey patches at most). */
const showsHairColor = (top) => top !== 'bald' && !HATS.includes(top);

/**
 * Chooses the nine attributes of one avatar.
 * @param random source of `Random`
 */
export function sampleLabels(random) {
  const top = random.pick(random.chance(HAT_ODDS) ? HATS : HAIRSTYLES);
  const labels = {
    top,
    topColor: random.pick(Object.keys(HATS.includes(top) ? CLOTHES_COLORS : HAIR_COLORS)),
    skin: random.pick(Object.keys(SKIN_COLORS)),
    clothing: random.pick(Object.keys(CLOTHES)),
    clothesColor: random.pick(Object.keys(CLOTHES_COLORS)),
    background: random.pick(Object.keys(BACKGROUND_COLORS)),
    expression: random.pick(Object.keys(EXPRESSIONS)),
    accessory: random.weighted(ACCESSORY_ODDS),
    facialHair: random.weighted(FACIAL_HAIR_ODDS),
  };
  if (LONG_TOPS.includes(top)) labels.facialHair = 'none';
  if (HIDDEN_EXPRESSIONS[labels.accessory]?.includes(labels.expression)) labels.expression = 'smiling';
  return labels;
}

/** An avatar of the withheld pair. */
export function sampleWithheldLabels(random) {
  for (;;) {
    const labels = { ...sampleLabels(random), topColor: 'blue', background: 'green' };
    if (isWithheld(labels)) return labels;
  }
}

/**
 * The options of DiceBear's `avataaars` style that draw these labels; variants that no caption tells apart are drawn at
 * random.
 */
export function styleOptions(labels, random) {
  const isHat = HATS.includes(labels.top);
  const hair = isHat ? HAIR_COLORS.brown : HAIR_COLORS[labels.topColor];
  const face = EXPRESSIONS[labels.expression];
  return {
    seed: 'avatar',
    backgroundColor: [BACKGROUND_COLORS[labels.background]],
    skinColor: [SKIN_COLORS[labels.skin]],
    hairColor: [hair],
    facialHairColor: [hair],
    hatColor: [isHat ? CLOTHES_COLORS[labels.topColor] : '000000'],
    clothesColor: [CLOTHES_COLORS[labels.clothesColor]],
    accessoriesColor: ['262e33'],
    clothing: [random.pick(CLOTHES[labels.clothing])],
    eyes: [random.pick(face.eyes)],
    mouth: [random.pick(face.mouth)],
    eyebrows: [face.eyebrows],
    top: [random.pick(TOPS[labels.top])],
    topProbability: 100,
    ...optional('facialHair', FACIAL_HAIR[labels.facialHair], random),
    ...optional('accessories', ACCESSORIES[labels.accessory], random),
  };
}

function optional(name, variants, random) {
  if (variants.length === 0) return { [`${name}Probability`]: 0 };
  return { [`${name}Probability`]: 100, [name]: [random.pick(variants)] };
}
