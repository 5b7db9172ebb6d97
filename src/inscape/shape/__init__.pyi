"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.shape.alignment_uniformity import alignment as alignment
from inscape.shape.alignment_uniformity import uniformity as uniformity
from inscape.shape.anisotropy import Anisotropy as Anisotropy
from inscape.shape.anisotropy import anisotropy as anisotropy
from inscape.shape.entropy_rank import entropy_rank as entropy_rank
from inscape.shape.gride import gride as gride
from inscape.shape.lidar import lidar as lidar
from inscape.shape.mle_dimension import mle_dimension as mle_dimension
from inscape.shape.neighbour_distances import Distances as Distances
from inscape.shape.neighbour_distances import neighbour_distances as neighbour_distances
from inscape.shape.neural_collapse import NeuralCollapse as NeuralCollapse
from inscape.shape.neural_collapse import neural_collapse as neural_collapse
from inscape.shape.participation_ratio import participation_ratio as participation_ratio
from inscape.shape.power_law import PowerLaw as PowerLaw
from inscape.shape.power_law import power_law as power_law
from inscape.shape.rankme import rankme as rankme
from inscape.shape.spectrum import entropy as entropy
from inscape.shape.spectrum import singular_values as singular_values
from inscape.shape.spectrum import variances as variances
from inscape.shape.two_nn import two_nn as two_nn
from inscape.shape.two_nn import two_nn_curve as two_nn_curve
