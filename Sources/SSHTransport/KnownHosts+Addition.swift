package import ClusterModel

extension KnownHosts {
    /// What has to be done so that a key is trusted.
    package enum Addition: Sendable, Hashable {
        /// Append this line; it has no line feed.
        case append(String)
        /// The key is trusted already; nothing to write.
        case present
    }

    /// Decides how `key` becomes trusted for a host, or refuses with the next command.
    ///
    /// Refused are a revoked key, a second key of a type that is already listed, and names that would not mean one
    /// host in the file. A key of a type not listed yet is added beside the others. `files` are the paths that were
    /// read; a name is written plainly, never hashed: the inventory beside it names the same hosts, so a hash would
    /// hide nothing and could not be reviewed (`ssh-keygen -H` hashes a whole file afterwards).
    package func addition(
        of key: KnownHostsKey,
        forHost name: String,
        port: Int
    ) throws(OperatorMessage) -> Addition {
        guard Self.isPlainName(name), (1...65535).contains(port) else {
            throw OperatorMessage(
                .invalidInput,
                at: name,
                "'\(name)' port \(port) is not a name that known_hosts can hold",
                state: "Nothing was written",
                next: "give a host name or an address, and a port from 1 to 65535"
            )
        }
        guard key.isOnCurve else {
            throw OperatorMessage(
                .security,
                at: name,
                "the offered key is damaged",
                state: "Nothing was written",
                next: "scan the host again: rollbook hosts scan"
            )
        }
        let listed = Self.listedName(name, port: port).utf8.asciiLowercased
        let listedName = String(decoding: listed, as: UTF8.self)
        switch verdict(forHost: name, port: port, keyType: key.type, key: key.blob) {
        case .trusted:
            return .present
        case .revoked(let offered):
            throw OperatorMessage(
                .security,
                at: name,
                "\(offered) is marked @revoked in known_hosts",
                state: "Nothing was written; a revoked key is never trusted again",
                next: "give the host a new key (ssh-keygen -A), then: rollbook hosts scan"
            )
        case .unknown, .changed:
            break
        }
        let rivals = lines(for: listedName).filter { $0.marker == .none && $0.key.type == key.type }
        if let rival = rivals.first {
            throw OperatorMessage(
                .security,
                at: name,
                "another \(key.type) key is listed at \(rival.file):\(rival.number): \(HostKeyFingerprint(ofKey: rival.key.blob))",
                state: "Nothing was written; the offered key is \(HostKeyFingerprint(ofKey: key.blob))",
                next: Self.removal(of: rival, listedName: listedName)
            )
        }
        return .append("\(listedName) \(key.type) \(KnownHostsBase64.encode(key.blob))")
    }

    /// `ssh-keygen -R` where it removes this one host only; else the line has to be edited.
    private static func removal(of line: KnownHostsLine, listedName: String) -> String {
        switch line.hosts {
        case .names(let names) where names.count == 1: break
        case .hashed: break
        case .names, .patterns:
            return "that line names other hosts as well: edit line \(line.number) of \(line.file)"
        }
        return "if the key was changed on purpose: ssh-keygen -R '\(listedName)' -f '\(line.file)'"
    }

    /// Whether `name` is one host name or address that no reader of known_hosts takes for anything else.
    private static func isPlainName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard let first = bytes.first, bytes.count <= 255 else { return false }
        let letters = { (byte: UInt8) in
            byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
                || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        }
        // `%` stands before the zone of a link-local address.
        return (letters(first) || first == UInt8(ascii: ":") || first == UInt8(ascii: "_"))
            && bytes.allSatisfy { letters($0) || ".-_:%".utf8.contains($0) }
    }
}
