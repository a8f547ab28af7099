package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.repository`: packages of Kubernetes come from a repository that lives, with a key that is valid, and what is
/// wanted is on offer.
///
/// Only the host's own package lists are read; they are never refreshed. Source: kubernetes.io "Changing the Kubernetes
/// package repository"; the older repositories were frozen on 2023-09-13 and are gone since 2024.
package struct CheckRepository: LookingCheck {
    package static let check = CheckName.repository
    package static let signature: KindSignature = KindSignature(
        kind: "preflight.repository",
        summary: "A living package repository that has the wanted version",
        parameters: [
            Parameter("version", .string, "must be on offer (default: what is installed)")
        ]
    )

    /// Lists older than this say little about what is on offer now.
    static let oldLists = 7

    package let fix: Bool?
    package let version: String?

    package init(fix: Bool? = nil, version: String? = nil) {
        self.fix = fix
        self.version = version
    }

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(PackageSources(), on: target.name)] }

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { host.role == .master || host.role == .worker }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(PackageSources(), on: host.name)
        let given = version.flatMap { $0.isEmpty ? nil : $0 }
        if let given, !ParameterType.kubernetesVersion.accepts(given) {
            throw OperatorMessage(.usage, at: "version", "'\(given)' is no Kubernetes version, such as 1.32.4")
        }
        let wanted = given.flatMap { ProgramVersion(in: $0) }
        let minor = wanted?.release ?? state.installed?.release ?? "1.NN"
        if let frozen = state.frozen.first {
            return .fail(
                "\(frozen) names a repository that is gone (apt.kubernetes.io, packages.cloud.google.com)",
                remedy: "replace it with https://pkgs.k8s.io/core:/stable:/v\(minor)/"
            )
        }
        guard !state.sources.isEmpty else {
            let finding = "no repository of Kubernetes is configured (pkgs.k8s.io, or a mirror of it)"
            let remedy = "configure https://pkgs.k8s.io/core:/stable:/v\(minor)/"
            return wanted == nil ? .warn("\(finding); \(remedy)") : .fail(finding, remedy: remedy)
        }
        if let key = state.missingKeys.first {
            return .fail(
                "the key \(key), which packages are verified with, is not there",
                remedy:
                    "curl -fsSL https://pkgs.k8s.io/core:/stable:/v\(minor)/deb/Release.key | gpg --dearmor -o \(key)"
            )
        }
        if let key = state.expiredKeys.first {
            return .fail(
                "the key \(key) has expired",
                remedy:
                    "curl -fsSL https://pkgs.k8s.io/core:/stable:/v\(minor)/deb/Release.key | gpg --dearmor --yes -o \(key)"
            )
        }
        let offered = state.offered.map(\.description).joined(separator: ", ")
        if let wanted, !state.offered.contains(wanted) {
            return .fail(
                offered.isEmpty
                    ? "kubeadm \(wanted) is not on offer: the package lists know no kubeadm"
                    : "kubeadm \(wanted) is not on offer, only \(offered)",
                remedy: state.releases.contains(wanted.release)
                    ? "refresh the package lists: \(state.refresh)"
                    : "switch the repository to v\(wanted.release), then \(state.refresh)"
            )
        }
        var remarks: [String] = []
        if wanted == nil, let installed = state.installed, !state.offered.contains(installed) {
            remarks.append(
                "the installed kubeadm \(installed) is not on offer any more (on offer: \(offered.isEmpty ? "none" : offered))"
            )
        }
        if let age = state.daysOld, age >= Self.oldLists {
            remarks.append("the package lists are \(age) days old; \(state.refresh)")
        }
        if !state.automatic.isEmpty, !state.unheld.isEmpty {
            remarks.append(
                "\(state.automatic.joined(separator: ", ")) upgrades packages by itself, and \(state.unheld.joined(separator: ", ")) not held"
            )
        }
        remarks += state.unreachable.map { "\($0) cannot be reached from here" }
        let through = state.hasProxy ? "; reached through a proxy, not dialled" : ""
        return remarks.isEmpty
            ? .ok("\(state.sources.joined(separator: ", ")) offers kubeadm \(offered)\(through)")
            : .warn(remarks.joined(separator: "; ") + through)
    }
}

/// Where a host's packages of Kubernetes come from, and which are on offer by its own lists.
package struct PackageSources: Fact {
    package static let name = "host.repository"

    package init() {}

    package struct Value: Codable, Sendable, Hashable {
        package let manager: String
        /// Addresses of repositories of Kubernetes that are enabled.
        package let sources: [String]
        /// Files that name a repository that is gone.
        package let frozen: [String]
        package let missingKeys: [String]
        package let expiredKeys: [String]
        /// Versions of kubeadm, newest first.
        package let offered: [ProgramVersion]
        package let installed: ProgramVersion?
        package let daysOld: Int?
        /// Timers and services that upgrade by themselves.
        package let automatic: [String]
        package let unheld: [String]
        /// `host:port` that refused, or did not answer within 3 s.
        package let unreachable: [String]
        package let hasProxy: Bool

        /// Minors that the sources are of: `1.31`.
        var releases: [String] {
            sources.compactMap { source in
                source.split(separator: "/").last { $0.hasPrefix("v1.") }.map { String($0.dropFirst()) }
            }
        }

        var refresh: String {
            switch manager {
            case "dnf": "dnf makecache --refresh"
            case "zypper": "zypper refresh"
            default: "apt-get update"
            }
        }
    }

    /// Changes nothing: no list is refreshed, no lock taken, no key imported.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[manager]'; for p in apt-get dnf zypper; do command -v "$p" >/dev/null && { echo "$p"; break; }; done
            files=
            for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \\
                /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo; do
                [ -r "$f" ] && files="$files $f"
            done
            frozen='apt\\.kubernetes\\.io|packages\\.cloud\\.google\\.com'
            lines=$(for f in $files; do
                case $f in
                *.repo) awk -v f="$f" 'function out() { if (on && u ~ /:/) print f, u } /^\\[/ { out(); on = 1; u = "" }
                    { l = $0; sub(/[ \\t]*=[ \\t]*/, "=", l) } l ~ /^enabled=(0|false|no)/ { on = 0 }
                    l ~ /^baseurl=/ { sub(/^baseurl=/, "", l); u = l } END { out() }' "$f" ;;
                *.sources) awk -v f="$f" 'function out() { if (on && u != "") print f, u } BEGIN { on = 1 }
                    /^[ \\t]*$/ { out(); on = 1; u = "" } tolower($1) == "enabled:" && tolower($2) == "no" { on = 0 }
                    tolower($1) == "uris:" { u = $2 } END { out() }' "$f" ;;
                *) awk -v f="$f" '$1 == "deb" { i = 2; if ($2 ~ /^\\[/) { while ($i !~ /\\]$/ && i < NF) i++; i++ } print f, $i }' "$f" ;;
                esac
            done 2>/dev/null)
            echo '[sources]'; echo "$lines" | grep -E 'pkgs\\.k8s\\.io|core:/(stable|prerelease):/v|kubernetes' | grep -E -v "$frozen"
            echo '[frozen]'; echo "$lines" | grep -E "$frozen" | grep -i kubernetes
            urls=$(echo "$lines" | grep -E 'pkgs\\.k8s\\.io|core:/(stable|prerelease):/v' | awk '{ print $2 }' | sort -u)
            echo '[keys]'
            for f in $files; do
                grep -lE 'core:/(stable|prerelease):/v' "$f" >/dev/null 2>&1 || continue
                for k in $(sed -n -e 's/.*signed-by=\\([^] ]*\\).*/\\1/p' -e 's/^[Ss]igned-[Bb]y:[[:space:]]*\\(\\/.*\\)/\\1/p' "$f" | sort -u); do
                    [ -e "$k" ] || { echo "missing $k"; continue; }
                    command -v gpg >/dev/null || { echo "unread $k"; continue; }
                    timeout 2 gpg --homedir /proc/self --lock-never --no-options --no-keyring --batch --list-packets "$k" 2>/dev/null |
                        awk -v k="$k" -v now="$(date +%s)" 'function out() { if (n && (!best || best >= now)) good = 1; best = 0 }
                            function part(u, x) { if (!match(s, "[0-9]+" u)) return 0; x = substr(s, RSTART, RLENGTH - 1); return x + 0 }
                            /^:public key packet/ { out(); n++; below = 0; fresh = 1 }
                            /^:public sub key packet/ { below = 1 }
                            fresh && match($0, /created [0-9]+/) { made = substr($0, RSTART + 8, RLENGTH - 8) + 0; fresh = 0 }
                            !below && /key expires after/ { s = $0; sub(/.*after /, "", s)
                                t = made + 60 * (part("m") + 60 * (part("h") + 24 * (part("d") + 365 * part("y")))); if (t > best) best = t }
                            END { out(); print (n == 0 ? "unread" : good ? "valid" : "expired"), k }'
                done
            done
            echo '[offered]'
            if command -v apt-cache >/dev/null; then
                timeout 3 apt-cache madison kubeadm 2>/dev/null | awk -F'|' '{ print $2 }'
            elif command -v dnf >/dev/null; then
                timeout 4 dnf -q --cacheonly --disableexcludes=all list --showduplicates kubeadm 2>/dev/null | awk '$1 ~ /^kubeadm\\./ { print $2 }'
            elif command -v zypper >/dev/null; then
                timeout 4 zypper --non-interactive --no-refresh se -s --match-exact kubeadm 2>/dev/null |
                    awk -F'|' '$2 ~ /kubeadm/ && $3 ~ /package/ { print $4 }'
            fi | sed 's/^[[:space:]]*//; s/^[0-9]*://' | sort -rV | uniq
            echo '[installed]'
            if command -v dpkg-query >/dev/null; then
                dpkg-query -W -f '${db:Status-Status} ${Version}\\n' kubeadm 2>/dev/null | sed -n 's/^installed //p'
            else rpm -q --qf '%{VERSION}\\n' kubeadm 2>/dev/null | grep -E '^[0-9]'; fi
            echo '[age]'
            for d in /var/lib/apt/lists /var/cache/dnf /var/cache/libdnf5 /var/cache/zypp/raw; do
                newest=$(find "$d" -maxdepth 4 -type f \\( -name '*Release' -o -name '*Packages*' -o -name 'repomd.xml' \\) -printf '%T@\\n' 2>/dev/null |
                    sort -n | tail -n 1)
                [ -n "$newest" ] && echo $(( ($(date +%s) - ${newest%.*}) / 86400 )) && break
            done
            echo '[automatic]'
            apt-config dump APT::Periodic::Unattended-Upgrade 2>/dev/null | grep -q '"[1-9]' && command -v unattended-upgrade >/dev/null &&
                echo unattended-upgrades
            for u in dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer; do
                timeout 1 systemctl is-active --quiet "$u" 2>/dev/null && echo "$u"
            done
            echo '[unheld]'
            command -v dpkg-query >/dev/null && dpkg-query -W -f '${db:Status-Abbrev}|${Package}\\n' kubelet kubeadm kubectl 2>/dev/null |
                sed -n 's/^ii |//p'
            proxy=$({ apt-config dump 2>/dev/null | grep -iE '^Acquire::https?::Proxy "[^"]'
                grep -hsE '^proxy[[:space:]]*=' /etc/dnf/dnf.conf; } | head -n 1)
            echo '[proxy]'; [ -n "$proxy" ] && echo yes
            echo '[dial]'
            [ -z "$proxy" ] && command -v bash >/dev/null && for u in $(echo "$urls" | head -n 1); do
                case $u in https://*) port=443 ;; http://*) port=80 ;; *) continue ;; esac
                host=${u#*://}; host=${host%%/*}
                case $host in *:*) port=${host##*:}; host=${host%:*} ;; esac
                timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null || echo "$host:$port"
            done
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        func unique(_ list: [String]) -> [String] {
            var seen: Set<String> = []
            return list.filter { seen.insert($0).inserted }
        }
        let keys = try output.rows("keys").filter { $0.count == 2 }
        let automatic = try output.lines("automatic")
        return Value(
            manager: try output.line("manager"),
            sources: unique(try output.rows("sources").filter { $0.count > 1 }.map { $0[1] }),
            frozen: unique(try output.rows("frozen").compactMap(\.first)),
            missingKeys: keys.filter { $0[0] == "missing" }.map { $0[1] },
            expiredKeys: keys.filter { $0[0] == "expired" }.map { $0[1] },
            offered: try output.lines("offered").compactMap(ProgramVersion.init(in:)),
            installed: try output.lines("installed").lazy.compactMap(ProgramVersion.init(in:)).first,
            daysOld: Int(try output.line("age")),
            automatic: automatic,
            unheld: automatic.isEmpty ? [] : try output.lines("unheld"),
            unreachable: try output.lines("dial"),
            hasProxy: try output.line("proxy") == "yes"
        )
    }

    /// The age of the lists, and whether a server answers just now, are not relied upon.
    package func bound(_ value: Value) throws -> JSONValue? {
        try JSONValue(encoding: [
            "sources": value.sources, "frozen": value.frozen, "offered": value.offered.map(\.description),
            "badKeys": value.missingKeys + value.expiredKeys,
        ])
    }
}
