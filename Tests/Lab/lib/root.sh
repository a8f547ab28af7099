# shellcheck shell=bash
# The cached root file system: debootstrap once, etcd of a newer suite unpacked into it (the base); then Kubernetes' packages in a copy
# made of links, which takes seconds when a stand-in has changed. That root is shared read-only by all hosts.
# Both are built under a temporary name and renamed when complete, so an interrupted build is never half used.

package_list() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$LAB_HOME/packages/$1"; }

base_key() { # what the base depends on: lists, the code that builds it, suite and architecture
    {
        package_list root
        package_list newer
        cat "$LAB_HOME/lib/root.sh" "$LAB_HOME/seed/fill"
        printf '%s %s\n' "$(apt_source suite)" "$(dpkg --print-architecture)"
    } | sha256sum | cut -c1-12
}

base_path() { printf '%s/base-%s\n' "$LAB_CACHE" "$(base_key)"; }

root_path() { printf '%s/root-%s-%s\n' "$LAB_CACHE" "$(base_key)" "$(package_sources | sha256sum | cut -c1-8)"; }

# Mirror, suite and keyring as this machine's apt has them: the first deb822 stanza that is no update or security suite.
apt_source() { # uri | suite | keyring
    local file value
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -e $file ]] || continue
        value=$(awk -v want="$1" 'BEGIN { RS = ""; FS = "\n" }
            {
                uri = suite = keyring = ""; disabled = 0; deb = 0
                for (i = 1; i <= NF; i++) {
                    split($i, word, /[ \t]+/)
                    if (word[1] == "Types:" && $i ~ /[ \t]deb([ \t]|$)/) deb = 1
                    if (word[1] == "URIs:") uri = word[2]
                    if (word[1] == "Suites:") suite = word[2]
                    if (word[1] == "Signed-By:") keyring = word[2]
                    if (word[1] == "Enabled:" && word[2] == "no") disabled = 1
                }
                if (deb && !disabled && uri != "" && suite !~ /-/ && uri !~ /security/) {
                    print want == "uri" ? uri : want == "suite" ? suite : keyring
                    exit
                }
            }' "$file")
        [[ -z $value ]] || break
    done
    if [[ -z ${value-} && $1 == keyring ]]; then value=/usr/share/keyrings/debian-archive-keyring.gpg; fi
    [[ -n ${value-} ]] || fail "no Debian mirror found in this machine's apt configuration" \
        "/etc/apt/sources.list.d/*.sources ($1)" "add a deb822 source with Types: deb, URIs: and Suites:"
    printf '%s\n' "$value"
}

# The suite that has etcd 3.5: this machine's own, unless that is Debian 12.
newer_suite() {
    local suite
    suite=$(apt_source suite)
    case $suite in bookworm | oldstable) printf 'trixie\n' ;; *) printf '%s\n' "$suite" ;; esac
}

