import ClusterModel

/// The words of `become:`.
enum BecomeWord: String, CaseIterable { case sudo, none }

/// The keys of one `ssh:` section; nil where the file says nothing.
struct SSHDraft {
    var user: Located<String>?
    var port: Located<Int>?
    /// Absolute paths; present, and perhaps empty, when `identityFile` or `identityFiles` is written.
    var identityFiles: [String]?
    var passphraseFile: String?
    var agent: Bool?
    var knownHosts: [String]?
    var jump: [Located<String>]?
    var become: Located<BecomeWord>?
    var becomePasswordFile: String?
    var connectTimeout: Duration?
    var hostKeyAlias: String?

    init() {}

    init(_ section: Section, paths: ControllerPaths, isHost: Bool) {
        let log = section.log
        func file(_ key: String) -> String? {
            section.string(key).flatMap { paths.resolve($0, section.name(key), log: log) }
        }
        func files(_ key: String) -> [String]? {
            section.oneOrMore(key)?.compactMap { paths.resolve($0, section.name(key), log: log) }
        }
        user = section.string("user").flatMap { loginName($0, section.name("user"), log: log) }
        port = section.integer("port", in: 1...65535)
        let single = file("identityFile")
        let several = section.strings("identityFiles")
        if section.has("identityFile"), section.has("identityFiles") {
            log.error(
                "'\(section.name("identityFile"))' and 'identityFiles' exclude each other",
                at: section.keyMark("identityFiles"),
                suggestion: "write all of them under 'identityFiles'"
            )
        }
        if section.has("identityFiles") {
            identityFiles = several.compactMap { paths.resolve($0, section.name("identityFiles"), log: log) }
        } else {
            identityFiles = single.map { [$0] }
        }
        passphraseFile = file("passphraseFile")
        if section.has("passphraseFile"), !section.has("identityFile"), !section.has("identityFiles") {
            log.error(
                "'\(section.name("passphraseFile"))' belongs to an identity file of the same section",
                at: section.keyMark("passphraseFile"),
                suggestion: "write 'identityFile' beside it"
            )
        }
        agent = section.boolean("agent")?.value
        knownHosts = files("knownHosts")
        if let list = knownHosts, list.isEmpty {
            log.error("'\(section.name("knownHosts"))' names no file", at: section.keyMark("knownHosts"))
        }
        let hops = section.strings("jump")
        jump = section.has("jump") ? hops : nil
        become = section.choice("become", BecomeWord.self)
        becomePasswordFile = file("becomePasswordFile")
        if section.has("becomePasswordFile"), become?.value == BecomeWord.none {
            log.error(
                "'\(section.name("becomePasswordFile"))' has no use with 'become: none'",
                at: section.keyMark("becomePasswordFile"),
                suggestion: "write 'become: sudo', or remove the file"
            )
        }
        connectTimeout = section.duration("connectTimeout", in: .seconds(1)...(.seconds(300)))?.value
        if isHost, let alias = section.string("hostKeyAlias") {
            if isDNSName(alias.value) || IPAddress(alias.value) != nil {
                hostKeyAlias = alias.value
            } else {
                log.error("'\(section.name("hostKeyAlias"))' wants a host name", at: alias.mark)
            }
        }
        section.finish()
    }
}

/// A login name that is safe as an argument: no leading dash, ASCII, as `useradd` and directory services allow.
func isLoginName(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 64 else { return false }
    func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "_")
    }
    return isWord(first) && text.utf8.allSatisfy { isWord($0) || "-.+\\$".utf8.contains($0) }
}

private func loginName(_ text: Located<String>, _ name: String, log: ProblemLog) -> Located<String>? {
    guard isLoginName(text.value) else {
        log.error("'\(name)': '\(text.value.shortened)' is no login name", at: text.mark)
        return nil
    }
    return text
}
