"""Made by `make stubs`: what loads on first use, for editors and type checkers."""

from inscape.learn.correlation_loss import correlation_loss as correlation_loss
from inscape.learn.correlation_loss import transport_loss as transport_loss
from inscape.learn.cost import Cost as Cost
from inscape.learn.cost import cost as cost
from inscape.learn.dense_info_nce import at_cells as at_cells
from inscape.learn.dense_info_nce import dense_info_nce as dense_info_nce
from inscape.learn.dense_info_nce import nearest_cells as nearest_cells
from inscape.learn.ema_target import EmaTarget as EmaTarget
from inscape.learn.ema_target import SelfPredicting as SelfPredicting
from inscape.learn.ema_target import predict_target as predict_target
from inscape.learn.fit import Budget as Budget
from inscape.learn.fit import Diverged as Diverged
from inscape.learn.fit import Fitted as Fitted
from inscape.learn.fit import Steps as Steps
from inscape.learn.fit import Watch as Watch
from inscape.learn.fit import fit as fit
from inscape.learn.gradient import Gradient as Gradient
from inscape.learn.info_nce import info_nce as info_nce
from inscape.learn.isotropy_penalty import isotropy_penalty as isotropy_penalty
from inscape.learn.paired_contrast import paired_contrast as paired_contrast
from inscape.learn.relation_embedding import RelationEmbedding as RelationEmbedding
from inscape.learn.relation_embedding import relation_loss as relation_loss
from inscape.learn.vicreg import vicreg as vicreg
from inscape.learn.von_neumann_entropy import i_vne as i_vne
from inscape.learn.von_neumann_entropy import von_neumann_entropy as von_neumann_entropy
