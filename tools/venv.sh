#!/bin/sh
# Make the virtual environment $1 with $PYTHON, without it with the newest Python that this project runs on; or see that
# the one that is there fits. What is wrong is one line. The Makefile calls it before it installs anything.
set -eu
venv=$1
newest_first="3.14 3.13 3.12 3.11"

fail() { echo "error: $1" >&2; exit 1; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
is_known() { case " $newest_first " in *" $1 "*) true;; *) false;; esac; }
makes_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }  # Debian has these in a package of their own

if [ -e "$venv" ]; then
    found=$(version_of "$venv/bin/python")
    [ -n "$found" ] || fail "$venv: its Python does not start, it may have been removed; rm -rf $venv, and try again"
    is_known "$found" || fail "$venv: is of Python $found, not of one of $newest_first; rm -rf $venv, and try again"
    [ -n "${PYTHON:-}" ] || exit 0
    wanted=$(version_of "$PYTHON")
    [ "$wanted" = "$found" ] || fail \
        "$venv: is of Python $found, PYTHON=$PYTHON is ${wanted:-none}; rm -rf $venv, or leave it and choose VENV=.venv-$wanted"
    exit 0
fi

if [ -n "${PYTHON:-}" ]; then
    found=$(version_of "$PYTHON")
    [ -n "$found" ] || fail "PYTHON=$PYTHON: does not start; name one of Python $newest_first"
    is_known "$found" || fail "PYTHON=$PYTHON: is Python $found; name one of Python $newest_first"
    makes_environments "$PYTHON" || fail "PYTHON=$PYTHON: has no venv; Debian, Ubuntu: apt install python$found-venv"
    exec "$PYTHON" -m venv "$venv"
fi

without_venv=
for version in $newest_first ""; do  # "": python3, which some systems have under no other name
    found=$(version_of "python3${version#3}")
    is_known "${found:-none}" || continue
    makes_environments "python3${version#3}" && exec "python3${version#3}" -m venv "$venv"
    without_venv=${without_venv:-$found}
done
[ -z "$without_venv" ] || fail "Python $without_venv has no venv; Debian, Ubuntu: apt install python$without_venv-venv"
fail "there is no Python $newest_first; Debian, Ubuntu: apt install python3-venv; macOS: brew install python; or PYTHON=PATH"
