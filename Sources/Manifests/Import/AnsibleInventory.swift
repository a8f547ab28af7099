package import ClusterModel

/// The hosts, groups and variables of an Ansible inventory, in the order of its file.
///
/// Source: Ansible's user guide, "How to build your inventory"; of Jinja, plugins and vaults nothing is understood.
package struct AnsibleInventory: Sendable, Hashable {
    package struct Host: Sendable, Hashable {
        package let name: String
        package var variables: [String: String] = [:]
    }

    package struct Group: Sendable, Hashable {
        package let name: String
        package var hosts: [String] = []
        package var children: [String] = []
        package var variables: [String: String] = [:]
    }

    package private(set) var hosts: [Host] = []
    package private(set) var groups: [Group] = []
    /// What the file holds that this reader makes nothing of.
    package var remarks: [String] = []

    package init() {}

    mutating func addHost(_ name: String, _ variables: [String: String] = [:], to group: String?) {
        if let known = hosts.firstIndex(where: { $0.name == name }) {
            hosts[known].variables.merge(variables) { $1 }
        } else {
            hosts.append(Host(name: name, variables: variables))
        }
        guard let group else { return }
        let index = index(of: group)
        if !groups[index].hosts.contains(name) { groups[index].hosts.append(name) }
    }

    mutating func addChild(_ child: String, to group: String) {
        _ = index(of: child)
        let index = index(of: group)
        if !groups[index].children.contains(child) { groups[index].children.append(child) }
    }

    mutating func addVariables(_ variables: [String: String], to group: String) {
        let index = index(of: group)
        groups[index].variables.merge(variables) { $1 }
    }

    /// Makes the group known, if it is not.
    @discardableResult
    mutating func index(of group: String) -> Int {
        if let known = groups.firstIndex(where: { $0.name == group }) { return known }
        groups.append(Group(name: group))
        return groups.count - 1
    }

    /// Takes up a file of `group_vars` (or of `host_vars`, when a host has the name).
    package mutating func addFile(_ bytes: [UInt8], from file: String, of owner: String) throws(OperatorMessage) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard !text.hasPrefix("$ANSIBLE_VAULT") else {
            remarks.append("\(file): is encrypted with ansible-vault")
            return
        }
        let (values, found) = try AnsibleYAML.variables(text, from: file, of: owner)
        remarks += found.filter { remark in Self.wanted.contains { remark.contains("variable \($0) ") } }
        func isKnown(_ key: String) -> Bool {
            Self.wanted.contains(key) || key.hasPrefix("loadbalancer_apiserver.")
        }
        let known = values.filter { isKnown($0.key) }
        // Their names alone: such files have hundreds, and passwords among them.
        let others = values.keys.filter { !isKnown($0) }.sorted()
        if !others.isEmpty { remarks.append("\(file): \(others.joined(separator: ", "))") }
        if hosts.contains(where: { $0.name == owner }) {
            addHost(owner, known, to: nil)
        } else {
            addVariables(known, to: owner)
        }
    }

    /// Variables of such files that say something an inventory has a place for; the others are about other things.
    private static let wanted: Set<String> = [
        "ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file", "ansible_ssh_common_args",
        "ansible_become", "ip", "access_ip", "cluster_name", "kube_service_addresses", "kube_pods_subnet",
        "kube_apiserver_port", "bin_dir", "etcd_data_dir", "kube_config_dir", "kube_cert_dir",
    ]

    /// The hosts of a group and of all groups below it, in the order of the inventory.
    package func hosts(of group: String) -> [String] {
        var seen: Set<String> = []
        var found: Set<String> = []
        var open = [group]
        while let name = open.popLast() {
            guard seen.insert(name).inserted, let group = groups.first(where: { $0.name == name }) else { continue }
            found.formUnion(group.hosts)
            open += group.children
        }
        return hosts.map(\.name).filter(found.contains)
    }

    /// What holds for a host: of all, then of its groups from the outermost to the innermost, then its own.
    package func variables(of host: Host) -> [String: String] {
        let around = groups.filter { $0.name != "all" && hosts(of: $0.name).contains(host.name) }
        let ordered = around.map { (group: $0, depth: depth(of: $0.name)) }.sorted { $0.depth < $1.depth }
        var result = groups.first { $0.name == "all" }?.variables ?? [:]
        for (group, _) in ordered { result.merge(group.variables) { $1 } }
        return result.merging(host.variables) { $1 }
    }

    /// How many groups stand above this one, at most.
    private func depth(of group: String) -> Int {
        var depth = 0
        var level: Set<String> = [group]
        while depth <= groups.count {
            let above = Set(groups.filter { !level.isDisjoint(with: $0.children) }.map(\.name))
            if above.isEmpty { return depth }
            (level, depth) = (above, depth + 1)
        }
        return depth
    }

    /// Reads an inventory in either of Ansible's two forms, told apart by what it begins with.
    package init(_ bytes: [UInt8], from file: String) throws(OperatorMessage) {
        let text = String(decoding: bytes, as: UTF8.self)
        let first = text.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " || $0 == "\t" } }
            .first { !$0.isEmpty && !$0.hasPrefix("#") && !$0.hasPrefix(";") && $0 != "---" }
        guard let first else { throw OperatorMessage(.invalidInput, at: file, "it is empty") }
        let head = first.prefix { $0 != "#" }.reversed().drop { $0 == " " }
        if head.first == ":", !first.hasPrefix("[") {
            self = try AnsibleYAML.read(text, from: file)
        } else {
            self = try AnsibleINI.read(text, from: file)
        }
    }
}
