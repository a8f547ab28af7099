/// Scripts that find and rewrite the entry of Kubernetes' package repository, whatever its file is called.
///
/// Formats: sources.list(5) in both styles, `.repo` files of dnf.conf(5) and zypper.
enum RepositoryEntries {
    /// Defines `entries`, which prints `FILE URL MINOR KEY ID` for every enabled entry of Kubernetes (`-` for what there is not), and
    /// `rewritten FILE URL NEW`, which prints the file with that entry's address replaced.
    ///
    /// An entry is one whose address or file name speaks of Kubernetes: a mirror's address is kept, only its part `v1.31` changes.
    /// Repositories of add-ons (CRI-O's has the same host and a `v1.31` of its own) are another matter, and so are those that were
    /// frozen in 2023.
    static let functions: StaticString = """
        entry_awk='
            function minor(u) { return match(u, /\\/v1\\.[0-9]+(\\/|$)/) ? substr(u, RSTART + 4) + 0 : "-" }
            function ours(u) {
                if (u ~ /addons:|cri-o|apt\\.kubernetes\\.io|packages\\.cloud\\.google\\.com/) return 0
                return u ~ /pkgs\\.k8s\\.io|core:\\/(stable|prerelease):|kubernetes|k8s/ || ((f " " id) ~ /kube|k8s/ && minor(u) != "-")
            }
            function tell(u, key, id) { if (ours(u)) print f, u, minor(u), (key == "" ? "-" : key), (id == "" ? "-" : id) }
            function swap(text,   i) {
                i = index(text, old); return i ? substr(text, 1, i - 1) new substr(text, i + length(old)) : text
            }
            function lines(   i) { for (i = 1; i <= n; i++) print line[i] }
            function flush(   i, l) {
                if (mode == "tell") { if (on) for (i = 1; i <= urls; i++) tell(url[i], key, id) }
                else for (i = 1; i <= n; i++) { l = line[i]; if (on && l ~ fields) l = swap(l); print l }
                n = urls = 0; on = 1; key = id = ""
            }
            BEGIN { on = 1 }
            kind == "list" {
                l = $0; i = 2; key = ""
                if ($1 == "deb") {
                    if ($2 ~ /^\\[/) { while (i < NF && $i !~ /\\]$/) i++; i++ }
                    if (match(l, /signed-by=[^] ,]*/)) key = substr(l, RSTART + 10, RLENGTH - 10)
                    if (mode == "tell") tell($i, key, ""); else if ($i == old) l = swap(l)
                }
                if (mode != "tell") print l
                next
            }
            kind == "repo" && /^[ \\t]*\\[/ { flush(); id = $0; gsub(/[][ \\t]/, "", id) }
            { line[++n] = $0; l = $0 }
            kind == "repo" {
                sub(/[ \\t]*=[ \\t]*/, "=", l)
                if (l ~ /^enabled=(0|false|no)/) on = 0
                if (l ~ /^baseurl=/) { sub(/^baseurl=/, "", l); url[++urls] = l }
                if (l ~ /^gpgkey=/) { sub(/^gpgkey=/, "", l); key = l }
            }
            kind == "sources" {
                if (tolower($1) == "enabled:" && tolower($2) == "no") on = 0
                if (tolower($1) == "uris:") for (i = 2; i <= NF; i++) url[++urls] = $i
                if (tolower($1) == "signed-by:" && $2 ~ /^\\//) key = $2
                if ($0 ~ /^[ \\t]*$/) flush()
            }
            END { if (kind != "list") flush() }
        '
        entry_kind() { case $1 in *.repo) kind=repo ;; *.sources) kind=sources ;; *) kind=list ;; esac; }
        entries() {
            case $pm in
            apt-get) set -- "/etc/apt/sources.list" "/etc/apt/sources.list.d/"*.list "/etc/apt/sources.list.d/"*.sources ;;
            dnf) set -- "/etc/yum.repos.d/"*.repo ;;
            *) set -- "/etc/zypp/repos.d/"*.repo ;;
            esac
            for f in "$@"; do
                [ -r "$f" ] || continue; entry_kind "$f"; awk -v f="$f" -v kind="$kind" -v mode=tell "$entry_awk" "$f"
            done
        }
        rewritten() {
            entry_kind "$1"
            awk -v f="$1" -v kind="$kind" -v mode=rewrite -v old="$2" -v new="$3" -v fields='^[ \\t]*(baseurl|gpgkey|[Uu][Rr][Ii][Ss])[ \\t]*[=:]' \\
                "$entry_awk" "$1"
        }
        of_minor() { printf '%s\\n' "$1" | sed "s#/v1\\.[0-9][0-9]*\\(/\\|\\$\\)#/v1.$2\\1#"; }
        refresh() {
            case $pm in
            apt-get) apt-get -q update -o Dir::Etc::sourcelist="$1" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \\
                -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=120 ;;
            dnf) dnf -q -y $3 --disablerepo='*' --enablerepo="$2" makecache --refresh ;;
            zypper) zypper -n $3 --gpg-auto-import-keys refresh "$2" ;;
            esac
        }
        choose() {
            entries | awk -v m="$1" '$3 == "-" { if (plain == "") plain = $0; next }
                $3 + 0 <= m + 0 { if (low == "" || $3 + 0 > l) { low = $0; l = $3 + 0 }; next }
                { if (high == "" || $3 + 0 < h) { high = $0; h = $3 + 0 } }
                END { b = low != "" ? low : high != "" ? high : plain; if (b != "") print b }'
        }
        use_minor() {
            best=$(choose "$1")
            [ -n "$best" ] || return 0
            set -- "$1" $best; old=$3; dir="$store/source"
            (umask 022; mkdir -p "$dir") && chmod 755 "$store" && rewritten "$2" "$old" "$(of_minor "$old" "$1")" >"$dir/${2##*/}" || exit 1
            case $pm in
            apt-get) source="-o Dir::Etc::sourcelist=$dir/${2##*/} -o Dir::Etc::sourceparts=-" ;;
            dnf) source="--setopt=reposdir=$dir" ;;
            zypper) source="--reposd-dir $dir" ;;
            esac
            refresh "$dir/${2##*/}" "$6" "$source" >&2 || fail "the package repository of 1.$1 cannot be read"
        }

        """
}
