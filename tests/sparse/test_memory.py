"""Nothing of size n x n or edges x width is built; measured in a fresh process, where the peak is
ours alone.
"""

import subprocess
import sys

PROGRAM = """
import resource, torch
from graphcond.sparse import CSR, gcn_norm, spmm
torch.set_num_threads(1)
n, m, width = 20_000, 400_000, 128
make = torch.Generator().manual_seed(0)
row, col = torch.randint(n, (m,), generator=make), torch.randint(n, (m,), generator=make)
csr = CSR.from_edges(row, col, (n, n))
weight, x = torch.rand(m, generator=make), torch.randn(n, width, generator=make)
spmm(csr.T, x, weight)  # kernels loaded, transpose built: what is left is the price of a product
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{body}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""

HESSIAN = """
weight.requires_grad_(); x.requires_grad_()
first = torch.autograd.grad(spmm(csr, x, weight).sin().sum(), (weight, x), create_graph=True)
torch.autograd.grad(first, (weight, x), (torch.ones_like(weight), torch.ones_like(x)))
"""

NORMALISED = """
del first
weight.requires_grad_(); x.requires_grad_()
out = spmm(gcn_norm(csr.with_value(weight)), x)
torch.autograd.grad(out.sin().sum(), (weight, x))
"""


def test_peak_memory_stays_below_edges_times_width():
    """n x n would be 1,526 MiB, edges x width 195; half of the latter is the bound for both
    programs together.
    """
    program = PROGRAM.format(body=HESSIAN + NORMALISED)
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(out.stdout) < 100
