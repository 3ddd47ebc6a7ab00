#!/usr/bin/env bash
# spam: learning from two thirds of the sorted mail and telling the other third apart, on one core, from the files on.
#
# rota: `spam-bench`, the filter without a store. Beside it bogofilter in each round, and once, where they are
# there, spamprobe, CRM114 (OSB) and SpamAssassin (its rules without the network, and Bayes). Twice each: all mail
# ("with"), and without the CSDMC2010 part ("without"), whose headers were rewritten by its makers. 1-AUC is how often
# a ham looks more like spam than a spam does; errors are at each program's own threshold. SpamAssassin takes half an
# hour: only with BENCH_SLOW=1.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

work=$BENCH_WORK/spam
mkdir -p "$work"

# lists PART: PART.train and PART.test, lines "ham PATH" and "spam PATH", and a list of paths for each word.
lists()
{
    local part=$1 data=${ROTA_DATA_UNPACKED:-$PWD/var/data}/mail fold word
    awk -F'\t' -v part="$part" -v data="$data" -v out="$work/$part" \
        'NR > 1 && $1 != "list" && (part == "with" || $6 != "csdmc2010") {
            print $1 "\t" data "/" $2 >(out "." $4)
        }' "$data/dev/MANIFEST.tsv"
    for fold in train test; do
        for word in ham spam; do
            sed -n "s/^$word\t//p" "$work/$part.$fold" >"$work/$part.$fold.$word"
        done
    done
    cut -f2 "$work/$part.test" >"$work/$part.asked"
}

# rate LIST COMMAND...: messages a second.
rate()
{
    local list=$1 took
    shift
    took=$(seconds taskset -c 0 "$@")
    echo "$(wc -l <"$list") $took" | awk '{printf "%.0f\n", $1 / $2}'
}

# judge PROGRAM PART THRESHOLD: of scores on standard input, a line each in the order of PART.test.
judge()
{
    paste "$work/$2.test" - | awk -F'\t' '{print $3 "\t" $1}' | sort -g |
        awk -F'\t' -v name="$1" -v part="$2" -v at="$3" '
        function rank_all() { bad += tied_spam * (ham + tied_ham / 2); ham += tied_ham; tied_ham = tied_spam = 0 }
        $1 != last { rank_all(); last = $1 }
        $2 == "spam" { spam++; tied_spam++; missed += $1 < at }
        $2 == "ham" { tied_ham++; lost += $1 >= at }
        END {
            rank_all()
            printf "spam-auc-%s-%s\t%.4f\t%%\n", part, name, 100 * (1 - bad / (ham * spam))
            printf "spam-errors-%s-%s\t%d\terrors\n", part, name, lost + missed
            printf "spam-lost-%s-%s\t%.3f\t%% of ham\n", part, name, 100 * lost / ham
        }'
}

by_rota()
{
    local part=$1 said
    said=$(taskset -c 0 "$BENCH_BUILD/benches/spam-bench" "$work/$part.train" "$work/$part.test" "$work/scores")
    if [ "$part" != without ]; then
        sed -n 's/^\(train\|score\)\t\(.*\)$/spam-\1-rota\t\2\tmessages\/s/p' <<<"$said"
    fi
    [ -n "$2" ] || cut -f2 "$work/scores" | judge rota "$part" 0.9
}

bogofilter_learns()
{
    rm -rf "$work/bogofilter" && mkdir "$work/bogofilter"
    bogofilter -d "$work/bogofilter" -n -b <"$work/$1.train.ham" &&
        bogofilter -d "$work/bogofilter" -s -b <"$work/$1.train.spam"
}

bogofilter_judges()
{
    bogofilter -d "$work/bogofilter" -T -b <"$work/$1.asked" >"$work/bogofilter.out" || [ $? -le 2 ]
}

by_bogofilter()
{
    local learns judges
    learns=$(rate "$work/$1.train" bash -c "work=$work; $(declare -f bogofilter_learns); bogofilter_learns $1")
    judges=$(rate "$work/$1.test" bash -c "work=$work; $(declare -f bogofilter_judges); bogofilter_judges $1")
    [ "$1" = without ] || say spam-train-bogofilter "$learns" messages/s
    [ "$1" = without ] || say spam-score-bogofilter "$judges" messages/s
    [ -n "$2" ] || awk '{print $3}' "$work/bogofilter.out" | judge bogofilter "$1" 0.99
}

