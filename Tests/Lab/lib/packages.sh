# shellcheck shell=bash
# Kubernetes' packages for the nodes, in signed apt repositories like those of pkgs.k8s.io: one for each minor, flat, below
# core:/stable:/vMINOR/deb/. They are built into the cached root, served by lb1 (packages.service) as http://packages.lab/…; nodes have
# KUBERNETES_INSTALLED of them installed and held, other hosts none.
#
# kubeadm and kubelet are the stand-ins. kubectl is the real one in all versions, a link to the program of Debian's package. cri-tools and
# kubernetes-cni are empty: crictl is the lab's own in /usr/local/bin, and there is no network plug-in. No package has maintainer scripts,
# nothing is restarted by an installation. Of the real dependencies those on conntrack, ethtool, iptables are left out.

readonly KUBERNETES_VERSIONS=(1.31.13 1.31.14 1.32.12 1.32.13)
readonly KUBERNETES_INSTALLED=1.31.14
readonly KUBERNETES_PACKAGES=(kubeadm kubelet kubectl cri-tools kubernetes-cni)
readonly LAB_PACKAGES=$LAB_LIB/packages

package_sources() { # what the packages depend on
    cat "$LAB_HOME/lib/packages.sh" "$LAB_HOME"/standins/{kubeadm,kubelet} "$LAB_HOME/host/node/lib/systemd/system/kubelet.service"
}

add_kubernetes_packages() { # TARGET
    local root=$1 work code=0
    mkdir -p "$root$LAB_LIB"
    mv "$root/usr/bin/kubectl" "$root$LAB_LIB/kubectl"
    work=$(mktemp -d) # short, for gpg's agent has a socket in it
    # A job of its own, for `set -e` says nothing in what stands before ||. gpg's agent must not hold the lab's lock.
    (
        build_packages "$work" "$root$LAB_PACKAGES"
        sign_repositories "$work" "$root$LAB_PACKAGES"
        chmod -R a+rX "$root$LAB_PACKAGES" # they are served by www-data
        install_packages "$root"
    ) >>"$LAB_CACHE/build.log" 2>&1 9>&- &
    wait $! || code=$?
    GNUPGHOME=$work/gnupg gpgconf --kill gpg-agent >/dev/null 2>&1 || true
    rm -rf "$work"
    ((code == 0)) || fail "Kubernetes' packages could not be made: $(tail -n1 "$LAB_CACHE/build.log")" "$LAB_CACHE/build.log" "lab up"
}

build_packages() { # WORK DIRECTORY
    local version minor cri_tools cni tree=$1/tree repository architecture
    architecture=$(dpkg --print-architecture)
    for version in "${KUBERNETES_VERSIONS[@]}"; do
        minor=${version%.*}
        repository="$2/core:/stable:/v$minor/deb"
        mkdir -p "$repository/$architecture"

        stand_in kubeadm "$version" "$tree/usr/bin/kubeadm"
        package "$tree" "$repository" kubeadm "$version" "Command-line utility for administering a Kubernetes cluster" "cri-tools (>= 1.30.0)"

        stand_in kubelet "$version" "$tree/usr/bin/kubelet"
        install -D -m 0644 "$LAB_HOME/host/node/lib/systemd/system/kubelet.service" "$tree/usr/lib/systemd/system/kubelet.service"
        mkdir -p "$tree/etc/kubernetes/manifests"
        package "$tree" "$repository" kubelet "$version" "Node agent for Kubernetes clusters" \
            "iproute2, kubernetes-cni (>= 1.2.0), mount, util-linux"

        mkdir -p "$tree/usr/bin"
        ln -s "..${LAB_LIB#/usr}/kubectl" "$tree/usr/bin/kubectl"
        package "$tree" "$repository" kubectl "$version" "Command-line utility for interacting with a Kubernetes cluster" ""

        case $minor in 1.31) cri_tools=1.31.1 cni=1.5.1 ;; *) cri_tools=1.32.0 cni=1.6.0 ;; esac
        [[ ! -e $repository/$architecture/cri-tools_$cri_tools-1.1_$architecture.deb ]] || continue
        package "$tree" "$repository" cri-tools "$cri_tools" "Command-line utility for interacting with a container runtime (empty in the lab)" ""
        package "$tree" "$repository" kubernetes-cni "$cni" "Container network plug-ins (empty in the lab)" ""
    done
}

stand_in() { # NAME VERSION FILE
    mkdir -p "${3%/*}"
    sed "/VERSION = \|Kubernetes v/s/v$KUBERNETES_INSTALLED/v$2/" "$LAB_HOME/standins/$1" >"$3"
    chmod 0755 "$3"
    grep -q "v${2//./\\.}" "$3" || { echo "the stand-in of $1 does not name its version v$KUBERNETES_INSTALLED" && return 1; }
}

