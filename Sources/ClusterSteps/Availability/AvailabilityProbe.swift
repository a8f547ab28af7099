package import ClusterModel
package import RemoteShell
import RunEngine

/// Whether a host can read and write through the VIP with its admin.conf.
package struct AvailabilityProbe: Fact {
    package static let name = "availability.means"
    private let kubernetes: String

    package init(_ cluster: Cluster) { kubernetes = cluster.paths.kubernetes }

    package struct Value: Codable, Sendable, Hashable {
        /// What it lacks; nil when it can.
        package let missing: String?
    }

    package var command: RemoteCommand { RemoteCommand([Self.script], [kubernetes]) }

    private static let script: StaticString = """
        [ -r "$1/admin.conf" ] || { echo "there is no $1/admin.conf"; exit 0; }
        grep -q 'client-key-data:' "$1/admin.conf" || { echo "$1/admin.conf holds no client key"; exit 0; }
        for program in curl base64 systemd-run awk; do
            command -v "$program" >/dev/null 2>&1 || { echo "there is no $program"; exit 0; }
        done
        echo well
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let said = answer.text.split(separator: "\n").last.map(String.init) ?? "it does not answer"
        return Value(missing: said == "well" ? nil : said)
    }
}

/// What is done with the transient unit that measures, all by one script on its host.
enum AvailabilityScript: String {
    case start, look, report, stop

    static func run(_ action: Self, _ unit: String, in context: StepContext) async throws -> CommandResult {
        let cluster = context.target.cluster
        let vip = cluster.vip ?? ""
        let server = "https://\(vip.contains(":") ? "[\(vip)]" : vip):\(cluster.apiPort)"
        let command = action.command(unit, kubernetes: cluster.paths.kubernetes, server: server)
        return try await context.connection.run(command, limits: CommandLimits(deadline: .seconds(60)))
    }

    func command(
        _ unit: String,
        kubernetes: String,
        server: String,
        below folder: String = "/run"
    ) -> RemoteCommand {
        RemoteCommand([Self.script], [rawValue, unit, kubernetes, server, Self.loop, folder])
    }

    /// `$1` action, `$2` unit, `$3` kubeadm's folder, `$4` server, `$5` the loop, `$6` where files live meanwhile.
    private static let script: StaticString = """
        folder=$6/$2
        active() { systemctl is-active -q "$2"; }
        clear() {
            systemctl stop "$2" 2>/dev/null
            systemctl reset-failed "$2" 2>/dev/null
            [ ! -d "$folder" ] || ask -X DELETE "$4/api/v1/namespaces/kube-system/configmaps/rollbook-availability" >/dev/null 2>&1
            rm -rf -- "$folder"
        }
        ask() { curl -sS --max-time 5 --cacert "$folder/ca.crt" --cert "$folder/client.crt" --key "$folder/client.key" "$@"; }
        field() { sed -n "s/^ *$1: *//p" "$2/admin.conf" | head -n1 | base64 -d; }
        case $1 in
        look) active "$@" ;;
        stop) clear "$@"; exit 0 ;;
        start)
            ! active "$@" || exit 0
            umask 077; mkdir -p "$folder" || exit 1
            field certificate-authority-data "$3" >"$folder/ca.crt"
            field client-certificate-data "$3" >"$folder/client.crt"
            field client-key-data "$3" >"$folder/client.key"
            ask -o /dev/null -X POST -H 'Content-Type: application/json' "$4/api/v1/namespaces/kube-system/configmaps" \\
                -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"rollbook-availability"}}' || exit 1
            printf '%s' "$5" >"$folder/loop"
            systemd-run -q --unit="$2" --property=RuntimeMaxSec=43200 --property=Nice=5 /bin/sh "$folder/loop" "$folder" "$4" || exit 1
            ;;
        report)
            if [ ! -f "$folder/log" ]; then
                [ -f "$folder.count" ] || { echo 'nothing was measured: the host was restarted meanwhile' >&2; exit 1; }
                cat "$folder.count"; exit 0
            fi
            systemctl stop "$2" 2>/dev/null
            sort -n "$folder/log" | awk '
                !first { first = $1; good["r"] = $1; good["w"] = $1 }
                { last = $1; sent[$2]++; if ($3 !~ /^2/) { failed[$2]++; next } }
                { if ($1 - good[$2] > gap[$2]) gap[$2] = $1 - good[$2]; good[$2] = $1 }
                END {
                    for (kind in sent) if (last - good[kind] > gap[kind]) gap[kind] = last - good[kind]
                    printf "seconds %d\\n", (last - first) / 1000
                    printf "read %d %d %d\\n", sent["r"], failed["r"], gap["r"]
                    printf "write %d %d %d\\n", sent["w"], failed["w"], gap["w"]
                }' >"$folder.count.new" && mv "$folder.count.new" "$folder.count" || exit 1
            cat "$folder.count"
            clear "$@"; exit 0 ;;
        esac
        """

    /// `$1` folder, `$2` server: one line a request, `MILLISECONDS r|w STATUS`, at its end.
    private static let loop = """
        one() {
            kind=$1; shift
            while :; do
                number=$((number + 1))
                case $kind in
                r) code=$(request "$@" "$server/api/v1/namespaces/kube-system") ;;
                w) code=$(request "$@" -X PATCH -H 'Content-Type: application/merge-patch+json' \\
                    -d "{\\"data\\":{\\"number\\":\\"$number\\"}}" "$server/api/v1/namespaces/kube-system/configmaps/rollbook-availability") ;;
                esac
                echo "$(date +%s%3N) $kind ${code:-000}" >>"$folder/log"
                sleep 0.2
            done
        }
        request() { 
            curl -sS -o /dev/null -w '%{http_code}' --max-time 10 --cacert "$folder/ca.crt" --cert "$folder/client.crt" \\
                --key "$folder/client.key" "$@" 2>/dev/null
        }
        folder=$1; server=$2; number=0
        one r & one w
        """
}
