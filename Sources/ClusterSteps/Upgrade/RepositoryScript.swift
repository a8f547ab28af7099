/// Scripts that change the entry of Kubernetes' package repository and its key, and take that back.
enum RepositoryScript {
    /// `$1` run, taken off the arguments.
    ///
    /// Defines `put FILE`, which replaces a file by what it reads, atomically, after keeping it as it was before the run (once), and
    /// `put_back`, which returns every file that is still as the run wrote it.
    static let functions: StaticString = """
        kept="/var/lib/rollbook-host/repository/$1"; shift
        name_of() { printf '%s' "$1" | tr / _; }
        sum_of() { sha256sum <"$1" | cut -d' ' -f1; }
        put() {
            (umask 077; mkdir -p "$kept") && mkdir -p "${1%/*}" || exit 1
            n=$kept/$(name_of "$1"); fresh=${1%/*}/.rollbook-new
            if [ ! -e "$n" ] && [ ! -e "$n.absent" ]; then
                grep -qxF "$1" "$kept/files" 2>/dev/null || printf '%s\\n' "$1" >>"$kept/files"
                if [ -e "$1" ]; then cp -p -- "$1" "$n.new" && sync "$n.new" && mv -T -- "$n.new" "$n"; else : >"$n.absent"; fi \\
                    && sync "$kept" || fail "$1 cannot be kept in $kept"
            fi
            rm -f "$fresh"; if [ -e "$1" ]; then cp -p -- "$1" "$fresh"; else : >"$fresh" && chmod 644 "$fresh"; fi \\
                && cat >"$fresh" && sum_of "$fresh" >"$n.written" && sync "$n.written" "$fresh" && mv -fT -- "$fresh" "$1" && sync "${1%/*}" \\
                || fail "$1 cannot be written"
        }
        put_back() {
            [ -e "$kept/files" ] || return 0
            while IFS= read -r f; do
                n=$kept/$(name_of "$f"); fresh=${f%/*}/.rollbook-new; [ -e "$n.written" ] || continue
                if [ -e "$f" ] && [ "$(sum_of "$f")" != "$(cat "$n.written")" ]; then
                    [ -e "$n" ] && cmp -s "$n" "$f" || echo "$f was changed by somebody else meanwhile and stays as it is" >&2
                    continue
                fi
                if [ -e "$n" ]; then cp -p -- "$n" "$fresh" && sync "$fresh" && mv -fT -- "$fresh" "$f"
                elif [ -e "$n.absent" ]; then rm -f -- "$f"; fi || fail "$f cannot be put back"
                sync "${f%/*}"
            done <"$kept/files"
        }

        """

    /// `$1` minor, `$2` version, `$3` address, empty for the one there is.
    static let configure: StaticString = """
        minor=$1; version=$2; given=$3; kind=deb; [ "$pm" = apt-get ] || kind=rpm
        set -- $(choose "$minor"); file=$1; old=$2; key=$4; id=$5
        if [ -n "$file" ]; then new=${given:-$(of_minor "$old" "$minor")}
        else new=${given:-https://pkgs.k8s.io/core:/stable:/v1.$minor/$kind/}; id=kubernetes; fi
        proxy=$(apt-config dump --format '%v%n' Acquire::https::Proxy 2>/dev/null | head -n 1)
        fetch() {
            case $proxy in http*) https_proxy=${https_proxy:-$proxy}; export https_proxy ;; esac
            if command -v curl >/dev/null 2>&1; then curl -fsSL --max-time 60 --retry 2 -o "$2" "$1"
            else wget -q -T 60 -t 2 -O "$2" "$1"; fi
        }
        if [ "$pm" = apt-get ]; then
            [ -n "$file" ] || key="/etc/apt/keyrings/kubernetes-apt-keyring.gpg"
            if [ "$key" != - ]; then
                work=$(mktemp -d) || exit 1
                unpack() {
                    case $key in
                    *.asc) grep -q 'BEGIN PGP PUBLIC KEY' "$work/key" && cp "$work/key" "$work/ring" ;;
                    *) gpg --homedir "$work" --batch --yes --quiet --dearmor -o "$work/ring" "$work/key" 2>/dev/null && [ -s "$work/ring" ] ;;
                    esac
                }
                why=; from=${new%/}/Release.key
                if ! said=$(fetch "$from" "$work/key" 2>&1); then why="the key $from cannot be fetched: $(printf '%s\\n' "$said" | tail -n 1)"
                elif unpack; then put "$key" <"$work/ring"
                elif command -v gpg >/dev/null 2>&1; then why="what $from holds is no key"
                else why="gpg, which unpacks the key $from, is not there"; fi
                if [ -n "$why" ]; then
                    [ -s "$key" ] || { rm -rf "$work"; fail "$why"; }
                    echo "$why; $key stays"
                fi
                rm -rf "$work"
            fi
        fi
        if [ -n "$file" ]; then
            if [ "$old" != "$new" ]; then text=$(rewritten "$file" "$old" "$new"; echo .) && printf '%s' "${text%.}" | put "$file" || exit 1; fi
        elif [ "$pm" = apt-get ]; then
            file="/etc/apt/sources.list.d/kubernetes.list"
            printf 'deb [signed-by=%s] %s /\\n' "$key" "$new" | put "$file" || exit 1
        else
            if [ "$pm" = dnf ]; then file="/etc/yum.repos.d/kubernetes.repo"; else file="/etc/zypp/repos.d/kubernetes.repo"; fi
            { printf '[kubernetes]\\nname=Kubernetes\\nbaseurl=%s\\nenabled=1\\ngpgcheck=1\\n' "$new"
                printf 'gpgkey=%s/repodata/repomd.xml.key\\n' "${new%/}"
                printf 'exclude=kubelet kubeadm kubectl cri-tools kubernetes-cni\\n'; } | put "$file" || exit 1
        fi
        back() { put_back; refresh "$file" "$id" >/dev/null 2>&1; fail "$1"; }
        said=$(refresh "$file" "$id" 2>&1) || back "the repository $new cannot be read: $(printf '%s\\n' "$said" | grep -E '^E:|[Ee]rror' | head -n 1)"
        [ -n "$(exact kubeadm "$version")" ] || back "the repository $new has no kubeadm $version"
        """

    static let undo: StaticString = """
        put_back
        set -- $(entries | head -n 1); [ -z "$1" ] || refresh "$1" "$5" >/dev/null 2>&1 || echo 'the package lists could not be read again'
        """
}
