"""Inscape: a workbench for the inner representations of neural networks.

    import inscape
    model = inscape.open("smollm2-135m")
    run = model.run("The capital of France is", capture="resid_post.*")

Names load on first use, so that importing the package costs nothing. Here are those that most
people look for; most packages below (`inscape.read`, `inscape.control`, …) offer their own, and
``inscape methods WORD`` searches all of them.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: name → its module; the type stub beside this file is made of it (`make stubs`)
_HOME = {
    "open": "inscape.model.open",
    "Model": "inscape.model.model",
    "Site": "inscape.core.site",
    "Scope": "inscape.core.edit",
    "Add": "inscape.core.edit",
    "ProjectOut": "inscape.core.edit",
    "SetComponent": "inscape.core.edit",
    "Affine": "inscape.core.edit",
    "Replace": "inscape.core.edit",
    "Evidence": "inscape.core.evidence",
    "Null": "inscape.core.evidence",
    "InscapeError": "inscape.core.errors",
    "Lens": "inscape.core.protocols",
    "Eraser": "inscape.core.protocols",
    "Probe": "inscape.core.protocols",
    "Examples": "inscape.data.examples",
    "load": "inscape.data.load",
    "Store": "inscape.store.store",
    "harvest": "inscape.store.harvest",
    "moments": "inscape.store.moments",
    "forecast": "inscape.store.forecast",
    "sweep": "inscape.probing.sweep",
    "probe": "inscape.workbench.probe",
    "compare_models": "inscape.workbench.compare",
    "lens": "inscape.workbench.lens",
    "top": "inscape.workbench.top",
    "patch": "inscape.workbench.patch",
    "ablate": "inscape.workbench.ablate",
    "attribute": "inscape.workbench.attribute",
    "attention": "inscape.workbench.attention",
    "steer": "inscape.workbench.steer",
    "scatter": "inscape.workbench.scatter",
    "run_study": "inscape.study.runner",
    "LogisticProbe": "inscape.read.logistic",
    "RidgeProbe": "inscape.read.ridge",
    "MassMeanProbe": "inscape.read.mass_mean",
    "SparseProbe": "inscape.read.sparse",
    "online_codelength": "inscape.read.mdl",
    "neuron_search": "inscape.read.neurons",
    "logit_lens": "inscape.read.logit_lens",
    "TunedLens": "inscape.read.tuned_lens",
    "train_tuned_lens": "inscape.read.tuned_lens",
    "JacobianLens": "inscape.read.jacobian_lens",
    "patchscope": "inscape.read.patchscopes",
    "local_map": "inscape.read.detached_jacobian",
    "LeaceEraser": "inscape.control.leace",
    "INLP": "inscape.control.inlp",
    "SteeringVector": "inscape.control.steering_vector",
    "patch_map": "inscape.control.patching",
    "attribution_map": "inscape.control.patching",
    "path_map": "inscape.control.path_patching",
    "attention_knockout": "inscape.control.attention_knockout",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name.startswith("__"):
        raise AttributeError(f"module 'inscape' has no attribute {name!r}")
    # imported here: a plain `import inscape` reads no other file
    exports = importlib.import_module("inscape.core.exports")
    if f"inscape.{name}" in exports.packages():
        return importlib.import_module(f"inscape.{name}")
    raise AttributeError(exports.unknown("inscape", name, _HOME))


def __dir__() -> list[str]:
    exports = importlib.import_module("inscape.core.exports")
    return [*__all__, *(p.removeprefix("inscape.") for p in exports.packages())]
