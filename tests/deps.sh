#!/usr/bin/env bash
#
# deps.sh: installs what a fresh Debian 12 lacks to build, show or check cmpirun.
#
#   tests/deps.sh build     compilers, libraries, both MPIs
#   tests/deps.sh demo      build + what makes and mounts images
#   tests/deps.sh check     demo + test libraries, a second compiler, sshd, Slurm
#   tests/deps.sh list WHAT prints the packages of WHAT and changes nothing
#
# In: the word; the state of dpkg. Out: the packages, installed; nothing on stdout but apt's
# own words, and those only when something was missing.
#
# Invariants
# - Each list contains the one before it.
# - Nothing missing means no apt at all: one dpkg-query, some hundredths of a second. So every
#   command of the project may call this first.
# - No service is started, and none is enabled for the next boot, because a test wanted its
#   program: openssh-server, munge and Slurm would all like to. A policy-rc.d that forbids starts
#   is laid for the time of the installation (a machine that has its own keeps it), and what came
#   newly is disabled after. A service that was there before is left exactly as it was.
#
# Caveats: needs root, directly or by sudo. Two runs at once wait for each other at dpkg's lock.

set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# laid by cmpirun/tests/deps.sh; safe to remove'

# What compiles and links the programs.
readonly -a BUILD=(
  cmake ninja-build gcc libc6-dev linux-libc-dev pkg-config
  libpmix-dev libhwloc-dev libfuse3-dev
  libjansson-dev libsodium-dev libxxhash-dev libcurl4-openssl-dev libssl-dev
  libsquashfs-dev
  libzstd-dev zlib1g-dev liblzma-dev liblz4-dev liblzo2-dev
  mpich libmpich-dev openmpi-bin libopenmpi-dev
)

# What makes an image from nothing and mounts it without privilege.
readonly -a DEMO=(
  fuse3 squashfs-tools mmdebstrap debian-archive-keyring busybox-static
  passwd util-linux
)

# What the tests and measurements stand on: a second compiler, sanitizers, peers to compare
# with, and all that virtual nodes need to look like a cluster.
readonly -a CHECK=(
  libcmocka-dev clang libclang-rt-14-dev shellcheck strace patchelf
  charliecloud python3-lark python3-requests squashfuse libsimgrid-dev
  iproute2 openssh-server openssh-client
  munge slurm-wlm slurm-client slurmctld slurmd
  mandoc jq python3 python3-matplotlib
  docker-registry skopeo umoci apache2-utils openssl curl zstd xz-utils cryptsetup-bin
)

# Services that those packages would start.
readonly -a SERVICES=(ssh.service ssh.socket munge.service slurmctld.service slurmd.service)

die() { printf 'deps.sh: %s\n' "$*" >&2; exit 1; }

# packages WORD: one package a line.
packages() {
  case $1 in
    build) printf '%s\n' "${BUILD[@]}" ;;
    demo)  printf '%s\n' "${BUILD[@]}" "${DEMO[@]}" ;;
    check) printf '%s\n' "${BUILD[@]}" "${DEMO[@]}" "${CHECK[@]}" ;;
    *)     die "unknown list '$1' (build, demo or check)" ;;
  esac
}

# missing PACKAGE...: those of them that are not installed, one a line.
missing() {
  local -A have=()
  local name status
  while read -r name status; do
    [[ $status == ii ]] && have[$name]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null)
  for name; do
    [[ -n ${have[$name]-} ]] || printf '%s\n' "$name"
  done
}

# A policy of ours that a killed run left behind is ours to remove.
unlay_policy() {
  if [[ -f $POLICY ]] && grep -qF "$POLICY_MARK" "$POLICY"; then
    rm -f "$POLICY"
  fi
}

lay_policy() {
  trap unlay_policy EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [[ -e $POLICY ]] && return
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" > "$POLICY"
  chmod 755 "$POLICY"
}

# known_services: those of SERVICES whose unit files are on the machine.
known_services() {
  local unit
  for unit in "${SERVICES[@]}"; do
    if [[ -e /lib/systemd/system/$unit ]]; then printf '%s\n' "$unit"; fi
  done
}

# disable_new UNIT...: disables the services that are here now and are not among UNIT.
# Works without a running systemd too: it only moves symbolic links.
disable_new() {
  local unit
  command -v systemctl >/dev/null || return 0
  for unit in $(known_services); do
    case " $* " in *" $unit "*) continue ;; esac
    systemctl disable "$unit" >/dev/null 2>&1 || true
  done
}

# install PACKAGE...
install() {
  local -a old
  export DEBIAN_FRONTEND=noninteractive
  mapfile -t old < <(known_services)
  lay_policy
  apt-get -qq update || printf 'deps.sh: apt-get update failed; trying with the lists at hand\n' >&2
  apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
    --no-install-recommends install "$@" >&2 || die "apt-get could not install: $*"
  disable_new "${old[@]}"
}

main() {
  local -a wanted lacking
  if [[ ${1-} == list && $# == 2 ]]; then packages "$2"; return; fi
  [[ $# == 1 ]] || die 'usage: deps.sh build|demo|check, or deps.sh list WHAT'

  # A plain word split, since `mapfile < <(packages)` would not notice a wrong word.
  # shellcheck disable=SC2207
  wanted=($(packages "$1"))
  mapfile -t lacking < <(missing "${wanted[@]}")
  [[ ${#lacking[@]} -gt 0 ]] || return 0

  if [[ $EUID != 0 ]]; then
    command -v sudo >/dev/null || die "needs root to install: ${lacking[*]}"
    exec sudo -- "$(readlink -f -- "${BASH_SOURCE[0]}")" "$1"
  fi
  printf 'deps.sh: installing %s\n' "${lacking[*]}" >&2
  install "${lacking[@]}"
}

main "$@"
