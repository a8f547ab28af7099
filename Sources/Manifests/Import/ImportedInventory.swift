package import ClusterModel

/// An inventory of Rollbook made from one of Ansible's or Kubespray's, and what did not come along.
///
/// Nothing is guessed: what has no clear place is reported, and the text is to be checked as any other inventory.
package struct ImportedInventory: Sendable, Hashable {
    /// The inventory file, format 1.
    package let text: String
    /// One line each, in the order of the source.
    package let leftOut: [String]
    package let hostCount: Int

    private static let masterGroups = [
        "kube_control_plane", "kube-control-plane", "kube_master", "kube-master", "control_plane", "controlplane",
        "control-plane", "masters", "master",
    ]
    private static let workerGroups = ["kube_node", "kube-node", "workers", "worker", "kube_worker", "nodes", "node"]
    private static let balancerGroups = [
        "loadbalancers", "loadBalancers", "load_balancers", "loadbalancer", "load_balancer", "haproxy", "lb", "lbs",
    ]
    private static let etcdGroups = ["etcd"]

    /// - Throws: `invalidInput` when no group is recognised as the masters.
    package init(_ source: AnsibleInventory, id: String?, from file: String) throws(OperatorMessage) {
        func members(_ names: [String]) -> [String] {
            var found: [String] = []
            for name in names { found += source.hosts(of: name).filter { !found.contains($0) } }
            return found
        }
        let masters = members(Self.masterGroups)
        guard !masters.isEmpty else {
            throw OperatorMessage(
                .invalidInput,
                at: file,
                "no group of it is known as the masters: \(source.groups.map(\.name).joined(separator: ", "))",
                next: "name the group kube_control_plane or masters, and import again"
            )
        }
        let etcd = members(Self.etcdGroups)
        let isExternal = !etcd.isEmpty && Set(etcd).isDisjoint(with: masters)
        var placed = Set(masters)
        var twice: [String] = []
        let sections: [(key: String, hosts: [String])] = [
            ("masters", masters), ("workers", members(Self.workerGroups)),
            ("loadBalancers", members(Self.balancerGroups)), ("etcd", isExternal ? etcd : []),
        ].map { key, hosts in
            let own = key == "masters" ? hosts : hosts.filter { !placed.contains($0) }
            twice += hosts.filter { key != "masters" && placed.contains($0) }.map {
                "group of \(key): \($0) has a role already"
            }
            placed.formUnion(own)
            return (key, own)
        }

        var report: [String] = source.remarks + twice
        if !etcd.isEmpty, !isExternal, Set(etcd) != Set(masters) {
            report.append(
                "group etcd: some of its hosts are masters and some are not; etcd is taken to run on the masters"
            )
        }
        var hosts: [String: ImportedHost] = [:]
        for host in source.hosts where placed.contains(host.name) {
            let made = ImportedHost(host, source.variables(of: host), isKnown: { placed.contains($0) })
            hosts[host.name] = made
            report += made.leftOut
        }
        for group in source.groups { report += Self.leftOut(of: group) }
        let unused = source.hosts.filter { !placed.contains($0.name) }
        report += unused.map { "host \($0.name): is in no group that is a role" }

        let common = source.groups.first { $0.name == "all" }?.variables ?? [:]
        let k8s = Self.clusterGroups.compactMap { name in source.groups.first { $0.name == name }?.variables }
        let settings = k8s.reduce(common) { $0.merging($1) { $1 } }
        var yaml = YAMLText()
        yaml.line(0, "# Made by `rollbook inventory import` from \(file). Check it: rollbook inventory check FILE")
        yaml.line(0, "format: 1")
        yaml.line(0, "")
        yaml.line(0, "cluster:")
        let wanted = id ?? settings["cluster_name"] ?? "imported"
        yaml.entry(1, "id", Self.identifier(wanted))
        if Self.identifier(wanted) != wanted {
            report.append("cluster_name '\(wanted)': is written \(Self.identifier(wanted)) here")
        }
        if isExternal { yaml.entry(1, "topology", "external") }
        let vip = settings["loadbalancer_apiserver.address"]
        if let vip { yaml.entry(1, "vip", vip) } else { report.append("no VIP: give cluster.vip, if there is one") }
        if let port = settings["loadbalancer_apiserver.port"] ?? settings["kube_apiserver_port"], port != "6443" {
            yaml.line(1, "apiPort: \(port)")
        }
        let ranges = [("pods", settings["kube_pods_subnet"]), ("services", settings["kube_service_addresses"])]
        if ranges.contains(where: { $0.1 != nil }) {
            yaml.line(1, "networks:")
            for case (let key, let range?) in ranges { yaml.entry(2, key, range) }
        }
        if let folder = settings["etcd_data_dir"], folder != "/var/lib/etcd" {
            yaml.line(0, "")
            yaml.line(0, "paths:")
            yaml.entry(1, "etcdData", folder)
        }
        yaml.login(of: hosts.values.map(\.login))
        for (key, names) in sections where !names.isEmpty {
            yaml.line(0, "")
            yaml.line(0, "\(key):")
            for name in names { if let host = hosts[name] { yaml.host(host, common: yaml.common) } }
        }
        text = yaml.text
        leftOut = report
        hostCount = placed.count
    }

    /// Groups beside `all` whose variables are about the whole cluster.
    private static let clusterGroups = ["k8s_cluster", "k8s-cluster"]

    /// What of a group's own variables has no place in an inventory, or not from there.
    private static func leftOut(of group: AnsibleInventory.Group) -> [String] {
        let isOfCluster = group.name == "all" || clusterGroups.contains(group.name)
        return group.variables.sorted { $0.key < $1.key }.compactMap { key, text in
            if !ImportedHost.understood.contains(key) {
                return ImportedHost.leftOut(key, text, of: "group \(group.name)")
            }
            guard ImportedHost.ofCluster.contains(key), !isOfCluster else { return nil }
            return "\(key)=\(text) of group \(group.name): is taken from the groups all and k8s_cluster only"
        }
    }

    /// What may name a cluster: small letters, digits, `.` and `-`.
    static func identifier(_ text: String) -> String {
        let kept = text.lowercased().map {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-"
        }
        let trimmed = String(kept).split(separator: "-", omittingEmptySubsequences: true).joined(separator: "-")
        return trimmed.isEmpty ? "imported" : trimmed
    }
}

