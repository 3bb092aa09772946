"""CLIP's tokenizer (byte-level BPE) over any list of merges."""

import functools
import itertools

import numpy as np
import regex

CONTEXT_LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def byte_symbols():
    """One printable character for each byte, in the order in which CLIP (after GPT-2) numbers them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


class Tokenizer:
    """`merges`: pairs of symbols in rank order. Ids: 256 bytes, 256 bytes that end a word, the merges, start, end."""

    def __init__(self, merges):
        self._bytes = byte_symbols()
        symbols = list(self._bytes.values())
        vocabulary = symbols + [s + "</w>" for s in symbols] + ["".join(pair) for pair in merges] + [START, END]
        self.ids = {symbol: i for i, symbol in enumerate(vocabulary)}
        if len(self.ids) != len(vocabulary):
            raise ValueError("two merges give the same symbol")
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.start, self.end = self.ids[START], self.ids[END]
        self.split = functools.cache(self.split)

    def __len__(self):
        return len(self.ids)

    @staticmethod
    def words(text):
        """Lower case and single spaces, as CLIP cleans a prompt, then cut into words."""
        return WORD.findall(" ".join(text.split()).lower())

    def split(self, word):
        """The symbols of one word: the lowest-ranked pair is merged until none is left."""
        symbols = [self._bytes[byte] for byte in word.encode("utf-8")]
        symbols[-1] += "</w>"
        while len(symbols) > 1:
            best = min(itertools.pairwise(symbols), key=lambda pair: self.ranks.get(pair, np.inf))
            if best not in self.ranks:
                break
            symbols = self._merge(symbols, best)
        return symbols

    @staticmethod
    def _merge(symbols, pair):
        merged, i = [], 0
        while i < len(symbols):
            if tuple(symbols[i : i + 2]) == pair:
                merged.append(symbols[i] + symbols[i + 1])
                i += 2
            else:
                merged.append(symbols[i])
                i += 1
        return merged

    def encode(self, texts):
        """int64 [N, 77]: start, the text cut to 75 ids, end, and end again as padding (as Stable Diffusion 1 pads)."""
        ids = np.full((len(texts), CONTEXT_LENGTH), self.end, np.int64)
        for row, text in zip(ids, texts):
            tokens = [self.ids[symbol] for word in self.words(text) for symbol in self.split(word)]
            tokens = [self.start, *tokens[: CONTEXT_LENGTH - 2]]
            row[: len(tokens)] = tokens
        return ids
