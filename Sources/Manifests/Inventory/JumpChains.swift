import ClusterModel

/// Expands `jump:` lists into the hops from the controller outwards.
///
/// A hop that is a host of the inventory brings the hops it needs itself, before it. A host named in the common list uses
/// only what stands before it there, so that a bastion need not be excepted by hand.
struct JumpChains {
    /// More hops than any network has; a longer chain is a mistake.
    static let hopLimit = 8

    private let drafts: [HostDraft]
    private let settings: [SSHSettings]
    private let defaults: SSHDraft
    private let context: InventoryContext
    private let log: ProblemLog
    private let indexByName: [String: Int]
    private var known: [Int: [JumpHop]] = [:]
    private var reported: Set<Mark> = []

    /// One item of a list: its text, and where the inventory has it (nil for `~/.ssh/config`).
    private struct Item {
        let text: String
        let mark: Mark?
    }

    init(
        drafts: [HostDraft],
        settings: [SSHSettings],
        defaults: SSHDraft,
        context: InventoryContext,
        log: ProblemLog
    ) {
        self.drafts = drafts
        self.settings = settings
        self.defaults = defaults
        self.context = context
        self.log = log
        indexByName = Dictionary(drafts.enumerated().map { ($1.name.value.text, $0) }) { first, _ in first }
    }

    mutating func chain(of index: Int) -> [JumpHop] { chain(of: index, path: []) }

    private mutating func chain(of index: Int, path: [Int]) -> [JumpHop] {
        if let known = known[index] { return known }
        var hops: [JumpHop] = []
        for item in items(of: index) {
            for hop in expand(item, from: index, path: path + [index]) where !hops.contains(hop) { hops.append(hop) }
        }
        if hops.count > Self.hopLimit {
            report("host '\(name(index))' is reached by \(hops.count) hops; \(Self.hopLimit) are the limit", index, nil)
            hops = []
        }
        known[index] = hops
        return hops
    }

    private func items(of index: Int) -> [Item] {
        if let own = drafts[index].ssh.jump { return own.map { Item(text: $0.value, mark: $0.mark) } }
        if let common = defaults.jump {
            return common.prefix { $0.value != name(index) }.map { Item(text: $0.value, mark: $0.mark) }
        }
        return context.sshDefaults.entry(for: drafts[index].address.value.description).proxyJump.filter {
            $0 != name(index)
        }.map { Item(text: $0, mark: nil) }
    }

    private mutating func expand(_ item: Item, from index: Int, path: [Int]) -> [JumpHop] {
        if let target = indexByName[item.text] {
            if let start = path.firstIndex(of: target) {
                let circle = (path[start...] + [target]).map(name).joined(separator: " -> ")
                report("jump chain comes back to where it began: \(circle)", index, item.mark)
                return []
            }
            let ssh = settings[target]
            let hop = JumpHop(name: item.text, address: ssh.address, port: ssh.port, user: ssh.user)
            return chain(of: target, path: path) + [hop]
        }
        if let hop = outsideHop(item) { return [hop] }
        let isName = item.text.utf8.allSatisfy { $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: ":") }
        let near = isName ? nearest(to: item.text, among: drafts.map(\.name.value.text)) : nil
        report(
            isName
                ? "jump host '\(item.text)' is no host of this inventory"
                : "jump host '\(item.text)' is not of the form user@address:port",
            index,
            item.mark,
            near.map { "did you mean '\($0)'?" } ?? "write a host outside of the inventory as user@address:port"
        )
        return []
    }

    /// `user@address[:port]`; from `~/.ssh/config` the user may be missing as well.
    private func outsideHop(_ item: Item) -> JumpHop? {
        let halves = item.text.split(separator: "@", omittingEmptySubsequences: false)
        guard halves.count <= 2, let place = halves.last, halves.count == 2 || item.mark == nil else { return nil }
        guard let (host, port) = hostAndPort(place), let address = HostAddress(host) else { return nil }
        let entry = context.sshDefaults.entry(for: address.description)
        let user = halves.count == 2 ? String(halves[0]) : entry.user ?? context.user
        guard isLoginName(user) else { return nil }
        return JumpHop(
            name: item.text,
            address: address.ip == nil ? entry.hostName ?? address.description : address.description,
            port: port ?? entry.port ?? 22,
            user: user
        )
    }

    private mutating func report(_ message: String, _ index: Int, _ mark: Mark?, _ suggestion: String? = nil) {
        let place = mark ?? drafts[index].name.mark
        guard reported.insert(place).inserted else { return }
        log.error(message, at: place, suggestion: suggestion)
    }

    private func name(_ index: Int) -> String { drafts[index].name.value.text }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; nil for anything else.
private func hostAndPort(_ text: Substring) -> (host: String, port: Int?)? {
    func port(_ digits: Substring) -> Int? {
        ScalarForms.integer(String(digits)).flatMap { (1...65535).contains($0) ? Int($0) : nil }
    }
    if text.hasPrefix("[") {
        guard let close = text.firstIndex(of: "]") else { return nil }
        let host = String(text[text.index(after: text.startIndex)..<close])
        let rest = text[text.index(after: close)...]
        guard IPAddress(host)?.family == .v6 else { return nil }
        if rest.isEmpty { return (host, nil) }
        guard rest.hasPrefix(":"), let number = port(rest.dropFirst()) else { return nil }
        return (host, number)
    }
    if IPAddress(String(text)) != nil { return (String(text), nil) }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    switch parts.count {
    case 1: return (String(text), nil)
    case 2: return port(parts[1]).map { (String(parts[0]), $0) }
    default: return nil
    }
}
