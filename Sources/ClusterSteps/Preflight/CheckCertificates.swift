package import ClusterModel
package import RunEngine

/// `preflight.certificates`: every certificate is valid by the host's own clock, for long enough, and is the one in use.
///
/// Looked at are the certificates in files, those within kubeconfigs, and those that apiserver, kubelet and etcd answer with.
/// Sources: kubernetes.io "Certificate Management with kubeadm"; kubelet's rotation begins when 70 to 90 % of the life is over.
package struct CheckCertificates: LookingCheck {
    package static let check = CheckName.certificates
    package static let signature: KindSignature = looking(
        "Certificates in files, kubeconfigs and as served: valid, and for how long"
    )

    static let warnBelow: Int64 = 30 * day
    static let failBelow: Int64 = 7 * day
    private static let day: Int64 = 86400
    /// Seconds by which a kubeconfig may be newer than the process that read it: both times are cut to seconds.
    private static let slack: Int64 = 2

    package func facts(on target: StepTarget) -> [FactRequest] {
        guard let host = target.host else { return [] }
        return [FactRequest(Self.fact(host, target.cluster), on: host.name)]
    }

    private static func fact(_ host: Host, _ cluster: Cluster) -> HostCertificates {
        HostCertificates(paths: cluster.paths, address: host.clusterAddress)
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let value = try await facts.read(Self.fact(host, facts.cluster), on: host.name)
        let told = value.certificates
        guard value.hasOpenSSL else {
            return told.isEmpty
                ? .ok("there are no certificates yet") : .warn("openssl is missing: its certificates cannot be read")
        }
        let renewal = Renewal(value, facts.cluster.paths, host)
        if let gone = value.missing.min(by: { $0.key < $1.key }) {
            return .fail("\(gone.value) names \(gone.key), which does not exist", remedy: renewal.ofMissing(gone.key))
        }
        var graver: [(Trouble, HostCertificates.Certificate)] = []
        var lighter: [(Trouble, HostCertificates.Certificate)] = []
        for certificate in told {
            guard let trouble = Self.trouble(with: certificate, at: value.now) else { continue }
            if trouble.isGrave, !Self.isUnverified(certificate) {
                graver.append((trouble, certificate))
            } else {
                lighter.append((trouble, certificate))
            }
        }
        let stale = Self.stale(in: value)
        let worst = graver.isEmpty ? lighter : graver
        let findings = Self.grouped(worst) + stale.map(\.finding)
        let more = graver.isEmpty || lighter.isEmpty ? "" : "; \(lighter.count) more end soon"
        guard findings.isEmpty else {
            let text = findings.joined(separator: "; ") + more
            let remedy = worst.isEmpty ? stale.first?.remedy : renewal.remedy(for: worst.map(\.1))
            if !graver.isEmpty { return .fail(text, remedy: remedy) }
            return .warn(text + (remedy.map { ". Next: \($0)" } ?? ""))
        }
        guard let first = told.filter({ $0.place != .served }).compactMap(\.notAfter).min() else {
            return .ok("there are no certificates yet")
        }
        let files = Set(told.filter { $0.place == .file }.map(\.path))
        let same = told.filter { files.contains($0.path) }.compactMap(\.port).map(String.init).joined(separator: ", ")
        let count = told.count { $0.place != .served }
        return .ok(
            "\(count) certificate\(count == 1 ? "" : "s")\(same.isEmpty ? "" : ", served as in the files on \(same)"); "
                + "the first ends in \(Self.days(value.now, first))"
        )
    }

    enum Trouble: Hashable {
        case unreadable, notYet(String), expired(String), endsSoon(String), ends(String)

        var isGrave: Bool { if case .ends = self { false } else { true } }

        var text: String {
            switch self {
            case .unreadable: "cannot be read as a certificate"
            case .notYet(let span): "not valid yet, by this host's clock, for \(span)"
            case .expired(let span): "expired \(span) ago"
            case .endsSoon(let span), .ends(let span): "ends in \(span)"
            }
        }
    }

    /// What is wrong with a certificate at a moment.
    ///
    /// Those the kubelet renews by itself may have short lives, so for them the limits are shares of it: 30 and 7 days of a
    /// year are about a tenth and a thirtieth.
    static func trouble(with certificate: HostCertificates.Certificate, at now: UTCMoment) -> Trouble? {
        guard let begin = certificate.notBefore, let end = certificate.notAfter else { return .unreadable }
        if begin > now { return .notYet(days(now, begin)) }
        if end <= now { return .expired(days(end, now)) }
        let left = end.seconds - now.seconds
        let life = certificate.path.hasPrefix("/var/lib/kubelet/") ? end.seconds - begin.seconds : .max
        if left < min(failBelow, life / 30) { return .endsSoon(days(now, end)) }
        return left < min(warnBelow, life / 10) ? .ends(days(now, end)) : nil
    }

    /// A kubelet without serverTLSBootstrap signs its own serving certificate, which nobody verifies.
    static func isUnverified(_ certificate: HostCertificates.Certificate) -> Bool {
        certificate.port == kubeletPort && certificate.issuer.contains("-ca@")
    }

    static let kubeletPort = 10250

    /// Processes that use another certificate than the one in their file.
    private static func stale(in value: HostCertificates.Value) -> [(finding: String, remedy: String)] {
        let files = Dictionary(
            value.certificates.filter { $0.place == .file }.map { ($0.path, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        let served = value.certificates.compactMap { one -> (finding: String, remedy: String)? in
            guard one.place == .served, let port = one.port, let file = files[one.path],
                file.fingerprint != one.fingerprint,
                let old = one.notAfter, let new = file.notAfter
            else { return nil }
            let when =
                old == new ? "another certificate than" : "a certificate that ends \(date(old)), not \(date(new)) as"
            let process = port == 2379 || port == 2380 ? "etcd" : port == kubeletPort ? "kubelet" : "kube-apiserver"
            return (
                "port \(port) serves \(when) \(one.path): \(process) has not read it since it was changed",
                restart(process)
            )
        }
        let clients = value.clients.filter { $0.newerBy > slack }.map { client in
            (
                finding:
                    "\(client.process) runs since before \(client.kubeconfig) was changed and still uses the old one",
                remedy: restart(client.process)
            )
        }
        return served + clients
    }

    /// The kubelet starts a container again by itself when it was stopped; restarting the kubelet does not restart it.
    static func restart(_ process: String) -> String {
        process == "kubelet" ? "systemctl restart kubelet" : "crictl stop $(crictl ps -q --name '^\(process)$')"
    }

    /// One text for all that have the same trouble.
    private static func grouped(_ found: [(Trouble, HostCertificates.Certificate)]) -> [String] {
        var order: [String] = []
        var names: [String: [String]] = [:]
        for (trouble, certificate) in found {
            if names[trouble.text] == nil { order.append(trouble.text) }
            let name = certificate.port.map { "port \($0)" } ?? certificate.path
            names[trouble.text, default: []].append(name)
        }
        return order.map { text in
            let all = names[text] ?? []
            let shown = all.prefix(3).joined(separator: ", ")
            return "\(shown)\(all.count > 3 ? " and \(all.count - 3) more" : ""): \(text)"
        }
    }

    /// `2 days`, or hours when it is less than two days.
    private static func days(_ from: UTCMoment, _ to: UTCMoment) -> String {
        let seconds = max(0, to.seconds - from.seconds)
        let (count, unit) = seconds < 2 * day ? (seconds / 3600, "hour") : (seconds / day, "day")
        return "\(count) \(unit)\(count == 1 ? "" : "s")"
    }

    private static func date(_ moment: UTCMoment) -> String { String(moment.description.prefix(10)) }
}
