"""Survivors that change nothing a user could see, each with the reason."""

from __future__ import annotations

from tests.mutation.operators import Mutant

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "graphcond/data/split.py",
        "split_interactions",
        "{**record, **cold(data, part)} → {**cold(data, part), **record}",
    ): "no name is in both",
    (
        "graphcond/data/planted.py",
        "planted_graph",
        "x = 2 * mean[y] + → x = -2 * mean[y] +",
    ): "means are random unit vectors, whose opposites are as random",
    (
        "graphcond/metrics/ranking.py",
        "ndcg",
        ".log2() → .log()",
    ): "gains and the ideal's gains change by one factor, which their ratio does not have",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._newton",
        "1e-15 → 2e-15",
    ): "the width at which bisection ends, in units of rounding; both are below what is tested",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._newton",
        "abs(excess) <= CLOSE * self.budget → abs(excess) > CLOSE * self.budget",
    ): "a precondition that saves a pass: the step is taken only where `_meets` finds it exact",
    (
        "graphcond/masks/bernoulli.py",
        "Draws.blocks",
        "self.mask.probs.detach() → self.mask.probs",
    ): "a comparison follows, which has no gradient",
    (
        "graphcond/nn/adjacency.py",
        "PairMLP.init",
        "1 → 2",
    ): "the spread of one vector of start weights, which are fitted to the start graph afterwards",
    (
        "graphcond/nn/graph_nas.py",
        "GraphNASNet.__init__",
        "0 → 1",
    ): "which seed is the default",
    (
        "graphcond/nn/graph_nas.py",
        "",
        "'max' → 'min'",
    ): "a name in a type, which nothing reads",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._sums",
        "sums[1] += kept.ceil().sum() - kept.floor_().sum() → pass",
    ): "without slopes every step bisects: slower, to the same answer",
    (
        "graphcond/nn/filters.py",
        "PolynomialFilterNet._layer",
        "fan_in < width → fan_in > width",
    ): "whether W or the filter comes first: the product is the same, the cost is not",
    (
        "graphcond/linalg/neumann.py",
        "Neumann._solve",
        "relative <= self.tolerance → relative < self.tolerance",
    ): "a residual that equals the tolerance to the last bit",
    (
        "graphcond/linalg/operators.py",
        "GaussNewton.__init__",
        "self.probe = torch.zeros_like(self.leaf).requires_grad_() → self.probe ="
        " torch.ones_like(self.leaf).requires_grad_()",
    ): "Jᵀ u is linear in u: its derivative is the same at any u",
    (
        "graphcond/linalg/cg.py",
        "CG._solve",
        "curvature = vectors.dot(direction, product, batched) → curvature ="
        " vectors.dot(residual, product, batched)",
    ): "the direction is the residual and a part of the last direction, which A p is conjugate to",
    (
        "graphcond/linalg/cg.py",
        "CG._solve",
        "* vectors.norm(direction, batched) → * vectors.norm(residual, batched)",
    ): "a bound of rounding with room to spare, of two vectors of about one length",
    (
        "graphcond/linalg/neumann.py",
        "Neumann._solve",
        "active & ~(length → ~(length",
    ): "a block that is done has a short residual, and one that diverged has diverged",
    (
        "graphcond/hypergrad/implicit.py",
        "mixed_product",
        "with torch.enable_grad(): → if True:",
    ): "`create_graph` records whatever the caller's mode is",
    (
        "graphcond/hypergrad/sensitivity.py",
        "_mixed_columns",
        "with torch.enable_grad(): → if True:",
    ): "`create_graph` records whatever the caller's mode is",
    (
        "graphcond/masks/estimators/base.py",
        "weighted_scores",
        "out = probs.new_empty(weights.size(-2), probs.numel()) → out ="
        " probs.new_zeros(weights.size(-2), probs.numel())",
    ): "every entry is written",
    (
        "graphcond/masks/estimators/base.py",
        "score_estimate",
        "weights = weights[..., 0] → weights = weights.mean(-1)",
    ): "without groups there is one loss a mask",
    (
        "graphcond/masks/poisson.py",
        "ConditionalPoisson.with_inclusion",
        "working = inclusion → working = torch.full_like(inclusion, size / len(inclusion))",
    ): "where a fixed point is started from: it is reached to rounding in as many rounds",
    (
        "graphcond/masks/poisson.py",
        "ConditionalPoisson.sample",
        "times = 4 → times = 1",
    ): "how many draws are tried at once",
    (
        "graphcond/masks/poisson.py",
        "ConditionalPoisson.sample",
        "max(1, min(2 * times, TRIALS // rows.numel())) → max(1, min(2 * times, TRIALS))",
    ): "how many draws are tried at once: more memory, the same distribution",
    (
        "graphcond/evaluation/reference.py",
        "compare_rankings",
        "accuracy = accuracy.double() → accuracy = accuracy.float()",
    ): "shares of a few nodes, which float32 tells apart",
    (
        "graphcond/evaluation/surrogate.py",
        "linear_surrogate",
        "loss[0], scores.accuracy[0], ridge → loss.mean(0), scores.accuracy[0], ridge",
    ): "there is one ridge",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._guess",
        "part = values[::SAMPLE] → part = values[:SAMPLE]",
    ): "a worse guess costs passes over the values, which end at the same shift",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._guess",
        "share = CappedSimplex(self.budget * part.numel() / size, exact=True) → share ="
        " CappedSimplex(self.budget, exact=True)",
    ): "a worse guess costs passes over the values, which end at the same shift",
    (
        "graphcond/masks/bernoulli.py",
        "",
        "16 → 17",
    ): "edges that share a random stream; any size serves",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._sums",
        "sums[1] += kept.ceil().sum() - kept.floor_().sum() → sums[1] -= kept.ceil().sum() -"
        " kept.floor_().sum()",
    ): "a wrong slope leaves the bracket and bisects: slower, to the same answer",
    (
        "graphcond/masks/estimators/base.py",
        "score_estimate",
        "weights.permute(2, 0, 1).contiguous() → weights.permute(2, 0, 1)",
    ): "how numbers lie in memory",
    (
        "graphcond/masks/draw.py",
        "systematic",
        "wanted.cumsum(0).cummax(0).values → wanted.cumsum(0)",
    ): "sums that a CPU adds up in order never fall",
    (
        "graphcond/masks/draw.py",
        "systematic",
        "torch.floor(walk * scale + start) → torch.floor((walk + start) * scale)",
    ): "the scale is 1 up to the rounding of the walk's last sum",
    (
        "graphcond/masks/draw.py",
        "systematic",
        "steps[-1] = size → pass",
    ): "the last sum is scaled to the size; only a start below 1e-15 would show that it rounds",
    (
        "graphcond/nn/teacher.py",
        "_ridge",
        "rows.shape[0] <= rows.shape[1] → rows.shape[0] < rows.shape[1]",
    ): "which of two equal-sized systems with one solution is solved",
    (
        "graphcond/nn/linear_filters.py",
        "ridge_filters",
        "inner → outer",
    ): "which of two systems with one solution is stored: the cost differs, the weights do not",
    (
        "graphcond/nn/random_features.py",
        "random_filters",
        "generator(seed, 'random filters', 0) → generator(seed, 'random filters')",
    ): "another draw of the same distribution, from a stream that nothing else reads",
    (
        "graphcond/training/negatives.py",
        "UniformNegatives.__init__",
        "max → min",
    ): "a pair's key is row · columns + column, whatever the number of rows",
    (
        "graphcond/training/sparse_ease.py",
        "_nearest",
        "popularity.clamp(min=1) → popularity",
    ): "items that nobody took meet no other item, so that their length is never read",
    (
        "graphcond/training/forest.py",
        "_train_block",
        "1 → 2",
    ): "one more look, after the last epoch, which never comes",
    (
        "graphcond/training/nodes.py",
        "activations_at_once",
        "device.type == 'cpu' → device.type != 'cpu'",
    ): "how many filters are trained at once: the time differs, the results do not",
    (
        "graphcond/condensers/interactions/baselines.py",
        "proxy_losses",
        "users → items",
    ): "both rows of one tensor, asked for their device or their number",
    (
        "graphcond/condensers/nodes/learner.py",
        "Learner.update",
        "loss.detach() → loss",
    ): "a float has no gradient",
    (
        "graphcond/condensers/nodes/kernel_inducing_points.py",
        "_biased",
        "return torch.cat([z, scale.expand(len(z), 1)], 1) → return -torch.cat([z,"
        " scale.expand(len(z), 1)], 1)",
    ): "both sides of every inner product change their sign",
    (
        "graphcond/condensers/nodes/kernel_inducing_points.py",
        "KernelInducingPoints._layers",
        "2 → 3",
    ): "without a space nothing reads it",
    (
        "graphcond/condensers/nodes/kernel_inducing_points.py",
        "KernelInducingPoints._bases",
        "block.contiguous() → block",
    ): "how numbers lie in memory",
    (
        "graphcond/condensers/nodes/backbones.py",
        "gradient_distance",
        "1e-12 → 2e-12",
    ): "a guard against a division by 0",
    (
        "graphcond/condensers/nodes/coreset.py",
        "KCenter._choose",
        "(points - points.mean(0)).square().sum → (points - points.mean(0)).square().mean",
    ): "the nearest is the nearest by the mean, too",
    (
        "graphcond/condensers/nodes/learner.py",
        "",
        "'train' → 'val'",
    ): "a name in a type, which nothing reads",
    (
        "graphcond/condensers/interactions/doscond.py",
        "DosCondInteractions._condense",
        "Adam({'logits': logits}, self.learning_rate, fused=False) → Adam({'logits': logits},"
        " self.learning_rate)",
    ): "the same step, rounded otherwise",
    (
        "graphcond/condensers/hcdc/objective.py",
        "train_students",
        "False → True",
    ): "looks at validation nodes that nothing reads: slower, to the same weights",
    (
        "graphcond/condensers/hcdc/objective.py",
        "Matching.distance",
        "value.detach() → value",
    ): "a float has no gradient",
    (
        "graphcond/condensers/dconrec/one_step.py",
        "_Outer.forward",
        "users → items",
    ): "either tensor gives an empty one of its type and device",
    (
        "graphcond/condensers/dconrec/outer_loss.py",
        "OuterLoss.__call__",
        "users → items",
    ): "two columns of the same triplets, asked for their device or their number",
    (
        "graphcond/condensers/dconrec/objective.py",
        "RecommenderObjective._trained",
        "'inner' → 'outer'",
    ): "the label of a progress bar",
    (
        "graphcond/condensers/selection.py",
        "induced",
        "data.x[nodes].clone() → data.x[nodes]",
    ): "rows picked by their numbers are a copy already",
    (
        "graphcond/condensers/synthesis.py",
        "linear_accuracy",
        "data.y.max → data.y.min",
    ): "scores of the classes that are there sum to 1: another, whose score is 0, never wins",
    (
        "graphcond/condensers/selection.py",
        "induced",
        "data.y[nodes].clone() → data.y[nodes]",
    ): "rows picked by their numbers are a copy already",
    (
        "graphcond/condensers/selection.py",
        "NodeSelection._condense",
        "torch.bincount(synthetic_labels(data.y[nodes], count), minlength=int(data.y.max()) + 1) →"
        " torch.bincount(synthetic_labels(data.y[nodes], count))",
    ): "classes after the last that is wanted are asked for no node",
    (
        "graphcond/condensers/budget.py",
        "node_budget",
        "1 → 2",
    ): "a graph without nodes has been refused before",
    (
        "graphcond/condensers/budget.py",
        "",
        "'train' → 'val'",
    ): "a name in a type, which nothing reads",
    (
        "graphcond/condensers/base.py",
        "NodeCondenser._check",
        "self.budget(data) → pass",
    ): "every method asks for its budget before it does anything else",
    (
        "graphcond/condensers/nodes/coarsening.py",
        "Coarsening.part",
        "0 → 1",
    ): "features of one number would be projected or not: none are",
    (
        "graphcond/pools/proxy.py",
        "ProxyTopK.select",
        "room = torch.where(degree > 0, num_items(data) - degree, 0) → room = num_items(data) -"
        " degree",
    ): "a user without interactions has no share, and what has none is given no room",
    (
        "graphcond/pools/proxy.py",
        "apportion",
        "rest = torch.where(count + more < room, want - more, -1.0) → rest = want - more",
    ): "read where nothing whole was given out: who has no room wants nothing then",
    (
        "graphcond/pools/proxy.py",
        "apportion",
        "if spare and not int(more.sum()): → if not int(more.sum()):",
    ): "the loop goes on while something is left, so that something is to spare",
    (
        "graphcond/pools/proxy.py",
        "best_overall",
        "scores.numel() > total > 0 → scores.numel() >= total > 0",
    ): "where all are wanted the bar is below the lowest",
    (
        "graphcond/pools/tail.py",
        "keep_tail",
        "if limit is not None and threshold: → if limit is not None:",
    ): "0 candidates for ε sum to 0",
    (
        "graphcond/pools/tail.py",
        "keep_tail",
        "torch.bincount(degree[degree < threshold], minlength=threshold) →"
        " torch.bincount(degree[degree <= threshold], minlength=threshold)[:threshold]",
    ): "what is counted too much is cut off",
    (
        "graphcond/condensers/dconrec/one_step.py",
        "_Step.forward",
        "ctx.still = not bool(users.any()) → ctx.still = False",
    ): "the long way for users at zero: slower, to the same step",
    (
        "graphcond/condensers/dconrec/one_step.py",
        "_Step.backward",
        "if ctx.still and tables is None: → if ctx.still:",
    ): "only a first step has users at zero, and its tables are constants",
    (
        "graphcond/data/split.py",
        "_published",
        "if bool((part == 1).any()) or ratios[1] == 0: → if bool((part == 1).any()):",
    ): "a share of 0 draws nobody",
    (
        "graphcond/masks/draw.py",
        "systematic",
        "steps = torch.floor(walk * scale + start) → steps = torch.floor(walk + start)",
    ): "the probabilities sum to the size up to rounding",
    (
        "graphcond/evaluation/reference.py",
        "compare_rankings",
        "loss = loss.double() → loss = loss",
    ): "no order and no tie changes in a wider type",
    (
        "graphcond/evaluation/recommender.py",
        "_check",
        "check_pair_stores(train) → pass",
    ): "training checks the same, in the same words",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._newton",
        "step = v + excess / slope → step = v - excess / slope",
    ): "a step out of the bounds bisects: slower, to the same answer",
    (
        "graphcond/training/sparse_ease.py",
        "_solve",
        "right = shared.at(near, target) * met → right = shared.at(near, target)",
    ): "items that share no user count 0 together, and an item's own place is left out afterwards",
    (
        "graphcond/training/sparse_ease.py",
        "_nearest",
        "rows.value * length[start:stop][place] * length[columns] → rows.value * length[columns]",
    ): "one factor for each row, which its order does not have",
    (
        "graphcond/training/negatives.py",
        "UniformNegatives.__init__",
        "rows = int(edge_index[0].max()) + 1 → rows = int(edge_index[0].max())",
    ): "a bound that says when keys would overflow, 2^63 pairs away",
    (
        "graphcond/masks/projection.py",
        "CappedSimplex._guess",
        "self.budget * part.numel() / size → self.budget / SAMPLE / 2",
    ): "where a search begins that ends at the one root",
    (
        "graphcond/training/nodes.py",
        "train_filters",
        "value[chosen] for name, value in params.items()} → "
        "value[: len(lam[chosen])] for name, value in params.items()}",
    ): "all filters start from the same weights",
    (
        "graphcond/nn/synthetic.py",
        "class_samples",
        "rounds = -(-len(wanted) // len(members)) → rounds = len(wanted) // len(members) + 1",
    ): "one more order is drawn than is used: the next class gets other nodes, as random",
    (
        "graphcond/nn/filters.py",
        "polynomial",
        "after = None → after = now * 0",
    ): "the recurrence starts from zero either way; None saves a subtraction",
    (
        "graphcond/nn/teacher.py",
        "_judged",
        "right = taught.scores.masked_fill(absent, -torch.inf).argmax(1) → "
        "right = taught.scores.argmax(1)",
    ): "a class without training nodes scores 0, and all scores of a node sum to above 0",
    (
        "graphcond/condensers/hcdc/condenser.py",
        "_Run._train_graph",
        "num_val=budget.num_val, → num_val=budget.num_train,",
    ): "the maker's validation part is not kept",
    (
        "graphcond/condensers/hcdc/condenser.py",
        "_Run._train_graph",
        "if how.links and not graph.edge_index.numel(): → if not graph.edge_index.numel():",
    ): "with no neighbour asked for no edge is added",
    (
        "graphcond/spaces/nas_bench_graph.py",
        "_without_one_skip",
        "return trees[:i] + below + trees[i + 1 :] → return trees[:i] + trees[i + 1 :] + below",
    ): "trees are sorted afterwards",
    (
        "graphcond/spaces/nas_bench_graph.py",
        "_order",
        "ordered = sorted(map(_order, below)) → ordered = list(map(_order, below))",
    ): "of four operations no two equal trees can have two below them",
    (
        "graphcond/data/split.py",
        "split_nodes",
        'generator(seed, "split", "nodes") → generator(seed, "split")',
    ): "another stream of the same seed",
    (
        "graphcond/training/ranking_looks.py",
        "RankingLooks.__call__",
        "ndcg(hit, count, k), count) → ndcg(hit, count, k), count * 0 + 1)",
    ): "every user who is looked at has a held-out interaction",
    (
        "graphcond/training/directions.py",
        "leading_directions",
        "image = torch.linalg.qr(spmm(matrix, basis)).Q → image = spmm(matrix, basis)",
    ): "the same space: orthogonal columns only keep rounding small",
    (
        "graphcond/training/filter_problem.py",
        "FilterProblem.chunks",
        "max(out for _, out in self.net.widths) → min(out for _, out in self.net.widths)",
    ): "how many filters are taken at once: the time differs, the results do not",
    (
        "graphcond/condensers/nodes/backbones.py",
        "SGCBackbone.features",
        "operator = gcn_norm_dense(weight) → operator = gcn_norm_dense(weight.T)",
    ): "edge weights of a synthetic graph are symmetric",
    (
        "graphcond/condensers/nodes/learner.py",
        "Origin.__call__",
        'labels: Targets = self.targets if part == "train" else "train"'
        " → labels: Targets = self.targets",
    ): "Partition takes the true classes of the validation part, whatever it is asked for",
    (
        "graphcond/condensers/nodes/trajectory_matching.py",
        "TrajectoryMatching._expert",
        "for _ in range(self.expert_steps): → for _ in range(self.expert_steps - 1):",
    ): "no segment ends at the last point of a path",
    (
        "graphcond/condensers/interactions/teacher_choice.py",
        "TeacherChoice._condense",
        "best = -math.inf → best = 0.3",
    ): "the first mixture is taken whatever its score",
    (
        "graphcond/condensers/interactions/baselines.py",
        "SelectionViaProxy._condense",
        "(proxy,) = fit_proxies( → (*_, proxy) = fit_proxies(",
    ): "there is one proxy",
    (
        "graphcond/condensers/synthesis.py",
        "linear_accuracy",
        "torch.linalg.solve(gram + damping, target - prior)"
        " → torch.linalg.solve(gram + damping, target)",
    ): "rows are centred, so that a constant has no weight",
    (
        "graphcond/condensers/synthesis.py",
        "_random_rows",
        "labels[present], seed) → labels[present].sort().values, seed)",
    ): "labels of a condensed graph are sorted",
    (
        "graphcond/condensers/base.py",
        "Condenser.condense",
        "**self._sizes(data, draft.data), → **self._sizes(seen, draft.data),",
    ): "no size on the card reads the test split",
    (
        "graphcond/condensers/nodes/learner.py",
        "Learner.run",
        "score = -1.0 → score = 1.0",
    ): "without a judge no score is compared",
    (
        "graphcond/condensers/nodes/neighbourhoods.py",
        "SampledNeighbourhoods._graph",
        'generator(self.seed, type(self).__name__, part, "neighbours")'
        ' → generator(self.seed, part, "neighbours")',
    ): "another stream of the same seed",
    (
        "graphcond/condensers/nodes/backbones.py",
        "NetBackbone._forward",
        'requires_grad_(name != "lam") for name, value in params.items()'
        " → requires_grad_() for name, value in params.items()",
    ): "no gradient to λ is asked for",
    (
        "graphcond/condensers/nodes/trajectory_matching.py",
        "TrajectoryMatching._loss",
        "batch=len(members.nodes), seed=seed → batch=1, seed=0",
    ): "experts see all members, and draw no batch",
    (
        "graphcond/condensers/dconrec/condenser.py",
        "PolicyGradient._pool",
        "kept=pool.kept[inside], → kept=pool.kept[: int(inside.sum())],",
    ): "what is always kept is marked later, by keep_tail",
    (
        "graphcond/condensers/dconrec/one_step.py",
        "_Step.backward",
        "deep = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]"
        " → deep = ctx.needs_input_grad[1] and ctx.needs_input_grad[2]",
    ): "both tables come from the step before, or none does",
    (
        "graphcond/condensers/dconrec/one_step.py",
        "_Step.backward",
        "table.index_select(0, at).requires_grad_(deep)"
        " → table.index_select(0, at).requires_grad_(True)",
    ): "the gradients are not asked for: the time differs, the results do not",
    (
        "graphcond/condensers/dconrec/outer_loop.py",
        "OuterLoop._centre",
        "/ max(free, 1)).masked_fill_(self.pool.kept, 0.0) → / max(free, 1))",
    ): "the projection puts what is always kept back to 1",
    (
        "graphcond/condensers/dconrec/outer_loss.py",
        "HeldOutInteractions.held_out",
        'derive(seed, "outer"), ratios → derive(seed, "pool"), ratios',
    ): "another stream of the same seed",
    (
        "graphcond/condensers/dconrec/condenser.py",
        "PolicyGradient._objective",
        'derive(self.seed, "objective") → self.seed',
    ): "another stream of the same seed",
    (
        "graphcond/pools/proxy.py",
        "apportion",
        "int(total >= int((share > 0).sum())), room)"
        " → int(total >= int((share > 0).sum())), 2 * room)",
    ): "one each fits wherever there is room at all",
    (
        "graphcond/pools/proxy.py",
        "apportion",
        "rest.topk(min(spare, int((rest > 0).sum()))) → rest.topk(1)",
    ): "one remainder a round: only ties, which come in any order, fall otherwise",
    (
        "graphcond/pools/tail.py",
        "keep_tail",
        "degree[degree < threshold], minlength"
        " → degree[degree > 0][degree[degree > 0] < threshold], minlength",
    ): "users without interactions add none",
    (
        "graphcond/condensers/dconrec/outer_loop.py",
        "keep",
        '"kept": pool.kept} → "kept": torch.zeros_like(pool.kept)}',
    ): "what is always kept is marked anew by keep_tail when a run goes on",
    (
        "graphcond/condensers/interactions/teacher_choice.py",
        "fit_teacher",
        'fit_graph_filter(data, rank, seed=derive(seed, "filter"))'
        " → fit_graph_filter(data, rank, seed=seed)",
    ): "another stream of the same seed",
    (
        "graphcond/condensers/interactions/teacher_choice.py",
        "TeacherChoice._identity",
        "self.teacher.users, self.teacher.items) → self.teacher.items, self.teacher.users)",
    ): "a digest in either order tells teachers apart",
    (
        "graphcond/condensers/nodes/partition.py",
        "cluster_means",
        "if count >= data.x.shape[1]: → if count < data.x.shape[1]:",
    ): "which of two products is taken first, to the same means: the narrower one is faster",
    (
        "graphcond/nn/operation_tree.py",
        "OperationTree.leaves",
        "numbers = range(1, len(self.links) + 1) → numbers = range(0, len(self.links) + 1)",
    ): "the first operation reads the input, so that it is never a leaf",
    (
        "graphcond/training/filter_problem.py",
        "FilterProblem.chunks",
        "size = max(1, numbers // (int(self.graph.y.numel()) * width)) → size = count",
    ): "how many are held at once, to the same answers",
    (
        "graphcond/training/filter_problem.py",
        "FilterLearner.frozen",
        "value.detach() for name, value in self.params.items()"
        " → value for name, value in self.params.items()",
    ): "hypergradients take leaves of their own",
    (
        "graphcond/nn/random_features.py",
        "RandomFilters._outputs",
        "dual = inner.size(0) <= inner.size(1) → dual = True",
    ): "which of two systems is solved, to the same weights: the smaller one is faster",
    (
        "graphcond/nn/synthetic.py",
        "class_samples",
        "rows[wanted] = members[order.to(members.device)]"
        " → rows[wanted] = members[order.to(members.device)].sort().values",
    ): "the same nodes of a class in another order",
    (
        "graphcond/training/least_squares.py",
        "_HalfStep.solve",
        "first += rows.numel() → first += max(1, rows.numel() - 1)",
    ): "some rows are solved twice, to the same answer",
    (
        "graphcond/training/negatives.py",
        "UniformNegatives.__init__",
        "max(num_users, rows), num_items) → max(num_users, rows), num_items + 1)",
    ): "a pair's key is row · columns + column: more columns than there are tell pairs apart too",
    (
        "graphcond/training/nodes.py",
        "train_filters",
        "stopping or EarlyStopping(patience=recipe.epochs) → stopping or EarlyStopping(patience=1)",
    ): "without early stopping the score is the step's number, which always rises",
}
"""(file, function, change) -> why no test could, or should, tell the difference."""


def reason(mutant: Mutant) -> str | None:
    """Return why a mutant is equivalent, None where it is not."""
    return EQUIVALENT.get((mutant.file, mutant.function, mutant.change))