/// One host as its variables describe it.
struct ImportedHost: Hashable {
    let name: String
    let address: String
    let clusterAddress: String?
    let login: Login
    let leftOut: [String]

    struct Login: Hashable {
        var user: String?
        var port: String?
        var key: String?
        var jump: [String] = []
    }

    /// Variables about the whole cluster.
    static let ofCluster: Set<String> = [
        "cluster_name", "kube_service_addresses", "kube_pods_subnet", "kube_apiserver_port", "etcd_data_dir",
        "loadbalancer_apiserver.address", "loadbalancer_apiserver.port",
    ]

    static let understood = ofCluster.union([
        "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user", "ansible_ssh_user",
        "ansible_ssh_private_key_file", "ansible_private_key_file", "ansible_ssh_common_args", "ansible_ssh_extra_args",
        "ansible_become", "ansible_connection", "ip", "access_ip",
    ])

    /// The line about a variable that has no place in an inventory; a password is never repeated.
    static func leftOut(_ key: String, _ text: String, of owner: String) -> String {
        let isSecret = ["pass", "secret", "token"].contains(where: key.lowercased().contains)
        return isSecret
            ? "\(key) of \(owner): passwords are not carried over; see becomePasswordFile and identityFile"
            : "\(key)=\(text) of \(owner)"
    }

