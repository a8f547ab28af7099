import ClusterModel
import RunEngine

/// One host as the file has it: checked alone, not yet merged with defaults.
struct HostDraft {
    let name: Located<HostName>
    let role: Role
    let address: Located<HostAddress>
    let clusterAddress: Located<HostAddress>?
    let ssh: SSHDraft
    let labels: [String: String]

    /// Returns nil when there is no usable name or address; both are logged.
    init?(_ section: Section, role: Role, paths: ControllerPaths) {
        let log = section.log
        let name = section.string("name", required: true).flatMap { hostName($0, section.name("name"), log: log) }
        let address = section.string("address", required: true)
            .flatMap { HostAddress.read($0, section.name("address"), log: log) }
        clusterAddress = section.string("clusterAddress")
            .flatMap { HostAddress.read($0, section.name("clusterAddress"), log: log) }
        ssh = section.section("ssh").map { SSHDraft($0, paths: paths, isHost: true) } ?? SSHDraft()
        labels = section.section("labels").map(readLabels) ?? [:]
        section.finish()
        guard let name, let address else { return nil }
        self.name = name
        self.role = role
        self.address = address
    }
}

/// An address by which a machine is reached: an IP address by value, or a DNS name.
enum HostAddress: Hashable, CustomStringConvertible {
    case ip(IPAddress)
    case name(String)

    var description: String {
        switch self {
        case .ip(let address): address.description
        case .name(let name): name
        }
    }

    var ip: IPAddress? {
        guard case .ip(let address) = self else { return nil }
        return address
    }

    /// Returns nil for what is neither an address nor a DNS name.
    init?(_ text: String) {
        if let address = IPAddress(text) {
            self = .ip(address)
        } else if isDNSName(text) {
            self = .name(text.lowercased())
        } else {
            return nil
        }
    }

    static func read(_ text: Located<String>, _ name: String, log: ProblemLog) -> Located<HostAddress>? {
        guard let address = HostAddress(text.value) else {
            log.error(
                "'\(name)': '\(text.value.shortened)' is no IPv4 or IPv6 address and no DNS name",
                at: text.mark,
                suggestion: addressRemedy(text.value)
            )
            return nil
        }
        return Located(value: address, mark: text.mark)
    }
}

private func addressRemedy(_ text: String) -> String? {
    if text.contains("@") { return "write the user under 'ssh: {user: …}'" }
    if text.contains("/") { return "write the address without a prefix length" }
    if text.filter({ $0 == ":" }).count == 1 { return "write the port under 'ssh: {port: …}'" }
    return nil
}

/// RFC 1123 host names (and underscores, which exist); a last label of digits is a mistyped IPv4 address.
func isDNSName(_ text: String) -> Bool {
    let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard text.utf8.count <= 253, let last = labels.last else { return false }
    func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "_")
    }
    return !last.allSatisfy { (0x30...0x39).contains($0) }
        && labels.allSatisfy { label in
            guard let first = label.first, let end = label.last, label.count <= 63 else { return false }
            return isWord(first) && isWord(end) && label.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") }
        }
}

private func hostName(_ text: Located<String>, _ name: String, log: ProblemLog) -> Located<HostName>? {
    guard let value = HostName(text.value) else {
        let repaired = String(text.value.lowercased().map { $0 == "_" || $0 == " " ? "-" : $0 })
        log.error(
            "'\(name)': '\(text.value.shortened)' is not a valid name: lower-case letters, digits, '-' and '.', at both"
                + " ends a letter or digit, at most 253",
            at: text.mark,
            suggestion: HostName(repaired).map { "did you mean '\($0)'?" } ?? foreignLetter(in: text.value)
        )
        return nil
    }
    guard !HostSelector.groups.contains(value.text) else {
        log.error("'\(name)': '\(value)' is reserved, selectors use it for a group", at: text.mark)
        return nil
    }
    return Located(value: value, mark: text.mark)
}

/// Letters of other scripts look like ASCII ones; the code point tells.
private func foreignLetter(in text: String) -> String? {
    guard let scalar = text.unicodeScalars.first(where: { !$0.isASCII }) else { return nil }
    let code = String(scalar.value, radix: 16, uppercase: true)
    return "'\(scalar)' is U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code), no ASCII letter"
}

private func readLabels(_ section: Section) -> [String: String] {
    var labels: [String: String] = [:]
    for entry in section.allEntries() {
        guard isLabelKey(entry.key) else {
            section.log.error(
                "'\(entry.key.shortened)' is no label: letters, digits, '-', '_', '.' and '/', at both ends a letter or digit",
                at: entry.keyMark
            )
            continue
        }
        if let text = section.log.string(entry.value, section.name(entry.key), mayBeEmpty: true) {
            labels[entry.key] = text.value
        }
    }
    return labels
}

private func isLabelKey(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
    }
    guard let first = bytes.first, let last = bytes.last, bytes.count <= 317 else { return false }
    return isAlphanumeric(first) && isAlphanumeric(last)
        && bytes.allSatisfy { isAlphanumeric($0) || "-_./".utf8.contains($0) }
}
