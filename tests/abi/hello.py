#!/usr/bin/env python3
"""The Python cell of the matrix: world, a sum over all ranks, version, and the file of the MPI library."""
import sys

try:
    from mpi4py import MPI
    world = MPI.COMM_WORLD
    rank, size, total, version = world.rank, world.size, world.allreduce(world.rank), MPI.Get_library_version()
    module, finalize = "mpi4py", lambda: None
except ImportError:
    import hello_ext
    rank, size, total, version = hello_ext.world()
    module, finalize = "hello_ext", hello_ext.finalize
version = version.split("\n")[0].rstrip("\0").replace("\t", " ")
with open("/proc/self/maps") as maps:
    files = sorted({line.split()[-1] for line in maps
                    if any(name in line for name in ("/libmpi.so", "/libmpich.so", "/libmpi_abi.so"))})
sys.stdout.write(f"{module} rank {rank} of {size} sum {total} {version} from {' '.join(files)}\n")
sys.stdout.flush()
finalize()
if total != size * (size - 1) // 2:
    sys.exit(99)
