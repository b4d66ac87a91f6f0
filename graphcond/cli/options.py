"""The commands' options as frozen dataclasses: one definition for Python, shell and YAML; imports
no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class OwnTable:
    """Where raw files lie, and how a table of one's own is read.

    Args:
        root: Folder with raw data sets; default $GRAPHCOND_DATA or ~/.cache/graphcond.
        user: Column of users in a table of your own; by default user, user_id, customer_id, …
        item: Column of items; by default item, item_id, movieId, product_id, …
        time: Column of time stamps (seconds, milliseconds, ISO 8601); by default timestamp, time,
            date, …; "" takes none.
        rating: Column of ratings; by default rating, stars, score, …; "" takes none.
        weight: Column of weights; by default weight; "" takes none.
        min_rating: Lower ratings are left out; by default a row of any rating is an interaction.
        k_core: Leave out users and items with fewer interactions than this; the card says how many.
    """

    root: str | None = None
    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    weight: str | None = None
    min_rating: float | None = None
    k_core: int | None = None


@dataclass(frozen=True)
class Source(OwnTable):
    """Where the data come from.

    Args:
        data: A data set's name (see `graphcond datasets`) or a file: .safetensors, .npz, .csv,
            .tsv, .parquet, .inter, a LightGCN folder.
    """

    data: str


@dataclass(frozen=True)
class Protocol(Source):
    """How sets are split and judged.

    Args:
        split: Interactions: 80/10/10 of each user by a seed; by two points in time that hold for
            all; each user's last two held out; or the publisher's own. By default the split that
            a condensed set was made from, or that comes with a file of your own, else per-user.
        seed: Seed of the split, the condenser and the first training. A condensed set is judged on
            the split it was made from, whatever the seed.
        seeds: Repeats per row of the report.
        candidates: Filters to rank on the original and on the condensed graph (graphs only); 0
            skips the ranking.
    """

    split: Literal["per-user", "temporal", "leave-last-out", "published"] | None = None
    seed: int = 0
    seeds: int = 3
    candidates: int = 20


@dataclass(frozen=True)
class Budget(Protocol):
    """How small the condensed set is.

    Args:
        ratio: Share to keep, in (0, 1]: of the nodes (default 0.05) or of the training interactions
            (default 0.25).
        num_nodes: Condensed training nodes, instead of a ratio (graphs only).
        of: What a ratio of nodes counts against: all nodes, or the training nodes.
        num_val: Condensed validation nodes; default as many as training nodes (graphs only).
        out: Folder for what is written.
    """

    ratio: float | None = None
    num_nodes: int | None = None
    of: Literal["nodes", "train"] = "nodes"
    num_val: int | None = None
    out: str | None = None


@dataclass(frozen=True)
class Condense(Budget):
    """Condense a data set and print how well the small one stands in for it.

    With --out, the folder receives condensed.safetensors, config.yaml, report.json, history.jsonl
    and comparison.png; an interrupted run resumes from its checkpoint there. A table of your own
    comes back as well, smaller: the same columns and ids, and the rows held out beside it.

    Args:
        purpose: The same as --for: what a condensed graph is for; the default is accuracy. accuracy
            takes Partition: a GCN reaches 82.8 % on Cora with 35 nodes and 87.6 % on Photo with 24,
            in 1 CPU second (random nodes: 62.9 % and 47.4 %). filters takes HypergradientMatching
            (HCDC): Spearman .97 on Cora and .95 on PubMed, in 20 CPU seconds (random nodes: .39 and
            -.01; the linear surrogate, without condensing: .98 and .93). architectures takes
            SampledNeighbourhoods: on networks of NAS-Bench-Graph Spearman .50 on Cora, .33 on
            CiteSeer, .36 on PubMed (number of parameters: .17, .30, .17). See
            `python -m benchmarks.node.purpose`.
        method: A condenser's name (see `graphcond methods`), "default", or a class of your own as
            package.module.Class. It wins over --for, and a line says so if they differ.
        judge: Whether to train on the result, beside a random control and the original, and print
            the table.
        proposals: Whether the default method may put interactions into a set of interactions that
            the data do not have. A model that is trained on them ranks well only where the
            original's items are left out; leave_out.csv lists those.
        parquet: Whether to write a table of your own as Parquet, too.
    """

    purpose: Literal["accuracy", "filters", "architectures"] | None = None
    method: str = "default"
    judge: bool = True
    proposals: bool = False
    parquet: bool = False


@dataclass(frozen=True)
class Compare(Budget):
    """Condense with several methods and print one table, with the original, a random control and
    the ceiling.

    With --out, the folder receives rows.json and comparison.png; an interrupted run resumes there
    from the checkpoints of its condensers, and judges anew.

    Args:
        methods: Comma-separated condensers (see `graphcond methods`), for example
            Herding,KCenter.
        json: Print the rows alone, as JSON.
    """

    methods: str = "random,default"
    json: bool = False


@dataclass(frozen=True)
class Condensed:
    """A condensed set in a file.

    Args:
        condensed: A folder that `graphcond condense --out` wrote, or its condensed.safetensors.
    """

    condensed: str


@dataclass(frozen=True)
class Evaluate(Protocol, Condensed):
    """Judge a condensed set from a file against its original.

    Args:
        json: Print the rows alone, as JSON.
    """

    json: bool = False


Space = Literal["models", "filters", "graph-nas", "nas-bench-graph", "recommenders"]


@dataclass(frozen=True)
class Search(OwnTable):
    """Search architectures, filters or recommenders on a condensed set, train the best few on the
    original, and test the winner; or search with an Optuna objective of your own.

    Interrupted or killed, the same command goes on where it was, from a journal in --out or from
    --storage. Several commands on one storage share its trials.

    With --out, the folder receives search.json, history.csv, history.png and search.journal; and
    cost.json, if the condensed set's report is beside it: from how many candidates on condensing
    pays.

    Args:
        subject: A data set's name (see `graphcond datasets`) or a file; or your own objective as
            script.py:function. It is called with a trial, and with `data` if it takes it.
        condensed: A folder that `graphcond condense --out` wrote, or its condensed.safetensors;
            without one the original itself is searched.
        data: For your own objective: the data set or file that it gets as `data`.
        full: For your own objective: the original, on which the best few are tried again.
        direction: For your own objective: whether more or less is better.
        space: Of a graph, networks (models: 10 kinds, 2 widths, 2 depths; the default), polynomial
            filters of order 2, GraphNAS's 12,644,352 networks, or NAS-Bench-Graph's 26,206. Of
            interactions, recommenders: MF and LightGCN, their sizes, losses, rates and decays;
            condense with --method PopularCore for it.
        trials: Candidates trained on the condensed set, the 40 networks at most once each; filters
            are judged by its own validation nodes, networks by the original's, which rank them
            better, and recommenders by the original's for the users and items of the set.
        top: Candidates trained again on the original; its validation nodes choose the winner.
        seed: Seed of the search, the split and the trainings.
        epochs: Training steps of every candidate; of a recommender the most rounds.
        storage: Where trials are kept instead of --out: journal:FILE, sqlite:///FILE or the URL of
            another data base.
        workers: Processes that share the trials; more than one need --out or --storage.
        timeout: Seconds after which no candidate is started.
        out: Folder for what is written.
        json: Print JSON.
    """

    subject: str
    condensed: str | None = None
    data: str | None = None
    full: str | None = None
    direction: Literal["maximize", "minimize"] = "maximize"
    space: Space | None = None
    trials: int = 40
    top: int = 5
    seed: int = 0
    epochs: int = 200
    storage: str | None = None
    workers: int = 1
    timeout: float | None = None
    out: str | None = None
    json: bool = False


@dataclass(frozen=True)
class Info(Source):
    """Print what a data set or a condensed file holds, and draw it if it is small.

    Args:
        plot: PNG file for a drawing of a graph of at most 500 nodes.
        json: Print JSON.
    """

    plot: str | None = None
    json: bool = False


@dataclass(frozen=True)
class Datasets:
    """List the data sets that graphcond knows, with source, licence and size.

    Args:
        json: Print JSON.
    """

    json: bool = False


@dataclass(frozen=True)
class Methods:
    """List the condensers by the names that --method takes, one line each.

    Args:
        json: Print JSON.
    """

    json: bool = False
