"""procfs.py: what /proc says about the processes of a running job. Linux only; as root.

A process is a number and may end at any time: what is not there any more is left out, not an error.
"""
import os

OURS = ('cmpirun', 'cmpid', 'cmpi-init', 'cmpi-imgfs', 'cmpi-bcast')


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def name_of(pid):
    """The program's file name: comm is cut at 15 letters."""
    try:
        return os.path.basename(os.readlink(f'/proc/{pid}/exe')).removesuffix(' (deleted)')
    except OSError:
        return ''


def processes_of(prefix):
    """Ours, by the folder that they were started from: {pid: name}."""
    found = {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            program = os.readlink(f'/proc/{entry}/exe')
        except OSError:
            continue
        name = name_of(entry)
        if program.startswith(prefix + '/') and name.startswith(OURS):
            found[int(entry)] = name
    return found


def tasks(pid):
    try:
        return os.listdir(f'/proc/{pid}/task')
    except OSError:
        return []


def usage(pid):
    """(ns on a core, context switches) of all threads: schedstat counts what utime's ticks miss."""
    cpu_ns = switches = 0
    for task in tasks(pid):
        words = read(f'/proc/{pid}/task/{task}/schedstat').split()
        cpu_ns += int(words[0]) if words else 0
        for line in read(f'/proc/{pid}/task/{task}/status').splitlines():
            if 'ctxt_switches' in line:
                switches += int(line.split()[1])
    return cpu_ns, switches


def node_of(pid):
    """Which (virtual) node the process is on: its network namespace. A daemon's, not a rank's."""
    try:
        return os.readlink(f'/proc/{pid}/ns/net')
    except OSError:
        return ''


def open_files(pid):
    """Status of each open file; of a descriptor and not by its name, which other namespaces have not."""
    folder = f'/proc/{pid}/fd'
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for entry in numbers:
        try:
            yield os.stat(f'{folder}/{entry}')
        except OSError:
            continue
