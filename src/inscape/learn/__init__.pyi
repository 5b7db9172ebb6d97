"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.learn.cost import Cost as Cost
from inscape.learn.cost import cost as cost
from inscape.learn.fit import Budget as Budget
from inscape.learn.fit import Fitted as Fitted
from inscape.learn.fit import Steps as Steps
from inscape.learn.fit import Watch as Watch
from inscape.learn.fit import fit as fit
from inscape.learn.gradient import Gradient as Gradient
from inscape.learn.gradient import GradientSteps as GradientSteps
