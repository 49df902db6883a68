"""machine.py: what measurements share: commands, versions, the description of a machine."""
import datetime
import os
import platform
import re
import signal
import subprocess

import procfs

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(HERE)


def output_of(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


def words_of(errors):
    """The lines that say what went wrong, out of what launchers and libraries add."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    own = [line for line in lines if re.match(r'cmp\w[\w-]*: |spawn_time: |vnodes: ', line)]
    return ' / '.join((own or lines)[-3:])[:400] or 'it said nothing'


def start_job(words):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def end_job(job):
    """The whole session: what an interrupt of `vnodes exec` has to reach is not its own child."""
    if job.poll() is None:
        os.killpg(job.pid, signal.SIGTERM)
    try:
        return job.communicate(timeout=20)[1]
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        return job.communicate()[1]


def version_of(package):
    done = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', package], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout or 'not installed'


def field(text, pattern):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else 'unknown'


def describe(what, packages):
    """The head of a result: which sources, which machine."""
    git = ('git', '-C', ROOT)
    try:
        commit = output_of(*git, 'rev-parse', '--short=12', 'HEAD', stderr=subprocess.DEVNULL)
        changed = output_of(*git, 'status', '--porcelain', '--untracked-files=no', '--', '.', ':!perfdata')
    except (OSError, subprocess.CalledProcessError):
        commit, changed = 'unknown', ''
    return {
        'what': what,
        'date': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        'commit': commit,
        'dirty': changed != '',
        'machine': {
            'cpu': field(procfs.read('/proc/cpuinfo'), r'^model name\s*: (.*)$'),
            'cores': len(os.sched_getaffinity(0)),
            'memory_kb': int(field(procfs.read('/proc/meminfo'), r'^MemTotal:\s*(\d+)')),
            'kernel': platform.release(),
            'load_before': os.getloadavg()[0],
        },
        'versions': {package: version_of(package) for package in packages},
    }
