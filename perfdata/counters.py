"""counters.py: bytes read from the image file and its opens, by strace; memory that holds the image. As root."""
import os
import re

import procfs


def memory_of_image(prefix, image, size):
    """{node: bytes}: unnamed files of the image's size that our processes hold, each once."""
    source = os.stat(image)
    files = {}
    for pid in procfs.processes_of(prefix):
        for status in procfs.open_files(pid):
            same = (status.st_dev, status.st_ino) == (source.st_dev, source.st_ino)
            if status.st_size == size and not same:
                files[status.st_dev, status.st_ino] = (procfs.node_of(pid), status.st_blocks * 512)
    nodes = {}
    for node, held in files.values():
        nodes[node] = nodes.get(node, 0) + held
    return nodes


CALLS = 'open,openat,openat2,read,pread64,readv,preadv,preadv2,mmap,sendfile,copy_file_range,splice'
# pid call(descriptor<path>...) = result; -yy names what a descriptor is.
TRACE_LINE = re.compile(r'(?:\d+ +)?(\w+)\((.*)\) = (\d+|0x[0-9a-f]+)(<.*>)?$')


def count_reads(paths, image):
    """(bytes, opens) of the image file in strace's output; a mapped byte counts as read."""
    read = opens = 0
    for path in paths:
        for line in procfs.read(path).splitlines():
            found = TRACE_LINE.match(line.strip())
            if not found or f'<{image}>' not in line:
                continue
            call, words, result, _ = found.groups()
            if call.startswith('open'):
                opens += 1
            elif call == 'mmap':
                read += int(words.split(', ')[1])
            elif f'<{image}>' in words:
                read += int(result, 0)
    return read, opens
