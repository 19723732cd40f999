#!/usr/bin/env bash
# Makes a bare Debian 12, puts a clone of the committed state of this repository into it, installs make
# and git there and nothing else, and runs both commands of the README. So no package is forgotten.
#
#   tools/bare.sh [--user] [--keep] [TARGET...]     (targets: demo test)
#     --user   runs them as a user who may sudo, not as root
#     --keep   leaves the Debian in build-bare/ for a look
#
# Needs root (or sudo) and a Debian mirror: the one of this machine's own apt, with its proxy settings;
# pip trusts whom it trusts here (PIP_CERT).
set -euo pipefail
cd "$(dirname "$0")/.."

user=root keep=no targets=()
for argument in "$@"; do
  case $argument in
    --user) user=builder ;;
    --keep) keep=yes ;;
    -*) echo "usage: tools/bare.sh [--user] [--keep] [TARGET...]" >&2; exit 2 ;;
    *) targets+=("$argument") ;;
  esac
done
[ ${#targets[@]} -gt 0 ] || targets=(demo test)
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=http_proxy,https_proxy,PIP_CERT,JOBS "$0" "$@"

suite=bookworm
here=$PWD
work=$here/build-bare
root=$work/root
log=$work/logs
home=$([ "$user" = root ] && echo /root || echo "/home/$user")

# Lines "URI SUITE COMPONENT" of the Debian archives that this machine's apt uses.
apt_sources() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)' |
    awk -v suite="$suite" '$4 == "Packages" && ($2 == suite || $2 == suite "-updates" || $2 == suite "-security") \
                           && $3 == "main" {print $1, $2, $3}' | sort -u
}

unmount() {
  local point
  for point in "$root/dev/pts" "$root/dev/shm" "$root/proc"; do
    mountpoint -q "$point" && umount -l "$point"
  done
  return 0
}

finish() {
  unmount
  [ "$keep" = yes ] || rm -rf "$root"
}

in_bare() {
  chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" \
    LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive JOBS="${JOBS:-2}" \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${PIP_CERT:+PIP_CERT=/etc/pip-ca.crt} "$@"
}

make_debian() {
  local mirror
  mirror=$(apt_sources | awk -v suite="$suite" '$2 == suite {print $1; exit}')
  if [ -z "$mirror" ]; then
    echo "error: this machine's apt names no Debian $suite to take packages from" >&2
    exit 1
  fi
  command -v debootstrap >/dev/null || apt-get install -q -y --no-install-recommends debootstrap
  echo "== a bare Debian $suite from $mirror"
  mkdir -p "$work" "$log"
  unmount
  rm -rf "$root"
  # Certificates are no part of a minimal Debian, yet a mirror behind https needs them.
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$log/debootstrap.log"
  [ -z "${PIP_CERT:-}" ] || cp "$PIP_CERT" "$root/etc/pip-ca.crt"
  apt_sources | sed 's/^/deb /' >"$root/etc/apt/sources.list"
  local file
  for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    if [ -f "$file" ] && grep -q Acquire "$file"; then cp "$file" "$root/etc/apt/apt.conf.d/"; fi
  done
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  mount -t proc proc "$root/proc"
  mkdir -p "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount -t devpts devpts "$root/dev/pts" || true
  in_bare apt-get update -q >"$log/apt.log"
  in_bare apt-get install -q -y --no-install-recommends make git >>"$log/apt.log"
  if [ "$user" != root ]; then
    in_bare apt-get install -q -y --no-install-recommends sudo >>"$log/apt.log"
    in_bare useradd --create-home --shell /bin/bash "$user"
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
  fi
}

run_target() {
  local target=$1 start=$SECONDS status=0
  echo "== make $target"
  if [ "$user" = root ]; then
    in_bare make -C "$home/varve" "$target" >"$log/$target.log" 2>&1 || status=$?
  else
    in_bare su -p "$user" -c "make -C $home/varve $target" >"$log/$target.log" 2>&1 || status=$?
  fi
  tail -n 15 "$log/$target.log"
  echo "== make $target: exit code $status after $((SECONDS - start)) s (whole output: $log/$target.log)"
  return $status
}

[ -z "$(git status --porcelain)" ] || echo "note: only what is committed is tried; the tree has changes beside it"
trap finish EXIT
make_debian
git clone --quiet --no-hardlinks "$here" "$root$home/varve"
[ "$user" = root ] || in_bare chown -R "$user:$user" "$home/varve"
for target in "${targets[@]}"; do
  run_target "$target"
done
echo "== bare: ${targets[*]} passed"
