#!/bin/sh
# Makes the Python environment of this bundle in a new folder, with no network and without engine-pipeline:
#
#   sh install-offline.sh PREFIX
#
# conda, mamba or micromamba (CONDA_EXE, MAMBA_EXE or the PATH says which) link the packages that are in the bundle.
# Where none is here, the Miniforge that the bundle brings does (build --with-miniforge): it is installed into a folder
# below TMPDIR for that, and removed again. A bundle without packages is laid over a Python that is there (PYTHON, or
# python<version> of the PATH). Nothing is left at PREFIX when it fails.
set -eu

fail() {
    printf 'install-offline.sh: %s\n' "$1" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

find_conda() {
    for candidate in "${CONDA_EXE:-}" "${MAMBA_EXE:-}" conda mamba micromamba; do
        if [ -n "$candidate" ] && has "$candidate"; then
            conda=$candidate
            return
        fi
    done
    # By the name of its release: a wheel may bring files of its own into that folder.
    set -- "$bundle"/miniforge/Miniforge3-*.sh "$bundle"/miniforge/Miniforge3-*.sh.sha256
    if [ -e "$1" ] || [ -e "$2" ]; then
        install_miniforge
    else
        fail "none of conda, mamba and micromamba is here, and the bundle brings no Miniforge; install one, say where \
conda is in CONDA_EXE, or take a bundle that was made with --with-miniforge"
    fi
}

# Its own folder: its installer takes no path with a space, and long paths break the programs that it installs.
install_miniforge() {
    set -- "$bundle"/miniforge/Miniforge3-*.sh.sha256
    if [ $# -ne 1 ] || [ ! -f "$1" ]; then
        fail "$bundle/miniforge has not one installer with its .sha256"
    fi
    installer=${1%.sha256}
    named=$(sed 's/^[0-9a-f]\{64\} [ *]//' "$1") # of its one line; a line more, or another, makes another name
    [ "${named#./}" = "$(basename -- "$installer")" ] || fail "$1 does not say the sha256 of $installer"
    : >"$work/digests"
    (cd "$bundle/miniforge" && check_digests <"$1") ||
        fail "the Miniforge of the bundle is damaged or missing: $(grep -v ': OK$' "$work/digests" | head -n 5)"
    temporary=${TMPDIR:-/tmp}
    case $temporary in
        *[[:space:]]* | [!/]*) temporary=/tmp ;;
    esac
    [ ${#temporary} -le 60 ] || temporary=/tmp # its programs begin with `#!PATH`, of which Linux read 127 bytes
    forge=$(mktemp -d "${temporary%/}/miniforge-XXXXXX") ||
        fail "no folder can be made in $temporary; say another in TMPDIR"
    mkdir "$forge/home"
    # A home of its own, and nothing of the user's that sends conda or its Python elsewhere: what counts beside that are
    # the settings of the machine, which conda reads in /etc/conda, and no trace is left of what is removed again.
    unset CONDARC XDG_CONFIG_HOME PYTHONPATH PYTHONHOME
    for name in $(env | sed -n 's/^\(_\{0,1\}CONDA_[A-Z0-9_]*\)=.*/\1/p; s/^\(MAMBA_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$name"
    done
    HOME=$forge/home
    export HOME
    if has bash; then shell='bash'; else shell='sh'; fi # Miniforge says to run it with bash
    "$shell" "$installer" -b -p "$forge/base" >"$work/log" 2>&1 ||
        fail "the Miniforge of the bundle did not go into $forge (TMPDIR says where): $(tail -n 20 "$work/log")"
    conda=$forge/base/bin/conda
    [ -x "$conda" ] || fail "the Miniforge of the bundle brought no conda: $(tail -n 20 "$work/log")"
}

# Reads "<sha256>  <path>" lines; paths are relative to the bundle.
check_digests() {
    if has sha256sum; then
        sha256sum -c - >"$work/digests" 2>&1
    elif has shasum; then
        shasum -a 256 -c - >"$work/digests" 2>&1
    else
        fail "neither sha256sum nor shasum is here, so that packages cannot be checked"
    fi
}

# Writes a path as it stands in a file:// url (RFC 3986).
encode() {
    printf '%s\n' "$1" | sed 's/%/%25/g; s/ /%20/g; s/"/%22/g; s/#/%23/g; s/</%3C/g; s/>/%3E/g; s/?/%3F/g; s/\\/%5C/g; s/\^/%5E/g; s/`/%60/g; s/{/%7B/g; s/|/%7C/g; s/}/%7D/g; s/\[/%5B/g; s/\]/%5D/g'
}

make_base() {
    find_conda
    sed -n 's/^\([^#@].*\)#\([0-9a-f]\{64\}\)$/\2  \1/p' "$here/conda-explicit.txt" >"$work/sums"
    [ -s "$work/sums" ] || fail "$here/conda-explicit.txt names no package"
    : >"$work/digests"
    (cd "$bundle" && check_digests <"$work/sums") ||
        fail "packages of the bundle are damaged or missing: $(grep -v ': OK$' "$work/digests" | head -n 5)"
    base=$(encode "file://$bundle")
    {
        echo '@EXPLICIT'
        # No digest stands after the urls: conda before 24.9 and older mambas read only md5 there. All were compared above.
        while read -r _ path; do
            printf '%s/%s\n' "$base" "$path"
        done <"$work/sums"
    } >"$work/explicit.txt"
    # Packages are unpacked beside the environment: links need one file system, and no cache of the user's is touched.
    CONDA_PKGS_DIRS="$work/packages" "$conda" create --yes --quiet --offline --prefix "$prefix" \
        --file "$work/explicit.txt" >"$work/log" 2>&1 ||
        fail "$conda did not make the environment: $(tail -n 20 "$work/log")"
}

make_virtual_environment() {
    python=${PYTHON:-python$PYTHON_VERSION}
    has "$python" || fail "the bundle brings no Python, and $python is not here; say where one is in PYTHON"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ "$found" = "$PYTHON_VERSION" ] || fail "$python is Python $found, and the bundle's wheels are for $PYTHON_VERSION"
    "$python" -m venv --without-pip "$prefix" || fail "$python made no virtual environment"
}

clean_up() {
    status=$?
    trap - EXIT
    rm -rf "${work:?}"
    [ -z "$forge" ] || rm -rf "${forge:?}"
    [ "$finished" = yes ] || rm -rf "${prefix:?}"
    exit "$status"
}

if [ $# -ne 1 ] || [ -z "$1" ]; then
    fail "usage: install-offline.sh PREFIX, a folder that is not there yet"
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
bundle=$(CDPATH='' cd -- "$here/../.." && pwd -P)
# shellcheck source=/dev/null
. "$here/environment.sh"

mkdir -p -- "$(dirname -- "$1")"
parent=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd -P)
prefix=${parent%/}/$(basename -- "$1")
if [ -e "$prefix" ] || [ -L "$prefix" ]; then
    fail "$prefix is there already"
fi
case $bundle$prefix in
    *[[:cntrl:]]*) fail "a path with control characters in it does not do" ;;
esac
length=$(($(printf '%s' "$prefix" | LC_ALL=C wc -c)))
[ -z "$PREFIX_LIMIT" ] || [ "$length" -le "$PREFIX_LIMIT" ] ||
    fail "$prefix has $length bytes, and the packages can be linked into a path of at most $PREFIX_LIMIT"

finished=no
forge=
work=$(mktemp -d "$parent/.environment-XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
if [ -f "$here/conda-explicit.txt" ]; then make_base; else make_virtual_environment; fi
"$prefix/bin/python" -I -B "$here/finish.py" "$bundle" "$prefix" || fail "the environment was not finished"
finished=yes
printf '%s\n' "$prefix is ready: $prefix/bin/python"
