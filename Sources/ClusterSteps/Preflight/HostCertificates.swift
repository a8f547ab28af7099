package import ClusterModel
package import RemoteShell
import RunEngine

/// Every certificate of a host that Kubernetes or etcd uses, as it lies in files and as it is served.
package struct HostCertificates: Fact {
    package static let name = "host.certificates"

    /// Folder of certificates, and the one of kubeconfigs and manifests.
    package let pki: String
    package let kubernetes: String
    /// Where etcd listens for its peers.
    package let address: String

    package init(paths: ClusterPaths, address: String) {
        pki = paths.pki
        kubernetes = paths.kubernetes
        self.address = address
    }

    package struct Certificate: Codable, Sendable, Hashable {
        package enum Place: String, Codable, Sendable, Hashable {
            /// A file of its own.
            case file
            /// Within a kubeconfig.
            case kubeconfig
            /// What a process answers with.
            case served
        }

        package let place: Place
        /// The file; of a served one, the file it should be.
        package let path: String
        /// Of a served one only.
        package let port: Int?
        /// nil together when there is something that cannot be read as a certificate.
        package let notBefore: UTCMoment?
        package let notAfter: UTCMoment?
        package let fingerprint: String
        package let issuer: String
    }

    /// A process that keeps in memory what was in its kubeconfig when it began.
    package struct Client: Codable, Sendable, Hashable {
        package let process: String
        package let kubeconfig: String
        /// Seconds by which the file is newer than the process; negative when it is older.
        package let newerBy: Int64
    }

    package struct Value: Codable, Sendable, Hashable {
        package let hasOpenSSL: Bool
        /// The host's own clock: what its processes judge by.
        package let now: UTCMoment
        package let certificates: [Certificate]
        /// Files that a kubeconfig or a manifest names and that do not exist, with what names them.
        package let missing: [String: String]
        package let clients: [Client]
        /// Names of the authorities whose key is here, such as `ca` and `etcd/ca`: without it nothing is renewed here.
        package let authorities: [String]
    }

    /// Servers are asked all at once and for 4 s at most; each answer is printed in one piece.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            pki=$1 etc=$2 address=$3
            look() { openssl x509 -noout -startdate -enddate -fingerprint -sha256 -issuer 2>/dev/null; }
            option() { sed -n "s/^ *- --$2=//p" "$etc/manifests/$1.yaml" 2>/dev/null | tr -d '"' | head -n 1; }
            setting() { sed -n "s/^ *$2: *//p" "$1" 2>/dev/null | tr -d "\\"'" | head -n 1; }
            current=/var/lib/kubelet/pki/kubelet-client-current.pem
            apiserver=$(option kube-apiserver tls-cert-file); port=$(option kube-apiserver secure-port)
            server=$(option etcd cert-file); peer=$(option etcd peer-cert-file)
            echo '[openssl]'; command -v openssl
            echo '[now]'; date +%s
            echo '[files]'
            for file in "$pki"/*.crt "$pki"/etcd/*.crt "$current"; do
                [ -e "$file" ] && { echo "file $file"; look <"$file"; }
            done
            for file in admin super-admin controller-manager scheduler kubelet; do
                file=$etc/$file.conf
                data=$(setting "$file" client-certificate-data)
                [ -n "$data" ] && { echo "kubeconfig $file"; printf %s "$data" | base64 -d 2>/dev/null | look; }
            done
            echo '[missing]'
            for file in admin super-admin controller-manager scheduler kubelet; do
                named=$(setting "$etc/$file.conf" client-certificate)
                [ -n "$named" ] && [ ! -e "$named" ] && echo "$named $etc/$file.conf"
            done
            [ -n "$apiserver" ] && [ ! -e "$apiserver" ] && echo "$apiserver $etc/manifests/kube-apiserver.yaml"
            for file in $server $peer; do [ -e "$file" ] || echo "$file $etc/manifests/etcd.yaml"; done
            echo '[keys]'
            for key in "$pki"/ca.key "$pki"/front-proxy-ca.key "$pki"/etcd/ca.key; do [ -e "$key" ] && echo "$key"; done
            echo '[clients]'
            uptime=$(cut -d. -f1 /proc/uptime); now=$(date +%s); ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
            for folder in /proc/[0-9]*; do
                { read -r name <"$folder/comm"; } 2>/dev/null || continue
                case $name in kube-controller) file=controller-manager ;; kube-scheduler) file=scheduler ;; *) continue ;; esac
                { read -r stat <"$folder/stat"; } 2>/dev/null || continue
                [ -e "$etc/$file.conf" ] || continue
                set -- ${stat##*) }
                shift 19
                echo "kube-$file $etc/$file.conf $(($(stat -c %Y "$etc/$file.conf") - (now - uptime + $1 / ticks)))"
            done
            echo '[served]'
            ask() {
                said=$(timeout 4 openssl s_client -connect "$1" </dev/null 2>/dev/null | look)
                [ -n "$said" ] && printf 'served %s %s\\n%s\\n' "${1##*:}" "$2" "$said"
            }
            if command -v openssl >/dev/null && command -v timeout >/dev/null; then
                kubelet=/var/lib/kubelet/pki/kubelet-server-current.pem
                [ -e "$kubelet" ] || kubelet=/var/lib/kubelet/pki/kubelet.crt
                apiserver=${apiserver:-$pki/apiserver.crt}; server=${server:-$pki/etcd/server.crt}; peer=${peer:-$pki/etcd/peer.crt}
                case $address in *:*) address="[$address]" ;; esac
                [ -e "$apiserver" ] && ask "127.0.0.1:${port:-6443}" "$apiserver" &
                [ -d /var/lib/kubelet ] && ask 127.0.0.1:10250 "$kubelet" &
                [ -e "$server" ] && ask 127.0.0.1:2379 "$server" &
                [ -e "$peer" ] && ask "$address:2380" "$peer" &
                wait
            fi
            echo '[end]'
            """,
            [pki, kubernetes, address],
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        guard let now = Int64(try output.line("now")) else { throw IncompleteAnswer(section: "now") }
        let served = Self.certificates(try output.lines("served")).sorted { ($0.port ?? 0) < ($1.port ?? 0) }
        let missing = try output.rows("missing").filter { $0.count == 2 }.map { ($0[0], $0[1]) }
        return Value(
            hasOpenSSL: try !output.lines("openssl").isEmpty,
            now: UTCMoment(seconds: now),
            certificates: Self.certificates(try output.lines("files")) + served,
            missing: Dictionary(missing) { first, _ in first },
            clients: Self.clients(try output.rows("clients")),
            authorities: try output.lines("keys").map { key in
                String((key.hasPrefix(pki + "/") ? key.dropFirst(pki.count + 1) : key[...]).dropLast(".key".count))
            }
        )
    }

    /// Each process once, and the one that began last: a container that is being replaced may still be there.
    private static func clients(_ rows: [[String]]) -> [Client] {
        var found: [String: Client] = [:]
        for row in rows {
            guard row.count == 3, let newer = Int64(row[2]), newer < found[row[0]]?.newerBy ?? .max else { continue }
            found[row[0]] = Client(process: row[0], kubeconfig: row[1], newerBy: newer)
        }
        return found.values.sorted { $0.process < $1.process }
    }

    /// Heads (`file PATH`, `kubeconfig PATH`, `served PORT PATH`), each followed by what openssl said, or by nothing.
    private static func certificates(_ lines: [String]) -> [Certificate] {
        var found: [Certificate] = []
        var head: (place: Certificate.Place, path: String, port: Int?)?
        var said: [Substring: String] = [:]
        func close() {
            guard let head else { return }
            found.append(
                Certificate(
                    place: head.place,
                    path: head.path,
                    port: head.port,
                    notBefore: said["notBefore"].flatMap(moment),
                    notAfter: said["notAfter"].flatMap(moment),
                    fingerprint: said.first { $0.key.hasSuffix("ingerprint") }?.value ?? "",
                    issuer: said["issuer"] ?? ""
                )
            )
        }
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2, let place = Certificate.Place(rawValue: String(words[0])) {
                close()
                said = [:]
                let rest = words[1].split(separator: " ", maxSplits: 1)
                head =
                    place == .served && rest.count == 2
                    ? (place, String(rest[1]), Int(rest[0])) : (place, String(words[1]), nil)
            } else if let equals = line.firstIndex(of: "=") {
                said[line[..<equals]] = String(line[line.index(after: equals)...])
            }
        }
        close()
        return found
    }

    /// OpenSSL's form of a time: `Nov 21 06:55:16 2027 GMT`, the day with a space in front when it has one digit.
    static func moment(_ text: String) -> UTCMoment? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let words = text.split(separator: " ")
        guard words.count == 5, words[4] == "GMT", let month = months.firstIndex(of: String(words[0])) else {
            return nil
        }
        func padded(_ text: Substring) -> String { text.count < 2 ? "0\(text)" : String(text) }
        return UTCMoment("\(words[3])-\(padded("\(month + 1)"))-\(padded(words[1]))T\(words[2])Z")
    }

    /// Nothing is ever changed because of it, and its clock is another at every reading.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
