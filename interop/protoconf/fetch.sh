# Functions for scripts that run other people's suites. Sourced, not run.
# What they fetch is kept in $cache, so that only the first run needs a network.

cache=${LUPINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lupine-interop}
mkdir -p "$cache"

# skip MESSAGE: ends the script. CI must not skip.
skip() {
  echo "SKIP: $1"
  [ -z "${LUPINE_CI:-}" ] || exit 1
  exit 0
}

# npm_package NAME VERSION SHA256: unpacks a package and sets $package to its folder.
npm_package() {
  package=$cache/$1-$2
  [ ! -d "$package" ] || return 0
  command -v npm >/dev/null || skip "$1 needs npm: apt-get install npm"
  local tmp
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  (cd "$tmp" && npm pack --silent "$1@$2" >/dev/null)
  echo "$3  $tmp/$1-$2.tgz" | sha256sum --quiet --check
  tar -xzf "$tmp/$1-$2.tgz" -C "$tmp"
  mv "$tmp/package" "$package"
  rm -r "$tmp"
}

# debian_mirror prints where this machine has its own release from.
debian_mirror() {
  # shellcheck disable=SC1091 # for VERSION_CODENAME
  (. /etc/os-release && apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$VERSION_CODENAME" '$1 == release { print $2; exit }')
}

# debian_packages SUITES FOLDER PACKAGE...: unpacks, not installs, packages of the
# last of these suites of Debian with all that they depend on, from the mirror
# that this machine uses. Sets $unpacked to the folder. Fails if it cannot.
debian_packages() {
  local suites=$1 mirror tmp s
  unpacked=$cache/$2
  [ ! -d "$unpacked" ] || return 0
  shift 2
  mirror=$(debian_mirror)
  if [ -z "$mirror" ]; then # apt knows it only after it has been there once
    apt-get -qq update
    mirror=$(debian_mirror)
  fi
  if [ -z "$mirror" ]; then
    echo "no mirror of Debian among apt's sources"
    return 1
  fi
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  mkdir -p "$tmp"/{sources,lists/partial,state,archives/partial,root}
  for s in $suites; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $s main"
  done >"$tmp/sources.list"
  local options=(-qq -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts="$tmp/sources"
    -o Dir::State="$tmp/state" -o Dir::State::Lists="$tmp/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$tmp" -o APT::Sandbox::User=root -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${options[@]}" update &&
    apt-get "${options[@]}" --yes --no-install-recommends --download-only --target-release "${suites##* }" install "$@" >/dev/null ||
    return 1
  for s in "$tmp"/archives/*.deb; do
    dpkg-deb -x "$s" "$tmp/root" || return 1
  done
  mv "$tmp/root" "$unpacked"
  rm -r "$tmp"
}

# loader FOLDER: prints the command that runs a program with FOLDER's libraries.
loader() {
  local libs=lib/x86_64-linux-gnu at=$1/usr
  [ -e "$at/$libs/ld-linux-x86-64.so.2" ] || at=$1 # as Debian had it up to 12
  echo "$at/$libs/ld-linux-x86-64.so.2 --library-path $1/usr/$libs:$1/$libs"
}
