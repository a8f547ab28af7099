# shellcheck shell=bash
# What the lab says: one line per phase with its seconds, and errors that name what, where and the next command.

LAB_PHASE=start

seconds_since() { # START (as $EPOCHREALTIME): seconds with one decimal
    local now=$EPOCHREALTIME start=$1
    local -i spent=$(((${now/./} - ${start/./}) / 100000))
    printf '%d.%d' $((spent / 10)) $((spent % 10))
}

phase() { # TEXT COMMAND…: runs the command in this shell and prints one line when it is done
    local text=$1 start=$EPOCHREALTIME
    shift
    LAB_PHASE=$text
    "$@"
    printf '  %-44s %6s s\n' "$text" "$(seconds_since "$start")" >&2
    LAB_PHASE=
}

note() { printf '  %s\n' "$*" >&2; }

fail() { # WHAT [WHERE [NEXT]]
    printf 'lab: %s\n' "$1" >&2
    [[ -z ${2-} ]] || printf '  where: %s\n' "$2" >&2
    [[ -z ${3-} ]] || printf '  next:  %s\n' "$3" >&2
    exit 1
}

# An unforeseen failure still says where it happened; without this `set -e` would end the program in silence.
# A failure in a subshell is reported by the shell that asked for it, except in a background job, which has nobody above it.
report_unforeseen() {
    local code=$?
    ((BASH_SUBSHELL == ${LAB_JOB_LEVEL:-0})) || exit "$code"
    printf 'lab: a command failed with exit code %d\n  where: %s line %s%s\n  next:  lab status\n' \
        "$code" "${BASH_SOURCE[1]##*/}" "${BASH_LINENO[0]}" "${LAB_PHASE:+, in the phase «$LAB_PHASE»}" >&2
    exit "$code"
}

on_all_hosts() { # FUNCTION: runs it for every host at the same time, and fails when one failed. Jobs do not hold the lab's lock
    local name pid jobs=() bad=0
    for name in "${LAB_HOSTS[@]}"; do
        (LAB_JOB_LEVEL=$BASH_SUBSHELL && "$1" "$name") 9>&- &
        jobs+=($!)
    done
    for pid in "${jobs[@]}"; do wait "$pid" || bad=1; done
    ((bad == 0)) || exit 1 # the job said what failed
}

need_root() {
    [[ $(id -u) == 0 ]] || fail "the lab makes network devices and mounts, so it must run as root" "$(id -un)" "sudo lab …"
}

need_programs() {
    local program missing=()
    for program in "$@"; do command -v "$program" >/dev/null || missing+=("$program"); done
    ((${#missing[@]} == 0)) || fail "programs are missing on this machine: ${missing[*]}" "$(uname -n)" \
        "apt-get install \$(grep -v '^#' .ci/lab-packages)"
}

known_host() { # NAME
    [[ -n ${LAB_ADDRESS[${1:-}]-} ]] || fail "no such host in the lab: '${1-}'" "hosts: ${LAB_HOSTS[*]}" "lab status"
}
