"""Models of PyOD by name, over rolling features of each series: ``pyod:IForest`` and others.

PyOD fits them; `scorers` scores by what they became, with the same result. A row is scored by what was learnt and by
nothing else, and seeds are fixed: the same rows give the same scores. Each of these scores 1,000 rows of 10 features in
less than 20 ms at the 99th percentile (`twinstorm bench scoring`). PyOD's other models are not offered: KNN,
for one, takes longer.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.learnt import Learnt
from twinstorm.detectors.values.scorers import LEAST_WEIGHT, Components, Forest, Histograms, Scorer, Tails

SEED: Final = 20_300_101
TREES: Final = 50


class IForest(Learnt):
    """Isolation forest: rows that random cuts separate early are strange.

    50 trees of up to 256 rows.

    Source: Liu, Ting and Zhou 2008, doi:10.1109/ICDM.2008.17; PyOD's `IForest`.
    """

    name: ClassVar[str] = "pyod:IForest"
    summary: ClassVar[str] = "features that random cuts separate early from those of the first rows"

    def fitted(self, rows: Reals) -> Scorer:
        return isolation_forest(rows)


class Hbos(Learnt):
    """Histograms of each feature: rows in thin bins are strange. Knows nothing of what belongs together.

    The number of bins is chosen for each feature.

    Source: Goldstein and Dengel 2012; PyOD's `HBOS`.
    """

    name: ClassVar[str] = "pyod:HBOS"
    summary: ClassVar[str] = "features in thin bins of the histograms of the first rows"

    def fitted(self, rows: Reals) -> Scorer:
        from pyod.models.hbos import HBOS

        return Histograms.of(HBOS(n_bins="auto").fit(rows))


class Ecod(Learnt):
    """Empirical tails of each feature, added up. Nothing to set; beyond the extremes of what was learnt all is equally
    strange.

    PyOD ranks a row among all rows of its call as well; here it is ranked among those that were learnt, alone.

    Source: Li et al. 2022, doi:10.1109/TKDE.2022.3159580; PyOD's `ECOD`.
    """

    name: ClassVar[str] = "pyod:ECOD"
    summary: ClassVar[str] = "features far out in the tails of the first rows"

    def fitted(self, rows: Reals) -> Scorer:
        from pyod.models.ecod import ECOD

        return Tails.of(ECOD().fit(rows), both=False)


class Copod(Learnt):
    """As `pyod:ECOD`, but the mean of both tails counts where that of the skew is thinner.

    Source: Li et al. 2020, doi:10.1109/ICDM50108.2020.00135; PyOD's `COPOD`.
    """

    name: ClassVar[str] = "pyod:COPOD"
    summary: ClassVar[str] = "features far out in the tails of the first rows, both weighed"

    def fitted(self, rows: Reals) -> Scorer:
        from pyod.models.copod import COPOD

        return Tails.of(COPOD().fit(rows), both=True)


class Pca(Learnt):
    """Distances from the principal components of the first rows: features that no longer move together.

    Source: Shyu et al. 2003; PyOD's `PCA`.
    """

    name: ClassVar[str] = "pyod:PCA"
    summary: ClassVar[str] = "features that do not belong together as those of the first rows did"

    def fitted(self, rows: Reals) -> Scorer:
        from pyod.models.pca import PCA

        # Where features follow from others (a change is a value less the one before) there are fewer components.
        parts = np.linalg.eigvalsh(np.cov(rows, rowvar=False).reshape(rows.shape[1], -1))
        count = int(np.count_nonzero(parts > LEAST_WEIGHT * parts.sum()))
        return Components.of(PCA(n_components=None if count == len(parts) else count, random_state=SEED).fit(rows))


def isolation_forest(rows: Reals, trees: int = TREES) -> Forest:
    """Fitted to float64 (n, features)."""
    from pyod.models.iforest import IForest as Model

    return Forest.of(Model(n_estimators=trees, max_samples=min(256, len(rows)), random_state=SEED).fit(rows))
