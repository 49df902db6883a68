#!/usr/bin/env python3
"""list_tree.py DIR: one line for each file below DIR, with all that an image keeps of it.

type, permissions, owner, size, time (whole seconds), first name of its hard links, link text,
user.* attributes, hash of the content. Sorted by name; names are escaped.
"""
import hashlib
import os
import stat
import sys


def content(path):
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def main():
    top = os.fsencode(sys.argv[1])
    paths = [b"."]
    for directory, names, files in os.walk(top):
        paths += [os.path.relpath(os.path.join(directory, name), top) for name in names + files]
    first = {}
    for path in sorted(paths):
        full = os.path.join(top, path)
        info = os.lstat(full)
        kind = stat.S_IFMT(info.st_mode)
        regular, link = kind == stat.S_IFREG, kind == stat.S_IFLNK
        name = first.setdefault(info.st_ino, path) if kind != stat.S_IFDIR else b""
        xattrs = sorted(
            (key, os.getxattr(full, key, follow_symlinks=False).hex())
            for key in os.listxattr(full, follow_symlinks=False) if key.startswith("user."))
        print(ascii(os.fsdecode(path)), oct(info.st_mode), info.st_uid, info.st_gid,
              info.st_size if regular else 0, int(info.st_mtime // 1), ascii(os.fsdecode(name)),
              ascii(os.fsdecode(os.readlink(full))) if link else "-",
              xattrs, content(full) if regular else "-")


main()
