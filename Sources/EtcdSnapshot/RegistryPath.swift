/// Where Kubernetes keeps an object: `/registry/[group/]resource/[namespace/]name`.
///
/// The scheme follows kube-apiserver's storage: built-in resources have no group in their path, except those whose first part has
/// a dot; `services` has two kinds below it; nodes are still called `minions`.
package struct RegistryPath: Sendable, Hashable {
    /// The API group in the path: of custom resources and a few built-in ones.
    package let group: String?
    /// The resource as the path spells it: "pods", "minions", "services/specs".
    package let resource: String
    package let namespace: String?
    /// Nil for the few that are one object, such as `/registry/health`.
    package let name: String?
}

extension RegistryPath {
    /// The path that `key` is, or nil where it does not begin with `prefix` or is not text.
    package init?(key: [UInt8], prefix: String) {
        guard key.starts(with: prefix.utf8), key.count > prefix.utf8.count, key.count <= 4_096,
            let text = String(validating: key.dropFirst(prefix.utf8.count), as: UTF8.self)
        else { return nil }
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)[...]
        let first = parts.removeFirst()
        guard !first.isEmpty else { return nil }
        if first.contains("."), let second = parts.popFirst() {
            group = first
            resource = second
        } else if first == "services", let second = parts.popFirst() {
            group = nil
            resource = "\(first)/\(second)"
        } else {
            group = nil
            resource = first
        }
        namespace = parts.count > 1 ? parts.removeFirst() : nil
        name = parts.isEmpty ? nil : parts.joined(separator: "/")
    }
}
