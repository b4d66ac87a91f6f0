"""What the papers print, to set beside what we measured. Figures only, as their tables state them."""

from __future__ import annotations

_METHODS = ("Random", "Majority", "SVP", "DosCond", "DConRec", "Full")
_PRINTED = {
    ("ciao", 0.25): ((0.0092, 0.0076), (0.0180, 0.0117), (0.0289, 0.0187), (0.0124, 0.0092), (0.0302, 0.0200), (0.0312, 0.0212)),
    ("ciao", 0.5): ((0.0179, 0.0126), (0.0280, 0.0170), (0.0269, 0.0184), (0.0236, 0.0171), (0.0309, 0.0198), (0.0312, 0.0212)),
    ("gowalla", 0.25): ((0.0457, 0.0327), (0.0667, 0.0404), (0.0836, 0.0567), (0.0548, 0.0394), (0.0930, 0.0651), (0.1015, 0.0720)),
    ("gowalla", 0.5): ((0.0811, 0.0574), (0.0923, 0.0590), (0.0880, 0.0612), (0.0919, 0.0664), (0.0996, 0.0703), (0.1015, 0.0720)),
    ("dianping", 0.25): ((0.0169, 0.0091), (0.0236, 0.0120), (0.0523, 0.0285), (0.0200, 0.0111), (0.0614, 0.0340), (0.0615, 0.0346)),
    ("dianping", 0.5): ((0.0239, 0.0129), (0.0468, 0.0242), (0.0516, 0.0282), (0.0347, 0.0195), (0.0638, 0.0356), (0.0615, 0.0346)),
}
DCONREC = {(name, ratio, method): pair for (name, ratio), row in _PRINTED.items() for method, pair in zip(_METHODS, row)}
"""DConRec, Table 2: (Recall@10, NDCG@10) by data set, ratio and method."""

CORRELATION = {
    ("cora", 24): {"Random": 0.29, "GCond-X": 0.16, "GCond": 0.61, "HCDC": 0.80},
    ("cora", 49): {"Random": 0.40, "GCond-X": 0.21, "GCond": 0.76, "HCDC": 0.85},
    ("cora", 97): {"Random": 0.51, "GCond-X": 0.23, "GCond": 0.81, "HCDC": 0.90},
    ("citeseer", 30): {"Random": 0.38, "GCond-X": 0.15, "GCond": 0.68, "HCDC": 0.79},
    ("citeseer", 60): {"Random": 0.56, "GCond-X": 0.29, "GCond": 0.79, "HCDC": 0.83},
    ("citeseer", 120): {"Random": 0.71, "GCond-X": 0.35, "GCond": 0.83, "HCDC": 0.89},
}
"""HCDC, Table 2: Spearman's correlation over 80 filters by data set, condensed training nodes (0.9 / 1.8 / 3.6 % of Cora, and the labelled
nodes' 25 / 50 / 100 % of CiteSeer where the paper has 1.3 / 2.6 / 5.2 % of all nodes) and method."""
