#!/usr/bin/env python3
"""oci.py: images made by hand, for the tests of the image gateway.

    oci.py layout DIR [TAG]        an OCI layout with one image of three layers
    oci.py docker-archive FILE     the same as `docker save` writes it
    oci.py old-docker-archive FILE the same as Docker before 1.10 wrote it
    oci.py aci FILE                an image of rkt (compressed by the suffix)
    oci.py tar FILE                its files as one tar (compressed by the suffix)
    oci.py sif FILE SQUASHFS       a SIF file around a squashfs file

As a module: layers, image(), blobs by digest.  Same input, same bytes.
"""
import gzip
import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(members):
    """members: (name, content) files; (name, None) directories; (name, "->target") links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mtime = 1700000000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            elif isinstance(content, str) and content.startswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, content[2:]
                archive.addfile(info)
            else:
                data = content.encode() if isinstance(content, str) else content
                info.size, info.mode = len(data), 0o755 if name.removeprefix("rootfs/").startswith("bin/") else 0o644
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def busybox():
    with open("/bin/busybox", "rb") as file:
        return file.read()


def base_layers(big=3 << 20):
    return [
        tar([("bin", None), ("bin/busybox", busybox()), ("bin/sh", "->busybox"), ("bin/cat", "->busybox"),
             ("bin/true", "->busybox"), ("etc", None), ("etc/name", "first\n"), ("etc/gone", "x\n")]),
        tar([("usr", None), ("usr/noise", noise(big, 1))]),
        tar([("etc", None), ("etc/name", "last\n"), ("etc/.wh.gone", ""), ("data", None), ("data/more", noise(200000, 2))]),
    ]


def compress(data, kind):
    if kind == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if kind == "zstd":
        return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class Image:
    """Blobs by digest, and the digest and bytes of the manifest."""

    def __init__(self, layers=None, kind="gzip", architecture="amd64", labels=None, media=None, env="A=1"):
        layers = base_layers() if layers is None else layers
        self.blobs = {}
        packed = [compress(layer, kind) for layer in layers]
        config = json.dumps({
            "architecture": architecture, "os": "linux",
            "config": {"Env": ["PATH=/bin", env], "Cmd": ["/bin/sh"], "WorkingDir": "/data", "Labels": labels or {}},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            "history": [],
        }).encode()
        self.tars, self.config = layers, config
        suffix = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}[media or kind]
        self.layers = [self.add(blob, LAYER + suffix) for blob in packed]
        self.document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.add(config, CONFIG),
                         "layers": self.layers}
        self.manifest = json.dumps(self.document).encode()
        self.descriptor = self.describe(self.manifest, MANIFEST)

    def add(self, data, media):
        self.blobs[digest(data)] = data
        return self.describe(data, media)

    @staticmethod
    def describe(data, media):
        return {"mediaType": media, "digest": digest(data), "size": len(data)}


def index(entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def platform(descriptor, architecture, variant=None, **more):
    entry = dict(descriptor, platform={"os": "linux", "architecture": architecture}, **more)
    if variant:
        entry["platform"]["variant"] = variant
    return entry


def write_layout(folder, tag):
    image = Image()
    os.makedirs(folder + "/blobs/sha256", exist_ok=True)
    for name, data in list(image.blobs.items()) + [(digest(image.manifest), image.manifest)]:
        with open(folder + "/blobs/sha256/" + name.split(":")[1], "wb") as file:
            file.write(data)
    entry = dict(image.descriptor, annotations={"org.opencontainers.image.ref.name": tag})
    with open(folder + "/index.json", "wb") as file:
        file.write(index([entry]))
    with open(folder + "/oci-layout", "w") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')


def write_docker_archive(path):
    image = Image(kind="none")
    name = digest(image.config).split(":")[1] + ".json"
    folders = ["%064x" % i for i in range(len(image.tars))]
    # As old Docker does: a layer that stands twice is a symbolic link.
    layers = [folder + "/layer.tar" for folder in folders]
    manifest = [{"Config": name, "RepoTags": ["app:1", "app:latest"], "Layers": layers},
                {"Config": name, "RepoTags": ["other:2"], "Layers": layers}]
    with tarfile.open(path, "w") as archive:
        def add(member, data):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for folder, layer in zip(folders, image.tars):
            if folder == folders[0]:
                add("shared.tar", layer)
                info = tarfile.TarInfo(folder + "/layer.tar")
                info.type, info.linkname = tarfile.SYMTYPE, "../shared.tar"
                archive.addfile(info)
            else:
                add(folder + "/layer.tar", layer)
        add(name, image.config)
        add("manifest.json", json.dumps(manifest).encode())


def write_old_docker_archive(path):
    """As Docker before 1.10: no manifest.json, a chain of parents."""
    image = Image(kind="none")
    ids = ["%064x" % (i + 1) for i in range(len(image.tars))]
    config = json.loads(image.config)
    with tarfile.open(path, "w") as archive:
        def add(member, data):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for i, layer in enumerate(image.tars):
            about = {"id": ids[i], "architecture": config["architecture"], "os": config["os"],
                     "config": config.get("config", {})}
            if i > 0:
                about["parent"] = ids[i - 1]
            add(ids[i] + "/VERSION", b"1.0")
            add(ids[i] + "/json", json.dumps(about).encode())
            add(ids[i] + "/layer.tar", layer)
        add("repositories", json.dumps({"app": {"1": ids[-1], "base": ids[0]}}).encode())


def write_aci(path):
    manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/app",
                "labels": [{"name": "os", "value": "linux"}, {"name": "arch", "value": "amd64"}],
                "app": {"exec": ["/bin/cat", "/etc/name"], "user": "0", "group": "0", "workingDirectory": "/etc",
                        "environment": [{"name": "FROM", "value": "rkt"}]}}
    members = [("bin", None), ("bin/busybox", busybox()), ("bin/sh", "->busybox"), ("bin/cat", "->busybox"),
               ("etc", None), ("etc/name", "aci\n")]
    data = tar([("rootfs", None)] + [("rootfs/" + name, content) for name, content in members] +
               [("manifest", json.dumps(manifest))])
    write_packed(path, data)


def write_packed(path, data):
    """By the end of its name."""
    if path.endswith("gz"):
        data = gzip.compress(data, 1, mtime=0)
    elif path.endswith("zst"):
        data = compress(data, "zstd")
    elif path.endswith("xz"):
        data = subprocess.run(["xz", "-0", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    with open(path, "wb") as file:
        file.write(data)


def write_tar(path):
    write_packed(path, tar([("bin", None), ("bin/busybox", busybox()), ("bin/sh", "->busybox"), ("etc", None),
                            ("etc/name", "tar\n")]))


def write_sif(path, squashfs):
    with open(squashfs, "rb") as file:
        data = file.read()
    at = 128 + 48 * 585
    at += -at % 4096
    header = struct.pack("<32s10s3s3s16sqqqqqqqq", b"#!/usr/bin/env run-singularity\n", b"SIF_MAGIC\0", b"01\0",
                         b"02\0", bytes(16), 0, 0, 47, 48, 128, 48 * 585, at, len(data))
    extra = struct.pack("<ii3s", 1, 2, b"02\0").ljust(384, b"\0")
    entry = struct.pack("<i?IIIqqqqqqq128s", 0x4004, True, 1, 0xf0000001, 0, at, len(data), len(data), 0, 0, 0, 0,
                        b"rootfs") + extra
    assert len(header) == 128 and len(entry) == 585
    with open(path, "wb") as file:
        file.write((header + entry).ljust(at, b"\0") + data)


if __name__ == "__main__":
    word = sys.argv[1]
    if word == "layout":
        write_layout(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "latest")
    elif word == "docker-archive":
        write_docker_archive(sys.argv[2])
    elif word == "old-docker-archive":
        write_old_docker_archive(sys.argv[2])
    elif word == "aci":
        write_aci(sys.argv[2])
    elif word == "tar":
        write_tar(sys.argv[2])
    elif word == "sif":
        write_sif(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
