package import ClusterModel
package import RemoteShell
import RunEngine

/// What a host makes of the names it needs, and whom it asks.
package struct NameResolution: Fact {
    package static let name = "host.resolution"

    /// Folder of kubeconfigs, which may name the API by name.
    package let kubernetes: String

    package init(paths: ClusterPaths) { kubernetes = paths.kubernetes }

    package struct Lookup: Codable, Sendable, Hashable {
        package let name: String
        /// Those the resolver gave, in its order, each once; empty when it gave none.
        package let addresses: [String]
        /// Nobody answered in time.
        package let timedOut: Bool
    }

    /// A kubeconfig that names its server by name.
    package struct Server: Codable, Sendable, Hashable {
        package let kubeconfig: String
        package let name: String
    }

    /// A resolv.conf.
    package struct Resolver: Codable, Sendable, Hashable {
        package let path: String
        package let nameservers: [String]
        package let search: [String]
    }

    package struct Value: Codable, Sendable, Hashable {
        package let hostname: String
        /// Of the host itself, without loopback.
        package let addresses: [String]
        package let lookups: [Lookup]
        package let servers: [Server]
        /// The host's own.
        package let resolver: Resolver
        /// The one that the kubelet gives to pods.
        package let podResolver: Resolver

        func lookup(_ name: String) -> Lookup {
            lookups.first { $0.name == name } ?? Lookup(name: name, addresses: [], timedOut: false)
        }
    }

    /// All names are looked up at once, for 5 s at most; each answer is printed in one piece.
    ///
    /// The kubelet's own choice of a resolv.conf is in its configuration; kubeadm sets systemd-resolved's where that runs.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            etc=$1
            echo '[hostname]'; uname -n
            echo '[addresses]'; ip -o addr show scope global 2>/dev/null | while read -r _ _ _ address _; do echo "${address%%/*}"; done
            echo '[servers]'
            servers=
            for file in admin kubelet controller-manager scheduler; do
                file=$etc/$file.conf
                server=$(sed -n 's#^ *server: *https\\{0,1\\}://\\([^/]*\\).*#\\1#p' "$file" 2>/dev/null | head -n 1)
                case $server in '['*) continue ;; esac
                server=${server%:*}
                case $server in *[!0-9.]*) echo "$file $server"; servers="$servers $server" ;; esac
            done
            echo '[resolver]'; echo /etc/resolv.conf; cat /etc/resolv.conf 2>/dev/null
            echo '[pods]'
            file=$(sed -n 's/^resolvConf: *//p' /var/lib/kubelet/config.yaml 2>/dev/null | tr -d "\\"'" | head -n 1)
            if [ -z "$file" ]; then
                file=/etc/resolv.conf
                systemctl is-active --quiet systemd-resolved 2>/dev/null && file=/run/systemd/resolve/resolv.conf
            fi
            echo "$file"; cat "$file" 2>/dev/null
            echo '[lookups]'
            ask() {
                said=$(timeout 5 getent ahosts "$1" 2>/dev/null); code=$?
                echo "$1 $code" $(printf '%s\\n' "$said" | cut -d' ' -f1)
            }
            for name in $(printf '%s\\n' localhost registry.k8s.io "$(uname -n)" $servers | sort -u); do ask "$name" & done
            wait
            echo '[end]'
            """,
            [kubernetes],
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let hostname = try output.line("hostname")
        guard !hostname.isEmpty else { throw IncompleteAnswer(section: "hostname") }
        let lookups = try output.rows("lookups").filter { $0.count >= 2 }.map { row in
            var seen: Set<String> = []
            return Lookup(
                name: row[0],
                addresses: row.dropFirst(2).filter { seen.insert($0).inserted },
                timedOut: row[1] == Self.timeoutCode
            )
        }
        return Value(
            hostname: hostname,
            addresses: try output.lines("addresses"),
            lookups: lookups.sorted { $0.name < $1.name },
            servers: try output.rows("servers").filter { $0.count == 2 }.map { Server(kubeconfig: $0[0], name: $0[1]) },
            resolver: Self.resolver(try output.lines("resolver")),
            podResolver: Self.resolver(try output.lines("pods"))
        )
    }

    /// Source: timeout(1).
    private static let timeoutCode = "124"

    /// A path, and what resolv.conf(5) makes of the file: of several search lists the last one counts.
    private static func resolver(_ lines: [String]) -> Resolver {
        var nameservers: [String] = []
        var search: [String] = []
        for line in lines.dropFirst() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            switch words.first {
            case "nameserver" where words.count > 1: nameservers.append(words[1])
            case "search", "domain": search = Array(words.dropFirst())
            default: break
            }
        }
        return Resolver(path: lines.first ?? "", nameservers: nameservers, search: search)
    }

    /// Nothing is ever changed because of it, and who answers when is nothing that a plan relies on.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
