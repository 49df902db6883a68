"""storm.py: makes the image of the startup benchmark, as an ordinary user.

  python3 storm.py OUTPUT [--base IMAGE] [--modules N] [--libraries N] [--mib SIZE]

In: the machine's own python3, cc, mksquashfs; with --base the tree of that image (for its MPI), else only
what the programs' own libraries are (ldd). Out: OUTPUT, a squashfs, with
  /opt/storm/run.py        an import storm as Pynamic's: N modules, N shared objects of many functions, each
                           imported and called; prints {"rank","node","main","done"}: CLOCK_REALTIME, ns
  /opt/storm/stat          10,000 files, and /opt/storm/storm_stat, which stats them
  /opt/storm/true          a static program that does nothing
  /opt/storm/storm_mpi     MPI_Init and clocks (storm_mpi.c), static if the MPI can be
  /opt/storm/ballast       SIZE MiB that no program reads: an import storm touches a tenth of its image
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
FILES = 10000
FUNCTIONS = 150

RUN = '''import time
main = time.time_ns()
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here + '/modules')
import ctypes, importlib, socket
total = 0
for i in range({modules}):
    total += importlib.import_module('storm_%04d' % i).work()
for i in range({libraries}):
    total += ctypes.CDLL(here + '/libraries/libstorm_%04d.so' % i).storm_entry(i) & 1
rank = next((int(os.environ[name]) for name in ('CMPIRUN_RANK', 'PMI_RANK', 'PMIX_RANK', 'OMPI_COMM_WORLD_RANK',
                                                'SLURM_PROCID') if name in os.environ), -1)
sys.stdout.write('{{"rank":%d,"node":"%s","main":%d,"done":%d}}\\n' % (rank, socket.gethostname(), main, time.time_ns()))
'''

MODULE = '''"""Module {number} of the storm."""
TABLE = {table}
class Thing{number}:
    def __init__(self, value=0):
        self.value = value
{methods}
def work():
    return Thing{number}(1).method_0()
'''


def make_module(number, rng):
    methods = '\n'.join(f'    def method_{i}(self):\n        return self.value + {rng.randrange(1000)} if self.value '
                        f'else TABLE[{rng.randrange(100)}]\n' for i in range(40))
    return MODULE.format(number=number, table=[rng.randrange(10**9) for _ in range(100)], methods=methods)


def make_library(number):
    lines = [f'static int f{i}(int x) {{ return x * {i + number} + {i}; }}' for i in range(FUNCTIONS)]
    calls = ' + '.join(f'f{i}(x)' for i in range(FUNCTIONS))
    data = ','.join(str((i * 2654435761 + number) % 2**32) for i in range(2000))
    return '\n'.join(lines) + f'\nconst unsigned storm_data[] = {{{data}}};\n' \
                              f'int storm_entry(int x) {{ return {calls}; }}\n'


def compile_libraries(folder, count, scratch):
    running = []
    for number in range(count):
        source = f'{scratch}/l{number}.c'
        with open(source, 'w', encoding='utf-8') as file:
            file.write(make_library(number))
        running.append(subprocess.Popen(['cc', '-O0', '-shared', '-fPIC', '-o',
                                         f'{folder}/libstorm_{number:04d}.so', source]))
        if len(running) >= (os.cpu_count() or 1):
            if running.pop(0).wait() != 0:
                raise RuntimeError('cc failed')
    if any(job.wait() != 0 for job in running):
        raise RuntimeError('cc failed')


def copy_file(path, tree):
    """The file to the same path below tree, and the links on the way as directories."""
    target = f'{tree}{path}'
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(os.path.realpath(path), target)


def copy_program(path, tree):
    """With the libraries that it names."""
    copy_file(path, tree)
    done = subprocess.run(['ldd', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    for line in done.stdout.splitlines():
        found = re.search(r'(/\S+) \(0x', line)
        if found:
            copy_file(found.group(1), tree)


def copy_python(tree):
    """The interpreter that runs the storm: the system's if there is one, its library and its modules."""
    python = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else os.path.realpath(shutil.which('python3'))
    lib = subprocess.run([python, '-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))'], check=True,
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    copy_program(python, tree)
    leave_out = shutil.ignore_patterns('test', 'idlelib', 'tkinter', 'dist-packages', 'site-packages', 'ensurepip', '*.a',
                                       'config-*')
    if not os.path.isdir(f'{tree}{lib}'):
        shutil.copytree(lib, f'{tree}{lib}', ignore=leave_out, symlinks=False, ignore_dangling_symlinks=True)
    for folder, _, files in os.walk(f'{tree}{lib}/lib-dynload'):
        for name in files:
            copy_program(f'{lib}/lib-dynload/{name}', tree)
    return python


def compile_mpi(tree, mpicc):
    """Static if that links, else with the base's shared library."""
    output = f'{tree}/opt/storm/storm_mpi'
    words = [mpicc, '-O2', '-o', output, f'{HERE}/storm_mpi.c']
    if subprocess.run([*words, '-static'], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return 'static'
    return 'dynamic' if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0 else None


def build(output, base=None, modules=500, libraries=200, mib=0, mpicc=None, keep_tree=None):
    """Makes the image; returns what is in it. keep_tree: a folder that gets the tree, for the native runs."""
    with tempfile.TemporaryDirectory(prefix='storm.', dir=os.path.dirname(os.path.abspath(output))) as scratch:
        tree = f'{scratch}/tree'
        if base:
            subprocess.run(['unsquashfs', '-quiet', '-no-progress', '-d', tree, base], check=True,
                           stdout=subprocess.DEVNULL)
        storm = f'{tree}/opt/storm'
        for name in ('modules', 'libraries', 'stat'):
            os.makedirs(f'{storm}/{name}')
        rng = random.Random(1)
        for number in range(modules):
            with open(f'{storm}/modules/storm_{number:04d}.py', 'w', encoding='utf-8') as file:
                file.write(make_module(number, rng))
        compile_libraries(f'{storm}/libraries', libraries, scratch)
        for number in range(FILES):
            with open(f'{storm}/stat/f{number}', 'w', encoding='utf-8') as file:
                file.write(f'{number}\n')
        with open(f'{storm}/run.py', 'w', encoding='utf-8') as file:
            file.write(RUN.format(modules=modules, libraries=libraries))
        with open(f'{scratch}/true.c', 'w', encoding='utf-8') as file:
            file.write('int main(void) { return 0; }\n')
        subprocess.run(['cc', '-O2', '-static', '-o', f'{storm}/true', f'{scratch}/true.c'], check=True)
        subprocess.run(['cc', '-O2', '-static', '-o', f'{storm}/storm_stat', f'{HERE}/storm_stat.c'], check=True)
        python = copy_python(tree)
        subprocess.run([python, '-m', 'compileall', '-q', f'{storm}/modules'], check=True)
        mpi = compile_mpi(tree, mpicc) if mpicc else None
        with open(f'{storm}/ballast', 'wb') as file:
            for _ in range(mib):
                file.write(rng.randbytes(1 << 20))
        for name in ('proc', 'sys', 'dev', 'tmp', 'etc', 'home', 'root', 'run', 'var/tmp'):
            os.makedirs(f'{tree}/{name}', exist_ok=True)
        subprocess.run(['mksquashfs', tree, output, '-noappend', '-quiet', '-no-progress', '-all-root', '-comp', 'zstd',
                        '-Xcompression-level', '3'], check=True, stdout=subprocess.DEVNULL)
        if keep_tree:
            shutil.move(storm, keep_tree)
    return {'name': os.path.basename(output), 'bytes': os.path.getsize(output), 'modules': modules,
            'libraries': libraries, 'files': FILES, 'ballast_mib': mib, 'python': python, 'mpi': mpi}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output')
    parser.add_argument('--base')
    parser.add_argument('--modules', type=int, default=500)
    parser.add_argument('--libraries', type=int, default=200)
    parser.add_argument('--mib', type=int, default=0)
    parser.add_argument('--mpicc')
    arguments = parser.parse_args()
    print(build(**vars(arguments)))


if __name__ == '__main__':
    main()