    init(_ host: AnsibleInventory.Host, _ variables: [String: String], isKnown: (String) -> Bool) {
        name = host.name
        var left: [String] = []
        func value(_ names: String...) -> String? {
            let found = names.lazy.compactMap { variables[$0] }.first
            guard let found, found.contains("{{") else { return found }
            left.append("\(names[0]) of \(host.name): '\(found)' is a template")
            return nil
        }
        address = value("ansible_host", "ansible_ssh_host") ?? value("access_ip", "ip") ?? host.name
        let inner = value("ip")
        clusterAddress = inner == address ? nil : inner
        login = Login(
            user: value("ansible_user", "ansible_ssh_user"),
            port: value("ansible_port", "ansible_ssh_port"),
            key: value("ansible_ssh_private_key_file", "ansible_private_key_file"),
            jump: Self.jump([value("ansible_ssh_common_args"), value("ansible_ssh_extra_args")].compactMap(\.self))
        )
        for (key, text) in host.variables.sorted(by: { $0.key < $1.key }) where !Self.understood.contains(key) {
            left.append(Self.leftOut(key, text, of: host.name))
        }
        for arguments in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            if let text = variables[arguments], Self.jump([text]).isEmpty {
                left.append("\(arguments) of \(host.name): '\(text)' names no jump host; say it in ~/.ssh/config")
            }
        }
        if let connection = variables["ansible_connection"], connection != "ssh", connection != "smart" {
            left.append("ansible_connection=\(connection) of \(host.name): only ssh is possible")
        }
        leftOut = left
    }

    /// The hops of `-J a,b`, `-o ProxyJump=a`, or of a `ProxyCommand` that is `ssh -W %h:%p … a`.
    private static func jump(_ arguments: [String]) -> [String] {
        for text in arguments {
            let words = text.split { $0 == " " || $0 == "'" || $0 == "\"" || $0 == "=" }.map(String.init)
            if let at = words.firstIndex(where: { $0 == "ProxyJump" || $0 == "-oProxyJump" || $0 == "-J" }),
                at + 1 < words.count
            {
                return words[at + 1].split(separator: ",").map(String.init)
            }
            if words.contains(where: { $0.hasSuffix("ProxyCommand") }), words.contains("-W"),
                let last = words.last, last != "%h:%p", !last.hasPrefix("-")
            {
                return [last]
            }
        }
        return []
    }
}

/// YAML as a person would write it.
struct YAMLText {
    private(set) var text = ""
    private(set) var common = ImportedHost.Login()

    mutating func line(_ depth: Int, _ line: String) {
        text += (line.isEmpty ? "" : String(repeating: "  ", count: depth) + line) + "\n"
    }

    mutating func entry(_ depth: Int, _ key: String, _ value: String) { line(depth, "\(key): \(Self.scalar(value))") }

    /// What all hosts have in common is said once.
    mutating func login(of logins: [ImportedHost.Login]) {
        func shared(_ field: (ImportedHost.Login) -> String?) -> String? {
            let values = Set(logins.map(field))
            return values.count == 1 ? values.first ?? nil : nil
        }
        common.user = shared(\.user)
        common.port = shared(\.port)
        common.key = shared(\.key)
        guard common != ImportedHost.Login() else { return }
        line(0, "")
        line(0, "ssh:")
        fields(1, common)
    }

    private mutating func fields(_ depth: Int, _ login: ImportedHost.Login) {
        if let user = login.user { entry(depth, "user", user) }
        if let port = login.port { line(depth, "port: \(port)") }
        if let key = login.key { entry(depth, "identityFile", key) }
        if !login.jump.isEmpty { line(depth, "jump: [\(login.jump.map(Self.scalar).joined(separator: ", "))]") }
    }

    mutating func host(_ host: ImportedHost, common: ImportedHost.Login) {
        line(1, "- name: \(Self.scalar(host.name))")
        entry(2, "address", host.address)
        if let inner = host.clusterAddress { entry(2, "clusterAddress", inner) }
        var own = host.login
        if own.user == common.user { own.user = nil }
        if own.port == common.port { own.port = nil }
        if own.key == common.key { own.key = nil }
        guard own != ImportedHost.Login() else { return }
        line(2, "ssh:")
        fields(3, own)
    }

    /// Plain where nobody could read it as something else, else in quotes.
    static func scalar(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "._-/~@".contains($0))
            }
        let isWord = text.contains { $0.isLetter || $0 == "." || $0 == "/" }
        let words: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        let isNumber = Double(text) != nil
        if isPlain, isWord, !isNumber, !words.contains(text.lowercased()), !text.hasPrefix("-"), !text.hasPrefix("@") {
            return text
        }
        return "\"" + text.unicodeScalars.map(escaped).joined() + "\""
    }

    /// A scalar within double quotes; newlines are left out.
    ///
    /// By scalars: a quote with a combining mark after it is another Character than a quote, but ends the text.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0x0A...0x0D, 0x85, 0x2028, 0x2029: return ""
        case 0x22, 0x5C: return "\\" + String(scalar)
        case 0x00...0x1F, 0x7F...0x9F, 0xFEFF, 0xFFFE, 0xFFFF:
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: return String(scalar)
        }
    }
}
