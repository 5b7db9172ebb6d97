"""Generate with and without a steering vector, side by side, with a random vector of the same norm
as a control.

    steer("smollm2-135m", "cheer.gguf", ["My holiday was"], strengths=(4, 8))

Cost: one generation of every prompt for each condition.
Reference: Turner et al. (2023), arXiv:2308.10248; Rimsky et al. (2023), arXiv:2312.06681.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inscape.control.matched_vectors import random_vectors
from inscape.control.steering_vector import SteeringVector
from inscape.core.errors import DataError
from inscape.core.rng import generator
from inscape.model.model import Model
from inscape.views.generations import generations, lines
from inscape.views.page import page, save
from inscape.workbench.picture import language_model
from inscape.workbench.steering import fitting

BASELINE, RANDOM = "baseline", "random vector"


@dataclass(frozen=True, eq=False)
class Steered:
    """Completions under several conditions.

    Attributes:
        model: the model's name.
        vector: the vector's name.
        prompts: what was completed.
        completions: condition → a text for each prompt; the first is the baseline.
    """

    model: str
    vector: str
    prompts: tuple[str, ...]
    completions: Mapping[str, Sequence[str]]

    def html(self) -> str:
        """A page of its own."""
        facts = f"{self.model} with {self.vector}; what differs from the baseline is marked."
        return page("Generated with and without steering", [self._repr_html_()], facts)

    def _repr_html_(self) -> str:
        return generations(self.prompts, self.completions)

    def __str__(self) -> str:
        return "\n".join(lines(self.prompts, self.completions))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        said = [
            {
                "prompt": prompt,
                "completions": {name: texts[i] for name, texts in self.completions.items()},
            }
            for i, prompt in enumerate(self.prompts)
        ]
        return {"model": self.model, "vector": self.vector, "prompts": said}

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        return save(path, self.html())


def steer(
    model: str | Path | Model,
    vector: str | Path | SteeringVector,
    prompts: str | Sequence[str],
    *,
    strengths: Sequence[float] = (4.0, 8.0),
    phase: str = "all",
    random: bool = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Steered:
    """Complete prompts with and without a vector.

    Args:
        model: a language model or its name.
        vector: a steering vector, or its file.
        prompts: one text or several.
        strengths: multiples of the vector.
        phase: which tokens are steered: ``"all"``, ``"prompt"`` or ``"generated"``.
        random: also complete with a random vector of the same norm on every block, at the largest
            strength.
        seed: of sampling and of the random vector.
        progress: called after each condition with (done, total).
        options: of `Model.generate`, such as ``max_new_tokens`` (default 32) and ``temperature``
            (default 0.8).

    Raises:
        DataError: no prompt, or a vector that does not fit the model.
    """
    opened = language_model(model)
    name = Path(vector).name if isinstance(vector, (str, Path)) else "the vector"
    loaded = vector if isinstance(vector, SteeringVector) else SteeringVector.load(vector)
    fitting(opened, loaded, name)
    asked = [prompts] if isinstance(prompts, str) else list(prompts)
    if not asked:
        raise DataError("there is no prompt to complete; give one or more texts.")
    conditions: dict[str, Any] = {BASELINE: []}
    conditions |= {f"strength {dose:g}": loaded.edits(dose, phase=phase) for dose in strengths}
    if random:
        most = max(strengths, key=abs)
        (drawn,) = random_vectors(loaded, 1, rng=generator(seed, "steer", "random"))
        conditions[f"{RANDOM}, {most:g}"] = drawn.edits(most, phase=phase)
    given = {"max_new_tokens": 32, "temperature": 0.8} | options
    found = {}
    for done, (condition, edits) in enumerate(conditions.items(), 1):
        found[condition] = opened.generate(asked, edits=edits, seed=seed, **given)
        if progress is not None:
            progress(done, len(conditions))
    return Steered(opened.name, name, tuple(asked), found)
