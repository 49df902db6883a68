"""figures.py: what launch and summary share: reading a result, medians, tables.

A result is one JSON object (launch --help says which file):
  what, date, commit, dirty      which measurement, of which sources
  machine, versions, image       where; the name and bytes of the image
  samples                        list of {name, round, wall_ns, gone_ns, cpu_us}: spawn_time.c, in its order
  failed                         {name: why}: what could not be measured
  idle                           list of {job, process, pid, cpu_ns, switches, window_s}
  traffic                        bytes read and opens of the image file, per node; bytes of memory
  launches                       list of {name, round, total, phases}: seconds
"""
import json
import statistics


def load(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def samples_of(result, name, figure, unit):
    return [sample[figure] / unit for sample in result['samples'] if sample['name'] == name]


def walls(result, name):
    """Wall times of one command in ms."""
    return samples_of(result, name, 'wall_ns', 1e6)


def median(values):
    return statistics.median(values) if values else None


def number(value, digits=3):
    """A figure with that many significant digits, without an exponent; "–" for none."""
    if value is None:
        return '–'
    text = f'{value:.{digits}g}'
    return f'{value:.0f}' if 'e' in text or abs(value) >= 10 ** digits else text


def ratio(value, base):
    return '–' if value is None or not base else f'{value / base:.2f}'


def table(head, rows):
    """Markdown; all columns but the first are aligned to the right."""
    lines = [head, ['---'] + ['---:'] * (len(head) - 1)] + rows
    return '\n'.join('| ' + ' | '.join(str(cell) for cell in line) + ' |' for line in lines)
