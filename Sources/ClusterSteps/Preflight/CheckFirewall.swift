package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.firewall`: what firewalls, SELinux and AppArmor on a host would keep from working.
///
/// Everything is reported, nothing is ever switched off. A host's own rules are only half of the way: what really gets through is
/// found by dialling from host to host.
package struct CheckFirewall: PreflightCheck {
    package static let check = CheckName.firewall
    package static let signature: KindSignature = described("firewalld, ufw, SELinux and AppArmor; never switched off")
    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(HostSecurity(), on: target.name)] }

    /// Load balancers too.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(HostSecurity(), on: host.name)
        var remarks: [String] = []
        var fine: [String] = []
        let needed = Self.ports(of: host, in: facts.cluster)
        for firewall in state.firewalls {
            let closed = needed.filter { port in !firewall.opensAll && !firewall.open.contains { $0.contains(port) } }
            if closed.isEmpty {
                fine.append("\(firewall.program.rawValue) lets \(Self.list(needed)) in")
            } else {
                remarks.append(
                    "\(firewall.program.rawValue) does not let \(Self.list(closed)) in: \(firewall.program.opening(closed))"
                )
            }
        }
        if state.firewalls.isEmpty, !state.dropping.isEmpty {
            remarks.append(
                "nftables drops what its rules do not let in (\(state.dropping.joined(separator: ", ")));"
                    + " whether \(Self.list(needed)) get through, only dialling tells"
            )
        }
        remarks += Self.selinux(state, on: host)
        if state.isAppArmorOn, !state.hasAppArmorParser, host.role == .master || host.role == .worker {
            remarks.append(
                "AppArmor is on, but there is no apparmor_parser: no container starts; apt-get install apparmor"
            )
        }
        guard remarks.isEmpty else { return .warn(remarks.joined(separator: "; ")) }
        if let mode = state.selinux { fine.append("SELinux is \(mode)") }
        if state.isAppArmorOn { fine.append("AppArmor is on") }
        return .ok(fine.isEmpty ? "no firewall, SELinux or AppArmor" : fine.joined(separator: "; "))
    }

    /// The TCP ports that other hosts dial.
    ///
    /// Source: kubernetes.io "Ports and Protocols"; controller-manager and scheduler of kubeadm listen on the loopback only.
    static func ports(of host: Host, in cluster: Cluster) -> [Int] {
        switch host.role {
        case .master: [6443] + (cluster.topology == .stacked ? [2379, 2380] : []) + [10250]
        case .worker: [10250]
        case .etcd: [2379, 2380]
        case .loadBalancer: [cluster.apiPort]
        }
    }

    private static func list(_ ports: [Int]) -> String { ports.map { "\($0)/tcp" }.joined(separator: ", ") }

    private static func selinux(_ state: HostSecurity.Value, on host: Host) -> [String] {
        var remarks: [String] = []
        if state.selinux != "enforcing", state.selinux != nil, state.selinuxAtBoot == "enforcing" {
            remarks.append("SELinux is \(state.selinux ?? "") now, and would be enforcing after the next boot")
        }
        guard state.selinux == "enforcing" else { return remarks }
        if host.role == .loadBalancer {
            if state.haproxyMayConnect == false {
                remarks.append(
                    "SELinux keeps HAProxy from connecting to any port: setsebool -P haproxy_connect_any 1"
                )
            }
        } else if !state.hasContainerPolicy, host.role == .master || host.role == .worker {
            remarks.append(
                "SELinux is enforcing without container-selinux: install it, or containers are denied their files"
            )
        }
        return remarks
    }
}

/// Which firewalls and access controls a host has, and what they let through.
package struct HostSecurity: Fact {
    package static let name = "host.security"

    package init() {}

    package enum Program: String, Codable, Sendable, Hashable {
        case firewalld, ufw

        /// The command that lets ports in, now and after the next boot.
        func opening(_ ports: [Int]) -> String {
            switch self {
            case .firewalld:
                "firewall-cmd --permanent \(ports.map { "--add-port=\($0)/tcp" }.joined(separator: " "))"
                    + " && firewall-cmd --reload"
            case .ufw: "ufw allow \(ports.map(String.init).joined(separator: ","))/tcp"
            }
        }
    }

    /// TCP ports, both ends included.
    package struct PortRange: Codable, Sendable, Hashable {
        package let first: Int
        package let last: Int

        /// `6443`, or `30000-32767` with any separator.
        init?(_ text: some StringProtocol, separator: Character) {
            let ends = text.split(separator: separator).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2 else { return nil }
            self.first = first
            self.last = last
        }

        init(_ port: Int) { (first, last) = (port, port) }

        func contains(_ port: Int) -> Bool { first <= port && port <= last }
    }

    package struct Firewall: Codable, Sendable, Hashable {
        package let program: Program
        package let open: [PortRange]
        /// It lets everything in from some sources or by default: who that is, only dialling tells.
        package let opensAll: Bool
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Those that are running.
        package let firewalls: [Firewall]
        /// nftables' base chains of input that drop by default, as `table chain`.
        package let dropping: [String]
        /// `enforcing`, `permissive`, or nil where the kernel does not have it on.
        package let selinux: String?
        package let selinuxAtBoot: String?
        package let hasContainerPolicy: Bool
        /// nil where there is no such switch.
        package let haproxyMayConnect: Bool?
        package let isAppArmorOn: Bool
        package let hasAppArmorParser: Bool
    }

    /// Services of firewalld's own list that stand for a port needed here.
    private static let services = [
        "kube-apiserver": [6443], "kube-control-plane": [6443, 2379, 2380, 10250],
        "kube-control-plane-secure": [6443, 2379, 2380, 10250], "kubelet": [10250], "kube-worker": [10250],
        "kube-worker-secure": [10250], "etcd-client": [2379], "etcd-server": [2380],
    ]

    /// Looks without loading anything into the kernel.
    ///
    /// ufw is read from its files, because its own `status` loads modules; nftables is asked only when it is in use already.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[firewalld]'
            if [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
                echo running
                for zone in $(firewall-cmd --get-active-zones | awk '/^[^ ]/ { print $1 }') $(firewall-cmd --get-default-zone); do
                    firewall-cmd --zone="$zone" --list-all
                done
            fi
            echo '[ufw]'
            if grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null && systemctl is-active --quiet ufw 2>/dev/null; then
                echo running
                grep -h '^DEFAULT_INPUT_POLICY=' /etc/default/ufw
                sed -n 's/^### tuple ### //p' /etc/ufw/user.rules 2>/dev/null
            fi
            echo '[nftables]'
            if grep -q '^nf_tables ' /proc/modules 2>/dev/null || [ ! -e /proc/modules ]; then nft list chains 2>/dev/null; fi
            echo '[selinux]'; cat /sys/fs/selinux/enforce 2>/dev/null && echo
            echo '[boot]'; sed -n 's/^SELINUX=//p' /etc/selinux/config 2>/dev/null
            echo '[policy]'; [ -d /sys/fs/selinux/booleans ] && rpm -q container-selinux 2>/dev/null | grep '^container-selinux'
            echo '[haproxy]'; cut -d' ' -f1 /sys/fs/selinux/booleans/haproxy_connect_any 2>/dev/null && echo
            echo '[apparmor]'; cat /sys/module/apparmor/parameters/enabled 2>/dev/null
            echo '[parser]'; command -v apparmor_parser
            echo '[end]'
            """,
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let enforce = try output.line("selinux")
        let boot = try output.line("boot")
        let haproxy = try output.line("haproxy")
        return Value(
            firewalls: [Self.firewalld(try output.lines("firewalld")), Self.ufw(try output.lines("ufw"))].compactMap {
                $0
            },
            dropping: Self.dropping(try output.lines("nftables")),
            selinux: enforce.isEmpty ? nil : enforce == "1" ? "enforcing" : "permissive",
            selinuxAtBoot: boot.isEmpty ? nil : boot,
            hasContainerPolicy: !(try output.lines("policy").isEmpty),
            haproxyMayConnect: haproxy.isEmpty ? nil : haproxy == "1",
            isAppArmorOn: try output.line("apparmor") == "Y",
            hasAppArmorParser: !(try output.lines("parser").isEmpty)
        )
    }

    /// The zones of `firewall-cmd --list-all`, one behind the other.
    ///
    /// A zone that accepts everything counts only when it has sources: one of interfaces may be that of a bridge for containers.
    private static func firewalld(_ lines: [String]) -> Firewall? {
        guard lines.first == "running" else { return nil }
        var open: [PortRange] = []
        var (accepts, opensAll) = (false, false)
        for line in lines.dropFirst() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard line.hasPrefix(" "), let key = words.first else {
                accepts = false
                continue
            }
            switch key {
            case "target:": accepts = words.last == "ACCEPT"
            case "sources:": opensAll = opensAll || accepts && words.count > 1
            case "services:":
                open += words.dropFirst().flatMap { services[String($0)] ?? [] }.map(PortRange.init)
            case "ports:":
                open += words.dropFirst().filter { $0.hasSuffix("/tcp") }
                    .compactMap { PortRange($0.dropLast(4), separator: "-") }
            default: break
            }
        }
        return Firewall(program: .firewalld, open: open, opensAll: opensAll)
    }

    /// The tuples of ufw's user.rules: `allow tcp 6443 0.0.0.0/0 any 10.0.0.0/24 in`.
    ///
    /// A rule for some sources only counts as open too: who may, only dialling tells.
    private static func ufw(_ lines: [String]) -> Firewall? {
        guard lines.first == "running" else { return nil }
        var open: [PortRange] = []
        var opensAll = false
        for line in lines.dropFirst() {
            if line.hasPrefix("DEFAULT_INPUT_POLICY=") { opensAll = opensAll || line.contains("ACCEPT") }
            let words = line.split(separator: " ")
            guard words.count >= 6, words[0].hasPrefix("allow") || words[0].hasPrefix("limit") else { continue }
            guard !words.contains("out"), words[1] == "tcp" || words[1] == "any" else { continue }
            if words[2] == "any" {
                opensAll = true
            } else {
                open += words[2].split(separator: ",").compactMap { PortRange($0, separator: ":") }
            }
        }
        return Firewall(program: .ufw, open: open, opensAll: opensAll)
    }

    /// Of `nft list chains`: chains of the input hook with policy drop.
    private static func dropping(_ lines: [String]) -> [String] {
        var found: [String] = []
        var (table, chain) = ("", "")
        for line in lines {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.first == "table", words.count >= 3 { table = "\(words[1]) \(words[2])" }
            if words.first == "chain", words.count >= 2 { chain = String(words[1]) }
            if line.contains("hook input"), line.contains("policy drop") { found.append("\(table) \(chain)") }
        }
        return found
    }
}
