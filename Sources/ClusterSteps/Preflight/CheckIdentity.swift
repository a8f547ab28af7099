package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.identity`: a host is who the inventory says, now and after the next boot, and nobody else is.
///
/// Sources: kubernetes.io "Before you begin" (unique hostname, MAC address and product_uuid for every node); RFC 1123 names
/// as Kubernetes checks them for nodes; machine-id(5).
package struct CheckIdentity: LookingCheck {
    package static let check = CheckName.identity
    package static let signature: KindSignature = looking(
        "Host name, machine id, product_uuid and MACs: valid and unique"
    )

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.hosts.map { FactRequest(MachineIdentity(), on: $0.name) }
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let own = try await facts.read(MachineIdentity(), on: host.name)
        let others = await SharedReading(facts, of: facts.cluster.hosts.filter { $0.name != host.name }) { _ in
            MachineIdentity()
        }
        if let problem = Self.problem(of: own, host) { return problem }
        if let problem = Self.shared(own, host, others) { return problem }
        if let doubt = Self.doubt(own, host, facts.cluster) { return doubt }
        if own.staticName.isEmpty {
            return .warn(
                "it is called \(own.hostname), but /etc/hostname does not say so: after the next boot it is called whatever "
                    + "DHCP or the cloud says"
            )
        }
        let missing =
            own.container != nil
            ? "; product_uuid is not compared inside a container"
            : own.comparableProduct == nil ? "; it has no product_uuid to compare" : ""
        return .ok("\(own.hostname), as in the inventory, and nobody else\(missing)\(others.remark)")
    }

    private static func rename(_ host: Host) -> String { "hostnamectl set-hostname \(host.name)" }

    /// What is wrong with a host whatever the others are.
    private static func problem(of own: MachineIdentity.Value, _ host: Host) -> Assessment? {
        guard isMachineID(own.machineID) else {
            let found = own.machineID.isEmpty ? "there is no machine id" : "'\(own.machineID)' is no machine id"
            return .fail(found, remedy: "rm -f /etc/machine-id && systemd-machine-id-setup && reboot")
        }
        if own.isMachineIDTransient {
            return .fail(
                "its machine id is in memory only, after the next boot it is another one",
                remedy: "systemd-machine-id-commit"
            )
        }
        guard isNodeName(own.hostname) else {
            return .fail(
                "'\(own.hostname)' cannot be the name of a node (small letters, digits, '-' and '.', not localhost)",
                remedy: rename(host)
            )
        }
        if !own.staticName.isEmpty, own.staticName != own.hostname {
            return .fail(
                "it is called \(own.hostname), but \(own.staticName) after the next boot",
                remedy: "hostnamectl set-hostname \(own.hostname)"
            )
        }
        return nil
    }

    /// What it has in common with another host.
    private static func shared(
        _ own: MachineIdentity.Value,
        _ host: Host,
        _ others: SharedReading<MachineIdentity.Value>
    ) -> Assessment? {
        var found: [String] = []
        var remedy: String?
        func note(_ what: String, _ value: String, _ mend: String, _ same: (MachineIdentity.Value) -> Bool) {
            let names = others.known.filter { same($0.value) }.map(\.host.name.text)
            guard !names.isEmpty else { return }
            found.append("the \(what) \(value) is also that of \(names.joined(separator: ", "))")
            remedy = remedy ?? mend
        }
        note("host name", own.hostname, rename(host)) { $0.hostname.lowercased() == own.hostname.lowercased() }
        note(
            "machine id",
            own.machineID,
            "on the copy, before it joins: rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot"
        ) { $0.machineID == own.machineID }
        if let product = own.comparableProduct {
            note("product_uuid", product, "give the copied virtual machine a UUID of its own in the hypervisor") {
                $0.comparableProduct == product
            }
        }
        for nic in own.nics {
            note(
                "MAC of \(nic.name)",
                nic.address,
                "give the copied virtual machine a MAC of its own in the hypervisor"
            ) {
                $0.nics.contains { $0.address == nic.address }
            }
        }
        return found.isEmpty ? nil : .fail(found.joined(separator: "; ") + others.remark, remedy: remedy)
    }

    /// What is odd about its name in this inventory.
    private static func doubt(_ own: MachineIdentity.Value, _ host: Host, _ cluster: Cluster) -> Assessment? {
        guard own.hostname != host.name.text else { return nil }
        if let other = cluster.hosts.first(where: { $0.name.text == own.hostname }) {
            return .fail(
                "it calls itself \(other.name), which is another host of the inventory",
                remedy: "compare the addresses of \(host.name) and \(other.name) in the inventory"
            )
        }
        let finding = "it calls itself \(own.hostname), the inventory \(host.name)"
        if own.hostname.hasPrefix(host.name.text + ".") || host.role == .loadBalancer { return .warn(finding) }
        // A node that has joined cannot be renamed, and may have got its name from --hostname-override.
        return own.hasJoined
            ? .warn("\(finding); it has joined a cluster, so change the inventory, not the host")
            : .fail(finding, remedy: rename(host))
    }

    /// Source: machine-id(5): 32 lower-case hexadecimal digits, not all zero.
    static func isMachineID(_ text: String) -> Bool {
        let digits = text.utf8
        guard digits.count == 32, digits.contains(where: { $0 != UInt8(ascii: "0") }) else { return false }
        return digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// RFC 1123 as Kubernetes' `IsDNS1123Subdomain` has it, with each label no longer than DNS takes.
    static func isNodeName(_ name: String) -> Bool {
        guard (1...253).contains(name.utf8.count), name != "localhost", !name.hasPrefix("localhost.") else {
            return false
        }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard (1...63).contains(label.utf8.count), label.first != "-", label.last != "-" else { return false }
            return label.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-")
            }
        }
    }
}

/// Everything by which a machine is told from another.
package struct MachineIdentity: Fact {
    package static let name = "host.machine"

    package init() {}

    package struct NIC: Codable, Sendable, Hashable {
        package let name: String
        package let address: String
    }

    package struct Value: Codable, Sendable, Hashable {
        package let hostname: String
        /// From `/etc/hostname`; empty when something else names the host at boot.
        package let staticName: String
        package let machineID: String
        /// It was made up at boot and lies in memory, over the file.
        package let isMachineIDTransient: Bool
        package let product: String
        /// The kind of container it is; nil for a machine.
        package let container: String?
        /// Physical ones: those with a device.
        package let nics: [NIC]
        /// It has a kubelet's kubeconfig.
        package let hasJoined: Bool

        /// A container shows the UUID of the machine it runs on; firmware without one says only zeros or only `f`.
        var comparableProduct: String? {
            let digits = Set(product.filter { $0 != "-" })
            return container == nil && digits.count > 1 && digits.allSatisfy(\.isHexDigit) ? product : nil
        }
    }

    /// product_uuid is root's to read.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[hostname]'; uname -n
            echo '[static]'; [ -r /etc/hostname ] && sed 's/#.*//; s/[[:space:]]//g; /^$/d' /etc/hostname | head -n 1
            echo '[machine-id]'; cat /etc/machine-id 2>/dev/null
            echo '[transient]'; grep ' /etc/machine-id ' /proc/self/mountinfo 2>/dev/null | grep -c ' - tmpfs '
            echo '[container]'; systemd-detect-virt --container 2>/dev/null | grep -vx none
            echo '[product]'; cat /sys/class/dmi/id/product_uuid 2>/dev/null
            echo '[nics]'
            for nic in /sys/class/net/*; do
                [ -e "$nic/device" ] && echo "${nic##*/} $(cat "$nic/address" 2>/dev/null)"
            done
            echo '[joined]'; [ -e /etc/kubernetes/kubelet.conf ] && echo yes
            echo '[end]'
            """,
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let hostname = try output.line("hostname")
        guard !hostname.isEmpty else { throw IncompleteAnswer(section: "hostname") }
        return Value(
            hostname: hostname,
            staticName: try output.line("static"),
            machineID: try output.line("machine-id"),
            isMachineIDTransient: Int(try output.line("transient")) ?? 0 > 0,
            product: try output.line("product").lowercased(),
            container: try output.lines("container").first,
            nics: try output.rows("nics").filter { $0.count == 2 && $0[1].contains { $0 != "0" && $0 != ":" } }
                .map { NIC(name: $0[0], address: $0[1].lowercased()) },
            hasJoined: try !output.lines("joined").isEmpty
        )
    }

    /// Nothing is ever changed because of it, and every host's verdict reads all hosts': a plan would grow with their square.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
