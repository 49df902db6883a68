"""vcluster.py: virtual nodes (tests/cluster/vnodes) for measurements. As root."""
import os
import subprocess

from machine import ROOT, output_of, words_of


class Nodes:
    """Virtual nodes with sshd; a with-statement takes them down."""

    def __init__(self, work, account, count, rate=None, slurm=False):
        self.folder, self.account, self.count, self.rate, self.slurm = f'{work}/cluster', account, count, rate, slurm
        self.tool = f'{ROOT}/tests/cluster/vnodes'

    def __enter__(self):
        os.environ['CMPIRUN_CLUSTER'] = self.folder
        try:
            rate = ['--rate', self.rate] if self.rate else []
            output_of(self.tool, 'up', str(self.count), *rate, stderr=subprocess.STDOUT)
            output_of(f'{ROOT}/tests/cluster/sshd', 'up', '--user', self.account.pw_name, stderr=subprocess.STDOUT)
            if self.slurm:
                output_of(f'{ROOT}/tests/cluster/slurm', 'up', stderr=subprocess.STDOUT)
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise RuntimeError(f'no virtual nodes: {words_of(error.stdout or "")}') from error
        return self

    def __exit__(self, *_):
        subprocess.run([self.tool, 'down'], check=False, stdout=subprocess.DEVNULL)

    def words(self, *words):
        """A command on the first node, as the ordinary user."""
        return [self.tool, 'exec', 'node1', '--user', self.account.pw_name, '--', *words]

    def on_each(self, count, *words):
        """Commands that run the words on one of the first `count` nodes each, as the ordinary user."""
        return [[self.tool, 'exec', f'node{i + 1}', '--user', self.account.pw_name, '--', *words] for i in range(count)]

    def hosts(self, count, slots):
        return ','.join(f'node{i + 1}:{slots}' for i in range(count))
