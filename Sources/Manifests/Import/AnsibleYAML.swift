import ClusterModel
import Yams

/// The YAML form: groups with `hosts`, `children` and `vars`.
///
/// Read as Ansible reads it, not as strictly as manifests are: it is somebody else's file.
enum AnsibleYAML {
    /// Nodes looked at, so that aliases of aliases cost nothing.
    private static let limit = 200_000

    static func read(_ text: String, from file: String) throws(OperatorMessage) -> AnsibleInventory {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw OperatorMessage(.invalidInput, at: file, "is not YAML: \(error)")
        }
        guard let groups = root?.mapping else {
            throw OperatorMessage(.invalidInput, at: file, "its groups are expected, a mapping")
        }
        var reader = Reader(file: file)
        for (key, value) in groups { try reader.group(reader.name(key), value, within: []) }
        return reader.inventory
    }

    /// The variables of a file below `group_vars` or `host_vars`.
    static func variables(
        _ text: String,
        from file: String,
        of owner: String
    ) throws(OperatorMessage) -> (
        values: [String: String], remarks: [String]
    ) {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw OperatorMessage(.invalidInput, at: file, "is not YAML: \(error)")
        }
        guard let root, root.mapping != nil else { return ([:], []) }
        var reader = Reader(file: file)
        let values = try reader.values(root, of: owner)
        return (values, reader.inventory.remarks)
    }

    private struct Reader {
        let file: String
        var inventory = AnsibleInventory()
        var visited = 0

        init(file: String) { self.file = file }

        func name(_ node: Node) -> String { node.scalar?.string ?? "" }

        private func problem(_ what: String, _ node: Node) -> OperatorMessage {
            OperatorMessage(.invalidInput, at: node.mark.map { "\(file):\($0.line)" } ?? file, what)
        }

        mutating func group(_ name: String, _ node: Node, within outer: [String]) throws(OperatorMessage) {
            visited += 1
            guard visited < AnsibleYAML.limit, outer.count < 50 else { throw problem("there is too much of it", node) }
            inventory.index(of: name)
            guard let parts = node.mapping else {
                if let text = node.scalar?.string, text.isEmpty || text == "null" || text == "~" { return }
                throw problem("group \(name) is to have hosts, children and vars", node)
            }
            for (key, value) in parts {
                switch self.name(key) {
                case "hosts":
                    for (host, variables) in value.mapping ?? [:] {
                        inventory.addHost(
                            self.name(host),
                            try values(variables, of: "host \(self.name(host))"),
                            to: name
                        )
                    }
                case "children":
                    for (child, content) in value.mapping ?? [:] {
                        inventory.addChild(self.name(child), to: name)
                        try group(self.name(child), content, within: outer + [name])
                    }
                case "vars": inventory.addVariables(try values(value, of: "group \(name)"), to: name)
                default:
                    inventory.remarks.append("'\(self.name(key))' of group \(name): is none of hosts, children, vars")
                }
            }
        }

        mutating func values(_ node: Node, of owner: String) throws(OperatorMessage) -> [String: String] {
            var found: [String: String] = [:]
            for (key, value) in node.mapping ?? [:] {
                visited += 1
                guard visited < AnsibleYAML.limit else { throw problem("there is too much of it", node) }
                let name = self.name(key)
                if let text = value.scalar?.string {
                    found[name] = text
                } else if name == "loadbalancer_apiserver", let parts = value.mapping {
                    for (part, text) in parts { found["\(name).\(self.name(part))"] = text.scalar?.string ?? "" }
                } else {
                    inventory.remarks.append("variable \(name) of \(owner): is no single value")
                }
            }
            return found
        }
    }
}
