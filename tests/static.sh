#!/usr/bin/env bash
# static: what can be said about the code without running it. Each part says "ok" or prints what it found;
# exit 1 if one did.
#
#   tests/static.sh            everything
#   tests/static.sh PART...    format, tidy, shell, manual, clang-tidy, cppcheck
#
# clang-tidy reads the compile commands of build-clang, which it sets up if it is not there. A tool that is not
# installed is a failure, except shellcheck, which only looks at our own scripts.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 2
jobs=${ROTA_JOBS:-2}
failed=0
mapfile -t c_files < <(find src tests benches -name '*.[ch]' -not -path '*/build*' -not -path 'tests/data/*' | sort)
mapfile -t shell_files < <(
    for file in run test bench .ci/run; do [ -f "$file" ] && grep -lE '^#!.*(bash|sh)$' "$file"; done
    find tests benches tools examples -name '*.sh' -o -name '*.bash' | sort
)

part()
{
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok      $name"
    else
        printf '%s\n' "$output" | tail -n 60
        echo "FAILED  $name"
        failed=1
    fi
}

part_format() { clang-format-14 --dry-run -Werror "${c_files[@]}"; }
part_tidy() { python3 tools/tidy_test.py && python3 tools/tidy.py; }
part_shell()
{
    if [ -z "$(command -v shellcheck)" ]; then
        echo "shellcheck is not installed: the scripts were not looked at"
        return 0
    fi
    # Sourced files have no #! line, and name what their user reads; ./test calls its parts by name.
    shellcheck -s bash -x -S warning -e SC2034,SC2120 "${shell_files[@]}"
}
part_manual() { mandoc -T lint -W warning man/*.[1-8]; }
part_clang_tidy()
{
    mkdir -p var
    [ -f build-clang/compile_commands.json ] || CC=clang-14 meson setup build-clang >/dev/null || return 1
    # Only files that are compiled have a command; what the build makes itself is left out. One process
    # for a few files keeps both cores busy.
    python3 -c 'import json; print("\n".join(sorted({c["file"].removeprefix("../")
        for c in json.load(open("build-clang/compile_commands.json")) if c["file"].startswith("../")})))' |
        xargs -n 4 -P "$jobs" clang-tidy-14 --quiet -p build-clang 2>/dev/null >var/clang-tidy.log && return
    # A finding of the analyser is followed by its whole path, which is in the file.
    grep -E -A 2 '(error|warning): ' var/clang-tidy.log
    echo "all of it: var/clang-tidy.log"
    return 1
}
part_cppcheck()
{
    # No NDEBUG, no configuration but ours: one pass. unknownMacro comes from GLib's macros; NULL at the end of
    # variable arguments is a pointer with every compiler that we build with.
    # readdir is safe where each thread has a stream of its own, as ours do; readdir_r is the deprecated one.
    cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -j "$jobs" \
        --library=gtk.cfg --library=posix.cfg -I src -I tests -D_GNU_SOURCE -D__GNUC__ --max-configs=1 \
        --suppress=unknownMacro --suppress=varFuncNullUB --suppress=missingInclude --suppress=readdirCalled \
        --suppress=normalCheckLevelMaxBranches --suppress=unmatchedSuppression "${c_files[@]}"
}

[ $# -gt 0 ] || set -- format tidy shell manual clang-tidy cppcheck
for name; do
    part "$name" "part_${name//-/_}"
done
exit "$failed"
