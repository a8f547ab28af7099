/// One usable line of a known_hosts file (sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT").
package struct KnownHostsLine: Sendable, Hashable {
    package enum Marker: Sendable, Hashable { case none, revoked, certificateAuthority }

    /// The first field: which hosts the line speaks of.
    package enum Hosts: Sendable, Hashable {
        /// Plain names in lower case.
        case names([[UInt8]])
        /// A list with wildcards or negations, in lower case.
        case patterns([HostPattern])
        /// HMAC-SHA1 of the one name, keyed with a salt of 20 bytes.
        case hashed(salt: [UInt8], digest: [UInt8])
    }

    package let marker: Marker
    package let hosts: Hosts
    package let key: KnownHostsKey
    package let file: String
    package let number: Int

    /// Why a line is not used.
    struct Problem: Error, Sendable, Hashable {
        let text: String
        /// Bytes of the line before the offending word.
        let offset: Int
        var suggestion: String?
    }

    /// Reads one line without its line feed; nil for an empty line or a comment.
    ///
    /// What is valid is what OpenSSH takes as valid (hostfile.c, `hostkeys_foreach`), byte for byte, because a line
    /// that the one honours and the other drops would make them disagree about a host.
    static func parse(_ text: ArraySlice<UInt8>, file: String, number: Int) throws(Problem) -> KnownHostsLine? {
        // To OpenSSH a line ends at a NUL byte.
        let line = text.prefix { $0 != 0 }
        var rest = line.drop(while: isBlank)
        guard let first = rest.first, first != UInt8(ascii: "#"), !rest.elementsEqual([0x0D]) else { return nil }
        let marker = try takeMarker(from: &rest, lineStart: line.startIndex)
        let hostsField = takeWord(from: &rest)
        let hosts = try parseHosts(hostsField, offset: hostsField.startIndex - line.startIndex)
        guard let next = rest.first, next != UInt8(ascii: "#"), next != 0x0D else {
            throw Problem(text: "the line ends before the key type", offset: rest.startIndex - line.startIndex)
        }
        let typeName = takeWord(from: &rest)
        guard !rest.isEmpty else {
            throw Problem(text: "the line ends before the key", offset: rest.startIndex - line.startIndex)
        }
        let base64 = takeWord(from: &rest)
        do {
            let key = try KnownHostsKey(typeName: typeName, base64: base64)
            return KnownHostsLine(marker: marker, hosts: hosts, key: key, file: file, number: number)
        } catch {
            if typeName.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) {
                throw Problem(text: "a key of SSH protocol 1", offset: typeName.startIndex - line.startIndex)
            }
            throw Problem(text: error.text, offset: typeName.startIndex - line.startIndex)
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// Cuts the first word and the blanks after it off `rest`.
    private static func takeWord(from rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let word = rest.prefix { !isBlank($0) }
        rest = rest[word.endIndex...].drop(while: isBlank)
        return word
    }

    private static func takeMarker(
        from rest: inout ArraySlice<UInt8>,
        lineStart: Int
    ) throws(Problem) -> Marker {
        guard rest.first == UInt8(ascii: "@") else { return .none }
        let offset = rest.startIndex - lineStart
        // OpenSSH looks for the space first, so a marker followed by a tab is none unless the line has no space.
        let space = rest.firstIndex(of: UInt8(ascii: " ")) ?? rest.firstIndex(of: UInt8(ascii: "\t")) ?? rest.endIndex
        let word = String(decoding: rest[..<space].prefix(32), as: UTF8.self)
        let marker: Marker
        switch word {
        case "@revoked": marker = .revoked
        case "@cert-authority": marker = .certificateAuthority
        default:
            let known = ["@revoked\t", "@cert-authority\t"].contains(where: word.hasPrefix)
            throw Problem(
                text: known
                    ? "a tab follows the marker, so OpenSSH does not read this line" : "this marker is not known",
                offset: offset,
                suggestion: known ? "put a space after the marker" : "@revoked or @cert-authority"
            )
        }
        rest = rest[space...].drop(while: isBlank)
        guard rest.first != UInt8(ascii: "@") else {
            throw Problem(text: "only one marker is allowed", offset: rest.startIndex - lineStart)
        }
        return marker
    }

    private static func parseHosts(_ field: ArraySlice<UInt8>, offset: Int) throws(Problem) -> Hosts {
        if field.first == UInt8(ascii: "|") { return try parseHashed(field, offset: offset) }
        var patterns: [HostPattern] = []
        for element in field.split(separator: UInt8(ascii: ",")) {
            let pattern = HostPattern(written: element.asciiLowercased)
            // OpenSSH lets a list with such an element match nothing (match.c).
            guard pattern.bytes.count < 1023 else {
                throw Problem(text: "a host name of \(pattern.bytes.count) bytes (1022 at most)", offset: offset)
            }
            patterns.append(pattern)
        }
        return patterns.allSatisfy(\.isLiteral) ? .names(patterns.map(\.bytes)) : .patterns(patterns)
    }

    /// `|1|salt|digest`, both base64 of 20 bytes in their only canonical spelling of 28 characters.
    private static func parseHashed(_ field: ArraySlice<UInt8>, offset: Int) throws(Problem) -> Hosts {
        let parts = field.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1].elementsEqual([UInt8(ascii: "1")]),
            parts[2].count == 28, let salt = KnownHostsBase64.decode(parts[2]), salt.count == 20,
            parts[3].count == 28, let digest = KnownHostsBase64.decode(parts[3]), digest.count == 20
        else { throw Problem(text: "the hashed host name is damaged", offset: offset) }
        return .hashed(salt: salt, digest: digest)
    }
}
