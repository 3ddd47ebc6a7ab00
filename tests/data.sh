# data.sh: other people's test data, where it is there; sourced by ./test and ./bench.
#
# data_unpack unpacks the archives of $ROTA_DATA (default: ../shared/data beside the checkout) into
# var/data, once, and sets ROTA_DATA_UNPACKED. None of it belongs to the project: where an archive is
# missing its suite does not run and that is said; where $CI is set a missing one is a failure.

DATA_ARCHIVES=(mail mime toml ical)

data_unpack()
{
    local from=${ROTA_DATA:-../shared/data} missing=() name archive
    export ROTA_DATA_UNPACKED=${ROTA_DATA_UNPACKED:-$PWD/var/data}
    for name in "${DATA_ARCHIVES[@]}"; do
        [ ! -d "$ROTA_DATA_UNPACKED/$name" ] || continue
        archive=$(find "$from/" -maxdepth 1 -name "$name-*.tar.zst" 2>/dev/null | sort | head -n 1)
        if [ -z "$archive" ]; then
            missing+=("$name")
            continue
        fi
        rm -rf "$ROTA_DATA_UNPACKED/$name.new"
        mkdir -p "$ROTA_DATA_UNPACKED/$name.new"
        tar --zstd --no-same-owner -xf "$archive" -C "$ROTA_DATA_UNPACKED/$name.new"
        mv "$ROTA_DATA_UNPACKED/$name.new" "$ROTA_DATA_UNPACKED/$name"
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Conformance suites that do not run, since their data is not in $from: ${missing[*]}"
    [ -z "${CI:-}" ]
}