by_spamprobe()
{
    local db=$work/spamprobe
    rm -rf "$db" && mkdir "$db"
    xargs -a "$work/$1.train.ham" spamprobe -c -d "$db" good 2>/dev/null
    xargs -a "$work/$1.train.spam" spamprobe -d "$db" spam 2>/dev/null
    # One line for each message; its score is the first number of the line.
    xargs -a "$work/$1.asked" -n 1 spamprobe -d "$db" score 2>/dev/null |
        awk '{for (i = 1; i <= NF; i++) if ($i ~ /^[01]\.[0-9]+$/) {print $i; break}}' | judge spamprobe "$1" 0.7
}

by_crm114()
{
    local word file
    rm -rf "$work/crm" && mkdir "$work/crm"
    (
        cd "$work/crm" || exit 1
        cssutil -b -r -q spam.css >/dev/null && cssutil -b -r -q ham.css >/dev/null
        # In the order of a mailbox: ham and spam mixed.
        sort -k2 -t/ "$work/$1.train" | shuf --random-source="$work/$1.train" | while IFS=$'\t' read -r word file; do
            crm "-{ learn <osb unique microgroom> ($word.css) }" <"$file" || true
        done
        while read -r file; do
            crm '-{ isolate (:s:) /none/; { classify <osb unique> (spam.css | ham.css) (:s:) } output /:*:s:\n/ }' \
                <"$file" 2>/dev/null | grep -a ^CLASSIFY | awk '{print $NF}'
        done <"$work/$1.asked"
    ) | judge crm114 "$1" 0
}

by_spamassassin()
{
    local word
    rm -rf "$work/sa" && mkdir "$work/sa"
    cat >"$work/sa/prefs" <<C
use_bayes 1
bayes_path $work/sa/bayes
bayes_auto_learn 0
bayes_auto_expire 0
skip_rbl_checks 1
use_razor2 0
use_pyzor 0
C
    for word in ham spam; do
        sa-learn -p "$work/sa/prefs" --local --no-sync "--$word" --folders="$work/$1.train.$word" >/dev/null
    done
    sa-learn -p "$work/sa/prefs" --local --sync >/dev/null
    perl -MMail::SpamAssassin -e '
        my $sa = Mail::SpamAssassin->new({userprefs_filename => shift, local_tests_only => 1, dont_copy_prefs => 1});
        while (<STDIN>) {
            chomp; open my $file, "<", $_ or die; local $/; my $mail = $sa->parse(<$file>, 1);
            my $said = $sa->check($mail); printf "%.4f\n", $said->get_score(); $said->finish(); $mail->finish();
        }' "$work/sa/prefs" <"$work/$1.asked" 2>/dev/null | judge spamassassin "$1" 5
}

if [ -n "$BENCH_SMOKE" ]; then
    # The example's mail, of which one half plays the spam.
    mail_files | awk '{print (NR % 2 ? "ham" : "spam") "\t" $0}' >"$work/smoke.train"
    cp "$work/smoke.train" "$work/smoke.test"
    by_rota smoke ''
    exit 0
fi
command -v bogofilter >/dev/null || setup_packages bogofilter >&2
lists with
lists without
setting spam "$(wc -l <"$work/with.train") messages learnt, $(wc -l <"$work/with.test") told apart; one core"
setting spam-bogofilter "$(bogofilter -V 2>&1 | sed -n '1s/^bogofilter version //p')"
for round in $(seq "$BENCH_ROUNDS"); do
    seen=''
    [ "$round" = 1 ] || seen=1
    for part in with without; do
        [ "$part" = with ] || [ -z "$seen" ] || continue
        xargs -a "$work/$part.asked" cat >/dev/null
        by_rota "$part" "$seen"
        by_bogofilter "$part" "$seen"
    done
done
for part in with without; do
    if command -v spamprobe >/dev/null; then by_spamprobe "$part"; fi
    if command -v crm >/dev/null; then by_crm114 "$part"; fi
    if [ -n "${BENCH_SLOW:-}" ] && command -v sa-learn >/dev/null; then by_spamassassin "$part"; fi
done