ensure_root() {
    local root
    root=$(root_path)
    [[ ! -d $root ]] || return 0
    mkdir -p "$LAB_CACHE/debs"
    discard_tree "$LAB_CACHE"/*.building
    ensure_base
    phase "Kubernetes' packages and their repositories" make_root "$root.building"
    sync -f "$root.building"
    mv -T "$root.building" "$root"
    discard_old_roots "$root"
}

# Nothing writes into a file of the copy, which would be one of the base: dpkg and apt replace files, what they append to is made anew.
make_root() { # TARGET
    cp -al "$(base_path)" "$1"
    rm -f "$1"/var/log/{dpkg.log,apt/*.log,apt/*.log.xz,alternatives.log}
    add_kubernetes_packages "$1"
}

ensure_base() {
    local base building
    base=$(base_path)
    [[ ! -d $base ]] || return 0
    building=$base.building
    phase "debootstrap of the root (log: $LAB_CACHE/build.log)" bootstrap_root "$building"
    phase "etcd and kubectl from $(newer_suite)" add_newer_packages "$building"
    phase "lab user, etcd image, services" customise_root "$building"
    phase "seed of etcd" seed_etcd "$building"
    sync -f "$building"
    mv -T "$building" "$base"
}

discard_old_roots() { # CURRENT: those of earlier versions that no host stands on, and their bases
    local old
    for old in "$LAB_CACHE"/base-*; do [[ $old == "$(base_path)" ]] || discard_tree "$old"; done
    for old in "$LAB_CACHE"/root-*; do
        [[ $old != "$1" && $old != "$(cat "$LAB_STATE/lower" 2>/dev/null || true)" ]] || continue
        ! grep -q "lowerdir=$old," /proc/mounts || continue
        discard_tree "$old"
    done
}

# debootstrap mounts /proc and /sys in its target; in a mount and process namespace of its own nothing of that outlives it.
in_namespace() { unshare --mount --pid --fork --kill-child --mount-proc --propagation private -- "$@"; }

bootstrap_root() { # TARGET
    local include proxy=""
    include=$(package_list root | paste -sd,)
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [[ -z $proxy ]] || export http_proxy=$proxy
    DPKG_FORCE=unsafe-io in_namespace debootstrap --variant=minbase --include="$include" --cache-dir="$LAB_CACHE/debs" \
        --keyring="$(apt_source keyring)" "$(apt_source suite)" "$1" "$(apt_source uri)" \
        >"$LAB_CACHE/build.log" 2>&1 </dev/null ||
        fail "debootstrap failed: $(tail -n1 "$LAB_CACHE/build.log")" "$LAB_CACHE/build.log" "lab up"
}

# A private apt root, so that the machine's own apt state is neither used nor changed. apt checks the suite's signature and the hashes.
add_newer_packages() { # TARGET
    local apt=$LAB_CACHE/apt option=()
    rm -rf "$apt"
    mkdir -p "$apt"/etc/apt/{sources.list.d,preferences.d,apt.conf.d,trusted.gpg.d} \
        "$apt"/var/lib/{dpkg,apt/lists/partial} "$apt/var/cache/apt/archives/partial" "$apt/debs"
    : >"$apt/var/lib/dpkg/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$(apt_source keyring)" "$(apt_source uri)" "$(newer_suite)" >"$apt/etc/apt/sources.list"
    option=(-qq -o "Dir=$apt" -o "Dir::State::status=$apt/var/lib/dpkg/status" -o APT::Sandbox::User=root
        -o APT::Update::Error-Mode=any -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false)
    {
        apt-get "${option[@]}" update
        # shellcheck disable=SC2046 # one word per package is wanted
        (cd "$apt/debs" && apt-get "${option[@]}" download $(package_list newer))
    } >>"$LAB_CACHE/build.log" 2>&1 ||
        fail "packages of the newer suite could not be fetched: $(tail -n1 "$LAB_CACHE/build.log")" "$LAB_CACHE/build.log" "lab up"
    mkdir "$1/newer"
    for deb in "$apt"/debs/*.deb; do dpkg-deb -x "$deb" "$1/newer"; done
    rm -rf "$apt"
}

# The etcd programs go into a directory that looks like the etcd image (programs, C library, no shell, no tar); hosts that have
# etcdctl in PATH get links to it.
customise_root() { # TARGET
    local root=$1 program file
    for program in etcd etcdctl etcdutl; do
        install -D -m 0755 "$root/newer/usr/bin/$program" "$root$LAB_IMAGE/usr/local/bin/$program"
    done
    install -m 0755 "$root/newer/usr/bin/kubectl" "$root/usr/bin/kubectl"
    rm -rf "$root/newer"
    while read -r file; do
        install -D "$root$file" "$root$LAB_IMAGE$file"
    done < <(chroot "$root" ldd "$LAB_IMAGE/usr/local/bin/etcd" | grep -o '/[^ ]*')

    chroot "$root" useradd --create-home --shell /bin/bash "$LAB_USER"
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$LAB_USER" >"$root/etc/sudoers.d/$LAB_USER"
    chmod 0440 "$root/etc/sudoers.d/$LAB_USER"
    rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
    mkdir -p "$root/var/log/journal"
    systemctl --root="$root" disable haproxy keepalived nftables ssh >/dev/null 2>&1
    # None of these has anything to do in such a host; each costs boot time.
    systemctl --root="$root" mask \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        console-getty.service container-getty@.service getty@.service getty.target serial-getty@.service \
        systemd-networkd.service systemd-networkd-wait-online.service systemd-network-generator.service \
        systemd-udevd.service systemd-udev-trigger.service systemd-random-seed.service systemd-update-utmp.service \
        systemd-update-utmp-runlevel.service systemd-hwdb-update.service systemd-pcrphase.service systemd-firstboot.service \
        systemd-machine-id-commit.service systemd-remount-fs.service ldconfig.service \
        sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount \
        sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@.service >/dev/null 2>&1
}

# A snapshot with a few hundred Kubernetes-like keys, made once; each `lab up` restores it as a three-member cluster. etcd runs in a
# network namespace of its own, so its ports cannot meet anything.
seed_etcd() { # TARGET
    install -m 0755 "$LAB_HOME/seed/fill" "$1/run/fill"
    unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private -- \
        chroot "$1" /run/fill "$LAB_IMAGE/usr/local/bin" "$LAB_LIB/seed.db" >>"$LAB_CACHE/build.log" 2>&1 </dev/null ||
        fail "etcd could not be seeded: $(tail -n1 "$LAB_CACHE/build.log")" "$LAB_CACHE/build.log" "lab up"
    rm -f "$1/run/fill"
}

# etcd's programs for this machine: what a controller needs for a restore check.
export_tools() {
    local program
    mkdir -p "$LAB_CACHE/bin"
    for program in etcd etcdctl etcdutl; do
        ln -sfn "$(root_path)$LAB_IMAGE/usr/local/bin/$program" "$LAB_CACHE/bin/$program"
    done
}

# Deletes directories of the lab, never anything that is mounted in them.
discard_tree() { # DIR…
    local dir mount
    for dir in "$@"; do
        [[ -e $dir ]] || continue
        while read -r mount; do umount -l "$mount"; done < <(mounts_under "$dir")
        [[ -z $(mounts_under "$dir") ]] || fail "mounts are left below a directory to delete" "$dir" "lab down"
        rm -rf --one-file-system "$dir"
    done
}

mounts_under() { # DIR: mount points in it, the innermost first
    awk -v dir="${1%/}" '$5 == dir || index($5, dir "/") == 1 { print $5 }' /proc/self/mountinfo | tac
}
