package import ClusterModel
package import RemoteShell
import RunEngine

/// A master's own control plane: what its API server answers at its own address, whose cluster it serves, what its manifests say
/// and since when the processes run.
package struct ControlPlaneState: Fact {
    package static let name = "controlplane.state"
    private let api: KubernetesAPI
    private let vip: String
    private let vipPort: Int

    package init(of master: Host, in cluster: Cluster) {
        api = KubernetesAPI(on: master, in: cluster)
        vip = cluster.vip.map { $0.contains(":") ? "[\($0)]" : $0 } ?? ""
        vipPort = cluster.apiPort
    }

    package struct Value: Codable, Sendable, Hashable {
        /// By the running API server; empty when it does not answer.
        package let version: String
        /// Nil for a check that passes; else what fails, in its own words.
        package let readyz: String?
        package let livez: String?
        /// What the way through the VIP lacks; nil when it is ready, or there is no VIP.
        package let vip: String?
        /// The uid of the namespace kube-system: equal on all masters of one cluster; empty when it cannot be read.
        package let cluster: String
        /// Images in the manifests by component.
        package let images: [String: String]
        /// For how many seconds each component's process has been running.
        package let ages: [String: Int]
    }

    package var command: RemoteCommand {
        api.command(Self.script, with: [vip.isEmpty ? "" : "https://\(vip):\(vipPort)"], limit: .seconds(6))
    }

    /// `$1` where the VIP leads, or nothing.
    ///
    /// All is asked at once, so that an API server which hangs costs 6 s and not five times that.
    private static let script: StaticString = #"""
        through=$1
        for part in kube-apiserver kube-controller-manager kube-scheduler etcd; do
            image=$(sed -n 's/^ *image: *//p' "$kubernetes/manifests/$part.yaml" 2>/dev/null | head -n 1)
            [ -z "$image" ] || printf 'image\t%s\t%s\n' "$part" "$image"
        done
        read -r up rest </proc/uptime; up=${up%.*}; ticks=$(getconf CLK_TCK)
        for d in /proc/[0-9]*; do
            read -r program 2>/dev/null <"$d/comm" || continue
            case $program in
            kube-apiserver | kube-controller | kube-scheduler)
                # A name has 15 characters there, and others begin like that, too.
                if [ "$program" = kube-controller ]; then
                    case $(tr '\0' ' ' 2>/dev/null <"$d/cmdline") in *kube-controller-manager*) ;; *) continue ;; esac
                    program=kube-controller-manager
                fi
                stat=$(cat "$d/stat" 2>/dev/null); set -- ${stat##*) }
                [ $# -lt 20 ] || printf 'age\t%s\t%s\n' "$program" "$((up - ${20} / ticks))" ;;
            esac
        done
        flat() { tr '\n\t' '  '; }
        ask() {
            if said=$(K get --raw "$2" 2>&1); then printf '%s\tok\t%s\n' "$1" "$(printf '%s' "$said" | flat)"; else
                bad=$(printf '%s\n' "$said" | grep -F '[-]' | flat)
                printf '%s\tno\t%s\n' "$1" "${bad:-$(printf '%s\n' "$said" | tail -n 1 | flat)}"
            fi
        }
        ask version /version & ask readyz /readyz & ask livez /livez &
        uid=$(K get namespace kube-system -o go-template='{{.metadata.uid}}' 2>/dev/null) && printf 'cluster\t%s\n' "$uid" &
        if [ -n "$through" ]; then server=$through; ask vip /readyz & fi
        wait
        echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let rows = try KubernetesRows(answer)
        func said(_ what: String) throws -> (isGood: Bool, text: String)? {
            try rows.about(what, columns: 2).first.map { row in
                (row[0] == "ok", String(row[1].reversed().drop { $0 == " " }.reversed()))
            }
        }
        func problem(_ what: String, absent: String?) throws -> String? {
            guard let answer = try said(what) else { return absent }
            if answer.isGood { return nil }
            // kubectl quotes the answer of a failing check, on one line.
            let failing = answer.text.split(separator: "[-]", omittingEmptySubsequences: false).dropFirst()
                .compactMap { $0.split(separator: " ").first }
            if !failing.isEmpty { return "\(failing.joined(separator: ", ")) failed" }
            return answer.text.isEmpty ? "no answer" : answer.text
        }
        let version = try said("version").flatMap {
            $0.isGood ? ProgramVersion(in: Self.gitVersion(in: $0.text)) : nil
        }
        var ages: [String: Int] = [:]
        for row in try rows.about("age", columns: 2) {
            guard let seconds = Int(row[1]) else { continue }
            ages[row[0]] = min(max(0, seconds), ages[row[0]] ?? .max)
        }
        return Value(
            version: version?.description ?? "",
            readyz: try problem("readyz", absent: "not asked"),
            livez: try problem("livez", absent: "not asked"),
            vip: try problem("vip", absent: nil),
            cluster: try rows.about("cluster", columns: 1).first?[0] ?? "",
            images: Dictionary(
                try rows.about("image", columns: 2).map { ($0[0], $0[1]) },
                uniquingKeysWith: { first, _ in first }
            ),
            ages: ages
        )
    }

    /// The value of `"gitVersion": "v1.31.14"`.
    private static func gitVersion(in text: String) -> String {
        let parts = text.split(separator: "\"")
        guard let key = parts.firstIndex(of: "gitVersion"), key + 2 < parts.count else { return "" }
        return String(parts[key + 2])
    }

    /// A master is upgraded between looks.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
