package import ClusterModel
package import RemoteShell
import RunEngine

/// Which package repositories of Kubernetes a host is configured for, and which versions its own lists have on offer.
package struct KubernetesRepository: Fact {
    package static let name = "kubernetes.repository"
    /// A plan relies on whether this version is on offer, not on the entries: an attempt that was cut off may have changed them.
    package let version: KubernetesVersion?

    package init(for version: KubernetesVersion? = nil) { self.version = version }

    package struct Entry: Codable, Sendable, Hashable {
        package let file: String
        package let url: String
        /// 32 of `v1.32`; nil for an address that names no minor.
        package let minor: Int?
        /// The file of the key for apt, its address for others; nil for none.
        package let key: String?
        /// Name of the repository within a `.repo` file.
        package let id: String?
    }

    package struct Value: Codable, Sendable, Hashable {
        package let manager: KubernetesPackages.Manager?
        package let entries: [Entry]
        /// Versions of kubeadm that can be installed now, without asking a server.
        package let offered: [KubernetesVersion]

        /// The entry to change for a minor: the newest that is not above it, else the oldest, else one that names no minor.
        package func entry(toward minor: Int) -> Entry? {
            let named = entries.filter { $0.minor != nil }
            let below = named.filter { ($0.minor ?? 0) <= minor }
            return below.max { ($0.minor ?? 0) < ($1.minor ?? 0) } ?? named.min { ($0.minor ?? 0) < ($1.minor ?? 0) }
                ?? entries.first
        }
    }

    package var command: RemoteCommand {
        RemoteCommand([Self.managers, RepositoryEntries.functions, Self.script])
    }

    private static let managers: StaticString = """
        pm=; for p in apt-get dnf zypper; do if command -v "$p" >/dev/null 2>&1; then pm=$p; break; fi; done

        """

    private static let script: StaticString = """
        echo '[manager]'; echo "$pm"
        echo '[entries]'; [ -z "$pm" ] || entries
        echo '[offered]'
        case $pm in
        apt-get) timeout 4 apt-cache madison kubeadm 2>/dev/null | awk -F'|' '{ print $2 }' ;;
        dnf) all=--disableexcludes=all
            case $(timeout 2 dnf --version 2>/dev/null) in *dnf5*) all='--setopt=disable_excludes=*' ;; esac
            timeout 5 dnf -q --cacheonly "$all" list --showduplicates kubeadm 2>/dev/null | awk '$1 ~ /^kubeadm\\./ { print $2 }' ;;
        zypper) timeout 6 zypper -n --no-refresh se -s --match-exact kubeadm 2>/dev/null |
            awk -F'|' '$2 ~ /kubeadm/ && $3 ~ /package/ { print $4 }' ;;
        esac | sed 's/^[[:space:]]*//; s/[[:space:]]*$//; s/^[0-9]*://' | sort -u
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        func given(_ word: String) -> String? { word == "-" ? nil : word }
        return Value(
            manager: KubernetesPackages.Manager(rawValue: try output.line("manager")),
            entries: try output.rows("entries").filter { $0.count == 5 }.map { row in
                Entry(file: row[0], url: row[1], minor: Int(row[2]), key: given(row[3]), id: given(row[4]))
            },
            offered: Set(try output.lines("offered").compactMap { KubernetesVersion($0) }).sorted()
        )
    }

    package func bound(_ value: Value) throws -> JSONValue? {
        if let version { return .object(["hasVersion": .bool(value.offered.contains(version))]) }
        return try JSONValue(encoding: ["entries": value.entries.map(\.url)])
    }
}
