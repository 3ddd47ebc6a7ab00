#!/usr/bin/env bash
# run: has spin check the model of the lease protocol (lease.pml).
#
#   tests/model/run.sh                       every shape: safety, then liveness under weak fairness
#   tests/model/run.sh -D NO_FENCE SHAPE     one shape with a guard taken out (for tests/mutants)
#
# Works in var/model. Exit status 0: nothing was found; 1: spin found a broken promise; 2: it could not be run, or did
# not come to an end within its limits.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 2
mkdir -p var/model
cd var/model || exit 2
model=../../tests/model/lease.pml

# verify KIND OPTION...: one run of spin; prints a line.
verify()
{
    local kind=$1 flags=(-DSAFETY -DNOCLAIM) pan=(-noclaim) log
    shift
    if [ "$kind" = liveness ]; then
        flags=(-DNFAIR=3)
        pan=(-a -f)
    fi
    log=$kind.log
    { spin -a "$@" "$model" && gcc -O2 -w -DVECTORSZ=2048 "${flags[@]}" -o pan pan.c; } >"$log" 2>&1 ||
        { tail -n 5 "$log"; return 2; }
    ./pan -m2000000 "${pan[@]}" >"$log" 2>&1
    if ! grep -q 'errors: 0' "$log"; then
        grep -E '^pan:1:|errors:' "$log"
        return 1
    fi
    if grep -qE 'max search depth too small|Search not completed|out of memory' "$log"; then
        grep -E 'max search depth too small|Search not completed|out of memory' "$log"
        return 2
    fi
    echo "$kind $*: $(grep -oE '[0-9.e+]+ states, stored' "$log"), no error"
}

if [ "${1:-}" = -D ]; then
    verify safety -DFAULTS=1 "-DSHAPE=$3" "-D$2" && verify liveness -DFAULTS=1 "-DSHAPE=$3" "-D$2"
    exit
fi
result=0
for run in "safety 1 1" "safety 2 2" "safety 1 3" "liveness 1 1" "liveness 2 2" "liveness 1 3"; do
    read -r kind faults shape <<<"$run"
    verify "$kind" "-DFAULTS=$faults" "-DSHAPE=$shape" || result=$?
done
exit "$result"
