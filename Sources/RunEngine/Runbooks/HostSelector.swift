package import ClusterModel

/// Text that picks hosts: `masters`, `etcd`, `all`, `masters[0]`, `workers[1:]`, `master2`, `workers:!worker3`, `controller`.
///
/// Terms are joined by `:`; a term that begins with `!` takes its hosts away. The result is in inventory order.
package struct HostSelector: Sendable, Hashable {
    package let text: String
    private let terms: [Term]

    private struct Term: Sendable, Hashable {
        let isExclusion: Bool
        let base: String
        let slice: Slice?
    }

    private enum Slice: Sendable, Hashable {
        case index(Int)
        case range(from: Int?, to: Int?)
    }

    /// Why a selector cannot be used.
    package struct Problem: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// Parses the text; whether its names exist is known only with a cluster.
    package init(_ text: String) throws(Problem) {
        self.text = text
        var parsed: [Term] = []
        for part in Self.split(text) {
            parsed.append(try Self.term(String(part), in: text))
        }
        guard let first = parsed.first else { throw Problem(description: "an empty selector picks no host") }
        guard !first.isExclusion else {
            throw Problem(description: "selector '\(text)' begins with an exclusion; write 'all:\(text)'")
        }
        terms = parsed
    }

    /// The names a selector may use besides host names.
    package static let groups = ["all", "controller", "etcd", "loadBalancers", "masters", "workers"]

    /// The picked hosts in inventory order; `controller` picks none (see `picksController`).
    package func hosts(in cluster: Cluster) throws(Problem) -> [Host] {
        var picked: Set<HostName> = []
        for term in terms where !(term.base == "controller") {
            let hosts = try resolve(term, in: cluster)
            for host in hosts {
                if term.isExclusion { picked.remove(host.name) } else { picked.insert(host.name) }
            }
        }
        return cluster.hosts.filter { picked.contains($0.name) }
    }

    /// Whether the steps run where Rollbook itself runs.
    package var picksController: Bool { terms.last { $0.base == "controller" }.map { !$0.isExclusion } ?? false }

    private func resolve(_ term: Term, in cluster: Cluster) throws(Problem) -> [Host] {
        let base: [Host]
        switch term.base {
        case "all": base = cluster.hosts
        case "masters": base = cluster.hosts(in: .master)
        case "workers": base = cluster.hosts(in: .worker)
        case "loadBalancers": base = cluster.hosts(in: .loadBalancer)
        case "etcd": base = cluster.etcdHosts
        default:
            guard let host = cluster.hosts.first(where: { $0.name.text == term.base }) else {
                let known = cluster.hosts.map(\.name.text) + Self.groups
                let hint = nearest(to: term.base, among: known).map { "; did you mean '\($0)'?" } ?? ""
                throw Problem(description: "selector '\(text)' names '\(term.base)', which is no host or group\(hint)")
            }
            base = [host]
        }
        switch term.slice {
        case nil: return base
        case .index(let index):
            guard base.indices.contains(index) else {
                throw Problem(
                    description: "selector '\(text)' asks for \(term.base)[\(index)], but there are \(base.count)"
                )
            }
            return [base[index]]
        case .range(let from, let to):
            let lower = min(from ?? 0, base.count)
            return Array(base[lower..<max(lower, min(to ?? base.count, base.count))])
        }
    }

    /// Splits at the colons outside of brackets.
    private static func split(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var depth = 0
        var start = text.startIndex
        for index in text.indices {
            switch text[index] {
            case "[": depth += 1
            case "]": depth -= 1
            case ":" where depth == 0:
                parts.append(text[start..<index])
                start = text.index(after: index)
            default: break
            }
        }
        parts.append(text[start...])
        return parts
    }

    private static func term(_ part: String, in text: String) throws(Problem) -> Term {
        let isExclusion = part.hasPrefix("!")
        let body = isExclusion ? String(part.dropFirst()) : part
        guard let open = body.firstIndex(of: "[") else {
            guard !body.isEmpty else { throw Problem(description: "selector '\(text)' has an empty term") }
            return Term(isExclusion: isExclusion, base: body, slice: nil)
        }
        guard body.hasSuffix("]") else { throw Problem(description: "selector '\(text)' has an open bracket") }
        let inner = body[body.index(after: open)...].dropLast()
        let bounds = inner.split(separator: ":", omittingEmptySubsequences: false)
        func number(_ digits: Substring) throws(Problem) -> Int? {
            if digits.isEmpty { return nil }
            guard let value = Int(digits), value >= 0, digits.allSatisfy(\.isNumber) else {
                throw Problem(description: "selector '\(text)': '\(digits)' is not an index")
            }
            return value
        }
        let base = String(body[..<open])
        guard base != "controller" else {
            throw Problem(description: "selector '\(text)': the controller is one place and takes no index")
        }
        switch bounds.count {
        case 1:
            guard let index = try number(bounds[0]) else {
                throw Problem(description: "selector '\(text)' has empty brackets")
            }
            return Term(isExclusion: isExclusion, base: base, slice: .index(index))
        case 2:
            let range = Slice.range(from: try number(bounds[0]), to: try number(bounds[1]))
            return Term(isExclusion: isExclusion, base: base, slice: range)
        default:
            throw Problem(description: "selector '\(text)' has more than one colon in brackets")
        }
    }
}
