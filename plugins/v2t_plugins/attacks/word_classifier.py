"""The network of `bag_of_words`: how likely each word of a vocabulary is, given a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from v2t_bench.contracts import Vectors
from v2t_plugins.training import seeded

ABSENT = -1
# Far above the words of a text of 32 tokens.
MOST_SAID = 64
# Logits of 256 rows and 10,000 words take 10 MB.
ROWS = 256


class WordClassifier(nn.Module):
    """One hidden layer between a vector and a logit for each word.

    Args:
        dim: ``d``.
        hidden: Width of the hidden layer.
        words: ``v``.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, *, dim: int, hidden: int, words: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, words)
        )

    def logits(self, vectors: Tensor) -> Tensor:
        """Return the logit of each word, (n, v), in float32."""
        result: Tensor = self.layers((vectors - self.centre) / self.spread)
        return result.float()

    def forward(self, vectors: Tensor, words: Tensor) -> dict[str, Tensor]:
        """Return the binary cross-entropy over all words, for each word that is there.

        Args:
            vectors: (n, d).
            words: Numbers of the words each text has, padded with `ABSENT`, (n, t).
        """
        logits = self.logits(vectors)  # (n, v)
        there = words != ABSENT
        # BCE of a sparse target: softplus(x) everywhere, minus x where the word is there.
        said = logits.gather(1, words.clamp_min(0))[there]
        return {"loss": (functional.softplus(logits).sum() - said.sum()) / there.sum().clamp_min(1)}

    @torch.no_grad()
    def guess(self, vectors: Vectors, words: Sequence[str]) -> list[str]:
        """Return the likeliest of ``words`` for each row of ``vectors``, (n, d)."""
        guesses = []
        for start in range(0, len(vectors), ROWS):
            part = torch.tensor(vectors[start : start + ROWS], device=self.centre.device)
            order, count = likeliest(self.logits(part))
            for row, k in zip(order.tolist(), count.tolist(), strict=True):
                guesses.append(" ".join(words[number] for number in row[:k]))
        return guesses


def likeliest(logits: Tensor, most: int = MOST_SAID) -> tuple[Tensor, Tensor]:
    """Return the words to say in order, (n, most), and how many of them to say, (n,).

    The number is the one with the best expected F1 if the probabilities are right:
    2 * (sum of the k best) / (k + sum of all).
    """
    probabilities = logits.sigmoid()
    best, order = probabilities.topk(min(most, probabilities.shape[1]), dim=1)
    said = torch.arange(1, best.shape[1] + 1, device=best.device)
    expected = 2 * best.cumsum(dim=1) / (said + probabilities.sum(dim=1, keepdim=True))
    return order, expected.argmax(dim=1) + 1


class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Vectors (n, d), each with the numbers of its text's words."""

    def __init__(self, vectors: Vectors, words: Sequence[Sequence[int]]) -> None:
        self.vectors, self.words = torch.from_numpy(vectors), words

    def __len__(self) -> int:
        return len(self.words)

    def counts(self, n_words: int) -> Tensor:
        """Return in how many texts each of ``n_words`` words is, (n_words,)."""
        said = torch.tensor([number for row in self.words for number in row], dtype=torch.long)
        return torch.bincount(said, minlength=n_words)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.vectors[row], torch.tensor(self.words[row], dtype=torch.long)


def collate(examples: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Return a batch for `WordClassifier.forward`."""
    vectors, words = zip(*examples, strict=True)
    padded = nn.utils.rnn.pad_sequence(list(words), batch_first=True, padding_value=ABSENT)
    return {"vectors": torch.stack(list(vectors)), "words": padded}


def n_words(batch: Mapping[str, Tensor]) -> int:
    """Return how many words the loss of a batch is the mean over."""
    return max(1, int((batch["words"] != ABSENT).sum()))


@torch.no_grad()
def new_classifier(vectors: Tensor, counts: Tensor, *, hidden: int, seed: int) -> WordClassifier:
    """Return an untrained network that says each word as often as the training texts do.

    Args:
        vectors: Of the training texts, (n, d).
        counts: In how many of them each word is, (v,).
        hidden: Width of the hidden layer.
        seed: Of the weights.
    """
    with seeded(seed, "bow weights"):
        network = WordClassifier(dim=vectors.shape[1], hidden=hidden, words=len(counts))
    centre = vectors.mean(dim=0)
    network.centre.copy_(centre)
    # One number for all coordinates: scaling each by itself would blow up the noisy ones.
    variance = vectors.square().mean() - centre.square().mean()
    network.spread.fill_(variance.clamp_min(0).sqrt().clamp_min(1e-6))
    # Half a text more of each: a frequency of 0 or 1 has no logit.
    frequencies = (counts + 0.5) / (len(vectors) + 1)
    last = network.layers[-1]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(0.1)
    last.bias.copy_(frequencies.logit())
    return network
