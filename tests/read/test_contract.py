"""scikit-learn's own checks on every probe."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from inscape.read.attention_pool import AttentionProbe
from inscape.read.circular import CircularProbe
from inscape.read.kmeans_direction import KMeansDirection
from inscape.read.knn import KNNProbe
from inscape.read.lda import LDAProbe
from inscape.read.logistic import LogisticProbe
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.multilabel import MultilabelProbe
from inscape.read.nearest_centroid import CentroidProbe
from inscape.read.pca_direction import PCADirection
from inscape.read.ridge import RidgeProbe
from inscape.read.scalar_mix import ScalarMixProbe
from inscape.read.sparse import SparseProbe


@parametrize_with_checks(
    [
        RidgeProbe(),
        LogisticProbe(),
        MassMeanProbe(),
        MassMeanProbe(lda=True),
        PCADirection(),
        KMeansDirection(restarts=2),
        AttentionProbe((1.0,), max_iter=20),
        CentroidProbe(),
        CircularProbe(),
        KNNProbe(),
        LDAProbe(),
        MultilabelProbe(),
        ScalarMixProbe((1.0,), max_iter=20),
        SparseProbe(2),
    ]
)
def test_estimator_contract(estimator, check):
    check(estimator)
