#!/bin/sh
# Finds a Python that can run Entrepot and hands over to it: sh tools/run/python.sh ARGUMENTS...
# This is the only part that must work without one, so it is plain POSIX shell. PYTHON=... names one by hand.
set -eu

# What a shell has set for other Pythons must not leak into this one.
unset PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1

seen=
for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    path=$(command -v "$name" 2>/dev/null) || continue
    # A virtual environment may be active, even our own, which may have to be remade: its base is what is wanted.
    facts=$("$path" -c 'import sys
print("%d.%d.%d" % sys.version_info[:3])
print(getattr(sys, "_base_executable", sys.executable))
print("fits" if sys.version_info >= (3, 11) and sys.implementation.name == "cpython" else "old")' 2>/dev/null) || continue
    version=$(printf '%s\n' "$facts" | sed -n 1p)
    base=$(printf '%s\n' "$facts" | sed -n 2p)
    if [ "$(printf '%s\n' "$facts" | sed -n 3p)" = fits ]; then
        exec "$base" "$@"
    fi
    seen="$seen
  $path is $version"
done

{
    echo "Entrepot needs Python 3.11 or newer (CPython)."
    if [ -n "$seen" ]; then echo "Found only:$seen"; else echo "Found none: there is no python3 on the PATH."; fi
    echo "Install a newer one with your system's package manager and repeat the command,"
    echo "or name one that lies elsewhere: make run PYTHON=/path/to/python3.12"
} >&2
exit 1
