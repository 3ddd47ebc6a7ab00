#!/usr/bin/env bash
# acme: certificates from pebble, Debian's ACME server for tests, which refuses one nonce of twenty.
#
# One renewal by a node of rota, and by Debian's uacme with the same names, key type and challenge (http-01): requests
# at the CA and processor time, of uacme with the shell of its hook. Then a night in which many certificates are due at
# once, first to be got and then to be renewed: time, processor time and requests for each, the most memory and the
# most connections to the CA, and the time for one at the beginning and at the end, which says whether it is steady.
# Each is got and renewed once, or it fails. How long the exchange of a certificate takes on six nodes is printed by
# tests/system/test_acme_cluster.py.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

night=1000
[ -z "$BENCH_SMOKE" ] || night=5
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-acme.XXXXXX")
trap 'rm -rf "$folder"; bench_end' EXIT

setup_packages pebble python3-pytest
beside=''
if [ -z "$BENCH_SMOKE" ]; then
    setup_packages uacme
    beside=uacme
fi
for ((round = 0; round < BENCH_ROUNDS; round++)); do
    mkdir "$folder/one-$round"
    python3 benches/acme_one.py "$BENCH_BUILD/rota" "$folder/one-$round" $beside
done
python3 benches/acme_night.py "$BENCH_BUILD/rota" "$night" "$folder"