package() { # TREE REPOSITORY NAME VERSION DESCRIPTION DEPENDS: the tree becomes a package and is gone
    local tree=$1 name=$3 version=$4-1.1 architecture
    architecture=$(dpkg --print-architecture)
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/$name"
    printf 'In the practice cluster. Not made by the Kubernetes project.\n' >"$tree/usr/share/doc/$name/README"
    cat >"$tree/DEBIAN/control" <<TEXT
Package: $name
Version: $version
Architecture: $architecture
Maintainer: Rollbook's lab <lab@packages.lab>
Section: admin
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
${6:+Depends: $6
}Homepage: https://kubernetes.io
Description: $5
TEXT
    dpkg-deb --root-owner-group -Znone --build "$tree" "$2/$architecture/${name}_${version}_$architecture.deb" >/dev/null
    rm -rf "$tree"
}

sign_repositories() { # WORK DIRECTORY
    local repository minor
    export GNUPGHOME=$1/gnupg
    mkdir -m 0700 "$GNUPGHOME"
    gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key "packages.lab <lab@packages.lab>" ed25519 sign never
    for repository in "$2"/core:/stable:/v*/deb; do
        minor=${repository%/deb}
        minor=${minor##*/}
        repository_index "$repository" >"$repository/Packages"
        gzip -9nk "$repository/Packages"
        repository_release "$repository" "$minor" >"$repository/Release"
        gpg --batch --quiet --yes --armor --detach-sign --output "$repository/Release.gpg" "$repository/Release"
        gpg --batch --quiet --yes --clearsign --output "$repository/InRelease" "$repository/Release"
        gpg --batch --quiet --armor --export >"$repository/Release.key"
    done
}

repository_index() { # REPOSITORY: its Packages
    local deb
    for deb in "$1"/*/*.deb; do
        dpkg-deb --field "$deb"
        printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "${deb#"$1"/}" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d' ' -f1)"
    done
}

repository_release() { # REPOSITORY MINOR
    local file
    printf 'Archive: deb\nCodename: deb\nOrigin: packages.lab\nLabel: isv:kubernetes:core:stable:%s\nArchitectures: %s\nDate: %s\nSHA256:\n' \
        "$2" "$(dpkg --print-architecture)" "$(date -uR)"
    for file in Packages Packages.gz; do
        printf ' %s %s %s\n' "$(sha256sum <"$1/$file" | cut -d' ' -f1)" "$(stat -c %s "$1/$file")" "$file"
    done
}

# Into the root that all hosts share; what dpkg's database was before is kept for the hosts that are no nodes.
install_packages() { # TARGET
    local root=$1 minor=v${KUBERNETES_INSTALLED%.*} debs=()
    local path="$LAB_PACKAGES/core:/stable:/$minor/deb"
    cp "$root/var/lib/dpkg/status" "$root$LAB_LIB/dpkg-status"
    debs=("$root$path"/*/{cri-tools,kubernetes-cni}_*.deb "$root$path"/*/{kubeadm,kubelet,kubectl}_"$KUBERNETES_INSTALLED"-*.deb)
    in_namespace chroot "$root" dpkg --install "${debs[@]#"$root"}"
    in_namespace chroot "$root" apt-mark hold kubeadm kubelet kubectl
    install -d -m 0755 "$root/etc/apt/keyrings"
    gpg --batch --yes --dearmor --output "$root/etc/apt/keyrings/kubernetes-apt-keyring.gpg" "$root$path/Release.key"
    chmod 0644 "$root/etc/apt/keyrings/kubernetes-apt-keyring.gpg"
    printf 'deb [signed-by=/etc/apt/keyrings/kubernetes-apt-keyring.gpg] http://packages.lab/core:/stable:/%s/deb/ /\n' "$minor" \
        >"$root/etc/apt/sources.list.d/kubernetes.list"
    rm -f "$root/etc/apt/sources.list" # Debian's mirror is out of reach of the hosts
}

# Load balancers and etcd's own hosts are no nodes: a host's overlay hides what the packages brought.
remove_packages() { # ROOT
    local root=$1 name
    for name in "${KUBERNETES_PACKAGES[@]}"; do rm -f "$root"/var/lib/dpkg/info/"$name".*; done
    install -m 0644 "$root$LAB_LIB/dpkg-status" "$root/var/lib/dpkg/status"
    rm -f "$root"/usr/bin/{kubeadm,kubelet,kubectl} "$root/usr/lib/systemd/system/kubelet.service" \
        "$root/etc/apt/sources.list.d/kubernetes.list" "$root/etc/apt/keyrings/kubernetes-apt-keyring.gpg"
    rmdir "$root/etc/kubernetes/manifests" "$root/etc/kubernetes"
}
