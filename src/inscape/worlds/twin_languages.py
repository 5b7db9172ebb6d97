"""Twin languages: two vocabularies for the same meanings, each with a corpus of its own.

    p(meaning w | document) ∝ f_w exp(β u_w · c)         f: Zipf,  c: what the document is about,  u_w, c ∈ ℝᵏ

Documents of the two languages are drawn apart, and the words of the second stand in another order,
so nothing but how meanings go together says which word translates which. The dictionary is known.

Cost: documents × words for the probabilities, and k² words² for the counts of pairs at worst.
Reference: Arora et al. (2016), A latent variable model approach to PMI-based word embeddings,
arXiv:1502.03520.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from inscape.core.between import check_between


@dataclass(frozen=True, eq=False)
class TwinLanguages:
    """Two corpora as counts, and the dictionary.

    Attributes:
        first: how often each word of the first language stands in each of its documents,
            (documents, words).
        second: the same of the second language, other documents.
        dictionary: the word of the second language for each of the first, (words,).
        rank: of each word of the first language by its true frequency, 0 for the most frequent,
            (words,).
    """

    first: Float64[np.ndarray, "docs words"]
    second: Float64[np.ndarray, "docs words"]
    dictionary: Int[np.ndarray, " words"]
    rank: Int[np.ndarray, " words"]


def twin_languages(
    words: int = 2000,
    documents: int = 6000,
    *,
    length: int = 60,
    topics: int = 20,
    spread: float = 1.0,
    rng: np.random.Generator,
) -> TwinLanguages:
    """Draw meanings, and a corpus in each language.

    Args:
        words: of each language.
        documents: of each language.
        length: words of a document.
        topics: k, dimensions of what documents are about.
        spread: β, how much what a document is about decides its words.
        rng: of everything.

    Raises:
        ValueError: a number that is out of range.

    Example:
        >>> made = twin_languages(50, 20, rng=np.random.default_rng(0))
        >>> made.first.shape, made.first.sum(axis=1)[0].item()
        ((20, 50), 60.0)
    """
    sizes = {"words": words, "documents": documents, "length": length, "topics": topics}
    for name, size in sizes.items():
        check_between(f"twin_languages: {name}", size, 1)
    meaning = rng.normal(size=(words, topics))
    often = np.log(1 / (np.arange(words) + 10.0))
    order = rng.permutation(words)
    corpora = []
    for _ in range(2):
        about = rng.normal(size=(documents, topics))
        score = often + spread * about @ meaning.T
        chance = np.exp(score - score.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        corpora.append(rng.multinomial(length, chance).astype(np.float64))
    shuffled = np.empty_like(corpora[1])
    shuffled[:, order] = corpora[1]
    return TwinLanguages(corpora[0], shuffled, order, np.arange(words))
