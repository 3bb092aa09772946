"""Prunes CLIP's 48,894 merges to those that the captions and a list of everyday prompt words use.

python vocabulary.py [--build DIR]   writes DIR/merges.txt, one merge a line ("a b") in rank order.
"""

import argparse
import collections
import gzip
import importlib.resources
from pathlib import Path

from data import PictureSet
from tokenizer import Tokenizer

# CLIP's vocabulary has 49,408 entries: 512 bytes, the merges, start and end.
CLIP_MERGES = 49408 - 512 - 2
RARE = 200

# Words that a person may well type and that no caption holds: they should not fall into single letters.
PROMPT_WORDS = """
a about above across after all also among an and any are around as at back be because been before behind below beside
best better between big both bottom bright but by can close cold color colors colour colours cool corner dark day deep
different do does down draw drawn each early elegant empty end even every extremely few fine first flat for foreground
friendly from front full funny good great half have he her here high him his hot huge i if image in inside into is it
its just kind large last late left less light like little long look looks lot low lovely made make many me medium
middle more most much my near never new next nice night no not now of off old on one only open or other our out
outside over own painting people photo photograph photography picture plain pretty quite realistic really right round
same scene see shape she sharp shiny short show side simple since small so soft some someone something still strange
strong style such super sweet tall than that the their them then there these they thing this those through to together
too top turn two under up upper us very view warm was we well what when where which while wide will with without
woman women word world would year yes yet you young your
adult baby bearded boss brother businessman businesswoman buddy captain chef child children clown cowboy dad daughter
detective doctor dude elder engineer family farmer father female fellow friend gentleman girls grandfather grandma
grandmother grandpa guys hero hipster human kid king knight ladies male man men mom monk mother nurse painter parent
pilot pirate president prince princess professor punk queen rapper rockstar sailor scientist sister soldier son student
teacher teen teenager wizard witch worker youth
ear ears eye eyebrow eyebrows eyes eyelashes face facial forehead hand head lips mouth neck nose shoulders skin smile
teeth tears tongue tooth
bangs bald braid braids buzz clean crewcut curls curly cut dyed fringe goatee hair haired haircut hairstyle headed
locks mullet parted pixie plaits ponytail shaved sideburns stubble tousled tuft undercut waves
apron backpack bandana beret belt blouse boots bow bowtie cap cape cloak clothes clothing coat collar costume crown
denim dress earrings fedora fur glove gloves gown headband headphones helmet hood jeans jewelry leather mask necklace
outfit pants polo pullover ring robe sari scarf skirt sleeve sleeves socks spectacled striped suit sunhat suspenders
sweatshirt swimsuit tank tie top tunic uniform veil vest wear wears wool
amber aqua aquamarine azure beige bronze brunette burgundy charcoal chocolate copper coral cream crimson cyan emerald
ginger gold indigo ivory jade khaki lavender lilac lime magenta maroon mauve mint mustard navy ochre olive peach
platinum redhead rose ruby rust salmon sand sapphire scarlet silver snow teal turquoise ultramarine vanilla wine
angry anxious bored bright charming confident confused crazy cry curious delighted depressed disappointed disgusted
dreaming emotional excited fierce frightened frown frowning frustrated gloomy grin grinning grumpy handsome happiness
joyful joy kiss kissing laugh laughing lonely love mean nervous peaceful pleased pouting proud relaxed sadness scared
screaming serene shouting shy sleepy smirk smirking sobbing stern surprise tired upset wink worried yawning yelling
african american arab asian bright european indian pale native white
art artist artwork avatar background beach blank blurred cartoon character city clip cloud clouds colorful concept
detailed digital dramatic drawing flat forest garden gradient graphic green icon illustration indoors landscape
lighting logo masterpiece minimal minimalist modern mountain nature neon outdoors park pastel pattern profile quality
render room sea sketch sky solid space sticker street studio sun sunset texture tree trees vector vintage vibrant wall
water winter summer spring autumn
animal bear bird book bunny car cat dog dragon fire fish flower flowers horse house lion monkey moon mouse panda rabbit
robot rose ship star stars tiger wolf zombie alien vampire ghost
""".split()


def clip_merges():
    """CLIP's merges in rank order, from the vocabulary file that open_clip_torch (MIT) ships."""
    packed = importlib.resources.files("open_clip").joinpath("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    return [tuple(line.split()) for line in lines[1 : 1 + CLIP_MERGES]]


def used_merges(words):
    """The merges that cutting `words` applies, in rank order; with them alone each word is cut the same way."""
    full = Tokenizer(clip_merges())
    used = set()
    record = full._merge
    full._merge = lambda symbols, pair: used.add(pair) or record(symbols, pair)
    for word in words:
        full.split(word)
    return sorted(used, key=full.ranks.get)


def load_tokenizer(build):
    lines = (Path(build) / "merges.txt").read_text(encoding="utf-8").split("\n")
    return Tokenizer([tuple(line.split()) for line in lines])


def caption_words(build):
    """The words of the captions; one seen less than RARE times is a word with two letters swapped."""
    texts = (caption["text"] for record in PictureSet(build, "train").records for caption in record["captions"])
    counts = collections.Counter(word for text in texts for word in Tokenizer.words(text))
    return [word for word, count in counts.items() if count >= RARE]


def main(build):
    words = sorted({*PROMPT_WORDS, *caption_words(build)})
    merges = used_merges(words)
    (build / "merges.txt").write_text("\n".join(" ".join(pair) for pair in merges), encoding="utf-8")
    print(f"{len(words)} words, {len(merges)} merges, vocabulary {len(Tokenizer(merges))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    main(parser.parse_args().build)
